//! What became of one moment: which session went on then, and whether a gap lies over it.

use crate::store::{records, sessions};
use fieldeye_protocol::body::GapBody;
use jiff::civil::{DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;

/// What is known of a moment.
#[derive(Debug, Serialize)]
pub(super) struct Moment {
    at: Timestamp,
    /// Sessions that went on then.
    during: Vec<During>,
    /// The last session that had ended before.
    before: Option<Neighbour>,
    /// The first session that began after.
    after: Option<Neighbour>,
}

/// A session that went on.
#[derive(Debug, Serialize)]
struct During {
    id: String,
    source: String,
    /// How far it was, seconds.
    position_s: f64,
    /// What is missing of that moment.
    gaps: Vec<GapBody>,
}

/// A session close to a moment.
#[derive(Debug, Clone, Serialize)]
struct Neighbour {
    id: String,
    source: String,
    began: Timestamp,
    ended: Timestamp,
    /// Why it ended, where that is known.
    why: Option<String>,
}

/// Reads a moment: `2026-11-25T09:48:00Z`, `2026-11-25 09:48` or `09:48`, the last two in UTC, the last one of today or,
/// if that is still to come, of yesterday.
pub(super) fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let utc = |time: DateTime| Offset::UTC.to_timestamp(time).ok();
    // Without a colon it is an id begun, or a bare date, which is no moment.
    if !text.contains(':') {
        return None;
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return utc(time);
    }
    let today = Offset::UTC.to_datetime(now).date();
    let time: Time = text.parse().ok()?;
    let time = utc(today.to_datetime(time))?;
    if time > now { time.checked_sub(SignedDuration::from_hours(24)).ok() } else { Some(time) }
}

/// Looks for what is known of `at`.
pub(super) fn look(db: &Connection, at: Timestamp) -> rusqlite::Result<Moment> {
    let mut moment = Moment { at, during: Vec::new(), before: None, after: None };
    for span in sessions::spans(db)? {
        let Some(body) = records::body(db, &span.id)? else { continue };
        let Some(began) = body["date"].as_str().and_then(|text| text.parse::<Timestamp>().ok()) else { continue };
        let length_s = body["duration_s"].as_f64().unwrap_or(0.0).max(span.reached_s);
        let Ok(ended) = began.checked_add(SignedDuration::from_secs_f64(length_s)) else { continue };
        let why = body["metadata"]["ended"].as_str().map(str::to_owned);
        let neighbour = Neighbour { id: span.id, source: span.source, began, ended, why };
        if ended < at {
            moment.before = moment.before.filter(|known| known.ended >= ended).or(Some(neighbour));
        } else if began > at {
            moment.after = moment.after.filter(|known| known.began <= began).or(Some(neighbour));
        } else {
            let position_s = at.duration_since(began).as_secs_f64();
            let gaps = records::bodies(db, &neighbour.id, "gap")?;
            let gaps = gaps.into_iter().filter_map(|body: Value| serde_json::from_value::<GapBody>(body).ok());
            let gaps = gaps.filter(|gap| gap.start_s <= position_s && position_s <= gap.end_s).collect();
            moment.during.push(During { id: neighbour.id, source: neighbour.source, position_s, gaps });
        }
    }
    Ok(moment)
}

impl Moment {
    /// For a person.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for During { id, source, position_s, gaps } in &self.during {
            lines.push(format!("{source} (session {id}), {position_s:.1} s from its start"));
            for gap in gaps {
                let (what, GapBody { start_s, end_s, reason, .. }) = (gap.what.replace('_', " "), gap);
                lines.push(format!("  {what} from {start_s:.1} s to {end_s:.1} s: {reason}"));
            }
            if gaps.is_empty() {
                lines.push("  nothing is missing of that moment".to_owned());
            }
        }
        if self.during.is_empty() {
            lines.push(format!("no session went on at {:.0}", self.at));
            if let Some(Neighbour { id, ended, why, .. }) = &self.before {
                let why = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
                lines.push(format!("  the one before ended at {ended:.0} (session {id}){why}"));
            }
            if let Some(Neighbour { id, began, .. }) = &self.after {
                lines.push(format!("  the next one began at {began:.0} (session {id})"));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::Lane;
    use crate::store::records::{Draft, put};
    use crate::store::testing::{at, database, write};
    use fieldeye_protocol::body::SessionBody;
    use fieldeye_protocol::record::{Parents, RecordId, RecordKind};
    use serde_json::json;
    use uuid::Uuid;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now = time("2026-11-25T10:00:00Z");
        let wanted = Some(time("2026-11-25T09:48:00Z"));
        for text in ["2026-11-25T09:48:00Z", "2026-11-25 09:48:00", "2026-11-25T09:48", "09:48", "09:48:00"] {
            assert_eq!(parse(text, now), wanted, "{text}");
        }
        assert_eq!(parse("23:30", now), Some(time("2026-11-24T23:30:00Z")), "of yesterday");
        for text in ["01a2121a", "2026", "20261125", "soon", ""] {
            assert_eq!(parse(text, now), None, "{text:?}");
        }
    }

    #[test]
    fn a_moment_is_in_a_session_in_a_gap_or_between() {
        let mut db = database();
        let ids = [1, 2].map(|n: u128| RecordId(Uuid::from_u128(n << 96)));
        write(&mut db, |tx| {
            for (id, began) in ids.into_iter().zip(["2026-11-25T09:00:00Z", "2026-11-25T10:00:00Z"]) {
                sessions::begin(tx, id, "v4l2:/dev/video0", None, 1)?;
                let metadata = json!({"ended": "by hand"});
                let body =
                    SessionBody { date: Some(time(began)), duration_s: 600.0, metadata, ..SessionBody::default() };
                put(tx, &Draft::new(id, RecordKind::Session, Parents::default(), &body), &at(1), Lane::Backlog)?;
            }
            let gap = GapBody { start_s: 60.0, end_s: 90.0, what: "not_recorded".into(), reason: "unplugged".into() };
            let parents = Parents { session: Some(ids[0]), frame: None };
            let draft = Draft::new(RecordId(Uuid::from_u128(9)), RecordKind::Gap, parents, &gap);
            put(tx, &draft, &at(1), Lane::Backlog).map(drop)
        });
        let lines = |text: &str| look(&db, time(text)).expect("read").lines();
        assert_eq!(lines("2026-11-25T09:01:15Z")[1], "  not recorded from 60.0 s to 90.0 s: unplugged");
        assert_eq!(lines("2026-11-25T09:05:00Z")[1], "  nothing is missing of that moment");
        let between = lines("2026-11-25T09:30:00Z");
        assert!(between[0].starts_with("no session went on"), "{between:?}");
        assert!(between[1].contains("09:10:00") && between[1].ends_with(": by hand"), "{between:?}");
        assert!(between[2].contains("10:00:00"), "{between:?}");
        assert_eq!(lines("2026-11-25T08:00:00Z").len(), 2, "nothing before");
    }
}
