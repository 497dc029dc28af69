//! Watches the files and folders of the configuration, on a thread of its own: each file becomes a job once it has
//! been left alone for a while. A source that is not there (a card that is not in) is waited for.

use crate::jobs::facts::Facts;
use crate::jobs::{chapters, content, scan};
use crate::store::jobs::{self, Origin};
use crate::store::{Store, StoreError};
use fieldeye_base::clock;
use fieldeye_base::stop::Stop;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// How often the sources are looked at.
const PERIOD: Duration = Duration::from_secs(3);
/// A file that did not change for so long is complete.
const STILL: Duration = Duration::from_secs(5);

/// What has changed in the sources.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Files that have become complete.
    pub(crate) complete: Vec<PathBuf>,
    /// Paths that can't be read any more, or could not from the beginning, and why.
    pub(crate) lost: Vec<(PathBuf, String)>,
    /// Paths that can be read again.
    pub(crate) back: Vec<PathBuf>,
}

/// Starts to watch `paths`, and makes jobs of what becomes complete there; ends by `stop`. Call inside a runtime.
pub(crate) fn start(store: Store, paths: Vec<PathBuf>, facts: &Facts, stop: Stop) -> std::io::Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let facts = facts.to_json();
    keep_looking(paths, stop, move |News { complete, lost, back }| {
        for (path, why) in lost {
            tracing::warn!(path = %path.display(), why, "a source can't be read; it is looked at again every few seconds");
        }
        for path in back {
            tracing::info!(path = %path.display(), "a source can be read again");
        }
        let asked = ask(&store, &complete, &facts);
        if let Err(error) = &asked {
            tracing::error!(%error, files = complete.len(), "files can't be asked for; they will be again");
        }
        asked.is_ok()
    })
}

/// Looks at `paths` every few seconds on a thread of its own and tells what is new; ends by `stop`. Complete files are
/// told again when `take` says that it could not take them. Call inside a runtime.
pub(crate) fn keep_looking(
    paths: Vec<PathBuf>,
    stop: Stop,
    mut take: impl FnMut(News) -> bool + Send + 'static,
) -> std::io::Result<()> {
    let (bell, ended) = sync_channel::<()>(0);
    let token = stop.clone();
    tokio::spawn(async move {
        token.cancelled().await;
        // The thread wakes up as this is dropped.
        drop(bell);
    });
    std::thread::Builder::new().name("sources".to_owned()).spawn(move || {
        let mut watch = Watch::default();
        while !stop.is_cancelled() {
            let news = watch.look(&paths, Instant::now());
            let complete = news.complete.clone();
            if news != News::default() && !take(news) {
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
    /// Looks at all sources; gives what has changed since.
    fn look(&mut self, paths: &[PathBuf], now: Instant) -> News {
        let found = scan::expand(paths);
        let (lost, back) = self.note_missing(found.unreadable);
        let there: HashSet<&PathBuf> = found.files.iter().collect();
        self.seen.retain(|path, _| there.contains(path));
        let mut complete = Vec::new();
        for path in &found.files {
            let Ok((stamp, modified)) = content::look(&chapters::named_like(path)) else { continue };
            // One that was left alone for long need not be watched first, unless more of it may still be copied.
            let rested = modified
                .filter(|_| !chapters::may_have_more(path))
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
        News { complete, lost, back }
    }

    /// These were not asked for after all.
    fn forget(&mut self, files: &[PathBuf]) {
        for file in files {
            self.seen.remove(file);
        }
    }

    /// What is not there, once, and what is back.
    fn note_missing(&mut self, unreadable: Vec<(PathBuf, String)>) -> (Vec<(PathBuf, String)>, Vec<PathBuf>) {
        let still: HashSet<PathBuf> = unreadable.iter().map(|(path, _)| path.clone()).collect();
        let back = self.missing.extract_if(|path| !still.contains(path)).collect();
        let lost = unreadable.into_iter().filter(|(path, _)| self.missing.insert(path.clone())).collect();
        (lost, back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::path::Path;
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
        let mut news = |seconds: u64| watch.look(&sources, start + Duration::from_secs(seconds));
        let none = Vec::<PathBuf>::new();
        let first = news(0);
        let lost: Vec<PathBuf> = first.lost.into_iter().map(|(path, _)| path).collect();
        assert_eq!((first.complete, lost), (none.clone(), sources.to_vec()), "nothing is there yet, which is no error");
        assert_eq!(news(1), News::default(), "which is said once");
        fs::create_dir(&folder).expect("made");
        let (old, growing) = (folder.join("a.mp4"), folder.join("b.mp4"));
        write(&old, "x");
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(&old).expect("opened").set_modified(long_ago).expect("set");
        write(&growing, "x");
        let there = news(3);
        assert_eq!((there.complete, there.back), (vec![old.clone()], vec![folder]));
        write(&growing, "xx");
        assert_eq!(news(9).complete, none, "it grew a moment ago");
        write(&late, "named files need no ending");
        assert_eq!(news(15).complete, [growing]);
        assert_eq!(news(20).complete, [late]);
        write(&old, "another recording");
        assert_eq!(news(22).complete, none);
        assert_eq!(news(28).complete, std::slice::from_ref(&old), "another content under an old name");
        fs::remove_file(&old).expect("removed");
        news(31);
        write(&old, "another recording");
        news(34);
        assert_eq!(news(40).complete, [old], "a card that was taken out and put in again");
    }

    #[test]
    fn a_recording_is_complete_with_its_last_chapter() {
        let dir = tempfile::tempdir().expect("dir");
        let path = |name: &str| dir.path().join(name);
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        // A copy that keeps the times of the files, one after the other.
        let copied = |name: &str| {
            fs::write(path(name), chapters::whole_mp4(name)).expect("written");
            File::options().write(true).open(path(name)).expect("opened").set_modified(long_ago).expect("set");
        };
        let sources = [dir.path().to_owned()];
        let (mut watch, start) = (Watch::default(), Instant::now());
        let mut complete = |seconds: u64| watch.look(&sources, start + Duration::from_secs(seconds)).complete;
        copied("GX010001.MP4");
        assert_eq!(complete(0), Vec::<PathBuf>::new(), "more of it may come");
        write(&path("GX020001.MP4"), "half");
        assert_eq!(complete(3), Vec::<PathBuf>::new());
        write(&path("GX020001.MP4"), "more of it");
        assert_eq!(complete(6), Vec::<PathBuf>::new(), "neither of them is complete");
        copied("GX020001.MP4");
        assert_eq!([complete(9), complete(12)].concat(), Vec::<PathBuf>::new(), "the second came three seconds ago");
        assert_eq!(complete(15), [path("GX010001.MP4")]);
        assert_eq!(complete(18), Vec::<PathBuf>::new());
        copied("GX030001.MP4");
        assert_eq!([complete(21), complete(27)], [vec![], vec![path("GX010001.MP4")]]);
    }

    #[test]
    fn what_could_not_be_asked_for_is_found_again() {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("a.mp4");
        write(&file, "x");
        let (mut watch, start) = (Watch::default(), Instant::now());
        watch.look(std::slice::from_ref(&file), start);
        let later = start + STILL;
        let complete = watch.look(std::slice::from_ref(&file), later).complete;
        assert_eq!(complete, std::slice::from_ref(&file));
        watch.forget(&complete);
        watch.look(std::slice::from_ref(&file), later);
        assert_eq!(watch.look(std::slice::from_ref(&file), later + STILL).complete, [file]);
    }
}
