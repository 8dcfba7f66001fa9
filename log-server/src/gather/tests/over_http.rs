//! The same over real sockets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A witness that listens.
struct Listening {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Listening {
    async fn start(witness: Witness) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(witness.clone(), stream));
            }
        });
        Listening { address, connections }
    }
}

/// HTTP/1.1 of as few lines as will do. Whoever asks a witness that is dead is cut off.
async fn serve<C: AsyncRead + AsyncWrite + Unpin>(witness: Witness, stream: C) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|&read| read > 0)?;
        let mut words = line.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut length = 0;
        loop {
            line.clear();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        match witness.manner() {
            Manner::Dead => return None,
            Manner::Slow(delay) => tokio::time::sleep(delay).await,
            Manner::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.ok()?;
                loop {
                    stream.write_all(b"4\r\nxxx\n\r\n").await.ok()?;
                }
            }
            _ => {}
        }
        let answer = witness.answer(&path, (method == "POST").then_some(&body[..]));
        // Where it redirects, there is an honest witness: it must not be asked.
        let head = format!(
            "HTTP/1.1 {} -\r\ncontent-type: {}\r\nlocation: /elsewhere/add-checkpoint\r\ncontent-length: {}\r\n\r\n",
            answer.status,
            answer.content_type.unwrap(),
            answer.body.len()
        );
        stream.write_all(&[head.as_bytes(), &answer.body].concat()).await.ok()?;
    }
}

/// A log and three witnesses behind sockets. The deadline is short, since nobody waits for real minutes.
async fn world() -> (World, MemoryStore, Vec<Listening>, Log<MemoryStore>, WriteSide) {
    let (mut world, store) = World::new();
    world.options.deadline = Duration::from_millis(500);
    let mut listening = Vec::new();
    let mut text = String::from_utf8(world.policy.to_bytes()).unwrap();
    for (number, witness) in (1..).zip(&world.witnesses) {
        let one = Listening::start(witness.clone()).await;
        text = text.replace(&format!("w{number}.test/"), &format!("{}/", one.address));
        listening.push(one);
    }
    world.policy = Policy::parse(text.as_bytes()).unwrap();
    let (log, write_side) = start(&world, store.reopen());
    (world, store, listening, log, write_side)
}

fn start(world: &World, store: MemoryStore) -> (Log<MemoryStore>, WriteSide) {
    let World { fixture, policy, options, .. } = world;
    let anchor = Anchor::open(&fixture.dir.path().join("anchor")).unwrap();
    let metrics = Arc::new(Metrics::new(&Registry::new()).unwrap());
    let transport = Http::new(policy, None).unwrap();
    let gathering = world.gathering();
    let gathering = Gathering {
        policy: policy.clone(),
        options: *options,
        transport,
        clock: gathering.clock,
        metrics: gathering.metrics,
        evidence: None,
    };
    Log::start_with_witnesses(store, key(), anchor, Options::default(), metrics, gathering).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_cosigned_over_connections_that_are_kept() {
    let (world, _, listening, log, write_side) = world().await;
    until(|| log.accepting().is_ok()).await;
    for number in 0..20 {
        add_entry(&log, number).await.unwrap();
        let head = published(&log, number + 1).await;
        world.policy.verify(head.checkpoint()).unwrap();
    }
    for one in &listening {
        assert_eq!(one.connections.load(Ordering::Relaxed), 1);
    }
    stop(&log, write_side).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_witness_is_no_worse_than_a_dead_one_over_http() {
    for (manner, reason) in [
        (Manner::Dead, Reason::Unreachable),
        (Manner::Garbage, Reason::Garbled),
        (Manner::Endless, Reason::TooLarge),
        (Manner::Redirects, Reason::Redirected),
        (Manner::AnothersLine, Reason::NotCosigned),
        (Manner::Slow(Duration::from_secs(60)), Reason::TimedOut),
        (Manner::SaysSize(7), Reason::Ahead),
        (Manner::WrongType, Reason::ProofRefused),
    ] {
        let (world, _, _listening, log, write_side) = world().await;
        // It knows a size already, so that the first request is answered with it.
        until(|| log.accepting().is_ok() && world.witnesses[1].asked().len() == 1).await;
        world.witnesses[1].behave(manner);
        add_entry(&log, 0).await.unwrap();
        published(&log, 1).await;
        if manner == Manner::WrongType {
            let size_0 = World::new().0.witnesses[1].backup();
            world.witnesses[1].restore(size_0);
            add_entry(&log, 1).await.unwrap();
            published(&log, 2).await;
        }
        until(|| log.witnesses()[1].failing == Some(reason)).await;
        stop(&log, write_side).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_behind_tls_is_asked_if_its_authority_is_known() {
    let (world, _) = World::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let authorities = world.fixture.dir.path().join("authorities.pem");
    std::fs::write(&authorities, made.cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key.into()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/add-checkpoint", listener.local_addr().unwrap().port());
    let witness = world.witnesses[0].clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(serve(witness.clone(), stream));
            }
        }
    });
    let request = || Request { url: url.clone(), body: Some(bytes::Bytes::from_static(b"malformed")) };
    let stranger = Http::new(&world.policy, None).unwrap().send(request()).await;
    assert!(matches!(stranger, Err(TransportError::Unreachable(_))), "{stranger:?}");
    let answer = Http::new(&world.policy, Some(&authorities)).unwrap().send(request()).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (400, &b"malformed\n"[..]));

    std::fs::write(&authorities, "no certificate").unwrap();
    assert!(matches!(Http::new(&world.policy, Some(&authorities)), Err(HttpError::Authorities(_))));
    assert!(matches!(Http::new(&world.policy, Some(&authorities.with_extension("gone"))), Err(HttpError::Authorities(..))));
}

#[test]
fn an_address_that_is_none_is_refused_before_anything_is_asked() {
    let (world, _) = World::new();
    let text = String::from_utf8(world.policy.to_bytes()).unwrap();
    for address in ["ftp://w2.test/", "w2.test/prefix", "http://", "http://w2.test/?a=b"] {
        let policy = Policy::parse(text.replace("http://w2.test/prefix/", address).as_bytes()).unwrap();
        assert!(matches!(Http::new(&policy, None), Err(HttpError::Address { witness }) if witness.as_bytes() == b"w2-ed"), "{address}");
    }
    Http::new(&world.policy, None).unwrap();
}
