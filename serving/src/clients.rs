//! Connections of each client, or other things that last: so many and no more, so that one address cannot take all there are.
//!
//! The table has a line for each address with an open connection and no other, so it is bounded by the number of connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::address::AddressRange;
use crate::limits::{self, Client};

/// Open connections by client.
#[derive(Debug)]
pub struct Clients {
    /// 0: no limit.
    most: u32,
    exempt: Vec<AddressRange>,
    open: Mutex<HashMap<Client, u32>>,
}

/// One connection of a client, until it is dropped.
#[derive(Debug)]
pub struct Counted(Option<(Arc<Clients>, Client)>);

impl Clients {
    /// At most `most` of each client but those of `exempt`; 0 for no limit.
    pub fn new(most: u32, exempt: Vec<AddressRange>) -> Arc<Self> {
        Arc::new(Clients { most, exempt, open: Mutex::default() })
    }

    /// Counts a connection. None if its client has as many as it may.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Counted> {
        if self.most == 0 || self.exempt.iter().any(|range| range.contains(peer)) {
            return Some(Counted(None));
        }
        let client = limits::client(peer);
        let mut open = self.open();
        let connections = open.entry(client).or_default();
        if *connections >= self.most {
            return None;
        }
        *connections += 1;
        Some(Counted(Some((Arc::clone(self), client))))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Client, u32>> {
        // A panic cannot leave a count half written.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Some((clients, client)) = &self.0 else { return };
        let mut open = clients.open();
        if let Some(connections) = open.get_mut(client) {
            *connections -= 1;
            if *connections == 0 {
                open.remove(client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_client_has_its_connections_and_gives_them_back() {
        let clients = Clients::new(2, vec!["10.0.0.1".parse().unwrap()]);
        let first = clients.enter(ip("192.0.2.1")).unwrap();
        let second = clients.enter(ip("192.0.2.1")).unwrap();
        assert!(clients.enter(ip("192.0.2.1")).is_none());
        let other = clients.enter(ip("192.0.2.2")).unwrap();
        drop(first);
        let third = clients.enter(ip("192.0.2.1")).unwrap();
        assert!(clients.enter(ip("192.0.2.1")).is_none());
        drop((second, third, other));
        assert!(clients.open().is_empty(), "nothing is remembered of clients that are gone");
    }

    #[test]
    fn an_ipv6_network_is_one_client_and_a_proxy_is_none() {
        let clients = Clients::new(1, vec!["10.0.0.1".parse().unwrap()]);
        let _first = clients.enter(ip("2001:db8::1")).unwrap();
        assert!(clients.enter(ip("2001:db8::ffff:2")).is_none());
        assert!(clients.enter(ip("2001:db8:0:1::1")).is_some());
        let proxied: Vec<_> = (0..100).filter_map(|_| clients.enter(ip("10.0.0.1"))).collect();
        assert_eq!(proxied.len(), 100);
    }

    #[test]
    fn no_limit_is_no_limit() {
        let clients = Clients::new(0, Vec::new());
        let all: Vec<_> = (0..100).filter_map(|_| clients.enter(ip("192.0.2.1"))).collect();
        assert_eq!(all.len(), 100);
    }
}
