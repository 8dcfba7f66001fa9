#![allow(clippy::unwrap_used, reason = "a test may fail")]

use super::*;
use crate::alert::fixture::{Receiver, World, at, webhook};
use crate::alert::settings::{MailSection, Section, Settings, WebhookSection};
use crate::finding::{Code, Severity};
use crate::fixture::{ok, redirect};

fn made(section: WebhookSection) -> Webhook {
    Settings::new(&Section::default(), vec![section], MailSection::default(), Vec::new()).unwrap().webhooks.remove(0)
}

fn delivery() -> Delivery {
    let mut world = World::new(&[("a", Severity::Info)], 20);
    world.raise(0, &Code::GAP, "x.example", ["2026/1\u{0}</script>\r\nA: b"]);
    world.group(0);
    world.waiting(0).remove(0)
}

#[test]
fn a_signature_is_what_another_implementation_makes_of_it() {
    // From Python's hmac module.
    let expected = "t=1700000000,v1=d4d5218e4060ea8d4e3266cccc3a4dad71e647b6992c00beec425264a92b2c5f";
    assert_eq!(sign("0123456789abcdef", at(1_700_000_000), br#"{"version":1}"#), expected);
}

#[test]
fn the_body_has_the_documented_shape() {
    let delivery = delivery();
    let body: serde_json::Value = serde_json::from_slice(&body(&delivery)).unwrap();
    let finding = &delivery.notice.said().unwrap().findings[0];
    let expected = serde_json::json!({
        "version": 1, "delivery": delivery.id, "number": 1, "at": "1970-01-01T00:00:00Z", "severity": "warning", "kind": "opened",
        "alert": {
            "id": delivery.notice.said().unwrap().alert.id, "episode": 1, "log": "log.example/1", "code": "process.gap",
            "title": Code::GAP.title(), "group": "x.example", "severity": "warning", "opened": "1970-01-01T00:00:00Z", "resolved": null,
            "open": 1, "found": 1
        },
        "came": 1, "went": 0, "omitted": 0,
        "findings": [{
            "id": finding.id, "subject": "2026/1\u{0}</script>\r\nA: b", "text": "2026/1\u{0}</script>\r\nA: b is missing.",
            "severity": "warning", "indexes": [7], "evidence": null, "found": "1970-01-01T00:00:00Z"
        }]
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_receiver_gets_a_signed_body_and_its_answer_decides() {
    let dir = tempfile::tempdir().unwrap();
    let delivery = delivery();
    for (answer, good) in [
        (ok("thanks"), true),
        (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), true),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_vec(), false),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec(), false),
        (b"SMTP\r\n".to_vec(), false),
    ] {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let mut receiver = Receiver::start(move |_| answer.clone()).await;
        let tried = made(webhook(dir.path(), "a", &receiver.url)).send(&delivery, at(1_700_000_000)).await;
        assert_eq!(tried.is_ok(), good, "{shown}: {tried:?}");
        let got = receiver.got.recv().await.unwrap();
        assert_eq!(got.body, body(&delivery));
        assert_eq!(got.header("acta-delivery"), delivery.id.to_string());
        assert_eq!(got.header("acta-signature"), sign("0123456789abcdef", at(1_700_000_000), &got.body));
        assert_eq!(got.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn redirects_private_addresses_and_receivers_that_hang_are_no_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let (delivery, now) = (delivery(), at(0));
    let mut inner = Receiver::start(|_| ok("")).await;
    let to = inner.url.clone();
    let outer = Receiver::start(move |_| redirect(307, &to)).await;
    let error = made(webhook(dir.path(), "a", &outer.url)).send(&delivery, now).await.unwrap_err();
    assert!(error.contains("redirect"), "{error}");
    let refused = made(WebhookSection { allow: Vec::new(), ..webhook(dir.path(), "a", &inner.url) }).send(&delivery, now).await;
    assert!(refused.as_ref().unwrap_err().contains("does not connect"), "{refused:?}");
    assert!(inner.got.try_recv().is_err(), "nothing was sent there");
    let hanging = Receiver::start(|_| Vec::new()).await;
    let timeout = "100ms".parse().unwrap();
    let error = made(WebhookSection { timeout, ..webhook(dir.path(), "a", &hanging.url) }).send(&delivery, now).await.unwrap_err();
    assert!(error.contains("in time"), "{error}");
    let endless = Receiver::start(|_| [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'a'; 1 << 20]].concat()).await;
    let error = made(webhook(dir.path(), "a", &endless.url)).send(&delivery, now).await.unwrap_err();
    assert!(error.contains("longer than"), "{error}");
}
