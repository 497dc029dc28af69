//! The broker as its clients see it: a library's own MQTT clients, over TCP.

use super::*;
use bytes::Bytes;
use fieldeye_base::exit::Exit;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, ConnectReturnCode, Filter, LastWill, LastWillProperties, Packet, PubAckReason, Publish,
    SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, MqttOptions};
use tokio::sync::mpsc;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

async fn broker() -> Broker {
    start("127.0.0.1:0".parse().expect("an address")).await.expect("it listens")
}

fn options(broker: &Broker, client_id: &str) -> MqttOptions {
    let mut options = MqttOptions::new(client_id, "127.0.0.1", broker.address().port());
    options.set_keep_alive(Duration::from_secs(5)).set_clean_start(true);
    options.set_max_packet_size(Some(2 * 1024 * 1024));
    options
}

fn hub_options(broker: &Broker) -> MqttOptions {
    let mut options = options(broker, &Login::client_id());
    let login = broker.login();
    options.set_credentials(&login.user, login.password.expose());
    options
}

/// A connected client whose packets can be waited for. Dropping it cuts the connection without a farewell.
struct Client {
    client: AsyncClient,
    packets: mpsc::Receiver<Packet>,
    _task: tokio_util::task::AbortOnDropHandle<()>,
}

impl Client {
    /// Connects, or says with which code it was refused.
    async fn connect(options: MqttOptions) -> Result<Self, ConnectReturnCode> {
        let (client, mut events) = AsyncClient::new(options, 64);
        let first = timeout(SOON, events.poll()).await.expect("an answer");
        match first {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {}
            Err(ConnectionError::ConnectionRefused(code)) => return Err(code),
            other => panic!("neither yes nor no: {other:?}"),
        }
        let (sender, packets) = mpsc::channel(1024);
        let task = tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(packet) = event
                    && sender.send(packet).await.is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { client, packets, _task: tokio_util::task::AbortOnDropHandle::new(task) })
    }

    async fn packet<T>(&mut self, wanted: impl Fn(Packet) -> Option<T>) -> T {
        let look = async {
            loop {
                let packet = self.packets.recv().await.expect("the connection stands");
                if let Some(found) = wanted(packet) {
                    return found;
                }
            }
        };
        timeout(SOON, look).await.expect("in time")
    }

    async fn message(&mut self) -> Publish {
        self.packet(|packet| if let Packet::Publish(publish) = packet { Some(publish) } else { None }).await
    }

    async fn subscribe(&mut self, filter: &str) -> SubscribeReasonCode {
        let filter = Filter::new(filter.to_owned(), QoS::AtLeastOnce);
        self.client.subscribe_many([filter]).await.expect("queued");
        self.packet(|packet| if let Packet::SubAck(ack) = packet { ack.return_codes.into_iter().next() } else { None })
            .await
    }

    async fn publish(&mut self, topic: &str, retain: bool, payload: impl Into<Bytes>) -> PubAckReason {
        self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await.expect("queued");
        self.packet(|packet| if let Packet::PubAck(ack) = packet { Some(ack.reason) } else { None }).await
    }
}

fn may(reason: PubAckReason) -> bool {
    matches!(reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers)
}

#[tokio::test]
async fn what_devices_send_reaches_the_hub_and_nobody_else() {
    let broker = broker().await;
    let mut hub = Client::connect(hub_options(&broker)).await.expect("the hub is let in");
    assert_eq!(hub.subscribe(fieldeye_protocol::topic::HUB_SHARED_FILTER).await, granted());
    let mut device = Client::connect(options(&broker, "cam-7")).await.expect("a device is let in");
    let chunk = vec![7u8; 1024 * 1024];
    assert_eq!(device.publish("fieldeye/v1/cam-7/up/blob/00/0", false, chunk.clone()).await, PubAckReason::Success);
    let message = hub.message().await;
    assert_eq!((&message.topic[..], message.payload.len()), (&b"fieldeye/v1/cam-7/up/blob/00/0"[..], chunk.len()));

    assert_eq!(device.subscribe("fieldeye/v1/cam-7/down/#").await, granted());
    assert!(may(hub.publish("fieldeye/v1/cam-7/down/ack", false, "{}").await));
    assert_eq!(&device.message().await.topic[..], b"fieldeye/v1/cam-7/down/ack");
}

#[tokio::test]
async fn a_device_speaks_only_for_itself() {
    let broker = broker().await;
    let mut hub = Client::connect(hub_options(&broker)).await.expect("the hub is let in");
    assert_eq!(hub.subscribe("#").await, granted());
    let mut device = Client::connect(options(&broker, "cam-7")).await.expect("a device is let in");
    for topic in ["fieldeye/v1/cam-8/up/records", "fieldeye/v1/cam-7/down/command", "elsewhere"] {
        assert_eq!(device.publish(topic, false, "x").await, PubAckReason::NotAuthorized, "{topic}");
    }
    assert_eq!(device.publish("fieldeye/v1/cam-7/up/records", true, "x").await, PubAckReason::NotAuthorized);
    device.client.publish("fieldeye/v1/cam-8/up/telemetry", QoS::AtMostOnce, false, "x").await.expect("queued");
    assert_eq!(device.publish("fieldeye/v1/cam-7/up/records", false, "mine").await, PubAckReason::Success);
    assert_eq!(&hub.message().await.payload[..], b"mine", "nothing else came through");
    for filter in ["#", "fieldeye/v1/+/up/#", "fieldeye/v1/cam-8/down/#", "$share/hub/fieldeye/v1/+/up/#"] {
        assert_eq!(device.subscribe(filter).await, SubscribeReasonCode::NotAuthorized, "{filter}");
    }
}

#[tokio::test]
async fn only_who_can_be_somebody_is_let_in() {
    let broker = broker().await;
    let refused = async |options| Client::connect(options).await.err();
    assert_eq!(refused(options(&broker, "Not A Device")).await, Some(ConnectReturnCode::NotAuthorized));
    let id = Login::client_id();
    assert_eq!(refused(options(&broker, &id)).await, Some(ConnectReturnCode::BadUserNamePassword));
    let mut wrong = options(&broker, &id);
    wrong.set_credentials(&broker.login().user, "guess");
    assert_eq!(refused(wrong).await, Some(ConnectReturnCode::BadUserNamePassword));
}

#[tokio::test]
async fn a_will_on_a_foreign_topic_is_refused_at_the_door() {
    let broker = broker().await;
    for topic in ["fieldeye/v1/cam-8/state", "fieldeye/v1/cam-7/down/command"] {
        let mut options = options(&broker, "cam-7");
        options.set_last_will(LastWill::new(topic, "gone", QoS::AtLeastOnce, true, None));
        assert_eq!(Client::connect(options).await.err(), Some(ConnectReturnCode::NotAuthorized), "{topic}");
    }
}

#[tokio::test]
async fn states_and_wills_are_kept_for_hubs_that_come_later() {
    let broker = broker().await;
    let mut options = options(&broker, "cam-7");
    options.set_last_will(LastWill::new("fieldeye/v1/cam-7/state", "gone", QoS::AtLeastOnce, true, None));
    let mut device = Client::connect(options).await.expect("a device is let in");
    assert!(may(device.publish("fieldeye/v1/cam-7/state", true, "here").await));
    let mut hub = Client::connect(hub_options(&broker)).await.expect("the hub is let in");
    assert_eq!(hub.subscribe(fieldeye_protocol::topic::HUB_STATE_FILTER).await, granted());
    let state = hub.message().await;
    assert_eq!((&state.payload[..], state.retain), (&b"here"[..], true));
    drop(device);
    assert_eq!(&hub.message().await.payload[..], b"gone");
    let mut later = Client::connect(hub_options(&broker)).await.expect("the hub is let in");
    assert_eq!(later.subscribe(fieldeye_protocol::topic::HUB_STATE_FILTER).await, granted());
    assert_eq!(&later.message().await.payload[..], b"gone");
}

#[tokio::test]
async fn a_device_that_is_soon_back_was_never_gone() {
    let broker = broker().await;
    let mut hub = Client::connect(hub_options(&broker)).await.expect("the hub is let in");
    assert_eq!(hub.subscribe(fieldeye_protocol::topic::HUB_STATE_FILTER).await, granted());
    let delay = Duration::from_secs(1);
    let device = || {
        let mut options = options(&broker, "cam-7");
        let properties = LastWillProperties {
            delay_interval: Some(1),
            payload_format_indicator: None,
            message_expiry_interval: None,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        };
        let topic = "fieldeye/v1/cam-7/state";
        options.set_last_will(LastWill::new(topic, "gone", QoS::AtLeastOnce, true, Some(properties)));
        options.set_clean_start(false);
        options.set_connect_properties(ConnectProperties {
            session_expiry_interval: Some(60),
            ..ConnectProperties::new()
        });
        Client::connect(options)
    };
    drop(device().await.expect("a device is let in"));
    let back = device().await.expect("it is let in again");
    assert!(timeout(2 * delay, hub.message()).await.is_err(), "it is there");
    let cut = tokio::time::Instant::now();
    drop(back);
    assert_eq!(&hub.message().await.payload[..], b"gone");
    assert!(cut.elapsed() >= delay, "too early: {:?}", cut.elapsed());
}

#[tokio::test]
async fn older_mqtt_is_refused() {
    let broker = broker().await;
    let options = rumqttc::MqttOptions::new("cam-7", "127.0.0.1", broker.address().port());
    let (_client, mut events) = rumqttc::AsyncClient::new(options, 8);
    let answer = timeout(SOON, events.poll()).await.expect("an answer");
    let Err(rumqttc::ConnectionError::ConnectionRefused(code)) = answer else { panic!("let in: {answer:?}") };
    assert_eq!(code, rumqttc::ConnectReturnCode::NotAuthorized);
}

#[tokio::test]
async fn a_slow_hub_costs_messages_and_not_memory() {
    let broker = broker().await;
    let mut options = hub_options(&broker);
    options.set_manual_acks(true);
    let mut hub = Client::connect(options).await.expect("the hub is let in");
    assert_eq!(hub.subscribe(fieldeye_protocol::topic::HUB_SHARED_FILTER).await, granted());
    let mut device = Client::connect(self::options(&broker, "cam-7")).await.expect("a device is let in");
    let most = QUEUE + usize::from(IN_FLIGHT.get());
    for _ in 0..most + 10 {
        device.publish("fieldeye/v1/cam-7/up/records", false, "x").await;
    }
    let deadline = tokio::time::Instant::now() + SOON;
    while broker.facts().dropped() < 9 {
        assert!(tokio::time::Instant::now() < deadline, "only {} were dropped", broker.facts().dropped());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_taken_port_is_said() {
    let first = broker().await;
    let failure = start(first.address()).await.expect_err("taken");
    assert_eq!(failure.exit, Exit::Failed);
    assert!(failure.to_string().contains(&first.address().to_string()), "{failure}");
    let address = first.address();
    drop(first);
    let deadline = tokio::time::Instant::now() + SOON;
    while start(address).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the port is not given back");
        tokio::task::yield_now().await;
    }
}

fn granted() -> SubscribeReasonCode {
    SubscribeReasonCode::Success(QoS::AtLeastOnce)
}
