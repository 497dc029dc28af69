//! What is kept on this device: folder, room, lock, database, pictures, what the hub rejected, files that failed.

use super::{Check, State};
use crate::config::Config;
use crate::store::{self, jobs, media, meta, outbox};
use fieldeye_base::{disk, sqlite};
use rusqlite::Connection;
use std::fs::{self, OpenOptions};
use std::path::Path;

/// What stays reserved for the database.
const RESERVE: u64 = 64 * 1024 * 1024;
/// Below this it is time to make room.
const SCARCE: u64 = 8 * RESERVE;
/// How many rejected things and failed files are listed.
const LISTED: usize = 10;

/// All checks of this room.
pub(super) fn checks(config: &Config) -> Vec<Check> {
    let data_dir = config.data_dir.as_path();
    let mut checks = vec![folder(data_dir), room(data_dir)];
    if !data_dir.is_dir() {
        return checks;
    }
    checks.push(holder(data_dir));
    let path = store::database_path(data_dir);
    if !path.exists() {
        checks.push(Check::ok("database", "none yet; the first `run` or `import` makes it"));
        return checks;
    }
    match sqlite::open_beside(&path) {
        Ok(db) => checks.extend(of_database(&db, &path, data_dir)),
        Err(failure) => checks.push(broken(&path, &failure.message)),
    }
    checks
}

fn of_database(db: &Connection, path: &Path, data_dir: &Path) -> Vec<Check> {
    let mut checks = vec![integrity(db, path), schema(db)];
    if checks.iter().any(|check| check.state == State::Fail) {
        return checks;
    }
    for look in [media_folder, pictures, rejected, files] {
        checks.extend(look(db, data_dir).unwrap_or_else(|error| vec![broken(path, &error.to_string())]));
    }
    checks
}

fn broken(path: &Path, why: &str) -> Check {
    let hint = "stop the program, copy the whole data folder to a safe place, then move agent.db away: the next start \
        makes a new one";
    Check::fail("database", format!("{}: {why}", path.display()), hint)
}

fn folder(data_dir: &Path) -> Check {
    const NAME: &str = "data folder";
    let shown = data_dir.display();
    let metadata = match fs::metadata(data_dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Check::ok(NAME, format!("{shown} is not there yet; the first `run` or `import` makes it"));
        }
        Err(error) => return Check::fail(NAME, format!("{shown}: {error}"), "choose another data_dir"),
    };
    if !metadata.is_dir() {
        return Check::fail(NAME, format!("{shown} is not a folder"), "choose another data_dir");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let text = format!("{shown} can be entered by others (mode {mode:04o})");
            return Check::warn(NAME, text, format!("chmod 700 {shown}"));
        }
    }
    Check::ok(NAME, shown.to_string())
}

fn room(data_dir: &Path) -> Check {
    const NAME: &str = "disk";
    let there = data_dir.ancestors().find(|folder| folder.exists()).unwrap_or(data_dir);
    let Some(room) = disk::room(there) else { return Check::ok(NAME, "this system does not say how much is free") };
    let text = format!("{} free of {}", disk::human(room.free), disk::human(room.total));
    let reserve = RESERVE.min(room.total / 16);
    if room.free < reserve {
        return Check::fail(NAME, text, "make room: no pictures are kept, the work waits");
    }
    if room.free < SCARCE.min(room.total / 4) {
        return Check::warn(NAME, text, "make room soon");
    }
    Check::ok(NAME, text)
}

fn holder(data_dir: &Path) -> Check {
    const NAME: &str = "at work";
    let note = fs::read_to_string(data_dir.join("lock.holder")).unwrap_or_default();
    let (role, pid) = note.split_once(' ').unwrap_or(("another program", "unknown"));
    if is_locked(&data_dir.join("lock")) {
        Check::ok(NAME, format!("`{role}` (process {pid})"))
    } else {
        Check::ok(NAME, "nobody now; `fieldeye-agent run` or `import` begins")
    }
}

/// Whether somebody holds the lock, by the kernel's list: taking it, even for a moment, could keep a program from
/// starting.
fn is_locked(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let Ok(metadata) = fs::metadata(path) else { return false };
        let inode = format!(":{}", metadata.ino());
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        locks.lines().any(|line| {
            let held = !line.contains("->");
            held && line.split_ascii_whitespace().nth(5).is_some_and(|file| file.ends_with(&inode))
        })
    }
    #[cfg(not(unix))]
    {
        fs::File::open(path).is_ok_and(|file| file.try_lock_shared().is_err())
    }
}

fn integrity(db: &Connection, path: &Path) -> Check {
    let writable = OpenOptions::new().append(true).open(path);
    if let Err(error) = writable {
        return Check::fail(
            "database",
            format!("{} can't be written: {error}", path.display()),
            "mend its permissions",
        );
    }
    let look = || -> rusqlite::Result<Vec<String>> {
        db.prepare("PRAGMA quick_check(3)")?.query_map([], |row| row.get(0))?.collect()
    };
    match look() {
        Ok(lines) if lines == ["ok"] => {
            let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
            Check::ok("database", format!("{}, {}, no damage found", path.display(), disk::human(size)))
        }
        Ok(lines) => broken(path, &lines.join(", ")),
        Err(error) => broken(path, &error.to_string()),
    }
}

fn schema(db: &Connection) -> Check {
    const NAME: &str = "schema";
    let known = store::schema_version();
    match db.query_row("PRAGMA user_version", [], |row| row.get::<_, u64>(0)) {
        Ok(version) if version == known => Check::ok(NAME, format!("version {version}")),
        Ok(version) if version < known => {
            let text = format!("version {version}, this program brings version {known}");
            Check::warn(NAME, text, "the next `run` or `import` migrates it")
        }
        Ok(version) => {
            let text = format!("version {version} is of a newer program, this one knows {known}");
            Check::fail(NAME, text, "update this program")
        }
        Err(error) => Check::fail(NAME, error.to_string(), "see the line on the database"),
    }
}

fn media_folder(db: &Connection, data_dir: &Path) -> rusqlite::Result<Vec<Check>> {
    const NAME: &str = "media folder";
    let root = data_dir.join("media");
    let ours = meta::get(db, "store_id")?;
    Ok(vec![match media::owner(&root) {
        Ok(owner) if owner == ours => Check::ok(NAME, format!("{} belongs to this store", root.display())),
        Ok(None) => Check::warn(NAME, format!("{} carries no store id", root.display()), "the next start marks it"),
        Ok(Some(owner)) => {
            let text = format!("{} belongs to the store {owner}, not to this one", root.display());
            Check::fail(NAME, text, "put the right folder there; nothing in it is deleted")
        }
        Err(error) => Check::fail(NAME, error.to_string(), "mend its permissions"),
    }])
}

const PICTURES: &str = "SELECT path, size FROM blobs WHERE state <> 'corrupt'";

/// Whether each picture that the database names is there with its size. The content is looked at before it is sent.
fn pictures(db: &Connection, data_dir: &Path) -> rusqlite::Result<Vec<Check>> {
    const NAME: &str = "pictures";
    let root = data_dir.join("media");
    let (mut count, mut bytes, mut lost, mut first) = (0u64, 0u64, 0u64, None);
    let mut statement = db.prepare(PICTURES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (path, size): (String, u64) = (row.get(0)?, row.get(1)?);
        (count, bytes) = (count + 1, bytes + size);
        if fs::metadata(root.join(&path)).map_or(u64::MAX, |metadata| metadata.len()) != size {
            lost += 1;
            first.get_or_insert(path);
        }
    }
    let Some(first) = first else {
        return Ok(vec![Check::ok(NAME, format!("{count}, {}, all there", disk::human(bytes)))]);
    };
    let text = format!("{lost} of {count} are gone or have another size, the first is {}", root.join(first).display());
    Ok(vec![Check::fail(NAME, text, "import the videos again: their pictures come back")])
}

fn rejected(db: &Connection, _data_dir: &Path) -> rusqlite::Result<Vec<Check>> {
    const NAME: &str = "rejected";
    let count = outbox::depth(db)?.rejected;
    if count == 0 {
        return Ok(vec![Check::ok(NAME, "nothing")]);
    }
    let hint = "they are kept here and offered again when the hub is updated; `fieldeye-hub doctor` shows its side";
    let mut checks = vec![Check::warn(NAME, format!("{count} records or pictures"), hint)];
    for outbox::Rejected { kind, id, reason } in outbox::rejected_list(db, LISTED)? {
        let text = format!("{kind} {id}: {reason}");
        checks.push(Check { name: NAME, state: State::Warn, text, hint: None });
    }
    Ok(checks)
}

fn files(db: &Connection, _data_dir: &Path) -> rusqlite::Result<Vec<Check>> {
    const NAME: &str = "files";
    let waiting = jobs::unfinished(db)?;
    let failed = jobs::failed(db, LISTED)?;
    let text =
        if waiting == 0 { "none waits to be analysed".to_owned() } else { format!("{waiting} wait to be analysed") };
    let mut checks = vec![Check::ok(NAME, text)];
    for job in failed {
        let message = job.message.as_deref().unwrap_or("no reason is known");
        let text = format!("{} ({}): {message}", job.path, job.state.as_str());
        checks.push(Check::warn(NAME, text, "mend it and import it again"));
    }
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::Lane;
    use crate::store::records::{self, Draft};
    use crate::store::testing::draft;
    use crate::store::{Opening, Store, blobs};
    use fieldeye_base::instance;
    use fieldeye_protocol::record::RecordId;
    use serde_json::json;
    use uuid::Uuid;

    fn config(dir: &Path) -> Config {
        Config { data_dir: dir.to_owned(), ..Config::default() }
    }

    fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
        checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no {name} in {checks:?}"))
    }

    fn store_with_a_picture(dir: &Path) -> Store {
        let store = Store::open(dir, None, Opening::Start).expect("opened");
        let kept = store.media().keep_jpeg(b"picture").expect("kept");
        let (frame, at): (Draft, _) = (draft(1, json!({})), store.at());
        let work = move |tx: &rusqlite::Transaction<'_>| {
            records::put(tx, &frame, &at, Lane::Backlog)?;
            blobs::keep(tx, &kept, RecordId(Uuid::from_u128(1)), Lane::Backlog)
        };
        store.write_blocking("put", work).expect("written");
        store
    }

    #[test]
    fn a_sound_store_is_in_order_and_an_absent_one_too() {
        let dir = tempfile::tempdir().expect("dir");
        assert!(checks(&config(&dir.path().join("none"))).iter().all(|check| check.state == State::Ok));
        let data_dir = dir.path().join("data");
        drop(store_with_a_picture(&data_dir));
        let all = checks(&config(&data_dir));
        assert!(all.iter().all(|check| check.state == State::Ok), "{all:?}");
        assert!(find(&all, "pictures").text.starts_with("1, 7 bytes"), "{all:?}");
        assert!(find(&all, "at work").text.starts_with("nobody"), "{all:?}");
    }

    #[test]
    fn the_holder_is_named_without_taking_the_lock() {
        let dir = tempfile::tempdir().expect("dir");
        let instance = instance::take(dir.path(), "run").expect("free");
        assert!(holder(dir.path()).text.starts_with("`run` (process"), "{:?}", holder(dir.path()));
        drop(instance);
        assert!(holder(dir.path()).text.starts_with("nobody"));
    }

    #[test]
    fn what_is_lost_rejected_or_anothers_is_said() {
        let dir = tempfile::tempdir().expect("dir");
        let store = store_with_a_picture(dir.path());
        store.write_blocking("reject", |tx| outbox::rejected(tx, 1, "no such kind")).expect("written");
        let picture = fs::read_dir(dir.path().join("media/keyframes")).expect("listed").next().expect("one");
        fs::write(picture.expect("entry").path(), "short").expect("bent");
        fs::write(dir.path().join("media/.store-id"), "another").expect("bent");
        let all = checks(&config(dir.path()));
        assert_eq!(find(&all, "pictures").state, State::Fail);
        assert_eq!(find(&all, "media folder").state, State::Fail);
        let rejected = find(&all, "rejected");
        assert_eq!((rejected.state, rejected.text.as_str()), (State::Warn, "2 records or pictures"));
        assert!(all.iter().any(|check| check.text.ends_with("no such kind")), "{all:?}");
    }

    #[test]
    fn a_damaged_database_fails_and_names_itself() {
        let dir = tempfile::tempdir().expect("dir");
        drop(store_with_a_picture(dir.path()));
        let path = store::database_path(dir.path());
        let mut bytes = fs::read(&path).expect("read");
        let middle = 4096..bytes.len();
        bytes[middle].fill(0x5a);
        fs::write(&path, bytes).expect("bent");
        let all = checks(&config(dir.path()));
        let database = find(&all, "database");
        assert!(database.state == State::Fail && database.text.contains("agent.db"), "{all:?}");
    }
}
