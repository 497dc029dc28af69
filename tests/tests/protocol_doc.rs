//! docs/PROTOCOL.md, taken at its word: every example is published to a real hub, every answer compared.
//!
//! Blocks are marked in their first line: "publish TOPIC" (and "retained"), "answer TOPIC". They are gone through in
//! the order of the page.

use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::topic;
use fieldeye_tests::running::HubSetup;
use fieldeye_tests::workspace;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

const PAGE: &str = "docs/PROTOCOL.md";
/// How long the hub may take to answer.
const SOON: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq)]
enum Example {
    Publish { line: usize, topic: String, retained: bool, payload: String },
    Answer { line: usize, topic: String, pattern: Value },
}

/// The marked blocks of the page.
fn examples(page: &str) -> Vec<Example> {
    let mut lines = (1..).zip(page.lines());
    let mut found = Vec::new();
    while let Some((line, text)) = lines.next() {
        let Some(mark) = text.strip_prefix("```") else { continue };
        let content: Vec<&str> = lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "```").collect();
        let payload = content.join("\n");
        let words: Vec<&str> = mark.split(' ').collect();
        match words[..] {
            [_, "publish", topic] | [_, "publish", topic, "retained"] => {
                let (topic, retained) = (topic.to_owned(), words.len() == 4);
                found.push(Example::Publish { line, topic, retained, payload });
            }
            ["json", "answer", topic] => {
                let pattern = serde_json::from_str(&payload).unwrap_or_else(|error| panic!("line {line}: {error}"));
                found.push(Example::Answer { line, topic: topic.to_owned(), pattern });
            }
            [_] => {}
            _ => panic!("line {line}: a mark that is not known: {mark}"),
        }
    }
    found
}

/// Whether a message is as the page says. Objects may hold more than shown; lists may not.
fn fits(pattern: &Value, message: &Value) -> bool {
    match pattern {
        Value::String(kind) if kind == "<uuid>" => message.as_str().is_some_and(|text| text.parse::<Uuid>().is_ok()),
        Value::String(kind) if kind == "<number>" => message.is_number(),
        Value::String(kind) if kind == "<text>" => message.as_str().is_some_and(|text| !text.is_empty()),
        Value::Object(fields) => fields.iter().all(|(key, inner)| message.get(key).is_some_and(|m| fits(inner, m))),
        Value::Array(items) => message.as_array().is_some_and(|messages| {
            items.len() == messages.len() && items.iter().zip(messages).all(|(item, message)| fits(item, message))
        }),
        plain => plain == message,
    }
}

/// A client that is no agent, and all that it is told.
struct Client {
    line: AsyncClient,
    heard: mpsc::Receiver<(String, Value)>,
    kept: Vec<(String, Value)>,
}

impl Client {
    async fn connect(device: &DeviceId, broker: &str) -> Self {
        let (host, port) = broker.rsplit_once(':').expect("host:port");
        let options = MqttOptions::new(device.as_str(), host, port.parse().expect("a port"));
        let (line, mut events) = AsyncClient::new(options, 64);
        let (sender, heard) = mpsc::channel(256);
        let (ready, mut subscribed) = mpsc::channel(1);
        line.subscribe(topic::down_filter(device), QoS::AtLeastOnce).await.expect("the queue has room");
        tokio::spawn(async move {
            // The first error ends it, and what is waited for does not come.
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => drop(ready.try_send(())),
                    Event::Incoming(Packet::Publish(publish)) => {
                        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                        let message = serde_json::from_slice(&publish.payload).expect("the hub speaks JSON");
                        if sender.send((topic, message)).await.is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
            }
        });
        tokio::time::timeout(SOON, subscribed.recv()).await.expect("the broker answers").expect("the line holds");
        Self { line, heard, kept: Vec::new() }
    }

    /// Waits for a message, which counts once.
    async fn expect(&mut self, at: usize, topic: &str, pattern: &Value) {
        let wanted = |(place, message): &(String, Value)| place == topic && fits(pattern, message);
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            if let Some(index) = self.kept.iter().position(wanted) {
                self.kept.remove(index);
                return;
            }
            match tokio::time::timeout_at(deadline, self.heard.recv()).await {
                Ok(Some(message)) => self.kept.push(message),
                Ok(None) => panic!("{PAGE}:{at}: the line broke; heard {:#?}", self.kept),
                Err(_) => panic!("{PAGE}:{at}: no such answer; heard {:#?}", self.kept),
            }
        }
    }
}

#[tokio::test]
async fn the_page_is_true() {
    let page = workspace::text(Path::new(PAGE)).expect("the page is there");
    let examples = examples(&page);
    let publishes = examples.iter().filter(|example| matches!(example, Example::Publish { .. })).count();
    assert!(publishes >= 7 && examples.len() - publishes >= 6, "the page's examples were read: {examples:#?}");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let setup = HubSetup::new(dir.path());
    let hub = setup.start().await;
    let mut client = Client::connect(&DeviceId::parse("cam-7").expect("valid"), hub.mqtt()).await;
    // Everything twice: what is repeated is answered and changes nothing.
    for round in 0..2 {
        for example in &examples {
            match example {
                Example::Publish { topic, retained, payload, .. } => {
                    let payload = payload.clone().into_bytes();
                    client.line.publish(topic, QoS::AtLeastOnce, *retained, payload).await.expect("the queue has room");
                }
                // A picture that is there is not wanted again.
                Example::Answer { topic, pattern, line } if round == 1 && pattern.get("blob").is_some() => {
                    let stored = serde_json::json!({"blob": pattern["blob"], "state": "stored"});
                    client.expect(*line, topic, &stored).await;
                }
                Example::Answer { topic, pattern, line } => client.expect(*line, topic, pattern).await,
            }
        }
    }
    let database = rusqlite::Connection::open(dir.path().join("hub.db")).expect("the hub's database");
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).expect(sql);
    for (table, rows) in [("sessions", 1), ("frames", 1), ("pauses", 1), ("defects", 1), ("events", 1)] {
        assert_eq!(count(&format!("SELECT count(*) FROM field_eye_{table} WHERE rev = 1")), rows, "{table}");
    }
    assert_eq!(count("SELECT count(*) FROM field_eye_blobs WHERE state = 'stored' AND size = 32"), 1);
    assert_eq!(count("SELECT count(*) FROM field_eye_quarantine"), 2, "the smell and the text");
    assert_eq!(count("SELECT count(*) FROM field_eye_devices WHERE id = 'cam-7' AND presence = 'online'"), 1);
    let (status, _) = hub.stop().await;
    assert!(status.success(), "{status}");
}

#[test]
fn the_page_names_every_topic() {
    let page = workspace::text(Path::new(PAGE)).expect("the page is there");
    for name in ["state", "up/records", "up/blob/<sha256>/<offset>", "down/ack", "up/reply", "up/telemetry"] {
        assert!(page.contains(name), "{name}");
    }
}

#[test]
fn patterns_can_fail() {
    let fits = |pattern: &str, message: &str| {
        let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        fits(&parse(pattern), &parse(message))
    };
    assert!(fits(r#"{"a":"<uuid>","b":[[1,2]]}"#, r#"{"a":"0a6f2f0e-30c4-4f8b-9a5e-3f0f6f3b1c11","b":[[1,2]],"c":0}"#));
    assert!(!fits(r#"{"a":"<uuid>"}"#, r#"{"a":"x"}"#));
    assert!(!fits(r#"{"b":[[1,2]]}"#, r#"{"b":[[1,2],[4,4]]}"#));
    assert!(!fits(r#"{"b":null}"#, r"{}"));
    assert!(!fits(r#"{"reason":"<text>"}"#, r#"{"reason":""}"#));
}
