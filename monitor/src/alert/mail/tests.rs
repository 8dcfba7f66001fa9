#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::*;
use crate::alert::fixture::{World, at};
use crate::alert::settings::{MailSection, Section, Settings};
use crate::check::Outcome;
use crate::finding::{Code, Raised};

/// A mail server on this machine: what it was told, one line each, and the messages.
struct Server {
    port: u16,
    authority: CertificateDer<'static>,
    told: Arc<Mutex<Vec<String>>>,
    messages: Arc<Mutex<Vec<String>>>,
}

/// How the server behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Plain,
    Starttls,
    /// It offers no TLS, as one would see it if somebody in between took the offer out.
    Stripped,
    Implicit,
    Refusing,
    Hanging,
}

impl Server {
    async fn start(manner: Manner) -> Self {
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (authority, key) = (certified.cert.der().clone(), PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = TlsAcceptor::from(Arc::new(tls.with_no_client_auth().with_single_cert(vec![authority.clone()], key).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server { port: listener.local_addr().unwrap().port(), authority, told: Arc::default(), messages: Arc::default() };
        let (told, messages) = (Arc::clone(&server.told), Arc::clone(&server.messages));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (told, messages, tls) = (Arc::clone(&told), Arc::clone(&messages), tls.clone());
                tokio::spawn(async move {
                    match manner {
                        Manner::Hanging => std::future::pending().await,
                        Manner::Implicit => {
                            if let Ok(stream) = tls.accept(stream).await {
                                talk(stream, manner, true, &told, &messages).await;
                            }
                        }
                        _ => {
                            if let Some(stream) = talk(stream, manner, true, &told, &messages).await
                                && let Ok(stream) = tls.accept(stream).await
                            {
                                talk(stream, Manner::Implicit, false, &told, &messages).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    fn message(&self) -> String {
        self.messages.lock().unwrap().last().unwrap().clone()
    }
}

/// Serves a connection; gives it back if it is to be encrypted.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    manner: Manner,
    greet: bool,
    told: &Mutex<Vec<String>>,
    messages: &Mutex<Vec<String>>,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if greet {
        stream.write_all(b"220 test\r\n").await.ok()?;
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        told.lock().unwrap().push(line.trim_end().to_owned());
        let word = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        let reply = match word.as_str() {
            "EHLO" if manner == Manner::Starttls => "250-test\r\n250-STARTTLS\r\n250 8BITMIME\r\n",
            "EHLO" => "250-test\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
            "STARTTLS" => {
                stream.write_all(b"220 go\r\n").await.ok()?;
                return Some(stream.into_inner());
            }
            "AUTH" => "235 ok\r\n",
            "RCPT" if manner == Manner::Refusing => "550 nobody\u{1b}[2J\r\n",
            "DATA" => {
                stream.write_all(b"354 go\r\n").await.ok()?;
                let mut message = String::new();
                while !message.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut message).await.ok()?;
                }
                messages.lock().unwrap().push(message);
                "250 taken\r\n"
            }
            "QUIT" => return None,
            _ => "250 ok\r\n",
        };
        stream.write_all(reply.as_bytes()).await.ok()?;
    }
}

fn mailer(server: &Server, tls: MailTls, trusted: bool, user: &str) -> Mailer {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    std::fs::write(&path, "word\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let section = MailSection {
        server: "127.0.0.1".to_owned(),
        port: server.port,
        tls,
        user: user.to_owned(),
        password: if user.is_empty() { Default::default() } else { path },
        from: "Acta <acta@monitor.example>".to_owned(),
        to: vec!["desk@paper.example".to_owned(), "other@paper.example".to_owned()],
        timeout: "5s".parse().unwrap(),
        ..MailSection::default()
    };
    let authorities = if trusted { vec![server.authority.clone()] } else { Vec::new() };
    let settings = Settings::new(&Section::default(), Vec::new(), section, authorities.clone()).unwrap();
    Mailer::new(&settings.mail.unwrap(), &authorities, Some(Url::parse("https://monitor.example").unwrap())).unwrap()
}

/// Deliveries of alerts about these groups, each with a finding of this text.
fn deliveries(groups: &[&str], text: &str) -> Vec<Delivery> {
    let mut world = World::new(&[("mail", Severity::Info)], 100);
    let mut outcome = Outcome::default();
    for group in groups {
        outcome.raise(Raised::new(Code::GAP, *group, *group, text).at([7, 9]));
    }
    world.record(0, outcome);
    world.group(0);
    world.waiting(0)
}

fn headers(message: &str) -> Vec<&str> {
    message.split("\r\n\r\n").next().unwrap().lines().collect()
}

#[tokio::test]
async fn a_message_arrives_over_each_kind_of_connection_and_with_a_password_only_over_tls() {
    let deliveries = deliveries(&["x.example"], "2026/1 is missing.");
    for (manner, tls, user) in [
        (Manner::Plain, MailTls::None, ""),
        (Manner::Implicit, MailTls::Implicit, "acta"),
        (Manner::Starttls, MailTls::Starttls, "acta"),
        (Manner::Starttls, MailTls::Starttls, ""),
    ] {
        let server = Server::start(manner).await;
        mailer(&server, tls, true, user).send(&deliveries, at(1_700_000_000)).await.unwrap();
        let told = server.told();
        assert!(told.contains(&"MAIL FROM:<acta@monitor.example>".to_owned()), "{told:?}");
        assert!(told.contains(&"RCPT TO:<desk@paper.example>".to_owned()) && told.contains(&"RCPT TO:<other@paper.example>".to_owned()));
        // "\0acta\0word"
        assert_eq!(told.iter().any(|line| line == "AUTH PLAIN AGFjdGEAd29yZA=="), !user.is_empty(), "{told:?}");
        let message = server.message();
        let headers = headers(&message);
        for header in [
            "Subject: [acta] warning: A number in a series is missing (log.example/1,",
            "From: Acta <acta@monitor.example>",
            "To: desk@paper.example, other@paper.example",
            "Content-Type: text/plain; charset=utf-8",
            "Auto-Submitted: auto-generated",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000",
        ] {
            assert!(headers.contains(&header) || headers.iter().any(|line| line.starts_with(header)), "{header}: {headers:?}");
        }
        assert!(message.contains("* 2026/1 is missing.\r\n  entries 7, 9"), "{message}");
        // Quoted-printable: `=3D` is `=`, and a line that ends in `=` goes on.
        let link = "https://monitor.example/api/v1/findings?log=3Dlog.example%2F1&code=3Dprocess.gap&issuer=3Dx.example";
        assert!(message.replace("=\r\n", "").contains(link), "{message}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_that_is_not_the_right_one_or_offers_no_tls() {
    let deliveries = deliveries(&["x.example"], "2026/1 is missing.");
    for (manner, tls, trusted) in [
        (Manner::Implicit, MailTls::Implicit, false),
        (Manner::Starttls, MailTls::Starttls, false),
        (Manner::Stripped, MailTls::Starttls, true),
        (Manner::Plain, MailTls::Starttls, true),
    ] {
        let server = Server::start(manner).await;
        assert!(mailer(&server, tls, trusted, "acta").send(&deliveries, at(0)).await.is_err());
        let told = server.told();
        assert!(told.iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS" || line == "QUIT"), "{told:?}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_or_hangs_is_no_delivery() {
    let deliveries = deliveries(&["x.example"], "2026/1 is missing.");
    let server = Server::start(Manner::Refusing).await;
    let error = mailer(&server, MailTls::None, true, "").send(&deliveries, at(0)).await.unwrap_err();
    assert!(error.contains("nobody") && !error.contains(char::is_control), "{error:?}");
    let server = Server::start(Manner::Hanging).await;
    let mut mailer = mailer(&server, MailTls::None, true, "");
    mailer.timeout = Duration::from_millis(100);
    assert!(mailer.send(&deliveries, at(0)).await.unwrap_err().contains("in time"));
}

#[tokio::test]
async fn texts_of_strangers_add_no_header_no_line_and_no_end() {
    let hostile = "x\r\nBcc: victim@paper.example\r\n\r\n.\r\nMAIL FROM:<a@b>\u{202e}\u{1b}[2J\u{0}é=?utf-8?q?x?=";
    let server = Server::start(Manner::Plain).await;
    mailer(&server, MailTls::None, true, "").send(&deliveries(&[hostile], hostile), at(0)).await.unwrap();
    assert_eq!(server.told().iter().filter(|line| line.starts_with("RCPT") || line.starts_with("MAIL")).count(), 3, "{:?}", server.told());
    let message = server.message();
    let names = headers(&message).into_iter().filter(|line| !line.starts_with(' ')).map(|line| line.split(':').next().unwrap());
    let names: Vec<_> = names.collect();
    let expected = ["From", "Subject", "Message-ID", "Date", "To", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding"];
    let mut sorted = (names.clone(), expected.to_vec());
    sorted.0.sort_unstable();
    sorted.1.sort_unstable();
    sorted.0.retain(|name| *name != "MIME-Version");
    assert_eq!(sorted.0, sorted.1, "{message}");
    assert!(!message.contains("\nBcc") && !message.contains('\u{1b}') && !message.contains('\0'), "{message}");
    assert_eq!(message.matches("\r\n.\r\n").count(), 1);
}

#[tokio::test]
async fn what_waits_together_is_one_message_with_one_id() {
    let server = Server::start(Manner::Plain).await;
    let mailer = mailer(&server, MailTls::None, true, "");
    let some = deliveries(&["x.example", "y.example", "z.example"], "It is missing.");
    mailer.send(&some, at(0)).await.unwrap();
    let first = server.message();
    assert!(headers(&first).contains(&"Subject: [acta] 3 alerts, the worst: warning"), "{first}");
    assert!(["x", "y", "z"].iter().all(|group| first.contains(&format!("About: {group}.example"))));
    mailer.send(&some, at(1000)).await.unwrap();
    let id = |message: &str| headers(message).into_iter().find(|line| line.starts_with("Message-ID")).unwrap().to_owned();
    assert_eq!(id(&first), id(&server.message()));
    mailer.send(&some[..2], at(1000)).await.unwrap();
    assert_ne!(id(&first), id(&server.message()));
}

#[test]
fn a_subject_is_one_short_line_of_ascii() {
    let long = deliveries(&[&"ä\n".repeat(500)], "x");
    let line = subject(&long);
    assert!(line.len() <= SUBJECT + 3 && line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
}
