//! /fieldeye_sessions [n]: the last inspections.

use crate::bot::{request, words};
use crate::store::{SessionRow, Store, StoreError};
use jiff::Timestamp;

/// What a person wants to know of an inspection.
#[derive(Debug, Clone)]
struct Seen {
    date: Option<Timestamp>,
    technician: String,
    device: Option<String>,
    vehicle: Option<String>,
    equipment: Option<String>,
    duration_s: Option<f64>,
    pauses: u64,
    defects: u64,
}

impl From<SessionRow> for Seen {
    fn from(row: SessionRow) -> Self {
        Self {
            date: row.date,
            technician: row.technician_id,
            device: row.device_id,
            vehicle: row.vehicle_id,
            equipment: row.equipment_type,
            duration_s: row.duration_sec.map(|seconds| seconds as f64),
            pauses: row.pause_count,
            defects: row.defect_count,
        }
    }
}

pub(super) async fn run(store: &Store, given: &[&str]) -> Result<String, StoreError> {
    let n = match request::count(given, 5, 20, "fieldeye_sessions") {
        Ok(n) => n,
        Err(sentence) => return Ok(sentence),
    };
    let rows = store.sessions(n).await?;
    let seen: Vec<Seen> = rows.into_iter().map(Seen::from).collect();
    Ok(text(&seen))
}

fn text(sessions: &[Seen]) -> String {
    let heading = match sessions.len() {
        0 => return "No inspections yet.".to_owned(),
        1 => "<b>The last inspection</b>".to_owned(),
        n => format!("<b>The last {n} inspections</b>"),
    };
    let blocks = sessions.iter().map(block);
    std::iter::once(heading).chain(blocks).collect::<Vec<_>>().join("\n\n")
}

fn block(session: &Seen) -> String {
    let when = session.date.map_or_else(|| "time unknown".to_owned(), words::moment);
    let what: Vec<String> =
        [&session.vehicle, &session.equipment].into_iter().flatten().map(|text| words::name(text)).collect();
    let mut who = words::name(&session.technician);
    if let Some(device) = &session.device {
        who = format!("{who} with {}", words::name(device));
    }
    let mut found = Vec::new();
    found.extend(session.duration_s.map(words::span));
    found.push(words::counted(session.pauses, "pause", "pauses"));
    found.push(words::counted(session.defects, "defect", "defects"));
    let mut lines = vec![format!("<b>{when}</b>")];
    if !what.is_empty() {
        lines.push(what.join(", "));
    }
    lines.push(who);
    lines.push(found.join(", "));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        Seen {
            date: Some("2026-11-24T10:02:59Z".parse().expect("a time")),
            technician: "anna".to_owned(),
            device: Some("cam-7".to_owned()),
            vehicle: Some("train-3".to_owned()),
            equipment: Some("coaster".to_owned()),
            duration_s: Some(95.0),
            pauses: 3,
            defects: 1,
        }
    }

    #[test]
    fn none() {
        insta::assert_snapshot!(text(&[]), @"No inspections yet.");
    }

    #[test]
    fn one_with_everything() {
        insta::assert_snapshot!(text(&[seen()]), @"
        <b>The last inspection</b>

        <b>2026-11-24 10:02 UTC</b>
        train-3, coaster
        anna with cam-7
        1 min 35 s, 3 pauses, 1 defect
        ");
    }

    #[test]
    fn two_one_with_little_and_odd_names() {
        let little = Seen {
            date: None,
            technician: "unknown".to_owned(),
            device: None,
            vehicle: None,
            equipment: Some("<b>pump & motor</b>".to_owned()),
            duration_s: None,
            pauses: 0,
            defects: 0,
        };
        insta::assert_snapshot!(text(&[seen(), little]), @"
        <b>The last 2 inspections</b>

        <b>2026-11-24 10:02 UTC</b>
        train-3, coaster
        anna with cam-7
        1 min 35 s, 3 pauses, 1 defect

        <b>time unknown</b>
        &lt;b&gt;pump &amp; motor&lt;/b&gt;
        unknown
        0 pauses, 0 defects
        ");
    }
}
