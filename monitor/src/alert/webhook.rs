//! Alerts as HTTP requests to a program of the receiver's.
//!
//! A POST with `Content-Type: application/json` and this body, whose fields stay what they are; new ones may be added:
//!
//! ```text
//! {"version": 1, "delivery": "…", "number": 7, "at": "…", "severity": "warning", "kind": "opened" | "more" | "resolved",
//!  "alert": {"id", "episode", "log", "code", "title", "group", "severity", "opened", "resolved", "open", "found"},
//!  "came": 1, "went": 0, "findings": [{"id", "subject", "text", "severity", "indexes", "evidence", "found"}], "omitted": 0}
//! {"version": 1, "delivery": "…", "number": 8, "at": "…", "severity": "warning", "kind": "flood",
//!  "opened": 812, "more": 0, "resolved": 3, "findings": 90210, "worst": [like "alert"]}
//! ```
//!
//! `Acta-Delivery` is the body's `delivery`: the same for every try, so that a receiver can tell what it has had. `Acta-Signature` is
//! `t=SECONDS,v1=HEX`: the HMAC-SHA-256 of SECONDS, a dot, and the body, with the secret that both share. SECONDS is the time of the try, so
//! that a receiver can refuse what somebody recorded. Any answer of 200 to 299 says that it was received; nothing else of the answer is
//! looked at.

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use ring::hmac;
use serde::Serialize;

use super::delivery::{Delivery, DeliveryId, Tried};
use super::notice::Notice;
use super::settings::Webhook;
use crate::outside::Request;

const SIGNATURE: HeaderName = HeaderName::from_static("acta-signature");
const DELIVERY: HeaderName = HeaderName::from_static("acta-delivery");

/// How much of an answer is read, and thrown away. A longer one is taken for a page of something else than a receiver.
const ANSWER: u64 = 64 << 10;

#[derive(Serialize)]
struct Body<'a> {
    version: u32,
    delivery: DeliveryId,
    #[serde(flatten)]
    notice: &'a Notice,
}

impl Webhook {
    /// One try.
    pub(super) async fn send(&self, delivery: &Delivery, now: Timestamp) -> Tried {
        let body = body(delivery);
        let signature = sign(self.secret.reveal(), now, &body);
        let value = |text: &str| HeaderValue::from_str(text).expect("letters and digits");
        let request = Request::post(self.url.as_str(), body)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(DELIVERY, value(&delivery.id.to_string()))
            .header(SIGNATURE, value(&signature))
            .limit(ANSWER)
            .timeout(self.patience.timeout);
        match self.client.read(request, |_| {}).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(format!("the receiver answered {}", answer.status.as_u16())),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn body(delivery: &Delivery) -> Vec<u8> {
    let body = Body { version: 1, delivery: delivery.id, notice: &delivery.notice };
    serde_json::to_vec(&body).expect("a notice is plain data")
}

/// The header `Acta-Signature`.
fn sign(secret: &str, at: Timestamp, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut signed = hmac::Context::with_key(&key);
    let time = at.as_second();
    signed.update(format!("{time}.").as_bytes());
    signed.update(body);
    let signature: String = signed.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={signature}")
}

#[cfg(test)]
mod tests;
