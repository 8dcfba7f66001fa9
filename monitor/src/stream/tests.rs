#![allow(clippy::unwrap_used, reason = "a test may fail")]

use http_body_util::BodyExt;
use tokio::time::timeout;

use super::*;
use crate::alert::fixture::{World, at};
use crate::check::Outcome;
use crate::finding::{Code, Raised};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Longer than any machine takes, for what is to happen.
const LONG: Duration = Duration::from_secs(60);

fn streams(world: &World) -> (Streams, watch::Sender<()>) {
    let (stop, stopping) = watch::channel(());
    let clock = Clock::new(|| at(0));
    (Streams::new(Arc::clone(&world.store), world.mutes.clone(), world.metrics.clone(), clock, stopping), stop)
}

/// The next piece; `None` at the end.
async fn next(body: &mut EventBody) -> Option<String> {
    let frame = timeout(LONG, body.frame()).await.unwrap()?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

/// The ids of the events of a piece, and their data.
fn events(piece: &str) -> Vec<(u64, serde_json::Value)> {
    let event = |event: &str| {
        let lines: Vec<&str> = event.lines().collect();
        let [id, kind, data] = lines[..] else { panic!("{event:?}") };
        assert_eq!(kind, "event: alert");
        (id.strip_prefix("id: ").unwrap().parse().unwrap(), serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap())
    };
    piece.split_terminator("\n\n").map(event).collect()
}

#[tokio::test]
async fn a_reader_gets_what_comes_and_goes_on_where_it_was() {
    let world = World::new(&[], 20);
    world.raise(0, &Code::GAP, "x.example", ["2026/1", "2026/2"]);
    let (streams, stop) = streams(&world);
    let mut body = streams.open(HERE, None).unwrap().unwrap();
    assert_eq!(next(&mut body).await.unwrap(), BEGIN);
    world.raise(0, &Code::GAP, "x.example", ["2026/3"]);
    let piece = events(&next(&mut body).await.unwrap());
    assert_eq!((piece.len(), piece[0].0), (1, 3), "what was before is not wanted");
    assert_eq!(piece[0].1["finding"]["subject"], "2026/3");
    assert_eq!((&piece[0].1["change"], &piece[0].1["muted"]), (&"opened".into(), &false.into()));
    let id: AlertId = serde_json::from_value(piece[0].1["alert"].clone()).unwrap();
    assert_eq!(id, AlertId::new("log.example/1", &Code::GAP, "x.example"));
    world.clear(1, &Code::GAP, ["2026/1"]);
    for (had, expected) in [(&b"1"[..], vec![2, 3, 4]), (b"4", vec![]), (b"77", vec![1, 2, 3, 4]), (b"x\xff", vec![]), (b" 3 ", vec![4])] {
        let mut body = streams.open(HERE, Some(had)).unwrap().unwrap();
        assert_eq!(next(&mut body).await.unwrap(), BEGIN);
        if !expected.is_empty() {
            let piece = events(&next(&mut body).await.unwrap());
            assert_eq!(piece.iter().map(|(id, _)| *id).collect::<Vec<_>>(), expected, "{had:?}");
        }
    }
    drop(stop);
    let rest = next(&mut body).await.unwrap();
    assert_eq!(events(&rest)[0].0, 4);
    assert_eq!(next(&mut body).await, None, "the monitor stops");
}

#[tokio::test]
async fn texts_of_strangers_end_no_event_and_begin_no_field() {
    let world = World::new(&[], 20);
    let hostile = "a\n\nevent: alert\ndata: {}\r\rid: 9\u{2028}\u{0}";
    let mut outcome = Outcome::default();
    outcome.raise(Raised::new(Code::GAP, hostile, hostile, hostile));
    world.record(0, outcome);
    let (streams, _stop) = streams(&world);
    let mut body = streams.open(HERE, Some(b"0")).unwrap().unwrap();
    next(&mut body).await.unwrap();
    let piece = next(&mut body).await.unwrap();
    assert!(!piece.contains('\r'));
    let events = events(&piece);
    assert_eq!((events.len(), events[0].0), (1, 1));
    assert_eq!(events[0].1["finding"]["text"], hostile);
}

#[tokio::test]
async fn many_events_come_in_pieces_of_bounded_size_and_none_is_left_out() {
    let world = World::new(&[], 20);
    let mut outcome = Outcome::default();
    let text = "a".repeat(5000);
    (0..200).for_each(|number| outcome.raise(Raised::new(Code::GAP, "x.example", number.to_string(), &text)));
    world.record(0, outcome);
    let (streams, _stop) = streams(&world);
    let mut body = streams.open(HERE, Some(b"0")).unwrap().unwrap();
    next(&mut body).await.unwrap();
    let mut ids = Vec::new();
    while ids.len() < 200 {
        let piece = next(&mut body).await.unwrap();
        assert!(piece.len() < PIECE + 6000, "{}", piece.len());
        ids.extend(events(&piece).into_iter().map(|(id, _)| id));
    }
    assert_eq!(ids, (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn there_are_so_many_streams_and_no_more() {
    let world = World::new(&[], 20);
    let (streams, _stop) = streams(&world);
    let mut open: Vec<_> = (0..STREAMS).map(|_| streams.open(HERE, None).unwrap().unwrap()).collect();
    assert_eq!(streams.open(HERE, None).map(|_| ()), Err(TooManyStreams));
    assert_eq!((world.metrics.streams.get(), world.metrics.streams_cut.get()), (100, 1));
    open.pop();
    assert!(streams.open(HERE, None).is_ok());
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_cut() {
    let world = World::new(&[], 20);
    world.raise(0, &Code::GAP, "x.example", ["2026/1"]);
    let (streams, _stop) = streams(&world);
    let mut body = streams.open(HERE, Some(b"0")).unwrap().unwrap();
    next(&mut body).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(SLOW * 2).await;
    assert_eq!(next(&mut body).await, None);
    assert_eq!(world.metrics.streams_cut.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn something_is_said_now_and_then() {
    let world = World::new(&[], 20);
    let (streams, _stop) = streams(&world);
    let mut body = streams.open(HERE, None).unwrap().unwrap();
    next(&mut body).await.unwrap();
    let begun = Instant::now();
    assert_eq!(next(&mut body).await.unwrap(), STILL_HERE);
    assert_eq!(begun.elapsed(), HEARTBEAT);
}

#[tokio::test]
async fn one_client_does_not_take_all_streams() {
    let world = World::new(&[], 20);
    let (streams, _stop) = streams(&world);
    let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse::<IpAddr>().unwrap());
    let mut open: Vec<_> = (0..8).map(|_| streams.open(one, None).unwrap().unwrap()).collect();
    assert_eq!(streams.open(one, None).map(|_| ()), Err(TooManyStreams));
    assert!(streams.open(other, None).is_ok());
    drop(open.pop());
    assert!(streams.open(one, None).is_ok());
}
