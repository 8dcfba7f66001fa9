//! Resolves the names of hosts, and lets nothing through that may not be connected to.
//!
//! The HTTP client connects to the addresses that come out of here and asks nobody else, so there is no moment between judging an address
//! and connecting to it in which a name could come to mean something else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{Allowed, NotPublic};

/// Finds the addresses of a host. Tests have their own, which lies.
pub(super) type Names = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync>;

/// The machine's own way to find them.
pub(super) fn system_names() -> Names {
    Arc::new(|host| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// The resolver of the HTTP client.
pub(super) struct Guard {
    allowed: Arc<Allowed>,
    names: Names,
}

/// A name leads only to addresses that are not asked.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the name leads to {}, which belongs to {}", .0.address, .0.network)]
pub(super) struct LeadsInside(pub(super) NotPublic);

/// A name leads nowhere.
#[derive(Debug, thiserror::Error)]
#[error("the name of the host leads nowhere")]
pub(super) struct LeadsNowhere;

/// More addresses of one name than this are not tried.
const MAX_ADDRESSES: usize = 16;

impl Guard {
    pub(super) fn new(allowed: Arc<Allowed>, names: Names) -> Self {
        Guard { allowed, names }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let (allowed, found) = (Arc::clone(&self.allowed), (self.names)(host.clone()));
        Box::pin(async move {
            let found = found.await.map_err(|_| LeadsNowhere)?;
            let (mut good, mut refused) = (Vec::new(), None);
            for address in found.into_iter().take(MAX_ADDRESSES) {
                match allowed.judge(Some(&host), address) {
                    Ok(()) => good.push(SocketAddr::new(address, 0)),
                    Err(why) => refused = Some(why),
                }
            }
            match refused {
                Some(why) if good.is_empty() => Err(LeadsInside(why).into()),
                None if good.is_empty() => Err(LeadsNowhere.into()),
                _ => {
                    let good: Addrs = Box::new(good.into_iter());
                    Ok(good)
                }
            }
        })
    }
}
