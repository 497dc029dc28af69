//! Devices: when they were last heard of, and what they said of themselves.

use super::boots::{self, Moment};
use super::times;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::state::{DeviceState, Presence};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

const SEEN: &str = "INSERT INTO field_eye_devices (id, last_seen_at, created_at) VALUES (?1, ?2, ?2)
    ON CONFLICT (id) DO UPDATE SET last_seen_at = max(last_seen_at, excluded.last_seen_at)";

/// A device was heard of.
pub(super) fn seen(db: &Connection, device: &DeviceId, now: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached(SEEN)?.execute(params![device.as_str(), times::text(now)]).map(drop)
}

const NEWEST: &str = "SELECT boot, connection, presence FROM field_eye_devices WHERE id = ?1";
const STATE: &str = "INSERT INTO field_eye_devices (id, presence, boot, connection, agent_version, model_name,
        model_version, model_sha256, clock_wall, clock_synced, clock_offset_ms, queue_records, queue_blobs,
        queue_bytes, state_at, last_seen_at, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15, ?15)
    ON CONFLICT (id) DO UPDATE SET presence = excluded.presence, boot = excluded.boot,
        connection = excluded.connection, agent_version = excluded.agent_version,
        model_name = coalesce(excluded.model_name, model_name),
        model_version = coalesce(excluded.model_version, model_version),
        model_sha256 = coalesce(excluded.model_sha256, model_sha256),
        clock_wall = coalesce(excluded.clock_wall, clock_wall),
        clock_synced = coalesce(excluded.clock_synced, clock_synced),
        clock_offset_ms = coalesce(excluded.clock_offset_ms, clock_offset_ms),
        queue_records = excluded.queue_records, queue_blobs = excluded.queue_blobs,
        queue_bytes = excluded.queue_bytes, state_at = excluded.state_at, last_seen_at = excluded.last_seen_at";
const OFFLINE: &str = "UPDATE field_eye_devices SET presence = 'offline', boot = ?2, connection = ?3, state_at = ?4
    WHERE id = ?1";

/// A device has said how it stands, or its last will has. `live` is false for a state that the broker had kept.
///
/// An "offline" of a connection before the newest is old news and changes nothing; an "online" always counts, since
/// a device whose disk was replaced counts its starts from the beginning. Gives whether it came or went.
pub(super) fn state(db: &Connection, state: &DeviceState, live: bool, now: Timestamp) -> rusqlite::Result<bool> {
    let device = state.device.as_str();
    let (boot, connection) = (clamp(state.boot), clamp(state.connection));
    let newest: Option<(i64, i64, String)> =
        db.prepare_cached(NEWEST)?.query_row([device], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let was = |presence: &str| newest.as_ref().is_some_and(|(.., known)| known == presence);
    if state.presence == Presence::Offline {
        if newest.as_ref().is_some_and(|(b, c, _)| (boot, connection) < (*b, *c)) {
            return Ok(false);
        }
        if newest.is_none() {
            seen(db, &state.device, now)?;
        }
        // The last will was written when the connection began: all else in it is older than what is known.
        db.prepare_cached(OFFLINE)?.execute(params![device, boot, connection, times::text(now)])?;
        return Ok(!was("offline"));
    }
    let model = state.model.as_ref();
    let clock = state.clock.as_ref();
    let offset_ms = clock.filter(|_| live).map(|at| now.as_millisecond() - at.wall.as_millisecond());
    db.prepare_cached(STATE)?.execute(params![
        device,
        "online",
        boot,
        connection,
        clip(&state.agent),
        model.map(|model| clip(&model.name)),
        model.map(|model| clip(&model.version)),
        model.map(|model| clip(&model.sha256)),
        clock.map(|at| times::text(at.wall)),
        clock.map(|at| at.synced),
        offset_ms,
        clamp(state.queue.records),
        clamp(state.queue.blobs),
        clamp(state.queue.bytes),
        times::text(now),
    ])?;
    if let Some(at) = clock.filter(|at| i64::try_from(at.boot).is_ok() && i64::try_from(at.mono_ms).is_ok()) {
        // A kept state says when it was made, but not how long ago that is.
        let moment = if live { Moment::heard(at, now) } else { Moment::from(at) };
        boots::learn(db, &state.device, &[moment])?;
    }
    Ok(!was("online"))
}

fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn clip(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{self, device, now};
    use fieldeye_protocol::record::At;
    use fieldeye_protocol::state::QueueDepth;

    fn said(presence: Presence, boot: u64, connection: u64) -> DeviceState {
        DeviceState {
            v: 1,
            device: device("cam-7"),
            presence,
            boot,
            connection,
            agent: "0.1.0".to_owned(),
            model: None,
            clock: None,
            queue: QueueDepth { records: 3, blobs: 2, bytes: 1 },
        }
    }

    fn presence(db: &Connection) -> (String, u64, u64) {
        db.query_row("SELECT presence, boot, connection FROM field_eye_devices", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .expect("there")
    }

    #[test]
    fn an_older_offline_is_not_heard() {
        let db = testing::database();
        let say =
            |presence, boot, connection| state(&db, &said(presence, boot, connection), true, now()).expect("written");
        assert!(say(Presence::Offline, 2, 4), "of a device that nobody knew");
        assert!(say(Presence::Online, 2, 5));
        assert!(!say(Presence::Online, 2, 5), "no news");
        assert!(!say(Presence::Offline, 2, 4));
        assert!(!say(Presence::Offline, 1, 9));
        assert_eq!(presence(&db), ("online".to_owned(), 2, 5));
        assert!(say(Presence::Offline, 2, 5));
        assert_eq!(presence(&db), ("offline".to_owned(), 2, 5));
        assert!(say(Presence::Online, 1, 1), "its disk was replaced");
        assert_eq!(presence(&db), ("online".to_owned(), 1, 1));
    }

    #[test]
    fn the_hubs_clock_is_better_than_none_and_the_devices_own_better_still() {
        let (mut db, cam) = (testing::database(), device("cam-7"));
        let at = |mono_ms, wall: &str, synced| At { wall: wall.parse().expect("time"), boot: 5, mono_ms, synced };
        let event = |n, at| fieldeye_protocol::record::Record { at, ..testing::event(n, 1, "x") };
        let observed = |db: &Connection, n: u128| -> (String, String) {
            let sql = "SELECT observed_at, time_quality FROM field_eye_events WHERE id = ?1";
            db.query_row(sql, [testing::id(n).to_string()], |row| Ok((row.get(0)?, row.get(1)?))).expect("there")
        };
        let corrected = |time: &str| (time.to_owned(), "corrected".to_owned());
        testing::apply(&mut db, &cam, &[event(1, at(1_000, "1970-01-01T00:00:01Z", false))]);
        let mut said = said(Presence::Online, 5, 1);
        said.clock = Some(at(61_000, "1970-01-01T00:01:01Z", false));
        state(&db, &said, false, now()).expect("written");
        assert_eq!(observed(&db, 1).1, "device", "nobody knows how old a kept state is");
        state(&db, &said, true, now()).expect("written");
        assert_eq!(observed(&db, 1), corrected("2026-03-01T11:59:00.000Z"));
        said.clock = Some(at(71_000, "1970-01-01T00:01:11Z", false));
        state(&db, &said, true, times::after(now(), std::time::Duration::from_secs(99))).expect("written");
        assert_eq!(observed(&db, 1), corrected("2026-03-01T11:59:00.000Z"), "once is enough");
        testing::apply(&mut db, &cam, &[event(2, at(81_000, "2026-03-01T12:00:21Z", true))]);
        assert_eq!(observed(&db, 1), corrected("2026-03-01T11:59:01.000Z"));
    }

    #[test]
    fn what_it_said_is_kept_when_it_goes() {
        let db = testing::database();
        let mut online = said(Presence::Online, 1, 1);
        online.clock =
            Some(At { wall: "2026-01-01T00:00:00Z".parse().expect("time"), boot: 1, mono_ms: 5, synced: true });
        state(&db, &online, true, "2026-01-01T00:00:02Z".parse().expect("time")).expect("written");
        let gone = DeviceState { queue: QueueDepth::default(), ..said(Presence::Offline, 1, 1) };
        state(&db, &gone, true, now()).expect("written");
        let row: (i64, u64, bool) = db
            .query_row("SELECT clock_offset_ms, queue_records, clock_synced FROM field_eye_devices", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .expect("there");
        assert_eq!(row, (2000, 3, true));
    }
}
