//! The MQTT broker inside the program: devices and this hub's own clients meet here.
//!
//! What passes through: everything that devices send and everything that they are told. Who may connect, publish and
//! subscribe is decided in [`rules`], which knows nothing of the broker's library; [`hooks`] asks those rules at the
//! right moments; [`shared`] chooses among the members of a group, [`retained`] keeps the last state of each device.
//! This room knows no records and no database.
//!
//! The listener is a plain one on loopback, where the MQTT client id is the device id. MQTT 5 only.

mod hooks;
mod retained;
mod rules;
mod shared;
#[cfg(test)]
mod tests;

pub(crate) use rules::Login;

use crate::config;
use fieldeye_base::exit::Failure;
use fieldeye_protocol::batch::MAX_BATCH_BYTES;
use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

/// Largest packet, in bytes: any batch within the protocol's limits fits, even one that is not compressed.
const MAX_PACKET_BYTES: u32 = MAX_BATCH_BYTES as u32 + 64 * 1024;
/// Messages on their way to one client without its acknowledgement.
const IN_FLIGHT: NonZeroU16 = NonZeroU16::new(32).expect("not zero");
/// Messages that wait for one client. Beyond that they are dropped and counted: whoever sent them has no answer of the
/// hub's and sends them again.
const QUEUE: usize = 512;
/// Connections at once, and how many of them may be introducing themselves.
const MAX_CONNECTIONS: usize = 10_000;
const MAX_HANDSHAKES: usize = 64;
/// How long a newcomer has for introducing itself.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a write may take before the client counts as dead.
const SEND: Duration = Duration::from_secs(20);
/// How long the session of a client that dropped off is kept at most.
const MAX_SESSION: Duration = Duration::from_secs(300);
/// A port that the system chose may be taken again before we listen on it.
const PORT_TRIES: u32 = 20;
/// The only listener has this number in the broker's own tables.
const LISTENER: u16 = 1;

/// A broker that listens.
#[derive(Debug)]
pub(crate) struct Broker {
    facts: Facts,
    login: Login,
    task: JoinHandle<()>,
}

/// What others may know of the broker. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Where it listens; never port 0.
    pub(crate) address: SocketAddr,
    dropped: Arc<AtomicU64>,
}

impl Facts {
    /// How many messages were dropped because their receiver was too slow.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Broker {
    /// Where it listens, and how it fares.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Where it listens; never port 0.
    pub(crate) fn address(&self) -> SocketAddr {
        self.facts.address
    }

    /// How this hub's own clients introduce themselves. Made anew at each start, and known to nobody else.
    pub(crate) fn login(&self) -> &Login {
        &self.login
    }

    /// Waits until it ends, which it does only when something is badly wrong.
    pub(crate) async fn ended(&mut self) -> String {
        match (&mut self.task).await {
            Ok(()) => "it stopped listening".to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts to listen. Call inside a runtime.
pub(crate) async fn start(listen: SocketAddr) -> Result<Broker, Failure> {
    let (listener, address) =
        bind(listen).map_err(|error| config::cannot_listen("MQTT", "mqtt.listen", listen, &error))?;
    let login = Login::random();
    let dropped = Arc::new(AtomicU64::new(0));
    // Its measure of the machine's load costs memory and refuses devices when an inspection keeps the CPU busy.
    let context = ServerContext::new().busy_check_enable(false).task_exec_workers(64).task_exec_queue_max(10_000);
    let context = context.build().await;
    *context.extends.retain_mut().await = Box::new(retained::States::default());
    *context.extends.shared_subscription_mut().await = Box::new(shared::InTurn::default());
    hooks::register(&context, &login, &dropped).await;
    let server = MqttServer::new(context).listener_by_id(listener, LISTENER).build();
    let task = tokio::spawn(async move {
        if let Err(error) = server.run().await {
            tracing::error!(%error, "the broker stopped");
        }
    });
    tracing::info!(%address, "MQTT broker listens");
    Ok(Broker { facts: Facts { address, dropped }, login, task })
}

fn bind(listen: SocketAddr) -> io::Result<(Listener, SocketAddr)> {
    if listen.port() != 0 {
        return Ok((bind_to(listen)?, listen));
    }
    // The library does not tell which port the system gave it, so the port is chosen before.
    let mut tries = 0;
    loop {
        tries += 1;
        let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(listen)?;
        let address = socket.local_addr()?;
        // On Unix it stays reserved by this socket, which does not listen, until ours does.
        #[cfg(not(unix))]
        drop(socket);
        match bind_to(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < PORT_TRIES => {}
            other => return Ok((other?, address)),
        }
    }
}

fn bind_to(address: SocketAddr) -> io::Result<Listener> {
    let builder = Builder::new()
        .name("hub")
        .laddr(address)
        // Without it, a restart would have to wait for old connections to be forgotten. Windows means something else.
        .reuseaddr(cfg!(unix).then_some(true))
        .nodelay(true)
        .backlog(128)
        // Everybody is asked who they are: an "anonymous" client would never get to our rules.
        .allow_anonymous(false)
        .max_connections(MAX_CONNECTIONS)
        .max_handshaking_limit(MAX_HANDSHAKES)
        .handshake_timeout(HANDSHAKE)
        .send_timeout(SEND)
        .max_packet_size(MAX_PACKET_BYTES)
        .max_inflight(IN_FLIGHT)
        .max_mqueue_len(QUEUE)
        .max_clientid_len(64)
        .max_topic_levels(16)
        .max_session_expiry_interval(MAX_SESSION)
        // MQTT 5 sends again only on a new connection, and the last state of a device never gets too old.
        .message_retry_interval(Duration::ZERO)
        .message_expiry_interval(Duration::ZERO);
    let listener = builder.bind().map_err(into_io)?;
    listener.tcp().map_err(into_io)
}

fn into_io(error: rmqtt::Error) -> io::Error {
    error.downcast::<io::Error>().unwrap_or_else(io::Error::other)
}
