//! `fieldeye-agent status`: what is stored here and what still waits for the hub. Works beside a running program.

use crate::cli::Global;
use crate::config::Config;
use crate::live;
use crate::store::{self, footage, jobs, meta, origin, outbox, sessions};
use clap::Args;
use fieldeye_base::{clock, console, disk, sqlite};
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A camera that nothing was written about for so long is not watched.
const STALE_S: i64 = 15;

/// What `status --json` prints.
#[derive(Debug, Serialize)]
struct Status {
    device: String,
    store_id: String,
    data_dir: String,
    outbox: outbox::Depth,
    rejected: u64,
    sessions: u64,
    unfinished_jobs: u64,
    cameras: Vec<Value>,
    video_bytes: u64,
    hub: Hub,
}

#[derive(Debug, Serialize)]
struct Hub {
    url: String,
    connected: bool,
    last_ack: Option<Timestamp>,
    store: Option<String>,
    generation: Option<u64>,
}

/// Shows how things stand.
pub(crate) fn run(global: &Global, args: &StatusArgs) -> anyhow::Result<()> {
    let config = global.load(&[])?.value;
    let db = sqlite::open_beside(&store::database_path(&config.data_dir))?;
    let status = read(&db, &config)?;
    if args.json {
        return console::say_json(&status);
    }
    let Status { outbox, hub, .. } = &status;
    let connected = if hub.connected { "connected" } else { "not connected" };
    let last_ack = hub.last_ack.map_or_else(|| "never".to_owned(), |time| format!("{time:.0}"));
    let rows = [
        ("device", status.device.clone()),
        ("data folder", status.data_dir.clone()),
        ("sessions", status.sessions.to_string()),
        ("waiting for the hub", outbox.to_string()),
        ("rejected by the hub", status.rejected.to_string()),
        ("files to analyse", status.unfinished_jobs.to_string()),
        ("hub", format!("{} ({connected}, last answer {last_ack})", hub.url)),
    ];
    for (name, value) in rows {
        console::say(&format!("{name:<20} {value}"));
    }
    if status.video_bytes > 0 {
        console::say(&format!("{:<20} {}", "video kept", disk::human(status.video_bytes)));
    }
    for (index, camera) in status.cameras.iter().enumerate() {
        console::say(&format!("{:<20} {}", format!("camera {}", index + 1), camera_line(camera)));
    }
    if status.rejected > 0 {
        console::say("`fieldeye-agent doctor` shows what was rejected and why");
    }
    Ok(())
}

/// What the program that watches the cameras wrote down of each.
fn cameras(db: &Connection) -> rusqlite::Result<Vec<Value>> {
    let mut cameras = Vec::new();
    while let Some(text) = meta::get(db, &live::health_key(cameras.len() + 1))? {
        cameras.push(serde_json::from_str(&text).unwrap_or_default());
    }
    Ok(cameras)
}

/// One line about a camera.
fn camera_line(camera: &Value) -> String {
    let number = |key: &str| camera[key].as_u64().unwrap_or_default();
    let age_s = (clock::now_ms() - camera["at_ms"].as_i64().unwrap_or_default()).max(0) / 1000;
    let state = match camera["gone"].as_str() {
        _ if age_s > STALE_S => format!("not watched, last seen {age_s} s ago"),
        Some(why) => format!("no picture: {why}"),
        None => "gives pictures".to_owned(),
    };
    format!(
        "{} ({state}; {} frames, {} dropped, connected {} times)",
        camera["address"].as_str().unwrap_or("?"),
        number("frames"),
        number("dropped"),
        number("connections")
    )
}

fn read(db: &Connection, config: &Config) -> rusqlite::Result<Status> {
    let fact = |key: &str| meta::get(db, key).map(Option::unwrap_or_default);
    let depth = outbox::depth(db)?;
    let line = meta::line(db)?;
    let last_ack = meta::get(db, "last_ack_ms")?.and_then(|text| text.parse().ok());
    let origin = origin::last(db)?;
    Ok(Status {
        device: fact("device")?,
        store_id: fact("store_id")?,
        data_dir: config.data_dir.display().to_string(),
        outbox: depth,
        rejected: depth.rejected,
        sessions: sessions::count(db)?,
        unfinished_jobs: jobs::unfinished(db)?,
        cameras: cameras(db)?,
        video_bytes: footage::bytes(db)?,
        hub: Hub {
            url: config.hub.url.clone(),
            connected: line.is_some_and(|line| line.is_up()),
            last_ack: last_ack.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            store: origin.map(|origin| origin.store.to_string()),
            generation: origin.map(|origin| origin.generation),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::records::put;
    use crate::store::testing::{at, database, draft, write};
    use serde_json::json;

    #[test]
    fn json_has_the_promised_fields() {
        let mut db = database();
        write(&mut db, |tx| meta::set(tx, "device", "cam-7"));
        write(&mut db, |tx| put(tx, &draft(1, json!({})), &at(1), outbox::Lane::Backlog));
        write(&mut db, |tx| meta::set_line(tx, true));
        let status = serde_json::to_value(read(&db, &Config::default()).expect("read")).expect("json");
        assert_eq!(status["device"], "cam-7");
        assert_eq!(status["outbox"], json!({"records": 1, "blobs": 0, "bytes": 0}));
        assert_eq!(status["sessions"], 0);
        assert_eq!(status["hub"]["connected"], true);
        write(&mut db, |tx| meta::set(tx, "line", "1 4294967295 0"));
        assert!(!read(&db, &Config::default()).expect("read").hub.connected, "that process is dead");
    }
}
