//! Reads a release of OCDS 1.1 without trusting that it is one.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Longer identifiers are none.
const MAX_ID: usize = 256;

/// A release, or what calls itself one.
pub(super) struct Release<'a> {
    /// The contracting process that it belongs to.
    pub(super) ocid: &'a str,
    json: &'a Map<String, Value>,
}

/// A bid that was handed in.
pub(super) struct Bid<'a> {
    pub(super) status: &'a str,
    pub(super) received: Option<Timestamp>,
    /// Whose it is, sorted and each once.
    pub(super) tenderers: Vec<&'a str>,
    pub(super) price: Option<Price<'a>>,
}

/// What a bid asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Price<'a> {
    pub(super) amount: f64,
    pub(super) currency: &'a str,
}

/// An award.
pub(super) struct Award<'a> {
    pub(super) status: &'a str,
    pub(super) suppliers: Vec<&'a str>,
}

impl<'a> Release<'a> {
    /// A release, if `data` is an object with an `ocid`.
    pub(super) fn of(data: &'a Value) -> Option<Self> {
        let json = data.as_object()?;
        Some(Release { ocid: id(json.get("ocid")?)?, json })
    }

    /// `tender.procurementMethod`
    pub(super) fn method(&self) -> Option<&'a str> {
        text(self.tender()?, "procurementMethod")
    }

    /// `tender.procurementMethodDetails`
    pub(super) fn procedure(&self) -> Option<&'a str> {
        text(self.tender()?, "procurementMethodDetails")
    }

    /// `tender.numberOfTenderers`
    pub(super) fn number_of_tenderers(&self) -> Option<u64> {
        self.tender()?.get("numberOfTenderers")?.as_u64()
    }

    /// `tender.tenderPeriod.startDate`
    pub(super) fn opened(&self) -> Option<Timestamp> {
        time(self.tender()?.get("tenderPeriod")?.get("startDate")?)
    }

    /// `tender.tenderPeriod.endDate`
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        time(self.tender()?.get("tenderPeriod")?.get("endDate")?)
    }

    /// `buyer.id`
    pub(super) fn buyer(&self) -> Option<&'a str> {
        id(self.json.get("buyer")?.get("id")?)
    }

    /// `tender.procuringEntity.id`
    pub(super) fn procuring_entity(&self) -> Option<&'a str> {
        id(self.tender()?.get("procuringEntity")?.get("id")?)
    }

    /// The bids that were handed in and not taken back.
    pub(super) fn submitted(&self) -> Vec<Bid<'a>> {
        let details = self.json.get("bids").and_then(|bids| bids.get("details")).and_then(Value::as_array);
        let bids = details.into_iter().flatten().filter_map(|bid| {
            let bid = bid.as_object()?;
            Some(Bid {
                status: text(bid, "status").unwrap_or_default(),
                received: bid.get("date").and_then(time),
                tenderers: ids(bid.get("tenderers")),
                price: bid.get("value").and_then(price),
            })
        });
        bids.filter(|bid| !matches!(bid.status, "invited" | "withdrawn")).collect()
    }

    /// All awards.
    pub(super) fn awards(&self) -> Vec<Award<'a>> {
        let awards = self.json.get("awards").and_then(Value::as_array).into_iter().flatten();
        let awards = awards.filter_map(Value::as_object);
        awards.map(|award| Award { status: text(award, "status").unwrap_or_default(), suppliers: ids(award.get("suppliers")) }).collect()
    }

    fn tender(&self) -> Option<&'a Map<String, Value>> {
        self.json.get("tender")?.as_object()
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

fn id(value: &Value) -> Option<&str> {
    value.as_str().filter(|id| !id.is_empty() && id.len() <= MAX_ID)
}

fn ids(organizations: Option<&Value>) -> Vec<&str> {
    let organizations = organizations.and_then(Value::as_array).into_iter().flatten();
    let mut ids: Vec<_> = organizations.filter_map(|organization| id(organization.get("id")?)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn price(value: &Value) -> Option<Price<'_>> {
    let amount = value.get("amount")?.as_f64().filter(|amount| amount.is_finite())?;
    Some(Price { amount, currency: value.get("currency")?.as_str()? })
}
