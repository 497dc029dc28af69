//! The hub's Telegram bot: the real program, against a Bot API server that is as strict as Telegram, with data that
//! came in over MQTT.

#![cfg(unix)]

use fieldeye_protocol::body::Severity;
use fieldeye_tests::bot_api::{BotApi, Call, Fault, MAX_TEXT, Sent};
use fieldeye_tests::device::{Device, Inspection};
use fieldeye_tests::http;
use fieldeye_tests::running::{Hub, HubSetup, until};
use jiff::Timestamp;
use serde_json::Value;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ADMIN: i64 = 7;
const OTHER_ADMIN: i64 = 9;
const STRANGER: i64 = 8;
const GROUP: i64 = -1_000_000_000_007;
const SOON: Duration = Duration::from_secs(20);
/// The library waits ten seconds after a 5xx, and a request that nobody answers is given up after twenty.
const PATIENT: Duration = Duration::from_secs(60);

struct World {
    api: BotApi,
    dir: TempDir,
    hub: Hub,
}

impl World {
    async fn start() -> Self {
        let api = BotApi::start().await;
        Self::start_with(api, |setup| setup).await
    }

    async fn start_with(api: BotApi, change: impl Fn(HubSetup) -> HubSetup) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let setup = change(HubSetup::new(dir.path()).bot(&api, &[ADMIN, OTHER_ADMIN]));
        let hub = setup.start().await;
        Self { api, dir, hub }
    }

    /// Waits until the health page says this of the bot.
    async fn bot_is(&self, words: &str) {
        let what = format!("the health page says {words:?} of the bot");
        until(&what, SOON, || async {
            self.health().await.1["parts"]["bot"].to_string().contains(words).then_some(())
        })
        .await;
    }

    async fn health(&self) -> (u16, Value) {
        self.hub.health().await
    }

    /// A person writes; gives the bot's next text in that chat.
    async fn ask(&self, user: i64, chat: i64, text: &str) -> Sent {
        let before = self.api.messages(chat).len();
        self.api.user_says(user, chat, text);
        until(&format!("an answer to {text}"), SOON, || async { self.api.messages(chat).get(before).cloned() }).await
    }

    fn refusals(&self) -> Vec<Call> {
        let refused = |call: &Call| call.refusal.is_some();
        self.api.calls().into_iter().filter(refused).collect()
    }
}

/// A picture that Telegram takes: a real JPEG of 16 by 16 grey pixels.
fn picture() -> Vec<u8> {
    include_bytes!("data/grey.jpg").to_vec()
}

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().expect("the clock is set");
    Timestamp::from_second(i64::try_from(since.as_secs()).expect("not that late")).expect("a time")
}

/// One closed inspection with one critical defect and its picture, stored by the hub.
async fn inspect(hub: &Hub, device: &str, defect: &str) {
    let mut device = Device::connect(device, hub.mqtt()).await;
    let (mut inspection, session) = Inspection::closed("anna", "train-3", now());
    let (frame_id, frame) = inspection.frame(&picture(), now());
    let (_, defect) = inspection.defect(frame_id, defect, Severity::Critical, now());
    let ack = device.publish(vec![session, frame, defect]).await;
    assert!(ack.rejected.is_empty() && ack.stored.count() == Some(3), "{ack:?}");
    device.send_blob(&picture()).await;
}

/// Alerts about a defect that reached a chat.
fn alerts(api: &BotApi, chat: i64, defect: &str) -> Vec<Sent> {
    api.messages(chat).into_iter().filter(|sent| sent.plain.contains(defect)).collect()
}

#[tokio::test]
async fn commands_are_answered() {
    let w = World::start().await;
    inspect(&w.hub, "cam-7", "torque_stripe_missing").await;
    let start = w.ask(ADMIN, ADMIN, "/start").await;
    assert!(start.plain.contains("Field Eye"), "{start:?}");
    let help = w.ask(ADMIN, ADMIN, "/help").await;
    for command in ["/start", "/help", "/fieldeye_stats", "/fieldeye_sessions", "/fieldeye_defects"] {
        assert!(help.plain.contains(command), "{command} is missing in {help:?}");
    }
    let stats = w.ask(ADMIN, ADMIN, "/fieldeye_stats").await;
    assert!(stats.plain.contains("Inspections: 1") && stats.plain.contains("Defects: 1"), "{stats:?}");
    let sessions = w.ask(ADMIN, ADMIN, "/fieldeye_sessions").await;
    assert!(sessions.plain.contains("anna") && sessions.plain.contains("train-3"), "{sessions:?}");
    let defects = w.ask(ADMIN, ADMIN, "/fieldeye_defects 1").await;
    assert!(defects.plain.contains("torque stripe missing") && defects.plain.contains("91 %"), "{defects:?}");
    let wrong = w.ask(ADMIN, ADMIN, "/fieldeye_sessions 21").await;
    assert_eq!(wrong.plain, "Give a number from 1 to 20, for example /fieldeye_sessions 5.");
    let wrong = w.ask(ADMIN, ADMIN, "/fieldeye_defects 51").await;
    assert_eq!(wrong.plain, "Give a number from 1 to 50, for example /fieldeye_defects 10.");
    let unknown = w.ask(ADMIN, ADMIN, "/fieldeye_nonsense").await;
    assert!(unknown.plain.contains("/help"), "{unknown:?}");
    let menu: Vec<String> = w.api.menu().into_iter().map(|entry| entry.command).collect();
    assert_eq!(menu, ["start", "help", "fieldeye_stats", "fieldeye_sessions", "fieldeye_defects"]);
    assert!(w.api.sent().iter().any(|sent| sent.method == "sendChatAction" && sent.plain == "typing"));
    assert_eq!(w.refusals(), [], "nothing that the bot sent was refused");
}

#[tokio::test]
async fn in_a_group_only_its_own_commands() {
    let w = World::start().await;
    w.api.user_says(ADMIN, GROUP, "good morning");
    w.api.user_says(ADMIN, GROUP, "/fieldeye_stats@some_other_bot");
    w.api.user_says(ADMIN, GROUP, "/weather");
    let stats = w.ask(ADMIN, GROUP, "/fieldeye_stats@FieldEye_Test_Bot").await;
    assert!(stats.plain.contains("Inspections: 0"), "{stats:?}");
    w.ask(ADMIN, GROUP, "/help").await;
    assert_eq!(w.api.messages(GROUP).len(), 2, "{:?}", w.api.messages(GROUP));
}

#[tokio::test]
async fn a_stranger_gets_one_line_and_an_audit_row() {
    let w = World::start().await;
    let line = w.ask(STRANGER, STRANGER, "/fieldeye_stats").await;
    assert!(!line.plain.contains("Inspections"), "{line:?}");
    w.api.user_says(STRANGER, STRANGER, "/start");
    w.api.user_says(STRANGER, STRANGER, "let me in");
    // The queue is in order: when the admin has an answer, the stranger's messages were read.
    w.ask(ADMIN, ADMIN, "/help").await;
    until("everything is confirmed", SOON, || async { (w.api.unconfirmed() == 0).then_some(()) }).await;
    assert_eq!(w.api.messages(STRANGER).len(), 1, "{:?}", w.api.messages(STRANGER));
    inspect(&w.hub, "cam-7", "torque_stripe_missing").await;
    let database = rusqlite::Connection::open(w.dir.path().join("hub.db")).expect("the hub's database");
    let rows: Vec<(String, String)> = database
        .prepare("SELECT who, action FROM field_eye_audit WHERE result = 'refused'")
        .and_then(|mut query| query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .expect("the audit trail is readable");
    assert_eq!(rows, [(format!("telegram:{STRANGER}"), "bot.fieldeye_stats".to_owned())]);
    assert_eq!(alerts(&w.api, STRANGER, "torque").len(), 0);
}

#[tokio::test]
async fn an_alert_with_its_picture_reaches_who_has_started() {
    let w = World::start().await;
    w.ask(ADMIN, ADMIN, "/start").await;
    inspect(&w.hub, "cam-7", "torque_stripe_missing").await;
    let alert = w.api.wait_for(|sent| sent.chat_id == ADMIN && sent.method == "sendPhoto", SOON).await;
    assert_eq!(alert.photo.as_deref(), Some(&picture()[..]));
    for word in ["torque stripe missing", "critical", "cam-7"] {
        assert!(alert.plain.to_lowercase().contains(word), "{word} is missing in {alert:?}");
    }
    // A second defect's alert comes after all of the first one's.
    inspect(&w.hub, "cam-8", "bearing_overheat").await;
    w.api.wait_for(|sent| sent.plain.contains("bearing overheat"), SOON).await;
    assert_eq!(alerts(&w.api, ADMIN, "torque stripe missing").len(), 1);
    assert_eq!(w.api.messages(OTHER_ADMIN).len(), 0, "who never started is not written to");
    assert_eq!(w.refusals(), []);
}

#[tokio::test]
async fn an_alert_waits_as_long_as_telegram_asks() {
    let w = World::start().await;
    w.ask(ADMIN, ADMIN, "/start").await;
    w.api.fail_next(Fault::TooManyRequests(3), Some("sendPhoto"), 1);
    let refused = |calls: &[Call]| calls.iter().any(|call| call.status == 429);
    let begin = Instant::now();
    inspect(&w.hub, "cam-7", "torque_stripe_missing").await;
    w.api.wait_for_calls(refused, SOON).await;
    w.api.wait_for(|sent| sent.method == "sendPhoto", SOON).await;
    assert!(begin.elapsed() >= Duration::from_secs(3), "too early: {:?}", begin.elapsed());
    assert_eq!(alerts(&w.api, ADMIN, "torque stripe missing").len(), 1);
    let tries = w.api.calls().iter().filter(|call| call.method == "sendPhoto").count();
    assert_eq!(tries, 2, "no other try in between");
}

#[tokio::test]
async fn an_alert_survives_errors_silence_and_cuts() {
    let w = World::start().await;
    w.ask(ADMIN, ADMIN, "/start").await;
    w.api.fail_next(Fault::ServerError, Some("sendPhoto"), 1);
    w.api.fail_next(Fault::Cut, Some("sendPhoto"), 1);
    inspect(&w.hub, "cam-7", "torque_stripe_missing").await;
    w.api.wait_for(|sent| sent.method == "sendPhoto", PATIENT).await;
    w.api.fail_next(Fault::Silence, Some("sendPhoto"), 1);
    inspect(&w.hub, "cam-8", "bearing_overheat").await;
    w.api.wait_for(|sent| sent.plain.contains("bearing overheat"), PATIENT).await;
    assert_eq!(alerts(&w.api, ADMIN, "torque stripe missing").len(), 1);
    assert_eq!(alerts(&w.api, ADMIN, "bearing overheat").len(), 1);
}

#[tokio::test]
async fn a_closed_chat_does_not_hold_up_the_others() {
    let w = World::start().await;
    w.ask(ADMIN, ADMIN, "/start").await;
    w.ask(OTHER_ADMIN, OTHER_ADMIN, "/start").await;
    w.api.closes(ADMIN);
    inspect(&w.hub, "cam-7", "torque_stripe_missing").await;
    inspect(&w.hub, "cam-8", "bearing_overheat").await;
    w.api.wait_for(|sent| sent.chat_id == OTHER_ADMIN && sent.plain.contains("torque stripe missing"), SOON).await;
    w.api.wait_for(|sent| sent.chat_id == OTHER_ADMIN && sent.plain.contains("bearing overheat"), SOON).await;
    let closed = w.api.calls().iter().filter(|call| call.status == 403).count();
    assert!((1..=2).contains(&closed), "a closed chat is not tried again and again: {closed} times");
}

#[tokio::test]
async fn a_second_poller_is_named_and_outlived() {
    let w = World::start().await;
    w.bot_is("up").await;
    let url = format!("{}/bot{}/getUpdates?timeout=20", w.api.url(), w.api.token());
    let rival = tokio::spawn(async move {
        loop {
            let _ = http::get(&url).await;
        }
    });
    w.bot_is("some other program").await;
    rival.abort();
    w.bot_is("up").await;
    let help = w.ask(ADMIN, ADMIN, "/help").await;
    assert!(help.plain.contains("/fieldeye_stats"));
}

#[tokio::test]
async fn a_dead_line_is_noticed_and_comes_back() {
    let w = World::start().await;
    w.bot_is("up").await;
    for fault in [Fault::BadGateway, Fault::Cut] {
        w.api.fail_until_mended(fault, None);
        w.bot_is("can't be reached").await;
        w.api.mend();
        let help = w.ask(ADMIN, ADMIN, "/help").await;
        assert!(help.plain.contains("/fieldeye_stats"));
    }
    w.api.fail_next(Fault::TooManyRequests(2), Some("getUpdates"), 1);
    w.ask(ADMIN, ADMIN, "/help").await;
    w.ask(ADMIN, ADMIN, "/help").await;
}

#[tokio::test]
async fn a_poll_that_nobody_answers_is_given_up() {
    let api = BotApi::start().await;
    api.fail_next(Fault::Silence, Some("getUpdates"), 1);
    let w = World::start_with(api, |setup| setup).await;
    w.ask(ADMIN, ADMIN, "/help").await;
}

#[tokio::test]
async fn a_refused_token_is_said_and_the_hub_works_on() {
    let api = BotApi::start().await;
    let token = "4200:AAwrongwrongwrong";
    let w =
        World::start_with(api, |setup| setup.variable("TELEGRAM_BOT_TOKEN", token).variable("FIELDEYE_LOG", "trace"))
            .await;
    w.bot_is("token refused").await;
    let tries = w.api.calls().len();
    inspect(&w.hub, "cam-7", "torque_stripe_missing").await;
    assert_eq!(w.health().await.0, 503);
    assert!(w.api.calls().len() <= tries + 1, "no storm of tries: {:?}", w.api.calls());
    assert_eq!(places_with(w.dir.path(), "wrongwrong"), Vec::<String>::new());
}

#[tokio::test]
async fn the_token_is_written_nowhere() {
    let api = BotApi::start().await;
    let secret = api.token().split_once(':').expect("id:secret").1.to_owned();
    let w = World::start_with(api, |setup| setup.variable("FIELDEYE_LOG", "trace")).await;
    w.ask(ADMIN, ADMIN, "/start").await;
    w.api.fail_next(Fault::BadGateway, Some("getUpdates"), 1);
    w.api.fail_next(Fault::Cut, Some("getUpdates"), 2);
    w.api.fail_next(Fault::Cut, Some("sendMessage"), 1);
    w.ask(ADMIN, ADMIN, "/help").await;
    let failures = |calls: &[Call]| calls.iter().filter(|call| call.status == 502 || call.status == 0).count() == 4;
    w.api.wait_for_calls(failures, PATIENT).await;
    let (_, health) = w.health().await;
    assert!(!health.to_string().contains(&secret));
    let dir = w.dir.path().to_path_buf();
    let (status, _) = w.hub.stop().await;
    assert!(status.success(), "{status}");
    assert!(!places_with(&dir, "listening to Telegram").is_empty(), "the logs are where this test looks");
    assert_eq!(places_with(&dir, &secret), Vec::<String>::new());
}

/// Files under a folder that contain a text.
fn places_with(folder: &std::path::Path, text: &str) -> Vec<String> {
    let mut places = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            places.extend(places_with(&entry, text));
        } else {
            let bytes = std::fs::read(&entry).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                places.push(entry.display().to_string());
            }
        }
    }
    places
}

#[tokio::test]
async fn a_hard_death_repeats_nothing() {
    let api = BotApi::start().await;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let setup = HubSetup::new(dir.path()).bot(&api, &[ADMIN]);
    let w = World { hub: setup.start().await, api, dir };
    w.ask(ADMIN, ADMIN, "/start").await;
    inspect(&w.hub, "cam-7", "torque_stripe_missing").await;
    w.api.wait_for(|sent| sent.method == "sendPhoto", SOON).await;
    w.hub.kill().await;
    let hub = setup.start().await;
    let w = World { hub, api: w.api, dir: w.dir };
    w.ask(ADMIN, ADMIN, "/help").await;
    inspect(&w.hub, "cam-8", "bearing_overheat").await;
    w.api.wait_for(|sent| sent.plain.contains("bearing overheat"), PATIENT).await;
    let times = alerts(&w.api, ADMIN, "torque stripe missing").len();
    assert!((1..=2).contains(&times), "at most one duplicate: {times}");
    let starts = w.api.messages(ADMIN).iter().filter(|sent| sent.plain.contains("Alerts")).count();
    assert_eq!(starts, 1, "the command is not answered again");
}

#[tokio::test]
async fn a_death_in_the_middle_of_an_alert_loses_nothing() {
    let api = BotApi::start().await;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let setup = HubSetup::new(dir.path()).bot(&api, &[ADMIN]);
    let w = World { hub: setup.start().await, api, dir };
    w.ask(ADMIN, ADMIN, "/start").await;
    w.api.fail_next(Fault::LostAnswer, Some("sendPhoto"), 1);
    inspect(&w.hub, "cam-7", "torque_stripe_missing").await;
    w.api.wait_for(|sent| sent.method == "sendPhoto", SOON).await;
    w.hub.kill().await;
    let _hub = setup.start().await;
    let twice = |calls: &[Call]| calls.iter().filter(|call| call.method == "sendPhoto").count() >= 2;
    w.api.wait_for_calls(twice, PATIENT).await;
    assert_eq!(alerts(&w.api, ADMIN, "torque stripe missing").len(), 2, "once, and the one duplicate");
}

#[tokio::test]
async fn long_answers_come_in_pieces_that_telegram_takes() {
    let w = World::start().await;
    let mut device = Device::connect("cam-7", w.hub.mqtt()).await;
    let (mut inspection, session) = Inspection::closed("<b>anna & \u{1f3a2}", "train <3>", now());
    let (frame_id, frame) = inspection.frame(&picture(), now());
    let mut records = vec![session, frame];
    for n in 0..50 {
        let kind = format!("{}<i>&{n}", "crack_\u{1f3a2}".repeat(20));
        records.push(inspection.defect(frame_id, &kind, Severity::Info, now()).1);
    }
    let ack = device.publish(records).await;
    assert_eq!(ack.stored.count(), Some(52), "{ack:?}");
    w.ask(ADMIN, ADMIN, "/fieldeye_defects 50").await;
    w.ask(ADMIN, ADMIN, "/fieldeye_sessions").await;
    let session = w.api.wait_for(|sent| sent.plain.contains("<b>anna & \u{1f3a2}"), SOON).await;
    assert!(session.plain.contains("train <3>"), "{session:?}");
    let listed = w.api.messages(ADMIN).iter().filter(|sent| sent.plain.contains("crack")).count();
    assert!(listed >= 2, "{listed} messages");
    assert!(w.api.messages(ADMIN).iter().all(|sent| sent.plain.encode_utf16().count() <= MAX_TEXT));
    assert_eq!(w.refusals(), []);
}

#[tokio::test]
async fn too_many_questions_are_told_so_once() {
    let w = World::start().await;
    for _ in 0..25 {
        w.api.user_says(ADMIN, ADMIN, "/help");
    }
    w.api.wait_for(|sent| sent.plain.contains("minute"), SOON).await;
    until("everything is confirmed", SOON, || async { (w.api.unconfirmed() == 0).then_some(()) }).await;
    until("ten answers and one word", SOON, || async { (w.api.messages(ADMIN).len() == 11).then_some(()) }).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_the_poll() {
    let w = World::start().await;
    w.bot_is("up").await;
    w.ask(ADMIN, ADMIN, "/help").await;
    let (status, took) = w.hub.stop().await;
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_strange_update_stops_nothing() {
    let w = World::start().await;
    w.api.strange_update(serde_json::json!({"never": ["seen", 1]}));
    w.ask(ADMIN, ADMIN, "/help").await;
}
