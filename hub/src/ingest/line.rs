//! The connection to the broker: from the first packet until it is lost or the program stops.

use super::IngestStatus;
use super::desk::{Desk, Incoming};
use super::lanes::Lanes;
use crate::broker::Login;
use fieldeye_base::stop::Stop;
use fieldeye_protocol::batch::MAX_BATCH_BYTES;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::topic::{self, DownTopic};
use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Filter, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, Incoming as Packet, MqttOptions, StateError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// Messages that the broker sends without our acknowledgement. With the largest packet it bounds the memory that
/// devices can make us use.
pub(super) const IN_FLIGHT: u16 = 16;
/// Messages of the kind that nobody waits for (telemetry) are dropped when so many are here.
const MOST: usize = 64;
/// The largest packet, in bytes: any batch within the protocol's limits, even one that is not compressed.
const MAX_PACKET: u32 = MAX_BATCH_BYTES as u32 + 64 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Polling says something at least every keep-alive; a longer silence is a write that nobody takes.
const SILENCE: Duration = Duration::from_secs(40);
const CONNECT_TIMEOUT_S: u64 = 10;
/// How long the broker has to take us and our subscriptions.
const GREETING: Duration = Duration::from_secs(20);
/// What is under way at the end of a connection gets this long.
const DRAIN: Duration = Duration::from_secs(2);
/// Answers that may be queued, and those that may be on their way to the broker.
const QUEUE: usize = 64;
const OUTGOING: u16 = 64;

/// One message and what is needed to acknowledge it.
struct Delivery {
    incoming: Incoming,
    /// Packet identifier and quality; without the content.
    receipt: Publish,
}

/// What happens on the connection.
enum LineEvent {
    /// The broker answered a subscription.
    Subscribed { granted: bool },
    /// A message for us.
    Message(Box<Publish>),
    /// The end, and why.
    Lost(String),
}

/// Takes in what comes until `stop` (then `Ok`) or until the connection or the store is lost.
pub(super) async fn converse(
    broker: SocketAddr,
    login: &Login,
    desk: &Arc<Desk>,
    status: &watch::Sender<IngestStatus>,
    stop: &Stop,
) -> Result<(), String> {
    let (client, eventloop) = AsyncClient::new(options(broker, login), QUEUE);
    let filters = [topic::HUB_SHARED_FILTER, topic::HUB_STATE_FILTER].map(|path| Filter::new(path, QoS::AtLeastOnce));
    client.try_subscribe_many(filters).map_err(|error| format!("can't subscribe: {error}"))?;
    let (sender, mut events) = mpsc::channel(usize::from(IN_FLIGHT));
    let _poll = AbortOnDropHandle::new(tokio::spawn(poll(eventloop, sender)));
    let mut work = Work { client, desk: Arc::clone(desk), lanes: Lanes::new(), tasks: JoinSet::new() };
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        greeted = timeout(GREETING, greet(&mut events, &mut work)) => {
            greeted.map_err(|_| "the broker does not answer the subscription".to_owned())??;
        }
    }
    tracing::info!(%broker, "listening to devices");
    status.send_replace(IngestStatus::Up);
    let result = loop {
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            event = events.recv() => {
                if let Err(why) = work.event(event) {
                    break Err(why);
                }
            }
            Some(done) = work.tasks.join_next() => {
                if let Err(why) = work.done(done) {
                    break Err(why);
                }
            }
        }
    };
    // Nothing new is begun; what is under way may still be answered.
    let rest = async {
        loop {
            tokio::select! {
                done = work.tasks.join_next() => if done.is_none() { break },
                Some(_) = events.recv() => {}
            }
        }
    };
    if timeout(DRAIN, rest).await.is_err() {
        tracing::warn!(open = work.tasks.len(), "messages that were under way have no answer; they come again");
    }
    let _ = work.client.try_disconnect();
    let farewell = async { while !matches!(events.recv().await, None | Some(LineEvent::Lost(_))) {} };
    let _ = timeout(Duration::from_millis(500), farewell).await;
    result
}

async fn greet(events: &mut mpsc::Receiver<LineEvent>, work: &mut Work) -> Result<(), String> {
    loop {
        match events.recv().await {
            Some(LineEvent::Subscribed { granted: true }) => return Ok(()),
            Some(LineEvent::Subscribed { granted: false }) => return Err("the broker refuses the subscription".into()),
            // The first messages may overtake the answer.
            other => work.event(other)?,
        }
    }
}

fn options(broker: SocketAddr, login: &Login) -> MqttOptions {
    let mut options = MqttOptions::new(Login::client_id(), broker.ip().to_string(), broker.port());
    options.set_credentials(login.user.as_str(), login.password.expose());
    options.set_keep_alive(KEEP_ALIVE);
    options.set_connection_timeout(CONNECT_TIMEOUT_S);
    options.set_manual_acks(true);
    options.set_clean_start(true);
    options.set_outgoing_inflight_upper_limit(OUTGOING);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_TIMEOUT_S);
    options.set_network_options(network);
    let mut properties = ConnectProperties::new();
    // What we have not acknowledged when the connection ends is not ours: the devices send it again.
    properties.session_expiry_interval = Some(0);
    properties.receive_maximum = Some(IN_FLIGHT);
    properties.max_packet_size = Some(MAX_PACKET);
    options.set_connect_properties(properties);
    options
}

/// Messages under way.
struct Work {
    client: AsyncClient,
    desk: Arc<Desk>,
    lanes: Lanes<Delivery>,
    tasks: JoinSet<Result<DeviceId, String>>,
}

impl Work {
    fn event(&mut self, event: Option<LineEvent>) -> Result<(), String> {
        match event {
            None => Err("the connection has ended".to_owned()),
            Some(LineEvent::Lost(why)) => Err(why),
            Some(LineEvent::Subscribed { .. }) => Ok(()),
            Some(LineEvent::Message(publish)) => self.message(*publish),
        }
    }

    fn message(&mut self, publish: Publish) -> Result<(), String> {
        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
        let waits_for_nobody = publish.qos == QoS::AtMostOnce;
        if waits_for_nobody && self.lanes.len() >= MOST {
            tracing::debug!(topic, "busy: a message that nobody waits for is dropped");
            return Ok(());
        }
        let Publish { payload, properties, retain, .. } = publish.clone();
        let receipt = Publish { payload: Default::default(), properties: None, ..publish };
        let (device, what) = match topic::parse_up(&topic) {
            Ok(parsed) => parsed,
            Err(error) => {
                tracing::warn!(%error, bytes = payload.len(), "a message that is not for a hub");
                return self.client.try_ack(&receipt).map_err(|error| error.to_string());
            }
        };
        let content_type = properties.and_then(|properties| properties.content_type);
        let incoming = Incoming { device: device.clone(), what, payload, content_type, live: !retain };
        if let Some(turn) = self.lanes.enter(&device, Delivery { incoming, receipt }) {
            self.begin(turn);
        }
        Ok(())
    }

    fn begin(&mut self, delivery: Delivery) {
        let (client, desk) = (self.client.clone(), Arc::clone(&self.desk));
        self.tasks.spawn(async move {
            let Delivery { incoming, receipt } = delivery;
            let device = incoming.device.clone();
            let acks = desk.take(incoming).await.map_err(|error| error.to_string())?;
            let to = topic::down(&device, DownTopic::Ack);
            for ack in acks {
                let sent = client.publish(to.as_str(), QoS::AtLeastOnce, false, ack.encode()).await;
                sent.map_err(|error| error.to_string())?;
            }
            client.ack(&receipt).await.map_err(|error| error.to_string())?;
            Ok(device)
        });
    }

    fn done(&mut self, done: Result<Result<DeviceId, String>, tokio::task::JoinError>) -> Result<(), String> {
        let device = done.map_err(|error| format!("a message could not be worked off: {error}"))??;
        if let Some(next) = self.lanes.leave(&device) {
            self.begin(next);
        }
        Ok(())
    }
}

async fn poll(mut eventloop: EventLoop, events: mpsc::Sender<LineEvent>) {
    loop {
        let event = match timeout(SILENCE, eventloop.poll()).await {
            Ok(Ok(event)) => translate(event),
            Ok(Err(error)) => Some(LineEvent::Lost(describe(&error))),
            Err(_) => Some(LineEvent::Lost("the network takes nothing any more".to_owned())),
        };
        let Some(event) = event else { continue };
        let last = matches!(event, LineEvent::Lost(_));
        if events.send(event).await.is_err() || last {
            return;
        }
    }
}

fn translate(event: Event) -> Option<LineEvent> {
    match event {
        Event::Incoming(Packet::SubAck(answer)) => {
            let granted = answer.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)));
            Some(LineEvent::Subscribed { granted })
        }
        Event::Incoming(Packet::Publish(publish)) => Some(LineEvent::Message(Box::new(publish))),
        _ => None,
    }
}

/// What went wrong, in words for the log and the health page.
fn describe(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Io(error) => format!("the broker can't be reached: {error}"),
        ConnectionError::Timeout(_) => format!("the broker gives no answer within {CONNECT_TIMEOUT_S} s"),
        ConnectionError::ConnectionRefused(code) => format!("the broker refuses this hub: {code:?}"),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let reason = reason_string.as_deref().unwrap_or("no reason given");
            format!("the broker ended the connection: {reason_code:?}, {reason}")
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => "the broker closed the connection".to_owned(),
        ConnectionError::MqttState(StateError::AwaitPingResp) => "the broker answers no more".to_owned(),
        other => other.to_string(),
    }
}
