//! The order to stop: SIGTERM, as supervisors send it, or Ctrl-C.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at the first order to stop. At the second one the process ends at once: whoever asks twice means now, and nothing that was
/// answered is lost by it. `program` is the name in the message about that.
pub fn told_to_stop(program: &'static str) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut told = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(async move {
        told().await;
        tokio::spawn(async move {
            told().await;
            eprintln!("{program}: told to stop twice, so it stops without waiting");
            std::process::exit(1);
        });
    })
}
