//! Tasks that end when nobody waits for them any more: after a failure the rest of a log is not fetched.

use tokio::task::JoinHandle;

/// A task that is aborted when this is dropped.
pub(crate) struct Abort<T>(JoinHandle<T>);

impl<T: Send + 'static> Abort<T> {
    pub(crate) fn spawn(task: impl Future<Output = T> + Send + 'static) -> Self {
        Abort(tokio::spawn(task))
    }

    pub(crate) async fn join(mut self) -> T {
        (&mut self.0).await.expect("the task does not panic, and only dropping this cancels it")
    }
}

impl<T> Drop for Abort<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
