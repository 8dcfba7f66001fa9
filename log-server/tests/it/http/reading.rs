//! Heads, tiles, bundles, receipts, and the page.

use std::io::Read;

use tlog::checkpoint::SignedCheckpoint;
use tlog::proof::Proof;
use tlog::tiles::parse_bundle;
use tlog::{Hash, LeafIndex};

use super::server::{ORIGIN, Server, entry, policy};

const YEAR: &str = "public, max-age=31536000, immutable";

#[tokio::test]
async fn the_head_is_a_signed_note_that_says_whether_it_is_new() {
    let server = Server::start().await;
    server.fill(3).await;
    let mut client = server.connect().await;
    let head = client.get("/checkpoint").await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(head.header("cache-control"), "public, max-age=1");
    assert_eq!(head.header("access-control-allow-origin"), "*");
    assert_eq!(head.header("x-content-type-options"), "nosniff");
    let verified = policy().verify(&SignedCheckpoint::parse(&head.body).unwrap()).unwrap();
    assert_eq!(verified.checkpoint().size().as_u64(), 3);

    let tag = head.header("etag");
    assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'));
    for known in [tag.to_owned(), format!("\"other\", W/{tag}"), "*".to_owned()] {
        let same = client.request("GET", "/checkpoint", &format!("if-none-match: {known}\r\n"), b"").await;
        assert_eq!((same.status, same.header("etag"), same.body.len()), (304, tag, 0));
        assert_eq!(same.header("cache-control"), "public, max-age=1");
    }
    assert_eq!(client.post("/add", "something new").await.text(), "3\n");
    let next = client.request("GET", "/checkpoint", &format!("if-none-match: {tag}\r\n"), b"").await;
    assert_eq!(next.status, 200);
    assert_ne!(next.header("etag"), tag);
}

#[tokio::test]
async fn tiles_are_served_to_the_published_width_and_never_compressed() {
    let server = Server::start().await;
    server.fill(300).await;
    let mut client = server.connect().await;
    for (path, hashes) in
        [("/tile/0/000", 256), ("/tile/0/000.p/7", 7), ("/tile/0/001.p/44", 44), ("/tile/0/001.p/1", 1), ("/tile/1/000.p/1", 1)]
    {
        for _ in 0..2 {
            let tile = client.request("GET", path, "accept-encoding: gzip, zstd\r\n", b"").await;
            assert_eq!((tile.status, tile.body.len()), (200, hashes * 32), "{path}");
            assert_eq!(tile.header("content-type"), "application/octet-stream");
            assert_eq!(tile.header("cache-control"), YEAR);
            assert_eq!(tile.header("access-control-allow-origin"), "*");
            assert_eq!(tile.header("content-encoding"), "");
            if path.starts_with("/tile/0/000") {
                assert_eq!(&tile.body[32..64], Hash::leaf(&entry(1)).as_bytes());
            }
        }
    }
    for path in
        ["/tile/0/001", "/tile/0/001.p/45", "/tile/0/002.p/1", "/tile/1/000", "/tile/1/000.p/2", "/tile/2/000.p/1", "/tile/63/000.p/1"]
    {
        let tile = client.get(path).await;
        assert_eq!((tile.status, tile.problem().as_str()), (404, "not-in-tree"), "{path}");
    }
    assert_eq!(client.get("/tile/entries/001.p/45").await.problem(), "not-in-tree");
}

#[tokio::test]
async fn bundles_are_compressed_as_the_client_likes() {
    let server = Server::start().await;
    server.fill(300).await;
    let mut client = server.connect().await;
    for (path, width, first) in [("/tile/entries/000", 256, 0), ("/tile/entries/001.p/44", 44, 256), ("/tile/entries/001.p/3", 3, 256)] {
        // Twice, since the second answer may come from a cache.
        for accept in ["identity", "gzip", "gzip", "zstd", "zstd", "gzip;q=0.5, zstd;q=0.1", "", "br"] {
            let headers = if accept.is_empty() { String::new() } else { format!("accept-encoding: {accept}\r\n") };
            let bundle = client.request("GET", path, &headers, b"").await;
            assert_eq!(bundle.status, 200);
            assert_eq!(bundle.header("vary"), "accept-encoding");
            assert_eq!(bundle.header("cache-control"), YEAR);
            assert_eq!(bundle.header("content-type"), "application/octet-stream");
            let mut bytes = Vec::new();
            match bundle.header("content-encoding") {
                "" => bytes = bundle.body,
                "gzip" => drop(flate2::read::GzDecoder::new(bundle.body.as_slice()).read_to_end(&mut bytes).unwrap()),
                "zstd" => bytes = zstd::decode_all(bundle.body.as_slice()).unwrap(),
                other => panic!("not asked for {other}"),
            }
            let expected = match accept {
                "gzip" | "zstd" => accept,
                "gzip;q=0.5, zstd;q=0.1" => "gzip",
                _ => "",
            };
            assert_eq!(bundle.headers.iter().find(|(name, _)| name == "content-encoding").map_or("", |(_, value)| value), expected);
            let entries = parse_bundle(&bytes, width).unwrap();
            assert_eq!(entries[0], entry(first));
        }
    }
}

#[tokio::test]
async fn odd_paths_are_not_found_and_not_understood_either() {
    let server = Server::start().await;
    server.fill(300).await;
    let mut client = server.connect().await;
    for path in [
        "/tile/0/0",
        "/tile/0/00",
        "/tile/0/0000",
        "/tile/00/000",
        "/tile/64/000",
        "/tile/256/000",
        "/tile/+0/000",
        "/tile/-0/000",
        "/tile/0/x000/000",
        "/tile/0/000/",
        "//tile/0/000",
        "/tile//0/000",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/007",
        "/tile/0/000.p/+1",
        "/tile/0/000.p/",
        "/tile/0/000.p",
        "/tile/0/000.P/1",
        "/TILE/0/000",
        "/tile/0/001.p/44/",
        "/tile/0/../0/000",
        "/./tile/0/000",
        "/%74ile/0/000",
        "/tile/0/%30%30%30",
        "/tile/0/000%00",
        "/tile/0/000%2e%70/1",
        "/tile/entries/0",
        "/tile/entries/000.p/256",
        "/tile/entries/x000/000",
        "/tile/entries/..%2f000",
        "/tile/0/99999999999999999999999999",
        "/tile/0/x999/x999/x999/x999/x999/x999/999",
        "/checkpoint/",
        "/Checkpoint",
        "/proof/",
        "/proof/01",
        "/proof/-1",
        "/proof/+1",
        "/proof/1e1",
        "/proof/18446744073709551616",
        "/proof/leaf/",
        "/proof/leaf/0",
        "/head/covering/",
        "/metrics",
        "/healthz",
        "/readyz",
        "/.git/config",
        "/add/",
        "/favicon.ico",
        "/index.html",
        "/\u{e9}",
    ] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"), "{path}");
    }
}

#[tokio::test]
async fn a_query_changes_nothing_that_may_be_cached() {
    let server = Server::start().await;
    server.fill(300).await;
    let mut client = server.connect().await;
    for path in ["/tile/0/000", "/tile/entries/000", "/checkpoint", "/proof/7"] {
        assert_eq!(client.get(path).await.body, client.get(&format!("{path}?receipt&width=1")).await.body);
    }
}

#[tokio::test]
async fn methods_that_do_not_fit_are_told_which_do() {
    let server = Server::start().await;
    server.fill(1).await;
    let mut client = server.connect().await;
    let get = ["/", "/checkpoint", "/tile/0/000.p/1", "/tile/entries/000.p/1", "/proof/0", "/head/covering/0", "/robots.txt"];
    for path in get {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "FOO"] {
            let answer = client.request(method, path, "", b"").await;
            assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"), "{method} {path}");
            assert_eq!(answer.problem(), "method-not-allowed");
        }
    }
    for path in ["/add", "/add-batch"] {
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let answer = client.request(method, path, "", b"").await;
            assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method} {path}");
        }
        assert_eq!(client.request("HEAD", path, "", b"").await.status, 405);
    }
    assert_eq!(server.log.published().size().as_u64(), 1);
}

#[tokio::test]
async fn head_says_what_get_would_without_the_body() {
    let server = Server::start().await;
    server.fill(300).await;
    let mut client = server.connect().await;
    for path in [
        "/",
        "/checkpoint",
        "/tile/0/000",
        "/tile/entries/000",
        "/tile/0/001.p/3",
        "/proof/0",
        "/head/covering/0",
        "/nothing",
        "/tile/5/000",
    ] {
        let get = client.get(path).await;
        let head = client.request("HEAD", path, "", b"").await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in ["content-length", "content-type", "cache-control", "etag"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn receipts_are_found_by_index_and_by_hash_and_verify() {
    let server = Server::start().await;
    server.fill(300).await;
    let mut client = server.connect().await;
    for index in [0, 1, 255, 256, 299] {
        let by_index = client.get(&format!("/proof/{index}")).await;
        let by_leaf = client.get(&format!("/proof/leaf/{}", Hash::leaf(&entry(index)))).await;
        assert_eq!((by_index.status, by_leaf.status), (200, 200));
        assert_eq!(by_index.header("content-type"), "application/vnd.c2sp.tlog-proof");
        assert_eq!(by_index.body, by_leaf.body);
        let receipt = Proof::parse(&by_index.body).unwrap().verify_receipt(&policy(), Some(&entry(index))).unwrap();
        assert_eq!(receipt.index(), LeafIndex::new(index));
    }
    for path in ["/proof/300", "/proof/18446744073709551615", "/head/covering/300", "/head/covering/18446744073709551615"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.header("retry-after")), (404, "1"), "{path}");
        assert_eq!(answer.problem(), "not-yet-published");
    }
    let unknown = client.get(&format!("/proof/leaf/{}", Hash::leaf(b"never added"))).await;
    assert_eq!((unknown.status, unknown.problem().as_str()), (404, "unknown-leaf"));
}

#[tokio::test]
async fn the_first_head_that_covers_an_entry_is_kept() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let mut heads = Vec::new();
    for number in 0..3 {
        client.post("/add", entry(number)).await;
        heads.push(client.get("/checkpoint").await.body);
    }
    for (index, head) in heads.iter().enumerate() {
        let covering = client.get(&format!("/head/covering/{index}")).await;
        assert_eq!((covering.status, &covering.body), (200, head));
        assert_eq!(covering.header("content-type"), "text/plain; charset=utf-8");
    }
}

#[tokio::test]
async fn what_is_broken_inside_is_not_told_outside() {
    let server = Server::start().await;
    server.fill(3).await;
    server.log.store().lose_entry(1);
    let mut client = server.connect().await;
    for path in ["/proof/1", "/tile/entries/000.p/3"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (500, "internal"), "{path}");
        for inside in ["entry", "store", "row", "rocks", "fsck", "missing"] {
            assert!(!answer.text().to_lowercase().contains(inside), "{}", answer.text());
        }
    }
    assert_eq!(client.get("/proof/0").await.status, 200, "and the rest is served");
}

#[tokio::test]
async fn the_page_explains_the_log_and_runs_nothing() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    assert!(client.get("/").await.text().contains("There are no entries yet."));
    server.fill(3).await;
    let page = client.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let text = page.text();
    assert!(text.contains(&format!("<h1>{ORIGIN}</h1>")) && text.contains("<dd class=\"number\">3</dd>"), "{text}");
    assert!(text.contains(&server.log.verifier_key().to_string()));
    assert!(text.contains("http://log.test/add"), "{text}");
    assert!(text.contains("href=\"/proof/2\""));
    assert!(!text.contains("<script") && !text.contains(" style=") && !text.contains(" src="));

    let style = text.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = Hash::sha256(style.as_bytes()).to_base64();
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    assert_eq!(client.get("/robots.txt").await.status, 200);
}

#[tokio::test]
async fn an_address_with_markup_in_it_is_not_repeated_on_the_page() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for host in ["<b>", "a\"onload=x", "a'b", "a&b", "a b"] {
        client.send(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        let page = client.answer(false).await;
        assert!(page.status == 400 || (page.text().contains("http://ADDRESS/add") && !page.text().contains(host)), "{host}");
        if page.status == 400 {
            client = server.connect().await;
        }
    }
    let server = Server::with(|http| http.public_url = Some("https://log.example.org/a".to_owned())).await;
    assert!(server.connect().await.get("/").await.text().contains("https://log.example.org/a/add"));
}

#[tokio::test]
async fn every_partial_bundle_is_a_prefix_of_the_full_one_whether_that_is_in_memory_or_not() {
    let server = Server::start().await;
    server.fill(300).await;
    let mut client = server.connect().await;
    let mut check = async |name: &str, width: u16| {
        let part = client.request("GET", &format!("/tile/entries/{name}.p/{width}"), "accept-encoding: gzip\r\n", b"").await;
        let mut bytes = part.body.clone();
        if part.header("content-encoding") == "gzip" {
            bytes.clear();
            flate2::read::GzDecoder::new(part.body.as_slice()).read_to_end(&mut bytes).unwrap();
        }
        let entries = parse_bundle(&bytes, width).unwrap();
        let first = if name == "000" { 0 } else { 256 };
        assert!(entries.iter().zip(first..).all(|(found, number)| *found == entry(number)), "{name} {width}");
    };
    for width in [1, 128, 255] {
        check("000", width).await; // the full bundle is read, and kept from then on
        check("000", width).await;
    }
    for width in [1, 44] {
        check("001", width).await; // there is no full one yet
    }
}
