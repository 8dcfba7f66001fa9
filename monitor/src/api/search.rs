//! Searching. A hit says where its entry is, so that whoever wants to rely on it asks the log.

use decision::ledger::Standing;
use decision::statement::Statement;
use decision::types::{Amount, Body};
use serde::Serialize;
use tlog::{Hash, LeafIndex};

use super::decisions::Times;
use super::{Api, BadParameter, Parameters, json, origin_hash};
use crate::http::Problem;
use crate::ledger::StoredLedger;
use crate::search::{FindError, Hits, Order, Page, Query, QueryErrorReason};
use crate::{logs, published};

/// Hits in one answer, if nobody says otherwise.
const HITS: usize = 20;

/// Hits in one answer.
const MOST: usize = 100;

/// Hits that can be skipped. Each page has to find all before it.
const DEEPEST: usize = 10_000;

const PARAMETERS: [&str; 10] = ["q", "log", "issuer", "kind", "status", "from", "to", "order", "limit", "cursor"];

#[derive(Serialize)]
struct Results {
    count: Count,
    hits: Vec<Hit>,
    /// What to ask for as `cursor` for the hits that follow.
    next: Option<String>,
}

#[derive(Serialize)]
struct Count {
    number: u32,
    /// Whether there are not more.
    exact: bool,
}

/// A hit, as JSON: where it is, and so much of what it says as a list needs.
#[derive(Serialize)]
struct Hit {
    log: String,
    log_hash: String,
    index: u64,
    /// The leaf hash in hexadecimal.
    leaf: String,
    r#type: &'static str,
    issuer: Option<String>,
    kind: Option<String>,
    series: Option<String>,
    seq: Option<u64>,
    /// The subject of a decision, the text of an annotation.
    subject: Option<String>,
    outcome: Option<String>,
    decided: Option<String>,
    amount: Option<Amount>,
    issued: String,
    published: Option<Times>,
    /// How a decision stands: read from the ledger, so it is of now.
    standing: Option<Standing>,
    /// The entry that took its place.
    by: Option<u64>,
    /// Whether the log should have refused it.
    refused: bool,
}

/// What is asked for.
struct Asked {
    query: Query,
    order: Order,
    page: Page,
}

impl Asked {
    fn take(mut parameters: Parameters) -> Result<Self, BadParameter> {
        let text = parameters.take("q").unwrap_or_default();
        let mut query = Query::parse(&text).map_err(|error| BadParameter::new("q", &error).at_character(error.at))?;
        for name in ["log", "issuer", "kind", "status"] {
            query = also(query, name, name, parameters.take(name))?;
        }
        query = also(query, "from", "decided", parameters.take("from").map(|day| format!(">={day}")))?;
        query = also(query, "to", "decided", parameters.take("to").map(|day| format!("<={day}")))?;
        let order = match parameters.take("order").as_deref() {
            None if query.has_words() => Order::Relevance,
            None | Some("newest") => Order::Newest,
            Some("relevance") => Order::Relevance,
            Some("oldest") => Order::Oldest,
            Some(_) => return Err(BadParameter::new("order", "write one of relevance, newest, oldest")),
        };
        let limit = parameters.limit(HITS, MOST)?;
        let offset = parameters.take("cursor").map(|text| text.parse().ok().filter(|offset| *offset <= DEEPEST));
        let offset = offset.map(|offset| {
            let text = format_args!("write what `next` was in the answer before; no more than {DEEPEST} hits are listed, so ask for less");
            offset.ok_or_else(|| BadParameter::new("cursor", text))
        });
        let offset = offset.transpose()?.unwrap_or(0);
        parameters.finish(&PARAMETERS)?;
        Ok(Asked { query, order, page: Page { offset, limit } })
    }
}

impl Api {
    pub(super) async fn search(&self, parameters: Parameters) -> Result<Vec<u8>, Problem> {
        let Asked { query, order, page } = Asked::take(parameters)?;
        let hits = self.search.find(query, order, page).await?;
        self.read(move |api| api.results(&hits, page)).await
    }

    fn results(&self, hits: &Hits, page: Page) -> Result<Vec<u8>, Problem> {
        let origins = self.origins()?;
        let mut shown = Vec::new();
        for (log, index) in &hits.places {
            let origin = origins.iter().find(|(number, _)| number == log).map(|(_, origin)| origin);
            if let Some(origin) = origin {
                shown.extend(self.hit(*log, origin, *index)?);
            }
        }
        let after = page.offset + hits.places.len();
        let more = hits.places.len() == page.limit && after <= DEEPEST;
        let next = more.then(|| after.to_string());
        Ok(json(&Results { count: Count { number: hits.count.number, exact: hits.count.is_exact }, hits: shown, next }))
    }

    /// `None` if the entry is not there, which is only so if the index is not the store's.
    fn hit(&self, log: u32, origin: &str, index: LeafIndex) -> Result<Option<Hit>, Problem> {
        let Some(entry) = logs::entry(&self.store, log, index)? else { return Ok(None) };
        let Ok(statement) = Statement::parse(&entry) else { return Ok(None) };
        let status = StoredLedger::new(&self.store, log).status(index)?;
        let number = statement.number();
        let mut hit = Hit {
            log: origin.to_owned(),
            log_hash: origin_hash(origin).to_hex(),
            index: index.as_u64(),
            leaf: Hash::leaf(&entry).to_hex(),
            r#type: statement.body().type_name(),
            issuer: statement.issuer().map(ToString::to_string),
            kind: None,
            series: number.as_ref().map(|number| number.series.to_string()),
            seq: number.map(|number| number.seq),
            subject: None,
            outcome: None,
            decided: None,
            amount: None,
            issued: statement.issued().to_string(),
            published: published::at(&self.store, log, index)?.map(Times::from),
            standing: status.as_ref().and_then(|status| status.standing),
            by: status.as_ref().and_then(|status| status.by),
            refused: status.is_none(),
        };
        match statement.body() {
            Body::Decision(decision) => {
                hit.kind = Some(decision.kind.to_string());
                hit.subject = Some(decision.subject.to_string());
                hit.outcome = Some(decision.outcome.to_string());
                hit.decided = Some(decision.decided.to_string());
                hit.amount = decision.amount.clone();
            }
            Body::Annotation(annotation) => {
                hit.kind = Some(annotation.kind.to_string());
                hit.subject = annotation.text.as_ref().map(ToString::to_string);
            }
            _ => {}
        }
        Ok(Some(hit))
    }
}

impl From<FindError> for Problem {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Disabled => Problem::NoSearch,
            FindError::NotYet | FindError::Busy => Problem::Busy,
            FindError::Failed => Problem::Internal,
        }
    }
}

/// The query, and the field has to hold the value of the parameter, if that is there.
fn also(query: Query, parameter: &str, field: &str, value: Option<String>) -> Result<Query, BadParameter> {
    let Some(value) = value else { return Ok(query) };
    query.and(field, &value).map_err(|reason: QueryErrorReason| BadParameter::new(parameter, reason))
}
