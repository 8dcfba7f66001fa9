//! A network between a log and its witnesses that delays, loses, repeats and cuts off, as a seed decides.
//!
//! A request is a message that travels by itself: what was sent arrives, or does not, whether or not its sender still waits. So a witness
//! may decide about a request that its log has given up, and get it twice, late, and in another order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::random::Random;
use super::witness::Host;
use crate::gather::{Request, Response, Transport, TransportError};

/// How bad a network is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// Messages that are lost, of a hundred.
    pub(super) lost: u64,
    /// Requests that arrive a second time, of a hundred.
    pub(super) repeated: u64,
    /// The longest ordinary delay, in milliseconds.
    pub(super) delay: u64,
    /// Messages that take a hundred times as long, of a hundred.
    pub(super) late: u64,
}

impl Weather {
    /// All arrives, at once.
    pub(super) const FAIR: Weather = Weather { lost: 0, repeated: 0, delay: 2, late: 0 };
}

/// The network, as every log has it. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Network(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    weather: Weather,
    /// Ways to witnesses, by the host in their address.
    ways: HashMap<String, Way>,
    delivered: u64,
}

/// The way to a host. Each has fates of its own: what wakes several askers at once does so in any order.
#[derive(Debug)]
struct Way {
    host: Host,
    random: Random,
    /// Nothing gets through until then.
    cut: Option<Instant>,
}

impl Network {
    pub(super) fn new(weather: Weather) -> Self {
        Network(Arc::new(Mutex::new(State { weather, ways: HashMap::new(), delivered: 0 })))
    }

    pub(super) fn connect(&self, name: &str, host: Host, random: Random) {
        self.state().ways.insert(name.to_owned(), Way { host, random, cut: None });
    }

    /// Cuts a host off for a while.
    pub(super) fn cut(&self, name: &str, during: Duration) {
        if let Some(way) = self.state().ways.get_mut(name) {
            way.cut = Some(Instant::now() + during);
        }
    }

    /// Mends everything.
    pub(super) fn heal(&self) {
        let mut state = self.state();
        state.weather = Weather::FAIR;
        state.ways.values_mut().for_each(|way| way.cut = None);
    }

    /// Requests that have arrived.
    pub(super) fn delivered(&self) -> u64 {
        self.state().delivered
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the next message to or from a host takes; nothing if it is lost.
    fn fate(&self, name: &str) -> Option<Duration> {
        let mut state = self.state();
        let Weather { lost, delay, late, .. } = state.weather;
        let random = &mut state.ways.get_mut(name)?.random;
        let slow = if random.chance(late) { 100 } else { 1 };
        let takes = random.millis(delay) * slow;
        (!random.chance(lost)).then_some(takes)
    }

    fn is_repeated(&self, name: &str) -> bool {
        let mut state = self.state();
        let repeated = state.weather.repeated;
        state.ways.get_mut(name).is_some_and(|way| way.random.chance(repeated))
    }

    fn reaches(&self, name: &str) -> Option<Host> {
        let mut state = self.state();
        let way = state.ways.get(name).filter(|way| way.cut.is_none_or(|until| Instant::now() >= until))?;
        let host = way.host.clone();
        state.delivered += 1;
        Some(host)
    }

    /// Brings a request to its host and the answer back. Nothing if one of them is lost.
    async fn carry(&self, request: Request) -> Option<Response> {
        let (host, path) = request.url.strip_prefix("http://")?.split_once('/')?;
        sleep(self.fate(host)?).await;
        let response = self.reaches(host)?.answer(path, request.body.as_deref()).await?;
        sleep(self.fate(host)?).await;
        Some(response)
    }
}

impl Transport for Network {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let (answer, answered) = oneshot::channel();
        let host = request.url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let copies = if self.is_repeated(host) { 2 } else { 1 };
        let mut answer = Some(answer);
        for _ in 0..copies {
            let (network, request, answer) = (self.clone(), request.clone(), answer.take());
            tokio::spawn(async move {
                let response = network.carry(request).await;
                // Only the first copy is answered; its sender may have given up.
                if let (Some(answer), Some(response)) = (answer, response) {
                    let _ = answer.send(response);
                }
            });
        }
        // What is lost is noticed by whoever has a deadline, or at once, as when a connection is refused.
        match answered.await {
            Ok(response) => Ok(response),
            Err(_) => Err(TransportError::Unreachable("the message was lost".into())),
        }
    }
}
