//! Watches the files and folders of the configuration, on a thread of its own: each file becomes a job once it has
//! been left alone for a while. A source that is not there (a card that is not in) is waited for.

use crate::jobs::facts::Facts;
use crate::jobs::{content, scan};
use crate::store::jobs::{self, Origin};
use crate::store::{Store, StoreError};
use fieldeye_base::clock;
use fieldeye_base::stop::Stop;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// How often the sources are looked at.
const PERIOD: Duration = Duration::from_secs(3);
/// A file that did not change for so long is complete.
const STILL: Duration = Duration::from_secs(5);

/// Starts to watch `paths`; ends by `stop`. Call inside a runtime.
pub(crate) fn start(store: Store, paths: Vec<PathBuf>, facts: &Facts, stop: Stop) -> std::io::Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let (bell, ended) = sync_channel::<()>(0);
    let token = stop.clone();
    tokio::spawn(async move {
        token.cancelled().await;
        // The thread wakes up as this is dropped.
        drop(bell);
    });
    let facts = facts.to_json();
    std::thread::Builder::new().name("sources".to_owned()).spawn(move || {
        let mut watch = Watch::default();
        while !stop.is_cancelled() {
            let complete = watch.look(&paths, Instant::now());
            if let Err(error) = ask(&store, &complete, &facts) {
                tracing::error!(%error, files = complete.len(), "files can't be asked for; they will be again");
                watch.forget(&complete);
            }
            let _ = ended.recv_timeout(PERIOD);
        }
    })?;
    Ok(())
}

fn ask(store: &Store, files: &[PathBuf], facts: &str) -> Result<(), StoreError> {
    if files.is_empty() {
        return Ok(());
    }
    let paths: Vec<String> = files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let facts = facts.to_owned();
    store.write_blocking("ask for files", move |tx| {
        paths.iter().try_for_each(|path| jobs::add(tx, path, &facts, Origin::Source, clock::now_ms()).map(drop))
    })
}

/// A file as it was when it was last looked at.
#[derive(Debug)]
struct Seen {
    stamp: String,
    since: Instant,
    asked: bool,
}

/// What lies in the sources.
#[derive(Debug, Default)]
struct Watch {
    seen: HashMap<PathBuf, Seen>,
    missing: HashSet<PathBuf>,
}

impl Watch {
    /// Looks at all sources; gives the files that have become complete since.
    fn look(&mut self, paths: &[PathBuf], now: Instant) -> Vec<PathBuf> {
        let found = scan::expand(paths);
        self.note_missing(&found.unreadable);
        let there: HashSet<&PathBuf> = found.files.iter().collect();
        self.seen.retain(|path, _| there.contains(path));
        let mut complete = Vec::new();
        for path in &found.files {
            let Ok((stamp, modified)) = content::look(path) else { continue };
            // One that was left alone for long need not be watched first.
            let rested = modified
                .and_then(|modified| Duration::try_from(clock::now().duration_since(modified)).ok())
                .is_some_and(|age| age >= STILL * 2);
            let seen = self.seen.entry(path.clone()).or_insert_with(|| Seen {
                stamp: stamp.clone(),
                since: now,
                asked: false,
            });
            if seen.stamp != stamp {
                *seen = Seen { stamp, since: now, asked: false };
            }
            if !seen.asked && (rested || now.saturating_duration_since(seen.since) >= STILL) {
                seen.asked = true;
                complete.push(path.clone());
            }
        }
        complete
    }

    /// These were not asked for after all.
    fn forget(&mut self, files: &[PathBuf]) {
        for file in files {
            self.seen.remove(file);
        }
    }

    /// Says once what is not there, and once that it is back.
    fn note_missing(&mut self, unreadable: &[(PathBuf, String)]) {
        for (path, why) in unreadable {
            if self.missing.insert(path.clone()) {
                tracing::warn!(path = %path.display(), why, "a source can't be read; it is looked at again every few seconds");
            }
        }
        let still: HashSet<&Path> = unreadable.iter().map(|(path, _)| path.as_path()).collect();
        self.missing.retain(|path| {
            let missing = still.contains(path.as_path());
            if !missing {
                tracing::info!(path = %path.display(), "a source can be read again");
            }
            missing
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::time::SystemTime;

    fn write(path: &Path, text: &str) {
        fs::write(path, text).expect("written");
    }

    #[test]
    fn files_are_taken_once_when_nobody_writes_them_any_more() {
        let dir = tempfile::tempdir().expect("dir");
        let (folder, late) = (dir.path().join("card"), dir.path().join("late.bin"));
        let sources = [folder.clone(), late.clone()];
        let mut watch = Watch::default();
        let start = Instant::now();
        let mut look = |seconds: u64| watch.look(&sources, start + Duration::from_secs(seconds));
        assert_eq!(look(0), Vec::<PathBuf>::new(), "nothing is there yet, which is no error");
        fs::create_dir(&folder).expect("made");
        let (old, growing) = (folder.join("a.mp4"), folder.join("b.mp4"));
        write(&old, "x");
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(&old).expect("opened").set_modified(long_ago).expect("set");
        write(&growing, "x");
        assert_eq!(look(3), std::slice::from_ref(&old));
        write(&growing, "xx");
        assert_eq!(look(9), Vec::<PathBuf>::new(), "it grew a moment ago");
        write(&late, "named files need no ending");
        assert_eq!(look(15), [growing]);
        assert_eq!(look(20), [late]);
        write(&old, "another recording");
        assert_eq!(look(22), Vec::<PathBuf>::new());
        assert_eq!(look(28), std::slice::from_ref(&old), "another content under an old name");
        fs::remove_file(&old).expect("removed");
        look(31);
        write(&old, "another recording");
        look(34);
        assert_eq!(look(40), [old], "a card that was taken out and put in again");
    }

    #[test]
    fn what_could_not_be_asked_for_is_found_again() {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("a.mp4");
        write(&file, "x");
        let (mut watch, start) = (Watch::default(), Instant::now());
        watch.look(std::slice::from_ref(&file), start);
        let later = start + STILL;
        let complete = watch.look(std::slice::from_ref(&file), later);
        assert_eq!(complete, std::slice::from_ref(&file));
        watch.forget(&complete);
        watch.look(std::slice::from_ref(&file), later);
        assert_eq!(watch.look(std::slice::from_ref(&file), later + STILL), [file]);
    }
}
