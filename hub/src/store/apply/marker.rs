//! Which record was being applied when the program died: so that one which kills the hub does so twice at most.
//!
//! The mark is a small file that is written before each record, without waiting for the disk: a process that dies takes
//! nothing of it along. A power cut may; then a record is tried once more than it deserves. The time between mark and
//! erasure is so short that a kill from outside hardly ever hits the same record twice.

use crate::store::StoreError;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::record::Record;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Bytes of the mark: a device, a kind, an id and a revision fit in.
const LENGTH: usize = 256;
/// A record that was being applied at so many deaths is not tried again.
const MOST_DEATHS: u64 = 2;

/// The file, for the only thread that applies records.
#[derive(Debug)]
pub(in crate::store) struct Marker {
    file: Option<File>,
}

const FOUND: &str =
    "INSERT INTO field_eye_suspects (device_id, kind, record_id, rev, deaths) VALUES (?1, ?2, ?3, ?4, 1)
    ON CONFLICT (device_id, kind, record_id, rev) DO UPDATE SET deaths = deaths + 1";

impl Marker {
    /// For a program that applies no records.
    pub(in crate::store) fn none() -> Self {
        Self { file: None }
    }

    /// Opens the file beside the database. What an earlier life was at becomes a suspect.
    pub(in crate::store) fn open(path: &Path, db: &Connection) -> Result<Self, StoreError> {
        let fail = |error| StoreError::file("use", path, error);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let marker = Self { file: Some(options.open(path).map_err(fail)?) };
        let mark = marker.read().map_err(fail)?;
        if let [device, kind, id, rev] = mark.split_whitespace().collect::<Vec<_>>()[..]
            && let Ok(rev) = rev.parse::<i64>()
        {
            tracing::warn!(device, kind, id, rev, "the hub died over this record");
            db.execute(FOUND, params![device, kind, id, rev])
                .map_err(|error| StoreError::database(path, "note a suspect", error))?;
        }
        marker.erase();
        Ok(marker)
    }

    /// This record comes now.
    pub(super) fn set(&self, device: &DeviceId, record: &Record) {
        self.write(&format!("{device} {} {} {}", record.kind.as_str(), record.id, record.rev));
    }

    /// Nothing is being applied.
    pub(super) fn erase(&self) {
        self.write("");
    }

    fn write(&self, text: &str) {
        let mut mark = [b' '; LENGTH];
        let text = &text.as_bytes()[..text.len().min(LENGTH)];
        mark[..text.len()].copy_from_slice(text);
        // Without it the hub only forgets faster.
        if let Some(Err(error)) = self.file.as_ref().map(|file| write_at_start(file, &mark)) {
            tracing::debug!(%error, "the mark of the record under way is not written");
        }
    }

    fn read(&self) -> io::Result<String> {
        let mut mark = [0; LENGTH];
        let length = self.file.as_ref().map_or(Ok(0), |file| read_at_start(file, &mut mark))?;
        Ok(String::from_utf8_lossy(&mark[..length]).into_owned())
    }
}

#[cfg(unix)]
fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, 0)
}

#[cfg(unix)]
fn read_at_start(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, 0)
}

#[cfg(windows)]
fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, 0).map(drop)
}

#[cfg(windows)]
fn read_at_start(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, 0)
}

const ANY: &str = "SELECT 1 FROM field_eye_suspects WHERE device_id = ?1";
const DEATHS: &str = "SELECT deaths FROM field_eye_suspects
    WHERE device_id = ?1 AND kind = ?2 AND record_id = ?3 AND rev = ?4";
const CLEARED: &str = "DELETE FROM field_eye_suspects WHERE device_id = ?1 AND kind = ?2 AND record_id = ?3";

/// Whether any record of a device is under suspicion.
pub(super) fn any(db: &Connection, device: &DeviceId) -> rusqlite::Result<bool> {
    db.prepare_cached(ANY)?.exists([device.as_str()])
}

/// Whether the hub died over this record so often that it is not tried again.
pub(super) fn is_deadly(db: &Connection, device: &DeviceId, record: &Record) -> rusqlite::Result<bool> {
    let Ok(rev) = i64::try_from(record.rev) else { return Ok(false) };
    let values = params![device.as_str(), record.kind.as_str(), record.id.to_string(), rev];
    let deaths: Option<u64> = db.prepare_cached(DEATHS)?.query_row(values, |row| row.get(0)).optional()?;
    Ok(deaths.is_some_and(|deaths| deaths >= MOST_DEATHS))
}

/// This record is in, and the hub lives.
pub(super) fn clear(db: &Connection, device: &DeviceId, record: &Record) -> rusqlite::Result<()> {
    let values = params![device.as_str(), record.kind.as_str(), record.id.to_string()];
    db.prepare_cached(CLEARED)?.execute(values).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Audience;
    use crate::store::apply::{self, Applied, Context};
    use crate::store::testing::{database, device, event, now, numbered, value};
    use uuid::Uuid;

    fn apply(db: &mut Connection, marker: &Marker, records: &[Record]) -> Applied {
        let cam = device("cam-7");
        let context = Context { device: &cam, batch: Uuid::nil(), audience: &Audience::Console, marker, now: now() };
        let mut tx = db.transaction().expect("begun");
        let applied = apply::batch(&mut tx, &context, &numbered(records)).expect("applied");
        tx.commit().expect("committed");
        applied
    }

    fn deaths(db: &Connection) -> u64 {
        value(db, "SELECT coalesce(max(deaths), 0) FROM field_eye_suspects")
    }

    #[test]
    fn a_record_that_kills_the_hub_does_so_twice_at_most_and_takes_no_other_along() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("mark");
        let (mut db, cam) = (database(), device("cam-7"));
        let (good, deadly) = (event(1, 1, "good"), event(2, 1, "deadly"));
        for n in 1..=2 {
            let marker = Marker::open(&path, &db).expect("opened");
            assert_eq!(deaths(&db), n - 1);
            // The program dies here.
            marker.set(&cam, &deadly);
        }
        let marker = Marker::open(&path, &db).expect("opened");
        assert_eq!(deaths(&db), 2);
        let applied = apply(&mut db, &marker, &[good, deadly, event(3, 1, "good")]);
        assert_eq!(applied.stored.as_slice(), [[1, 1], [3, 3]]);
        assert!(applied.rejected[0].reason.contains("died over it twice"));
        drop(marker);
        Marker::open(&path, &db).expect("opened");
        assert_eq!(deaths(&db), 2, "a clean end is no death");
        assert_eq!(
            apply(&mut db, &Marker::none(), &[event(2, 2, "mended")]).rejected,
            [],
            "another revision is another"
        );
        assert_eq!(deaths(&db), 0);
    }

    #[test]
    fn one_death_is_forgiven() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("mark");
        let (mut db, cam) = (database(), device("cam-7"));
        Marker::open(&path, &db).expect("opened").set(&cam, &event(1, 1, "a"));
        let marker = Marker::open(&path, &db).expect("opened");
        assert_eq!(apply(&mut db, &marker, &[event(1, 1, "a")]).stored.as_slice(), [[1, 1]]);
        assert_eq!(deaths(&db), 0, "it is in, and the hub lives");
        std::fs::write(&path, b"some nonsense of an older program \xff").expect("written");
        Marker::open(&path, &db).expect("opened");
        assert_eq!(deaths(&db), 0);
    }
}
