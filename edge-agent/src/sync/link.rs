//! One MQTT 5 connection. A task of its own polls it and hands over what happens; when it ends, so does the link.

use crate::config::HubAddress;
use crate::sync::LineError;
use bytes::Bytes;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::topic;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, LastWill, LastWillProperties, PubAckReason, PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, StateError};
use rumqttc::{NetworkOptions, Outgoing};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Polling says something at least every keep-alive; a longer silence is a write that a dead network does not take.
const SILENCE: Duration = Duration::from_secs(40);
const CONNECT_TIMEOUT_S: u64 = 10;
/// How long the broker keeps the session, and with it the last will, of a device that dropped off, in seconds.
const SESSION_EXPIRY_S: u32 = 60;
/// A device that is back within this time was never gone, in seconds.
const WILL_DELAY_S: u32 = 30;
/// Largest message that the hub may send down, in bytes.
const MAX_INCOMING: u32 = 4 * 1024 * 1024;
/// Messages that may be queued. The engine keeps well below it, so that queueing never waits.
const QUEUE: usize = 128;
/// Messages that MQTT may have in flight.
const IN_FLIGHT: u16 = 64;

/// What happens on a connection.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// The broker took us; it takes packets up to this size, in bytes.
    Connected {
        /// `None` without a limit.
        max_packet: Option<u32>,
    },
    /// The broker answered the subscription.
    Subscribed {
        /// Whether it granted it.
        granted: bool,
    },
    /// A message went out under this number.
    Sent(u16),
    /// The broker has it; or refused it, and why.
    Acknowledged(u16, Option<PubAckReason>),
    /// A message for us.
    Message {
        /// Its topic.
        topic: String,
        /// Its content.
        payload: Bytes,
    },
    /// Our farewell went out.
    Closing,
    /// The end, and why.
    Lost(String),
}

/// A message that was handed over: its size, and when it went out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// Bytes of its content.
    pub(crate) bytes: u64,
    /// When.
    pub(crate) at: Instant,
}

/// One connection, from its first attempt to its end.
#[derive(Debug)]
pub(crate) struct Link {
    client: AsyncClient,
    events: mpsc::Receiver<LinkEvent>,
    queued: VecDeque<u64>,
    on_the_wire: HashMap<u16, Sent>,
    _poll: AbortOnDropHandle<()>,
}

/// How a device introduces itself.
#[derive(Debug, Clone)]
pub(crate) struct Introduction {
    /// The MQTT client id.
    pub(crate) client_id: String,
    /// Topic and content of the last will, which is retained.
    pub(crate) will: Option<(String, Vec<u8>)>,
}

impl Link {
    /// Begins to connect; [`LinkEvent::Connected`] or [`LinkEvent::Lost`] follows.
    pub(crate) fn open(hub: &HubAddress, introduction: Introduction) -> Self {
        let mut options = MqttOptions::new(introduction.client_id, hub.host.as_str(), hub.port);
        options.set_keep_alive(KEEP_ALIVE);
        options.set_connection_timeout(CONNECT_TIMEOUT_S);
        // The default reserves memory for 65,535 messages.
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECT_TIMEOUT_S);
        options.set_network_options(network);
        let mut properties = ConnectProperties::new();
        properties.max_packet_size = Some(MAX_INCOMING);
        if let Some((topic, message)) = introduction.will {
            let delay = LastWillProperties {
                delay_interval: Some(WILL_DELAY_S),
                payload_format_indicator: None,
                message_expiry_interval: None,
                content_type: None,
                response_topic: None,
                correlation_data: None,
                user_properties: Vec::new(),
            };
            options.set_last_will(LastWill::new(topic, message, QoS::AtLeastOnce, true, Some(delay)));
            // A will waits only as long as its session lasts, and only coming back to that session takes it back.
            options.set_clean_start(false);
            properties.session_expiry_interval = Some(SESSION_EXPIRY_S);
        }
        options.set_connect_properties(properties);
        let (client, eventloop) = AsyncClient::new(options, QUEUE);
        let (sender, events) = mpsc::channel(QUEUE);
        let poll = AbortOnDropHandle::new(tokio::spawn(poll(eventloop, sender)));
        Self { client, events, queued: VecDeque::new(), on_the_wire: HashMap::new(), _poll: poll }
    }

    /// The next event. Safe to cancel.
    pub(crate) async fn event(&mut self) -> LinkEvent {
        self.events.recv().await.unwrap_or_else(|| LinkEvent::Lost("the connection has ended".to_owned()))
    }

    /// Subscribes to all that is meant for `device`.
    pub(crate) fn subscribe(&self, device: &DeviceId) -> Result<(), LineError> {
        self.client.try_subscribe(topic::down_filter(device), QoS::AtLeastOnce).map_err(|error| queue_is_full(&error))
    }

    /// Queues a message.
    pub(crate) fn publish(
        &mut self,
        topic: &str,
        payload: Vec<u8>,
        content_type: Option<&str>,
        retain: bool,
    ) -> Result<(), LineError> {
        let bytes = payload.len() as u64;
        let properties =
            PublishProperties { content_type: content_type.map(str::to_owned), ..PublishProperties::default() };
        self.client
            .try_publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties)
            .map_err(|error| queue_is_full(&error))?;
        self.queued.push_back(bytes);
        Ok(())
    }

    /// Messages that the broker has not acknowledged.
    pub(crate) fn outstanding(&self) -> usize {
        self.queued.len() + self.on_the_wire.len()
    }

    /// Notes that the oldest queued message went out under `number`.
    pub(crate) fn went_out(&mut self, number: u16) {
        if let Some(bytes) = self.queued.pop_front() {
            self.on_the_wire.insert(number, Sent { bytes, at: Instant::now() });
        }
    }

    /// Takes note that the broker has the message `number`.
    pub(crate) fn arrived(&mut self, number: u16) -> Option<Sent> {
        self.on_the_wire.remove(&number)
    }

    /// Says goodbye, so that the last will is not published.
    pub(crate) fn close(&self) {
        let _ = self.client.try_disconnect();
    }
}

fn queue_is_full(error: &rumqttc::v5::ClientError) -> LineError {
    LineError::Lost(format!("the queue of the connection does not take a message: {error}"))
}

async fn poll(mut eventloop: EventLoop, events: mpsc::Sender<LinkEvent>) {
    loop {
        let event = match tokio::time::timeout(SILENCE, eventloop.poll()).await {
            Ok(Ok(event)) => translate(event),
            Ok(Err(error)) => Some(LinkEvent::Lost(describe(&error))),
            Err(_) => Some(LinkEvent::Lost("the network takes nothing any more".to_owned())),
        };
        let Some(event) = event else { continue };
        let last = matches!(event, LinkEvent::Lost(_));
        if events.send(event).await.is_err() || last {
            return;
        }
    }
}

fn translate(event: Event) -> Option<LinkEvent> {
    Some(match event {
        Event::Incoming(Incoming::ConnAck(connack)) => {
            LinkEvent::Connected { max_packet: connack.properties.and_then(|properties| properties.max_packet_size) }
        }
        Event::Incoming(Incoming::SubAck(answer)) => {
            let granted = answer.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_)));
            LinkEvent::Subscribed { granted }
        }
        Event::Incoming(Incoming::PubAck(answer)) => {
            let fine = matches!(answer.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
            LinkEvent::Acknowledged(answer.pkid, (!fine).then_some(answer.reason))
        }
        Event::Incoming(Incoming::Publish(publish)) => {
            LinkEvent::Message { topic: String::from_utf8_lossy(&publish.topic).into_owned(), payload: publish.payload }
        }
        Event::Outgoing(Outgoing::Publish(number)) => LinkEvent::Sent(number),
        Event::Outgoing(Outgoing::Disconnect) => LinkEvent::Closing,
        _ => return None,
    })
}

/// What went wrong, in words for the log and for `doctor`.
fn describe(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Io(error) => error.to_string(),
        ConnectionError::Timeout(_) => format!("no answer within {CONNECT_TIMEOUT_S} s"),
        ConnectionError::ConnectionRefused(code) => format!("the broker refuses this device: {code:?}"),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let reason = reason_string.as_deref().unwrap_or("no reason given");
            format!("the broker ended the connection: {reason_code:?}, {reason}")
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => "the broker closed the connection".to_owned(),
        ConnectionError::MqttState(StateError::AwaitPingResp) => "the broker answers no more".to_owned(),
        other => other.to_string(),
    }
}
