//! The whole path with the real programs: a video goes in, and everything that was found arrives exactly once, whoever
//! is missing or killed on the way.

#![cfg(target_os = "linux")]

use fieldeye_protocol::body::Severity;
use fieldeye_tests::agent::{Agent, AgentSetup, Ended};
use fieldeye_tests::chance::Chance;
use fieldeye_tests::device::{Device, Inspection};
use fieldeye_tests::ledger::{self, assert_arrived};
use fieldeye_tests::running::{Hub, HubSetup, until};
use fieldeye_tests::workspace;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for an analysis in a debug build on a busy machine.
const PATIENT: Duration = Duration::from_secs(150);
const SOON: Duration = Duration::from_secs(30);

/// A hub and an agent with a folder each. The hub's port stays the same over all its lives.
struct World {
    dir: TempDir,
    hub: HubSetup,
    agent: AgentSetup,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (hub, agent) = (dir.path().join("hub"), dir.path().join("agent"));
        for folder in [&hub, &agent] {
            std::fs::create_dir(folder).expect("a folder");
        }
        // Free now, and nobody else is given it within a test's life: the system goes through all ports first.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let hub = HubSetup::new(&hub).variable("FIELDEYE_HUB_MQTT__LISTEN", &address);
        Self { agent: AgentSetup::new(&agent).hub(&address), hub, dir }
    }

    /// With one record a message and one message under way, there are many moments to be killed at.
    fn in_small_steps(mut self) -> Self {
        for (name, value) in [("BATCH_RECORDS", "1"), ("WINDOW", "1"), ("CHUNK_WINDOW", "1"), ("ACK_TIMEOUT", "2")] {
            self.agent = self.agent.variable(&format!("FIELDEYE_AGENT_SYNC__{name}"), value);
        }
        self
    }

    /// Sees what is on the videos of [`card`].
    fn for_cards(mut self) -> Self {
        let model = workspace::root().join("tests/models/red-spot");
        self.agent = self.agent.variable("FIELDEYE_AGENT_MODEL__PATH", text(&model));
        self
    }

    fn hub_dir(&self) -> PathBuf {
        self.dir.path().join("hub")
    }

    fn agent_dir(&self) -> &Path {
        self.agent.data_dir()
    }

    /// Records that the agent has written down.
    fn written(&self) -> i64 {
        ledger::count(&self.agent_dir().join("agent.db"), "SELECT count(*) FROM records")
    }

    /// Records and pictures that still wait for the hub.
    fn waiting(&self) -> i64 {
        let database = self.agent_dir().join("agent.db");
        ledger::count(
            &database,
            "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM blobs WHERE state <> 'stored')",
        )
    }

    /// Records and pictures that the hub has.
    fn arrived(&self) -> i64 {
        let query =
            "SELECT (SELECT count(*) FROM field_eye_sessions WHERE rev > 0) + (SELECT count(*) FROM field_eye_pauses)
            + (SELECT count(*) FROM field_eye_frames WHERE rev > 0) + (SELECT count(*) FROM field_eye_defects)
            + (SELECT count(*) FROM field_eye_blobs WHERE state = 'stored')";
        ledger::count(&self.hub_dir().join("hub.db"), query)
    }

    async fn import(&self, clip: &Path) -> Ended {
        self.agent.run(&["import", "--wait-synced", "120", text(clip)]).await
    }

    fn spawn_import(&self, clip: &Path, seconds: &str) -> Agent {
        self.agent.spawn(&["import", "--wait-synced", seconds, text(clip)])
    }

    /// Waits until nothing waits for the hub any more.
    async fn is_synced(&self) {
        until("everything is at the hub", PATIENT, || async { (self.waiting() == 0).then_some(()) }).await;
    }

    /// What the command line of the hub prints as JSON.
    async fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.hub.command(arguments).output().await.expect("the hub's program starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Each critical defect was told once, or twice after a hard death.
    async fn assert_told(&self, hub: &Hub, deaths: usize) {
        let critical = ledger::count(
            &self.hub_dir().join("hub.db"),
            "SELECT count(*) FROM field_eye_defects WHERE severity = 'critical' AND void = 0",
        );
        assert!(critical > 0, "the clip has critical defects");
        let told = "SELECT count(*) FROM field_eye_alerts WHERE sent_rev > 0 AND dropped_at IS NULL";
        let database = self.hub_dir().join("hub.db");
        until("every alert is told", SOON, || async { (ledger::count(&database, told) == critical).then_some(()) })
            .await;
        let lines = hub.console().lines().filter(|line| line.starts_with("ALERT critical")).count();
        let most = critical as usize + deaths.min(1);
        assert!((critical as usize..=most).contains(&lines), "{critical} defects, {lines} lines:\n{}", hub.console());
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}

fn clip() -> PathBuf {
    workspace::root().join("deploy/demo/lift-hill.mp4")
}

/// A memory card with so many videos, each with a pause and a critical defect for the model of [`World::for_cards`].
/// They are one video; a box that players skip changes the content, and with it every id.
fn card(folder: &Path, videos: u32) -> PathBuf {
    let card = folder.join("card");
    std::fs::create_dir(&card).expect("a folder");
    let video = std::fs::read(workspace::root().join("tests/clips/index-first.mp4")).expect("the clip is there");
    for n in 0..videos {
        let mut bytes = video.clone();
        bytes.extend_from_slice(&[0, 0, 0, 12]);
        bytes.extend_from_slice(b"free");
        bytes.extend_from_slice(&n.to_be_bytes());
        std::fs::write(card.join(format!("video-{n}.mp4")), bytes).expect("written");
    }
    card
}

/// The ids in a list of objects.
fn ids(list: &Value) -> BTreeSet<String> {
    let objects = list.as_array().unwrap_or_else(|| panic!("a list: {list}"));
    objects.iter().map(|object| object["id"].as_str().expect("an id").to_owned()).collect()
}

/// What stands in the agent's database is what a look without any trouble finds.
async fn assert_as_inspected(world: &World, clip: &Path) {
    let inspected = world.agent.run(&["inspect", "--json", text(clip)]).await;
    assert_eq!(inspected.code, Some(0), "{inspected:?}");
    let (inspected, records) = (inspected.json(), ledger::agent_records(&world.agent.database()));
    for (kind, list) in [("pause", &inspected["pauses"]), ("defect", &inspected["defects"])] {
        let stored = records.iter().filter(|(_, held)| held.kind == kind && !held.void).map(|(id, _)| id.clone());
        let wanted = ids(list);
        assert!(!wanted.is_empty(), "the clip has {kind}s");
        assert_eq!(stored.collect::<BTreeSet<_>>(), wanted, "{kind}s");
    }
}

#[tokio::test]
async fn everything_that_inspect_finds_is_at_the_hub() {
    let world = World::new();
    let hub = world.hub.start().await;
    let imported = world.import(&clip()).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let arrived = assert_arrived(world.agent_dir(), &world.hub_dir());
    assert!(arrived.records >= 4 && arrived.blobs >= 1, "{arrived:?}");
    assert_as_inspected(&world, &clip()).await;

    // The same through the front door.
    let inspected = world.agent.run(&["inspect", "--json", text(&clip())]).await.json();
    let sessions = world.ask(&["session", "list", "--json"]).await;
    assert_eq!(sessions.as_array().map(Vec::len), Some(1), "{sessions}");
    let session = world.ask(&["session", "show", sessions[0]["id"].as_str().expect("an id"), "--json"]).await;
    for (ours, theirs) in [("pauses", "pauses"), ("defects", "defects")] {
        assert_eq!(ids(&session[ours]), ids(&inspected[theirs]), "{ours}");
    }
    assert_eq!(session["pause_count"], inspected["pauses"].as_array().expect("a list").len());
    assert_eq!(session["status"], "closed", "{session}");
    for pause in session["pauses"].as_array().expect("a list") {
        let found = inspected["pauses"].as_array().expect("a list").iter().find(|found| found["id"] == pause["id"]);
        let found = found.expect("the ids are the same");
        for time in ["start_s", "end_s", "keyframe_s", "confidence"] {
            assert!(ledger::same(&pause[time], &found[time]), "{time}: {pause} {found}");
        }
    }
    let status = world.agent.run(&["status", "--json"]).await.json();
    assert_eq!(status["outbox"], serde_json::json!({"records": 0, "blobs": 0, "bytes": 0}), "{status}");
    assert_eq!(world.ask(&["device", "list", "--json"]).await[0]["id"], "cam-7");
    world.assert_told(&hub, 0).await;

    // Once more: nothing is new.
    let again = world.import(&clip()).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(assert_arrived(world.agent_dir(), &world.hub_dir()), arrived);
    world.assert_told(&hub, 0).await;
    let (status, took) = hub.stop().await;
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
}

#[tokio::test]
async fn measured_latency_of_an_alert() {
    let world = World::new();
    let hub = world.hub.start().await;
    let imported = world.import(&clip()).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    world.assert_told(&hub, 0).await;
    // Both programs have the same clock here: from the moment the agent wrote the defect down to the told alert.
    let query = "SELECT max((julianday(a.sent_at) - julianday(coalesce(d.at_wall, d.created_at))) * 86400.0),
        max((julianday(a.sent_at) - julianday(d.created_at)) * 86400.0)
        FROM field_eye_alerts a JOIN field_eye_defects d ON d.id = a.defect_id";
    let (written, stored): (f64, f64) = ledger::database(&world.hub_dir().join("hub.db"))
        .query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("alerts were told");
    println!("alert told {written:.3} s after the defect was written down, {stored:.3} s after it was stored");
    assert!(written < 1.0 && stored < 1.0, "{written} s, {stored} s");

    // And with a watch in the hand: published, picture included, until the line is on the console.
    let mut device = Device::connect("cam-8", hub.mqtt()).await;
    let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let (mut inspection, session) = Inspection::closed("anna", "train-3", now);
    let (frame_id, frame) = inspection.frame(b"a picture", now);
    let (_, defect) = inspection.defect(frame_id, "bearing_overheat", Severity::Critical, now);
    let begin = Instant::now();
    device.publish(vec![session, frame, defect]).await;
    device.send_blob(b"a picture").await;
    let said = || async { hub.console().contains("bearing overheat").then_some(()) };
    until("the alert", SOON, said).await;
    println!("alert on the console {:?} after the defect was sent", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_hub_that_comes_after_the_inspection_gets_everything() {
    let world = World::new();
    let alone = world.agent.run(&["import", text(&clip())]).await;
    assert_eq!(alone.code, Some(0), "it does not need a hub: {alone:?}");
    assert!(world.waiting() > 0, "everything waits");
    let vain = world.agent.run(&["import", "--wait-synced", "1", text(&clip())]).await;
    assert_eq!(vain.code, Some(6), "{vain:?}");
    let hub = world.hub.start().await;
    let imported = world.import(&clip()).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert_arrived(world.agent_dir(), &world.hub_dir());
    assert_as_inspected(&world, &clip()).await;
    world.assert_told(&hub, 0).await;
}

#[tokio::test]
async fn an_agent_that_stays_finds_the_hub_by_itself() {
    let world = World::new().for_cards();
    let agent = world.agent.start(&[text(&card(world.dir.path(), 2))]).await;
    let closed = "SELECT count(*) FROM sessions WHERE status = 'closed'";
    let database = world.agent_dir().join("agent.db");
    until("the inspections end", PATIENT, || async { (ledger::count(&database, closed) == 2).then_some(()) }).await;
    assert!(world.waiting() > 0, "everything waits");
    let hub = world.hub.start().await;
    world.is_synced().await;
    assert_arrived(world.agent_dir(), &world.hub_dir());
    world.assert_told(&hub, 0).await;
    let (status, took) = agent.stop().await;
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
}

#[tokio::test]
async fn killed_agents_in_the_middle_of_an_inspection_lose_and_repeat_nothing() {
    let world = World::new();
    let hub = world.hub.start().await;
    let mut chance = Chance::new();
    let mut deaths = 0;
    for _ in 0..6 {
        let before = world.written();
        let mut agent = world.spawn_import(&clip(), "120");
        // Each life gets a little further than the one before, or dies while it repeats what that one did.
        let wanted = before + i64::try_from(chance.below(3)).unwrap_or(0);
        let further = async || {
            let more = world.written() > wanted;
            (more || !agent.is_running()).then_some(more)
        };
        let further = until_mut("the inspection goes on", further).await;
        if !further {
            break;
        }
        tokio::time::sleep(chance.moment(250)).await;
        agent.kill().await;
        deaths += 1;
    }
    assert!(deaths >= 3, "it was killed {deaths} times");
    let imported = world.import(&clip()).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let arrived = assert_arrived(world.agent_dir(), &world.hub_dir());
    println!("{arrived:?} after {deaths} deaths");
    assert_as_inspected(&world, &clip()).await;
    world.assert_told(&hub, 0).await;
}

/// [`until`] for a look that changes what it looks at, or that must not come late.
async fn until_mut<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENT;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn killed_agents_in_the_middle_of_a_sync_lose_and_repeat_nothing() {
    let world = World::new().for_cards().in_small_steps();
    let card = card(world.dir.path(), 6);
    let alone = world.agent.run(&["import", text(&card)]).await;
    assert_eq!(alone.code, Some(0), "{alone:?}");
    let hub = world.hub.start().await;
    let mut chance = Chance::new();
    let mut deaths = 0;
    while world.waiting() > 0 && deaths < 12 {
        let before = world.arrived();
        let agent = world.spawn_import(&card, "120");
        let goes_on = async || (world.arrived() > before || world.waiting() == 0).then_some(());
        until_mut("the sync goes on", goes_on).await;
        tokio::time::sleep(chance.moment(8)).await;
        agent.kill().await;
        deaths += 1;
    }
    println!("{} arrived after {deaths} deaths", world.arrived());
    assert!(deaths >= 3, "it was killed {deaths} times");
    let imported = world.import(&card).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert_arrived(world.agent_dir(), &world.hub_dir());
    world.assert_told(&hub, 0).await;
}

#[tokio::test]
async fn killed_hubs_at_any_moment_lose_and_repeat_nothing() {
    let world = World::new().for_cards().in_small_steps();
    let alone = world.agent.run(&["import", text(&card(world.dir.path(), 8))]).await;
    assert_eq!(alone.code, Some(0), "{alone:?}");
    let _agent = world.agent.start(&[]).await;
    let mut chance = Chance::new();
    let mut deaths = 0;
    while world.waiting() > 0 && deaths < 20 {
        let before = world.arrived();
        let hub = world.hub.start().await;
        let goes_on = async || (world.arrived() > before || world.waiting() == 0).then_some(());
        until_mut("the sync goes on", goes_on).await;
        // Anywhere between this commit and the one after the next.
        tokio::time::sleep(chance.moment(12)).await;
        hub.kill().await;
        deaths += 1;
    }
    println!("{} arrived after {deaths} deaths", world.arrived());
    assert!(deaths >= 3, "it was killed {deaths} times");
    let hub = world.hub.start().await;
    world.is_synced().await;
    assert_arrived(world.agent_dir(), &world.hub_dir());
    world.assert_told(&hub, deaths).await;
}

#[tokio::test]
async fn killed_hubs_between_message_and_commit_lose_nothing() {
    let world = World::new().for_cards();
    let card = card(world.dir.path(), 2);
    let agent = world.agent.start(&[]).await;
    for n in 0..2 {
        let hub = world.hub.start().await;
        let connected = || async {
            let status = world.agent.run(&["status", "--json"]).await.json();
            (status["hub"]["connected"] == true && world.waiting() == 0).then_some(())
        };
        until("the agent is connected and nothing waits", PATIENT, connected).await;
        let before = world.arrived();
        let mut database = ledger::database(&world.hub_dir().join("hub.db"));
        let writing = rusqlite::TransactionBehavior::Immediate;
        let held = database.transaction_with_behavior(writing).expect("the hub's database can be held");
        // Handed over to the agent that runs; each finding is on its way at once.
        let video = card.join(format!("video-{n}.mp4"));
        let import = world.agent.run(&["import", text(&video)]).await;
        assert_eq!(import.code, Some(0), "{import:?}");
        // Messages are there by now, and their commit can't happen: nobody may call them stored.
        let written = world.waiting();
        assert!(written >= 5, "session, pause, frame, defect and picture wait: {written}");
        let gone = until_mut_for(Duration::from_secs(2), async || world.waiting() < written).await;
        assert!(!gone, "something left the agent without a commit at the hub");
        hub.kill().await;
        drop(held);
        assert_eq!(world.arrived(), before, "nothing was written");
        assert_eq!(world.waiting(), written, "nothing was taken for written");
    }
    let hub = world.hub.start().await;
    world.is_synced().await;
    assert_arrived(world.agent_dir(), &world.hub_dir());
    // The hub may have been held between telling an alert and noting it.
    world.assert_told(&hub, 2).await;
    let (status, _) = agent.stop().await;
    assert!(status.success(), "{status}");
}

/// Whether something becomes true within a time.
async fn until_mut_for(limit: Duration, mut look: impl AsyncFnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if look().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}
