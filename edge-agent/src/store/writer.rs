//! The database's own thread: a bounded queue of work, each piece answered to the one who sent it.

use rusqlite::Connection;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Pieces of work that may wait. Callers wait for their answer, so this is about how many callers there are.
const QUEUE: usize = 64;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// Sends work to the thread. The thread ends when this is dropped, after what was sent.
#[derive(Debug)]
pub(super) struct Writer {
    sender: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which owns the connection from now on.
    pub(super) fn start(mut connection: Connection) -> std::io::Result<Self> {
        let (sender, mut receiver) = mpsc::channel::<Work>(QUEUE);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            while let Some(work) = receiver.blocking_recv() {
                work(&mut connection);
            }
        })?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Does `work` and awaits its answer. `None` when the thread has ended.
    pub(super) async fn call<R, F>(&self, work: F) -> Option<R>
    where
        R: Send + 'static,
        F: FnOnce(&mut Connection) -> R + Send + 'static,
    {
        let (work, answer) = package(work);
        self.sender.as_ref()?.send(work).await.ok()?;
        answer.await.ok()
    }

    /// Does `work` and waits for its answer. Only on threads outside the runtime.
    pub(super) fn call_blocking<R, F>(&self, work: F) -> Option<R>
    where
        R: Send + 'static,
        F: FnOnce(&mut Connection) -> R + Send + 'static,
    {
        let (work, answer) = package(work);
        self.sender.as_ref()?.blocking_send(work).ok()?;
        answer.blocking_recv().ok()
    }
}

fn package<R, F>(work: F) -> (Work, oneshot::Receiver<R>)
where
    R: Send + 'static,
    F: FnOnce(&mut Connection) -> R + Send + 'static,
{
    let (sender, answer) = oneshot::channel();
    let work = move |connection: &mut Connection| {
        // The caller may have given up; the work is done all the same.
        let _ = sender.send(work(connection));
    };
    (Box::new(work), answer)
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
