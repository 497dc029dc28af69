//! A clean stop: SIGINT, SIGTERM or Ctrl-C cancel one token that every task and thread watches.

use tokio_util::sync::CancellationToken;

/// Cancelled when the program is to end. Threads ask `is_cancelled`, tasks await `cancelled`.
pub type Stop = CancellationToken;

/// Lets a thread of its own rest for so long, or until it is to stop; never call it on the runtime.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread that may sleep, in short pieces; the token has no way to wait for it"
)]
pub fn rest(stop: &Stop, longest: std::time::Duration) {
    const PIECE: std::time::Duration = std::time::Duration::from_millis(50);
    let until = std::time::Instant::now() + longest;
    while !stop.is_cancelled() {
        let left = until.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(PIECE));
    }
}

/// Listens for the signals in a task of its own and gives the token that they cancel. Call inside a runtime.
/// A second signal ends the process at once with exit 1.
pub fn on_signals() -> std::io::Result<Stop> {
    let stop = Stop::new();
    let token = stop.clone();
    let mut signals = Signals::listen()?;
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping");
        token.cancel();
        signals.next().await;
        std::process::exit(1);
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        let (interrupt, terminate) = (&mut self.interrupt, &mut self.terminate);
        std::future::poll_fn(|context| {
            if interrupt.poll_recv(context).is_ready() || terminate.poll_recv(context).is_ready() {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
