//! The checks, one function each.

use super::super::running::Running;
use super::{Found, line};
use crate::blobs::Blobs;
use crate::bot;
use crate::config::Config;
use crate::store::{Store, StoreError};
use fieldeye_base::exit::Failure;
use fieldeye_base::{clock, disk, secret};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// Below this, somebody should make room soon, in bytes.
const LOW: u64 = 1024 * 1024 * 1024;
/// Below this, nothing new is taken in, in bytes.
const RESERVED: u64 = 64 * 1024 * 1024;
/// So many reasons of the quarantine are shown.
const REASONS: u32 = 3;

/// All checks, in the order in which a person would look.
pub(super) fn all(config: &Config) -> anyhow::Result<Vec<Found>> {
    let mut found = vec![Found::ok("config", "readable, and every value is possible")];
    let folder = data_dir(&config.data_dir);
    let usable = folder.level != super::Level::Fail;
    found.push(folder);
    if usable {
        found.push(room(&config.data_dir));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        found.extend(runtime.block_on(database(config)));
    }
    found.extend(running(config)?);
    found.push(telegram(config)?);
    found.push(time());
    Ok(found)
}

fn data_dir(path: &Path) -> Found {
    const NAME: &str = "data folder";
    let shown = path.display();
    let facts = match path.metadata() {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Found::fail(NAME, format!("{shown} is not there"))
                .hint("start `fieldeye-hub serve` once, or name the right --data-dir");
        }
        Err(error) => return Found::fail(NAME, format!("{shown} can't be entered: {error}")).hint("check its owner"),
    };
    if !facts.is_dir() {
        return Found::fail(NAME, format!("{shown} is not a folder")).hint("choose another data_dir");
    }
    // A file without a name would do, but not every system has those.
    if let Err(error) = tempfile_in(path) {
        return Found::fail(NAME, format!("nothing can be written to {shown}: {error}"))
            .hint("run this as the user that the hub runs as, or check owner and disk");
    }
    match others_may(path) {
        Some(open) => Found::warn(NAME, format!("others may look into {}", open.display()))
            .hint("take their rights away: chmod go-rwx"),
        None => Found::ok(NAME, format!("{shown} is writable, and nobody else's")),
    }
}

/// Writes a byte and takes it away again.
fn tempfile_in(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!("doctor-{}.tmp", std::process::id()));
    std::fs::write(&path, [0])?;
    std::fs::remove_file(&path)
}

/// The folder or its database, if others than the owner have rights on it.
#[cfg(unix)]
fn others_may(folder: &Path) -> Option<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let open = |path: &Path| path.metadata().is_ok_and(|facts| facts.permissions().mode() & 0o077 != 0);
    [folder.to_path_buf(), crate::store::database_path(folder)].into_iter().find(|path| open(path))
}

#[cfg(not(unix))]
fn others_may(_: &Path) -> Option<std::path::PathBuf> {
    None
}

fn room(path: &Path) -> Found {
    const NAME: &str = "disk";
    let Some(room) = disk::room(path) else {
        return Found::ok(NAME, "this system does not say how much room there is");
    };
    let said = format!("{} of {} free", disk::human(room.free), disk::human(room.total));
    if room.free < RESERVED {
        Found::fail(NAME, said).hint("make room: nothing new is taken in, devices keep what they have")
    } else if room.free < LOW {
        Found::warn(NAME, said).hint("make room soon")
    } else {
        Found::ok(NAME, said)
    }
}

async fn database(config: &Config) -> Vec<Found> {
    const NAME: &str = "database";
    let store = match Store::beside(&config.data_dir) {
        Ok(store) => store,
        Err(failure) => return vec![of_failure(NAME, &failure)],
    };
    let mut found = Vec::new();
    found.push(file(&store).await.unwrap_or_else(|error| of_error(NAME, &error)));
    found.push(blobs(config, &store).await.unwrap_or_else(|error| of_error("blobs", &error)));
    found.push(quarantine(&store).await.unwrap_or_else(|error| of_error("quarantine", &error)));
    found.push(alerts(&store).await.unwrap_or_else(|error| of_error("alerts", &error)));
    found
}

fn of_failure(name: &'static str, failure: &Failure) -> Found {
    let found = Found::fail(name, failure.message.clone());
    failure.hint.iter().fold(found, |found, hint| found.hint(hint.clone()))
}

fn of_error(name: &'static str, error: &StoreError) -> Found {
    of_failure(name, &error.failure())
}

async fn file(store: &Store) -> Result<Found, StoreError> {
    const NAME: &str = "database";
    let damage = store.damage().await?;
    if let Some(first) = damage.first() {
        return Ok(Found::fail(NAME, format!("it is damaged: {first}"))
            .hint("stop the hub, keep a copy of the data folder, and restore the last backup"));
    }
    let (there, known) = store.schema().await?;
    Ok(match there.cmp(&known) {
        std::cmp::Ordering::Equal => {
            let counts = store.counts().await?;
            let (sessions, defects, devices) = (counts.sessions, counts.defects, counts.devices);
            Found::ok(NAME, format!("whole; {sessions} inspections, {defects} defects, {devices} devices"))
        }
        std::cmp::Ordering::Less => {
            Found::warn(NAME, format!("its schema is older ({there}) than this program ({known})"))
                .hint("the next `fieldeye-hub serve` brings it up to date")
        }
        std::cmp::Ordering::Greater => {
            Found::fail(NAME, format!("its schema is newer ({there}) than this program ({known})"))
                .hint("update this program")
        }
    })
}

/// Rows against files.
async fn blobs(config: &Config, store: &Store) -> Result<Found, StoreError> {
    const NAME: &str = "blobs";
    let stored = store.stored_blobs().await?;
    let blobs = match Blobs::open(&config.data_dir) {
        Ok(blobs) => blobs,
        Err(failure) => return Ok(of_failure(NAME, &failure)),
    };
    let (mut bytes, mut wrong) = (0, Vec::new());
    for blob in &stored {
        bytes += blob.size;
        let size = blobs.path(&blob.sha256).metadata().map(|facts| facts.len());
        if size.ok() != Some(blob.size) {
            wrong.push(blob.sha256);
        }
    }
    let counts = store.counts().await?;
    let waiting = counts.blobs_wanted;
    let said = format!("{} stored ({}), {waiting} awaited", stored.len(), disk::human(bytes));
    Ok(match wrong.first() {
        None => Found::ok(NAME, said),
        Some(first) => Found::fail(
            NAME,
            format!("{said}; {} missing or of the wrong size, the first is {first}", wrong.len()),
        )
        .hint("restore the folder blobs from a backup; what a device still has is asked for again when it is missed"),
    })
}

async fn quarantine(store: &Store) -> Result<Found, StoreError> {
    const NAME: &str = "quarantine";
    let entries = store.counts().await?.quarantined;
    if entries == 0 {
        return Ok(Found::ok(NAME, "nothing was refused"));
    }
    let last = store.quarantined(REASONS).await?;
    let reasons: Vec<String> = last.iter().map(|entry| format!("{}: {}", entry.device_id, entry.reason)).collect();
    Ok(Found::warn(NAME, format!("{entries} refused; last: {}", reasons.join(" | ")))
        .hint("an update of the hub or of the device may be missing; nothing of it is lost on the device"))
}

async fn alerts(store: &Store) -> Result<Found, StoreError> {
    const NAME: &str = "alerts";
    let open = store.counts().await?.alerts_open;
    let last = store.alerts(1000).await?;
    let trouble = last.iter().find(|alert| alert.sent_at.is_none() && alert.trouble.is_some());
    Ok(match trouble {
        None => Found::ok(NAME, format!("{open} waiting")),
        Some(alert) => {
            let why = alert.trouble.as_deref().unwrap_or_default();
            Found::warn(NAME, format!("{open} waiting; alert {} to {}: {why}", alert.id, alert.target))
                .hint("`fieldeye-hub alert list` shows them")
        }
    })
}

/// Whether a hub serves this folder and answers; without one, whether it could start.
fn running(config: &Config) -> Result<Vec<Found>, Failure> {
    const NAME: &str = "hub";
    let Some(running) = Running::read(&config.data_dir) else {
        let mut found = vec![Found::warn(NAME, "not running").hint("start it with `fieldeye-hub serve`")];
        found.push(port("mqtt port", config.mqtt_listen()?));
        found.push(port("health port", config.health_listen()?));
        return Ok(found);
    };
    let pid = running.pid;
    Ok(match line::health(running.health) {
        Ok((200, _)) => vec![Found::ok(NAME, format!("process {pid} runs, MQTT on {}, all is well", running.mqtt))],
        Ok((_, page)) => {
            let parts = page["parts"].as_object().cloned().unwrap_or_default();
            let down = parts.iter().filter(|(_, part)| part["state"] == "down");
            let down = down.map(|(name, part)| format!("{name}: {}", part["why"].as_str().unwrap_or("down")));
            let said: Vec<String> = down.collect();
            vec![Found::fail(NAME, format!("process {pid} runs, but {}", said.join("; ")))]
        }
        Err(error) => vec![
            Found::fail(NAME, format!("process {pid} does not answer on {}: {error}", running.health))
                .hint("if there is no such process, it died hard: start it again; if there is one, its log says more"),
        ],
    })
}

fn port(name: &'static str, address: SocketAddr) -> Found {
    match TcpListener::bind(address) {
        Ok(_) => Found::ok(name, format!("{address} is free")),
        Err(error) => {
            Found::fail(name, format!("{address} can't be listened on: {error}")).hint("another program may have it")
        }
    }
}

fn telegram(config: &Config) -> Result<Found, Failure> {
    const NAME: &str = "telegram";
    let admins = config.telegram.admins.len();
    Ok(match (secret::find(bot::TOKEN)?, admins) {
        (None, _) => Found::ok(NAME, "no TELEGRAM_BOT_TOKEN here: alerts go to the console"),
        (Some(_), 0) => Found::warn(NAME, "there is a token, and nobody who may use the bot")
            .hint("set telegram.admins to the Telegram ids of the people who may"),
        (Some(_), n) => Found::ok(NAME, format!("there is a token, and {n} may use the bot")),
    })
}

fn time() -> Found {
    const NAME: &str = "clock";
    if clock::synchronised() {
        return Found::ok(NAME, "synchronised");
    }
    Found::warn(NAME, "the system does not call its clock synchronised")
        .hint("times of devices without a clock can't be set right; install an NTP client")
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn level_of(found: &[Found], name: &str) -> Level {
        found.iter().find(|found| found.name == name).unwrap_or_else(|| panic!("no {name}: {found:?}")).level
    }

    fn config(data_dir: &Path) -> Config {
        let mut config = Config { data_dir: data_dir.to_path_buf(), ..Config::default() };
        config.mqtt.listen = "127.0.0.1:0".to_owned();
        config.health.listen = "127.0.0.1:0".to_owned();
        config
    }

    #[test]
    fn an_empty_place_fails_and_says_what_to_do() {
        let dir = tempfile::tempdir().expect("a folder");
        let found = all(&config(&dir.path().join("nowhere"))).expect("checked");
        assert_eq!(level_of(&found, "data folder"), Level::Fail);
        assert!(found.iter().any(|found| found.hint.as_ref().is_some_and(|hint| hint.contains("serve"))), "{found:?}");
    }

    #[test]
    fn a_fresh_hub_is_well_and_a_damaged_one_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let data_dir = dir.path().join("data");
        drop(Store::open(&data_dir, crate::store::Audience::Console).expect("made"));
        let found = all(&config(&data_dir)).expect("checked");
        for name in ["data folder", "database", "blobs", "quarantine", "alerts", "mqtt port"] {
            assert_eq!(level_of(&found, name), Level::Ok, "{found:?}");
        }
        assert_eq!(level_of(&found, "hub"), Level::Warn, "it does not run");
        let left: Vec<_> = std::fs::read_dir(&data_dir).expect("a folder").filter_map(Result::ok).collect();
        assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().starts_with("doctor")), "{left:?}");

        let path = crate::store::database_path(&data_dir);
        let mut bytes = std::fs::read(&path).expect("the database");
        let (start, end) = (4096, bytes.len());
        bytes[start..end].fill(0x55);
        std::fs::write(&path, bytes).expect("damaged");
        let found = all(&config(&data_dir)).expect("checked");
        assert_eq!(level_of(&found, "database"), Level::Fail, "{found:?}");
    }

    #[test]
    fn a_dead_hub_is_not_called_running() {
        let dir = tempfile::tempdir().expect("a folder");
        let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let _written = Running { pid: 1, mqtt: closed, health: closed }.write(dir.path()).expect("written");
        let found = running(&config(dir.path())).expect("checked");
        assert_eq!(level_of(&found, "hub"), Level::Fail);
    }

    #[cfg(unix)]
    #[test]
    fn open_doors_are_seen() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a folder");
        let mode = |mode| std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).expect("set");
        mode(0o755);
        assert_eq!(data_dir(dir.path()).level, Level::Warn);
        mode(0o700);
        assert_eq!(data_dir(dir.path()).level, Level::Ok);
    }
}
