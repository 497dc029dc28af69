//! `fieldeye-agent why [SESSION|TIME]`: why something is missing or late, of all, of one session or of one moment
//! ([`moment`]). What was not looked at, what was lost, what the hub rejected, what still waits for it, and files that gave
//! no session at all. Works beside a running program.

mod moment;

use crate::cli::Global;
use crate::config::Config;
use crate::store::jobs;
use crate::store::outbox::{self, Depth, Rejected};
use crate::store::sessions::{self, Listed, Status};
use crate::store::{self, meta, records};
use clap::Args;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_base::{clock, console, sqlite};
use fieldeye_protocol::body::GapBody;
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Serialize;

/// Arguments of `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// A session's id, or its beginning; or a moment, as 2026-11-25T09:48:00Z or 09:48 (UTC); without it, all that miss
    /// something
    #[arg(value_name = "SESSION|TIME")]
    what: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How many failed files are told.
const FILES: usize = 20;

/// What `why --json` prints.
#[derive(Debug, Serialize)]
struct Report {
    sessions: Vec<Session>,
    files: Vec<File>,
    hub: Hub,
}

/// What is missing or late of one session.
#[derive(Debug, Serialize)]
struct Session {
    id: String,
    source: String,
    status: Status,
    gaps: Vec<GapBody>,
    waiting: Depth,
    rejected: Vec<Rejected>,
}

/// A file of which there is no complete session.
#[derive(Debug, Serialize)]
struct File {
    path: String,
    reason: String,
}

/// How the line to the hub stands.
#[derive(Debug, Serialize)]
struct Hub {
    url: String,
    connected: bool,
    since: Option<Timestamp>,
}

impl Session {
    fn is_complete(&self) -> bool {
        let at_the_hub = self.waiting.is_empty() && self.rejected.is_empty();
        at_the_hub && self.gaps.is_empty() && self.status == Status::Closed
    }

    fn lines(&self, hub: &Hub) -> Vec<String> {
        let mut lines = vec![format!("{} (session {})", self.source, self.id)];
        if self.status == Status::Open {
            lines.push("  not looked at to its end yet: the next `run` or `import` of it goes on".to_owned());
        }
        for gap in &self.gaps {
            let what = gap.what.replace('_', " ");
            let span = if gap.end_s > gap.start_s {
                format!("{:.1} s to {:.1} s", gap.start_s, gap.end_s)
            } else {
                format!("from {:.1} s", gap.start_s)
            };
            lines.push(format!("  {span} {what}: {}", gap.reason));
        }
        if !self.waiting.is_empty() {
            lines.push(format!("  {} wait for the hub: {}", self.waiting, hub.line()));
        }
        for Rejected { kind, id, reason } in &self.rejected {
            lines.push(format!("  the hub does not have {kind} {id}: {reason}"));
        }
        if self.is_complete() {
            lines.push("  nothing is missing: it was looked at to its end, and the hub has all of it".to_owned());
        }
        lines
    }
}

impl Hub {
    fn line(&self) -> String {
        let since = self.since.map_or_else(String::new, |since| format!(" since {since:.0}"));
        match (self.connected, self.since) {
            (true, _) => format!("they are on their way to {}, connected{since}", self.url),
            (false, Some(_)) => format!("no line to {}{since}", self.url),
            (false, None) => format!("there was never a line to {}", self.url),
        }
    }
}

/// Says why.
pub(crate) fn run(global: &Global, args: &WhyArgs) -> anyhow::Result<()> {
    let config = global.load(&[])?.value;
    let db = sqlite::open_beside(&store::database_path(&config.data_dir))?;
    if let Some(at) = args.what.as_deref().and_then(|text| moment::parse(text, clock::now())) {
        let moment = moment::look(&db, at)?;
        if args.json {
            return console::say_json(&moment);
        }
        moment.lines().iter().for_each(|line| console::say(line));
        return Ok(());
    }
    let report = read(&db, &config, args.what.as_deref())?;
    if args.json {
        return console::say_json(&report);
    }
    report.sessions.iter().flat_map(|session| session.lines(&report.hub)).for_each(|line| console::say(&line));
    for File { path, reason } in &report.files {
        console::say(&if reason.contains(path) { reason.clone() } else { format!("{path}: {reason}") });
    }
    if report.sessions.is_empty() && report.files.is_empty() {
        console::say("nothing is missing: all was looked at to its end, and the hub has all of it");
    }
    Ok(())
}

fn read(db: &Connection, config: &Config, wanted: Option<&str>) -> anyhow::Result<Report> {
    let listed = sessions::list(db, wanted.unwrap_or_default())?;
    if let Some(wanted) = wanted {
        let failure =
            |text: String| Failure::new(Exit::Failed, text).hint("`fieldeye-agent why` lists what is missing");
        match listed.len() {
            0 => return Err(failure(format!("there is no session {wanted:?} on this device")).into()),
            1 => {}
            count => return Err(failure(format!("{count} sessions begin with {wanted:?}")).into()),
        }
    }
    let mut of_sessions = Vec::new();
    for Listed { id, source, status } in listed {
        let gaps = records::bodies(db, &id, "gap")?;
        let gaps = gaps.into_iter().filter_map(|body| serde_json::from_value(body).ok()).collect();
        let waiting = outbox::depth_of(db, &id)?;
        let rejected = outbox::rejected_list_of(db, &id)?;
        let session = Session { id, source, status, gaps, waiting, rejected };
        if wanted.is_some() || !session.is_complete() {
            of_sessions.push(session);
        }
    }
    let files = if wanted.is_some() { Vec::new() } else { jobs::failed(db, FILES)? };
    let files = files
        .into_iter()
        .map(|job| File { path: job.path, reason: job.message.unwrap_or_else(|| "no reason is known".to_owned()) });
    let line = meta::line(db)?;
    let hub = Hub {
        url: config.hub.url.clone(),
        connected: line.as_ref().is_some_and(meta::Line::is_up),
        since: line.and_then(|line| Timestamp::from_millisecond(line.since_ms).ok()),
    };
    Ok(Report { sessions: of_sessions, files: files.collect(), hub })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::Lane;
    use crate::store::records::{Draft, put};
    use crate::store::testing::{at, database, write};
    use fieldeye_protocol::record::{Parents, RecordId, RecordKind};
    use rusqlite::Transaction;
    use uuid::Uuid;

    fn id(n: u128) -> RecordId {
        RecordId(Uuid::from_u128(n << 96))
    }

    fn session(tx: &Transaction<'_>, n: u128, source: &str, status: Status) -> rusqlite::Result<()> {
        sessions::begin(tx, id(n), source, None, 1)?;
        let ended = sessions::Ended { status, pauses: 0, defects: 0, looked_with: "this test".into() };
        sessions::end(tx, id(n), &ended, 2)
    }

    fn gap(tx: &Transaction<'_>, n: u128, of: u128, reason: &str) -> rusqlite::Result<()> {
        let body = GapBody { start_s: 7.5, end_s: 20.0, what: "not_analysed".into(), reason: reason.into() };
        let draft = Draft::new(id(n), RecordKind::Gap, Parents { session: Some(id(of)), frame: None }, &body);
        put(tx, &draft, &at(1), Lane::Backlog).map(drop)
    }

    fn lines(db: &Connection, wanted: Option<&str>) -> Vec<String> {
        let report = read(db, &Config::default(), wanted).expect("read");
        report.sessions.iter().flat_map(|session| session.lines(&report.hub)).collect()
    }

    #[test]
    fn what_is_missing_is_told_with_its_reason() {
        let mut db = database();
        write(&mut db, |tx| {
            session(tx, 1, "whole.mp4", Status::Closed)?;
            session(tx, 2, "torn.mp4", Status::Interrupted)?;
            gap(tx, 3, 2, "the file ends in the middle")
        });
        let told = lines(&db, None);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("torn.mp4 (session"), "{told:?}");
        assert_eq!(told[1], "  7.5 s to 20.0 s not analysed: the file ends in the middle");
        assert!(told[2].contains("1 record, 0 pictures") && told[2].contains("never a line"), "{told:?}");
        write(&mut db, |tx| outbox::rejected(tx, 1, "no such kind"));
        assert!(lines(&db, None)[2].ends_with(": no such kind"));
        let whole = lines(&db, Some(&id(1).to_string()[..9]));
        assert!(whole[1].contains("nothing is missing"), "{whole:?}");
        assert!(read(&db, &Config::default(), Some("0000")).is_err(), "two begin like that");
        assert!(read(&db, &Config::default(), Some("%")).is_err(), "a beginning, not a pattern");
    }
}
