#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;

use super::*;
use crate::fixture::{Server, ok, redirect};

fn client(allow: &[&str]) -> Client {
    let allow: Vec<_> = allow.iter().map(ToString::to_string).collect();
    Client::new(&Settings::allowing(&allow).unwrap()).unwrap()
}

/// A client for which each name has the addresses that `names` gives at that moment.
fn client_with(allow: &[&str], names: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Client {
    let allow: Vec<_> = allow.iter().map(ToString::to_string).collect();
    let names: Names = Arc::new(move |host| {
        let found = names(&host);
        Box::pin(async move { Ok(found) })
    });
    Client::with_names(&Settings::allowing(&allow).unwrap(), names).unwrap()
}

#[tokio::test]
async fn a_server_on_loopback_is_reached_only_if_that_is_allowed() {
    let server = Server::start(|_| ok("hello")).await;
    let refused = client(&[]).send(Request::get(server.url("/"))).await;
    assert!(matches!(refused, Err(OutsideError::NotPublic(_))), "{refused:?}");
    assert_eq!(server.asked(), 0);
    let answer = client(&["127.0.0.0/8"]).send(Request::get(server.url("/"))).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..], answer.size), (200, &b"hello"[..], 5));
}

#[tokio::test]
async fn no_spelling_of_an_inner_address_passes() {
    let spellings = "http://127.0.0.1/ http://127.1/ http://2130706433/ http://0x7f000001/ http://0177.0.0.1/ http://127.0.0.1./ http://0/ \
        http://[::1]/ http://[::ffff:127.0.0.1]/ http://[::ffff:7f00:1]/ http://[0:0:0:0:0:0:0:1]/ http://[64:ff9b::7f00:1]/ \
        http://[fe80::1]/ http://①②⑦.0.0.1/ http://169.254.169.254/latest/meta-data/ http://10.0.0.1:8080/ https://192.168.1.1/ http://127.0.0.1\\@a.example/";
    for url in spellings.split_whitespace() {
        let refused = client(&[]).send(Request::get(url)).await;
        assert!(matches!(refused, Err(OutsideError::NotPublic(_))), "{url}: {refused:?}");
    }
}

#[tokio::test]
async fn names_that_lead_inside_are_refused_before_a_connection_is_made() {
    let server = Server::start(|_| ok("secret")).await;
    let port = server.address.port();
    for inside in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "64:ff9b::7f00:1"] {
        let client = client_with(&[], move |_| vec![inside.parse().unwrap()]);
        let refused = client.send(Request::get(format!("http://innocent.example:{port}/"))).await;
        assert!(matches!(refused, Err(OutsideError::NotPublic(_))), "{inside}: {refused:?}");
    }
    // The same by the machine's own resolver.
    let refused = client(&[]).send(Request::get(format!("http://localhost:{port}/"))).await;
    assert!(matches!(refused, Err(OutsideError::NotPublic(_) | OutsideError::UnknownHost)), "{refused:?}");
    assert_eq!(server.asked(), 0);
    let nowhere = client_with(&[], |_| Vec::new()).send(Request::get("http://nowhere.example/")).await;
    assert!(matches!(nowhere, Err(OutsideError::UnknownHost)), "{nowhere:?}");
}

#[tokio::test]
async fn a_name_that_changes_its_meaning_gains_nothing() {
    // The first look-up leads to an allowed server, each later one to another that must not be reached.
    let allowed = Server::start(|_| ok("allowed")).await;
    let inner = TcpListener::bind(("127.0.0.2", allowed.address.port())).await;
    let looked_up = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looked_up);
    let client = client_with(&["127.0.0.1/32"], move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => vec!["127.0.0.1".parse().unwrap()],
        _ => vec!["127.0.0.2".parse().unwrap()],
    });
    let url = format!("http://rebinding.example:{}/", allowed.address.port());
    assert_eq!(&client.send(Request::get(&url)).await.unwrap().body[..], b"allowed");
    assert_eq!(looked_up.load(Ordering::SeqCst), 1, "what was judged is what was connected to");
    let refused = client.send(Request::get(&url)).await;
    assert!(matches!(refused, Err(OutsideError::NotPublic(_))), "{refused:?}");
    drop(inner);
}

#[tokio::test]
async fn of_several_addresses_only_the_allowed_are_tried() {
    let server = Server::start(|_| ok("good")).await;
    let client = client_with(&["127.0.0.1/32"], |_| vec!["10.0.0.1".parse().unwrap(), "127.0.0.1".parse().unwrap()]);
    let url = format!("http://mixed.example:{}/", server.address.port());
    assert_eq!(&client.send(Request::get(url)).await.unwrap().body[..], b"good");
}

#[tokio::test]
async fn a_host_may_be_allowed_by_its_name() {
    let server = Server::start(|_| ok("hook")).await;
    let port = server.address.port();
    let client = client_with(&["hooks.internal.example"], |_| vec!["127.0.0.1".parse().unwrap()]);
    assert!(client.send(Request::get(format!("http://Hooks.Internal.example:{port}/"))).await.is_ok());
    assert!(client.send(Request::get(format!("http://other.internal.example:{port}/"))).await.is_err());
}

#[tokio::test]
async fn redirects_are_refused_unless_asked_for_and_each_is_judged() {
    let inner = Server::start(|_| ok("secret")).await;
    let secret = inner.url("/secret").replace("127.0.0.1", "127.0.0.2");
    let outer = Server::start(move |line| match line.split(' ').nth(1).unwrap_or_default() {
        "/in" => redirect(302, &secret),
        "/name" => redirect(302, "http://innocent.example/"),
        "/again" => redirect(302, "/again"),
        "/file" => redirect(302, "file:///etc/passwd"),
        "/credentials" => redirect(302, "http://a:b@127.0.0.1/"),
        "/nothing" => redirect(302, "http://"),
        "/to-end" => redirect(302, "end"),
        _ => ok("end"),
    })
    .await;
    let client = client_with(&["127.0.0.1/32"], |_| vec!["192.168.0.1".parse().unwrap()]);
    let get = |path: &str, count| client.send(Request::get(outer.url(path)).redirects(count));
    let not_asked_for = get("/to-end", 0).await;
    assert!(matches!(not_asked_for, Err(OutsideError::Redirected { ref to }) if to.ends_with("/end")), "{not_asked_for:?}");
    assert_eq!(&get("/to-end", 1).await.unwrap().body[..], b"end");
    assert!(matches!(get("/in", 3).await, Err(OutsideError::NotPublic(_))));
    assert!(matches!(get("/name", 3).await, Err(OutsideError::NotPublic(_))));
    assert!(matches!(get("/again", 3).await, Err(OutsideError::Redirected { .. })));
    assert!(matches!(get("/file", 3).await, Err(OutsideError::Url(UrlError::Scheme))));
    assert!(matches!(get("/credentials", 3).await, Err(OutsideError::Url(UrlError::Credentials))));
    assert!(get("/nothing", 3).await.is_err());
    assert_eq!(inner.asked(), 0);
}

#[test]
fn a_redirect_never_leads_from_https_to_http() {
    let to = |from: &str, location: &str| redirected(&Url::parse(from).unwrap(), StatusCode::FOUND, Some(location), &Method::GET, 1);
    assert!(matches!(to("https://a.example/", "http://a.example/"), Err(OutsideError::Downgraded)));
    assert_eq!(to("https://a.example/x", "//b.example/y").unwrap().as_str(), "https://b.example/y");
    assert_eq!(to("http://a.example/", "https://a.example/").unwrap().as_str(), "https://a.example/");
}

#[tokio::test]
async fn only_the_hosts_that_are_asked_are_asked_also_where_they_redirect_to() {
    let server = Server::start(|line| if line.contains("/away") { redirect(302, "http://b.example/") } else { ok("good") }).await;
    let settings = Settings::allowing(&["127.0.0.1".into()]).unwrap().only(Hosts::new(&["a.example".into()]));
    let names: Names = Arc::new(|_| Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) }));
    let client = Client::with_names(&settings, names).unwrap();
    let get = |host: &str, path: &str| client.send(Request::get(format!("http://{host}:{}{path}", server.address.port())).redirects(3));
    assert_eq!(&get("a.example", "/").await.unwrap().body[..], b"good");
    assert!(matches!(get("b.example", "/").await, Err(OutsideError::NotAsked)));
    assert!(matches!(get("127.0.0.1", "/").await, Err(OutsideError::NotAsked)));
    assert!(matches!(get("a.example", "/away").await, Err(OutsideError::NotAsked)));
}

#[tokio::test]
async fn a_post_is_repeated_only_where_that_is_asked_for_and_headers_stay_with_whom_they_were_meant_for() {
    let other = Server::start(|_| ok("taken")).await;
    let to = other.url("/hook");
    let server = Server::start(move |line| redirect(if line.contains("/see-other") { 303 } else { 307 }, &to)).await;
    let client = client(&["127.0.0.1"]);
    let secret = (HeaderName::from_static("x-signature"), HeaderValue::from_static("of-mine"));
    let post = |path: &str| Request::post(server.url(path), "{}").header(secret.0.clone(), secret.1.clone()).redirects(2);
    assert!(matches!(client.send(post("/see-other")).await, Err(OutsideError::Redirected { .. })));
    assert_eq!(client.send(post("/same")).await.unwrap().status, StatusCode::OK);
    let asked = other.requests();
    assert!(asked.len() == 1 && asked[0].starts_with("POST /hook") && !asked[0].contains("x-signature"), "{asked:?}");
}

#[tokio::test]
async fn answers_are_bounded_in_size_time_and_encoding() {
    let server = Server::start(|line| match line.split(' ').nth(1).unwrap_or_default() {
        "/announced" => b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec(),
        "/endless" => [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &vec![b'x'; 100_000]].concat(),
        "/gone" => [&b"HTTP/1.1 404 Gone\r\nConnection: close\r\n\r\n"[..], &vec![b'x'; 100_000]].concat(),
        "/gzip" => b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08".to_vec(),
        "/headers" => ["HTTP/1.1 200 OK\r\n", &"X: y\r\n".repeat(10_000), "\r\n"].concat().into_bytes(),
        "/cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec(),
        _ => b"hello?".to_vec(),
    })
    .await;
    let client = client(&["127.0.0.1"]);
    let get = |path: &str| client.send(Request::get(server.url(path)).limit(1000));
    assert!(matches!(get("/announced").await, Err(OutsideError::TooLarge { limit: 1000 })));
    assert!(matches!(get("/endless").await, Err(OutsideError::TooLarge { .. })));
    let gone = get("/gone").await.unwrap();
    assert!(gone.status == StatusCode::NOT_FOUND && gone.body.len() <= 1000, "what explains a refusal is cut");
    assert!(matches!(get("/gzip").await, Err(OutsideError::Encoded)));
    for path in ["/headers", "/cut", "/no-http"] {
        let failed = get(path).await;
        assert!(matches!(failed, Err(OutsideError::Unreachable(_))), "{path}: {failed:?}");
    }
    // Takes connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let waited = client.send(Request::get(url).timeout(Duration::from_millis(50))).await;
    assert!(matches!(waited, Err(OutsideError::Timeout)), "{waited:?}");
}

#[tokio::test]
async fn what_is_no_web_address_is_not_asked() {
    for (url, wanted) in [
        ("", UrlError::Malformed),
        ("/etc/passwd", UrlError::Malformed),
        ("file:///etc/passwd", UrlError::Scheme),
        ("ftp://a.example/", UrlError::Scheme),
        ("gopher://127.0.0.1:6379/_FLUSHALL", UrlError::Scheme),
        ("http://", UrlError::Malformed),
        ("http://user:word@a.example/", UrlError::Credentials),
    ] {
        let refused = client(&["127.0.0.1"]).send(Request::get(url)).await;
        assert!(matches!(&refused, Err(OutsideError::Url(error)) if *error == wanted), "{url}: {refused:?}");
    }
    let long = format!("http://a.example/{}", "x".repeat(3000));
    assert!(matches!(client(&[]).send(Request::get(long)).await, Err(OutsideError::Url(UrlError::TooLong))));
    let mail = client(&[]).send(Request::get("http://1.1.1.1:25/")).await;
    assert!(matches!(mail, Err(OutsideError::Port { port: 25 })), "{mail:?}");
}
