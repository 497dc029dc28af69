//! A thread that owns one connection: a bounded queue of work, each piece answered to the one who sent it.

use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Pieces of work that may wait. Callers wait for their answer, so this is about how many callers there are.
const QUEUE: usize = 64;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// Sends work to the thread. The thread ends when this is dropped, after what was sent.
#[derive(Debug)]
pub struct DatabaseThread {
    sender: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl DatabaseThread {
    /// Starts the thread, which owns the connection from now on.
    pub fn start(name: &str, mut connection: Connection) -> std::io::Result<Self> {
        let (sender, mut receiver) = mpsc::channel::<Work>(QUEUE);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            while let Some(work) = receiver.blocking_recv() {
                // A bug in one piece of work costs its caller the answer, not everybody the database: a transaction
                // that it had open is rolled back on the way.
                let _ = catch_unwind(AssertUnwindSafe(|| work(&mut connection)));
            }
        })?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Does `work` and awaits its answer. `None` when it failed on the way, which only a bug can do.
    pub async fn call<R, F>(&self, work: F) -> Option<R>
    where
        R: Send + 'static,
        F: FnOnce(&mut Connection) -> R + Send + 'static,
    {
        let (work, answer) = package(work);
        self.sender.as_ref()?.send(work).await.ok()?;
        answer.await.ok()
    }

    /// The same for threads outside the runtime, which it blocks.
    pub fn call_blocking<R, F>(&self, work: F) -> Option<R>
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

impl Drop for DatabaseThread {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_costs_one_answer() {
        let connection = Connection::open_in_memory().expect("opened");
        connection.execute_batch("CREATE TABLE t (x)").expect("made");
        let thread = DatabaseThread::start("test", connection).expect("started");
        let work = |connection: &mut Connection| {
            let tx = connection.transaction().expect("begun");
            tx.execute("INSERT INTO t VALUES (1)", []).expect("written");
            assert!(tx.is_autocommit(), "a bug");
        };
        assert_eq!(thread.call_blocking(work), None);
        let count = |db: &mut Connection| db.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, u64>(0));
        assert_eq!(thread.call_blocking(count), Some(Ok(0)), "and nothing half done stays");
    }
}
