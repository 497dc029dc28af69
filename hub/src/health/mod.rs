//! How everything stands: asked by people and monitors over HTTP, and by the service manager's watchdog.
//!
//! What passes through: nothing but questions. Each part is really asked ([`parts`]): the store has to answer a query,
//! the disk says how much room is left, the others tell what they saw last. `GET /health` is 200 when all is well and
//! 503 when something is not, with the same JSON either way.

mod parts;

pub(crate) use parts::{Alive, Parts};

use crate::config;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use fieldeye_base::exit::Failure;
use fieldeye_base::service;
use fieldeye_base::stop::Stop;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Where the health page is served.
#[derive(Debug)]
pub(crate) struct Health {
    /// Never port 0.
    pub(crate) address: SocketAddr,
    /// Ends when told to stop.
    pub(crate) task: JoinHandle<()>,
}

/// Listens. Nothing is answered until [`serve`].
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| config::cannot_listen("the health page", "health.listen", address, &error))
}

/// Answers in a task of its own.
pub(crate) fn serve(listener: TcpListener, parts: Arc<Parts>, stop: Stop) -> std::io::Result<Health> {
    let address = listener.local_addr()?;
    let router = Router::new().route("/health", get(answer)).with_state(parts);
    let task = tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the health page stopped");
        }
    });
    Ok(Health { address, task })
}

async fn answer(State(parts): State<Arc<Parts>>) -> (StatusCode, Json<Value>) {
    let (well, page) = parts.look().await;
    (if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(page))
}

/// Tells the watchdog "still alive" as long as the parts answer. A part that says that something is wrong is alive:
/// a restart would not give it a network or a disk. Never ends before `stop`.
pub(crate) async fn watch(parts: &Parts, stop: &Stop) {
    let Some(interval) = service::watchdog_interval() else { return stop.cancelled().await };
    let mut ticks = tokio::time::interval(interval);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match parts.alive(interval).await {
            Alive::Yes => service::alive(),
            Alive::No(part) => tracing::error!(part, "does not answer; the service manager will restart the program"),
        }
    }
}
