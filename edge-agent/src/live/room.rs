//! Keeps room on the disk: recordings in which nothing was held or found go first, the oldest of them before the others.
//! What was found and its pictures never go. With nothing left that may go, recording stops, and says so.

use super::post::Post;
use crate::config::CameraSection;
use crate::store::footage::{self, Candidate};
use crate::store::outbox::Lane;
use crate::store::records;
use crate::store::{Store, StoreError};
use fieldeye_base::disk;
use fieldeye_base::stop::{self, Stop};
use std::time::Duration;

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(1);
/// The newest of a session that goes on stays: what it shows is not written down yet. Seconds.
const NEWEST_S: f64 = 45.0;
/// Recordings come back when so much more is free than they must leave.
const SOME_MORE: u64 = 16 << 20;

/// What recordings may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// Most bytes of all recordings.
    pub(super) most: u64,
    /// Bytes that must stay free on the disk; on a small disk an eighth of it.
    pub(super) free: u64,
}

impl From<&CameraSection> for Budget {
    fn from(section: &CameraSection) -> Self {
        let bytes = |megabytes: u64| megabytes.saturating_mul(1_000_000);
        Self { most: bytes(section.budget_mb), free: bytes(section.free_mb) }
    }
}

/// Keeps room until the program stops.
pub(super) fn keep(store: &Store, post: &Post, budget: Budget, stop: &Stop) {
    if !store.media().is_ours() {
        tracing::error!(
            folder = %store.media().root().display(),
            "the media folder belongs to another store: nothing in it is deleted, and nothing is recorded when the disk is full"
        );
    }
    while !stop.is_cancelled() {
        match make_room(store, budget) {
            Ok(enough) => {
                if post.set_full(!enough) {
                    if enough {
                        tracing::info!("there is room again: recording goes on");
                    } else {
                        tracing::error!(
                            "the disk is full and nothing may be deleted: recording stops, the analysis goes on"
                        );
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "room can't be made"),
        }
        stop::rest(stop, PERIOD);
    }
}

/// Evicts as much as it takes; false when that is not enough.
fn make_room(store: &Store, budget: Budget) -> Result<bool, StoreError> {
    loop {
        let bytes = store.read_blocking("weigh the recordings", footage::bytes)?;
        let room = disk::room(store.media().root());
        let reserve = |total: u64| budget.free.min(total / 8);
        let tight = room.is_some_and(|room| room.free < reserve(room.total));
        if bytes <= budget.most && !tight {
            return Ok(true);
        }
        let next = store.read_blocking("choose a recording", |db| footage::next_to_go(db, NEWEST_S))?;
        let Some(next) = next.filter(|_| store.media().is_ours()) else {
            // A little above the mark is not room yet for who stopped because of it.
            return Ok(bytes <= budget.most && room.is_none_or(|room| room.free > reserve(room.total) + SOME_MORE));
        };
        evict(store, &next)?;
    }
}

fn evict(store: &Store, piece: &Candidate) -> Result<(), StoreError> {
    let path = store.media().root().join(&piece.path);
    tracing::info!(path = %path.display(), size = piece.size, "a recording makes room");
    // First the word, then the deed: a gap that is not there yet is worse than none.
    let reason = "the disk was full, and nothing was held or found in this piece of video";
    let draft = super::gap(piece.session, [piece.start_s, piece.end_s], "evicted", reason);
    let (at, name) = (store.at(), piece.path.clone());
    store.write_blocking("note an eviction", move |tx| {
        records::put(tx, &draft, &at, Lane::Backlog)?;
        footage::forget(tx, &name)
    })?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::error!(path = %path.display(), %error, "a recording can't be deleted");
            Ok(())
        }
        _ => {
            // An empty folder is left by the last piece.
            let _ = path.parent().map(std::fs::remove_dir);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::camera::Piece;
    use crate::store::{Opening, sessions};
    use fieldeye_protocol::record::RecordId;
    use std::path::{Path, PathBuf};
    use uuid::Uuid;

    const NOTHING: Budget = Budget { most: 0, free: 0 };

    /// A store with one piece of video of a session that has ended and in which nothing was found.
    fn with_a_piece(dir: &Path) -> (Store, PathBuf) {
        let store = Store::open(dir, None, Opening::Start).expect("opened");
        let session = RecordId(Uuid::now_v7());
        let root = store.media().root().to_path_buf();
        let file = root.join("video").join(session.to_string()).join("00001.mp4");
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(&file, "a piece").expect("written");
        let piece = Piece { file: file.clone(), start_s: 0.0, end_s: 10.0, size: 7 };
        let begin = move |tx: &rusqlite::Transaction<'_>| {
            sessions::begin(tx, session, "test:ball", None, 1)?;
            let (status, looked_with) = (sessions::Status::Closed, String::new());
            sessions::end(tx, session, &sessions::Ended { status, pauses: 0, defects: 0, looked_with }, 2)?;
            footage::add(tx, &root, session, &piece)
        };
        store.write_blocking("begin", begin).expect("written");
        (store, file)
    }

    fn gaps(store: &Store) -> i64 {
        let sql = "SELECT count(*) FROM records WHERE kind = 'gap'";
        store.read_blocking("count", |db| db.query_row(sql, [], |row| row.get(0))).expect("read")
    }

    #[test]
    fn what_goes_leaves_a_gap() {
        let dir = tempfile::tempdir().expect("dir");
        let (store, file) = with_a_piece(dir.path());
        assert!(make_room(&store, Budget { most: 7, free: 0 }).expect("looked"), "it fits");
        assert!(file.exists() && gaps(&store) == 0);
        assert!(make_room(&store, NOTHING).expect("made"));
        assert!(!file.exists() && gaps(&store) == 1);
        assert!(!file.parent().expect("a folder").exists(), "an empty folder goes too");
    }

    #[test]
    fn in_another_stores_folder_nothing_is_deleted() {
        let dir = tempfile::tempdir().expect("dir");
        let (store, file) = with_a_piece(dir.path());
        drop(store);
        std::fs::write(dir.path().join("media/.store-id"), Uuid::now_v7().to_string()).expect("written");
        let store = Store::open(dir.path(), None, Opening::Start).expect("opened");
        assert!(!make_room(&store, NOTHING).expect("looked"), "there is no room to be had");
        assert!(file.exists() && gaps(&store) == 0);
    }
}
