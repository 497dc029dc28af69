//! Devices without a clock: one known moment of a start of the device gives all others of that start.
//!
//! The earliest moment that a device noted with a synchronised clock counts; until there is one, the hub's own clock
//! when the device spoke. What is corrected says so (`time_quality`).

use super::times;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::record::At;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;

/// A moment as a device noted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    boot: u64,
    known: Option<Known>,
}

/// A moment whose time is known. Ordered: what counts more comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    source: Source,
    mono_ms: u64,
    wall: Timestamp,
}

/// Who knew the time. Ordered: what counts more comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Device,
    Hub,
}

impl From<&At> for Moment {
    fn from(at: &At) -> Self {
        // As precise as it is kept, so that the same moment is the same wherever it comes from.
        let wall = Timestamp::from_millisecond(at.wall.as_millisecond()).unwrap_or(at.wall);
        let known = Known { source: Source::Device, mono_ms: at.mono_ms, wall };
        Self { boot: at.boot, known: at.synced.then_some(known) }
    }
}

impl Moment {
    /// A device that may not know the time spoke at `now` of the hub's clock.
    pub(super) fn heard(at: &At, now: Timestamp) -> Self {
        let known = Known { source: Source::Hub, mono_ms: at.mono_ms, wall: now };
        if at.synced { Self::from(at) } else { Self { boot: at.boot, known: Some(known) } }
    }
}

impl Known {
    /// The time of another moment of the same start.
    fn time_of(&self, mono_ms: u64) -> Timestamp {
        let milliseconds = i128::from(mono_ms) - i128::from(self.mono_ms);
        let distance = SignedDuration::from_millis(milliseconds.clamp(i64::MIN.into(), i64::MAX.into()) as i64);
        self.wall.saturating_add(distance).unwrap_or(self.wall)
    }
}

const FIND: &str = "SELECT source, mono_ms, wall FROM field_eye_boots WHERE device_id = ?1 AND boot = ?2";
const PUT: &str = "INSERT INTO field_eye_boots (device_id, boot, source, mono_ms, wall) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (device_id, boot) DO UPDATE SET source = excluded.source, mono_ms = excluded.mono_ms,
        wall = excluded.wall";

fn find(db: &Connection, device: &DeviceId, boot: u64) -> rusqlite::Result<Option<Known>> {
    db.prepare_cached(FIND)?
        .query_row(params![device.as_str(), boot], |row| {
            let source = if row.get_ref(0)?.as_str()? == "device" { Source::Device } else { Source::Hub };
            let wall = row.get_ref(2)?.as_str()?.parse().map_err(|error: jiff::Error| {
                rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(error))
            })?;
            Ok(Known { source, mono_ms: row.get(1)?, wall })
        })
        .optional()
}

/// The hub's best knowledge of a moment, and how it came to it.
pub(super) fn observed(db: &Connection, device: &DeviceId, at: &At) -> rusqlite::Result<(Timestamp, &'static str)> {
    if at.synced {
        return Ok((at.wall, "synced"));
    }
    Ok(match find(db, device, at.boot)? {
        Some(known) => (known.time_of(at.mono_ms), "corrected"),
        None => (at.wall, "device"),
    })
}

/// Takes note of moments, and corrects what was noted without a clock in the same starts.
pub(super) fn learn(db: &Connection, device: &DeviceId, moments: &[Moment]) -> rusqlite::Result<()> {
    let mut best: BTreeMap<u64, Known> = BTreeMap::new();
    for (boot, known) in moments.iter().filter_map(|moment| Some((moment.boot, moment.known?))) {
        best.entry(boot).and_modify(|best| *best = known.min(*best)).or_insert(known);
    }
    for (boot, known) in best {
        let before = find(db, device, boot)?;
        let better = before.is_none_or(|before| match known.source {
            Source::Device => known < before,
            // The hub hears a device again and again; once is enough.
            Source::Hub => false,
        });
        if better {
            let source = if known.source == Source::Device { "device" } else { "hub" };
            let values = params![device.as_str(), boot, source, known.mono_ms, times::text(known.wall)];
            db.prepare_cached(PUT)?.execute(values)?;
            correct(db, device, boot, &known)?;
        }
    }
    Ok(())
}

/// Rows of a start that were noted without a clock, and their correction. A session without a date has that moment.
const CORRECTIONS: [(&str, &str); 7] = [
    (
        "SELECT id, at_mono_ms FROM field_eye_sessions WHERE device_id = ?1 AND at_boot = ?2 AND at_synced = 0",
        "UPDATE field_eye_sessions SET observed_at = ?2, time_quality = 'corrected',
            date = CASE WHEN void = 0 AND json_extract(body, '$.date') IS NULL THEN ?2 ELSE date END WHERE id = ?1",
    ),
    (
        "SELECT id, at_mono_ms FROM field_eye_pauses WHERE device_id = ?1 AND at_boot = ?2 AND at_synced = 0",
        "UPDATE field_eye_pauses SET observed_at = ?2, time_quality = 'corrected' WHERE id = ?1",
    ),
    (
        "SELECT id, at_mono_ms FROM field_eye_frames WHERE device_id = ?1 AND at_boot = ?2 AND at_synced = 0",
        "UPDATE field_eye_frames SET observed_at = ?2, time_quality = 'corrected' WHERE id = ?1",
    ),
    (
        "SELECT id, at_mono_ms FROM field_eye_defects WHERE device_id = ?1 AND at_boot = ?2 AND at_synced = 0",
        "UPDATE field_eye_defects SET observed_at = ?2, time_quality = 'corrected' WHERE id = ?1",
    ),
    (
        "SELECT id, at_mono_ms FROM field_eye_clips WHERE device_id = ?1 AND at_boot = ?2 AND at_synced = 0",
        "UPDATE field_eye_clips SET observed_at = ?2, time_quality = 'corrected' WHERE id = ?1",
    ),
    (
        "SELECT id, at_mono_ms FROM field_eye_gaps WHERE device_id = ?1 AND at_boot = ?2 AND at_synced = 0",
        "UPDATE field_eye_gaps SET observed_at = ?2, time_quality = 'corrected' WHERE id = ?1",
    ),
    (
        "SELECT id, at_mono_ms FROM field_eye_events WHERE device_id = ?1 AND at_boot = ?2 AND at_synced = 0",
        "UPDATE field_eye_events SET observed_at = ?2, time_quality = 'corrected' WHERE id = ?1",
    ),
];

fn correct(db: &Connection, device: &DeviceId, boot: u64, known: &Known) -> rusqlite::Result<()> {
    for (find, update) in CORRECTIONS {
        let rows: Vec<(String, u64)> = db
            .prepare_cached(find)?
            .query_map(params![device.as_str(), boot], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (id, mono_ms) in rows {
            db.prepare_cached(update)?.execute(params![id, times::text(known.time_of(mono_ms))])?;
        }
    }
    Ok(())
}
