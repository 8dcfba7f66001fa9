//! The thread on which rules are applied.
//!
//! It has a stack that the longest rule fits in, and whatever happens on it happens to the rules alone: if it panics or does not answer,
//! nothing is known of that entry under these rules, and the next entry gets a new thread.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::expression::{self, Expression, STACK, Scope, Subject, Verdict};

/// How long all rules together may take for one entry. What they may spend is counted, and takes a small part of this: it is there so that
/// a mistake in the counting does not stop the monitor.
const PATIENCE: Duration = Duration::from_secs(10);

/// Applies rules.
pub(super) struct Worker {
    rules: Arc<[Expression]>,
    thread: Mutex<Option<Thread>>,
}

struct Thread {
    ask: Sender<Subject>,
    answers: Receiver<Vec<Verdict>>,
}

impl Worker {
    pub(super) fn new(rules: Vec<Expression>) -> Self {
        Worker { rules: rules.into(), thread: Mutex::new(None) }
    }

    /// What each rule says of an entry, in their order.
    pub(super) fn apply(&self, subject: Subject) -> Vec<Verdict> {
        // A thread that was lost is no thread; nothing else is kept here.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match thread.take().map_or_else(|| Thread::start(Arc::clone(&self.rules)), Ok) {
            Ok(worker) => {
                let answer = worker.ask.send(subject).ok().and_then(|()| worker.answers.recv_timeout(PATIENCE).ok());
                if answer.is_some() {
                    *thread = Some(worker);
                }
                answer
            }
            Err(error) => {
                tracing::error!(%error, "no thread could be started to apply rules on");
                None
            }
        };
        answer.unwrap_or_else(|| vec![Verdict::Failed("the rules broke off at this entry".into()); self.rules.len()])
    }
}

impl Thread {
    fn start(rules: Arc<[Expression]>) -> std::io::Result<Self> {
        let (ask, asked) = channel::<Subject>();
        let (answer, answers) = channel();
        // Ends when nobody asks any more.
        thread::Builder::new().name("rules".into()).stack_size(STACK).spawn(move || {
            let env = expression::environment();
            for subject in asked {
                let scope = Scope::new(&env, subject);
                let verdicts = rules.iter().map(|rule| scope.apply(rule)).collect();
                if answer.send(verdicts).is_err() {
                    return;
                }
            }
        })?;
        Ok(Thread { ask, answers })
    }
}
