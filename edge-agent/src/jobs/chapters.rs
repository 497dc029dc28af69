//! The chapters of a recording: cameras begin a new file every few minutes, and what is in them is one inspection.
//!
//! Only names that can mean nothing else make chapters, which are those of GoPro: `GH010042`, `GH020042` … (and `GX`),
//! before the HERO6 `GOPR0042`, `GP010042` … They lie in one folder and have one ending. Where one is missing the
//! recording ends; another begins with the next. One that is damaged (the battery died, or it is still being copied) is a
//! recording of its own, so that it costs the others nothing. Drones and others number all of their files, so that the next number
//! may be another flight: those stay what they are, one recording each.

use crate::capture;
use std::path::{Path, PathBuf};

/// Most chapters of a recording: their number has two digits.
const MOST: u32 = 99;

/// A file name that says which chapter of which recording it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chapter {
    /// `G` and `H` or `X` as they are written, or `G` and `P` of a camera that calls its first file `GOPR`.
    family: [char; 2],
    /// From 0 with `GOPR`, else from 1.
    number: u32,
    /// Of the recording, with the ending.
    rest: String,
}

impl Chapter {
    fn parse(name: &str) -> Option<Self> {
        let (stem, ending) = name.rsplit_once('.')?;
        let is_chapter = stem.len() == 8 && stem.is_ascii() && ending.eq_ignore_ascii_case("mp4");
        let (kind, recording) = is_chapter.then(|| stem.split_at(4))?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let [first, second, third, _] = kind.chars().collect::<Vec<_>>()[..] else { return None };
        let rest = format!("{recording}.{ending}");
        if !digits(recording) {
            return None;
        }
        if kind.eq_ignore_ascii_case("GOPR") {
            return Some(Self { family: [first, third], number: 0, rest });
        }
        let known = first.eq_ignore_ascii_case(&'g') && matches!(second.to_ascii_uppercase(), 'H' | 'X' | 'P');
        let number = known.then(|| kind[2..].parse().ok().filter(|_| digits(&kind[2..]))).flatten()?;
        (number > 0).then_some(Self { family: [first, second], number, rest })
    }

    fn name(&self) -> String {
        let Self { family: [first, second], number, rest } = self;
        match number {
            0 if first.is_ascii_lowercase() => format!("{first}o{second}r{rest}"),
            0 => format!("{first}O{second}R{rest}"),
            number => format!("{first}{second}{number:02}{rest}"),
        }
    }

    /// The number of the first chapter.
    fn least(&self) -> u32 {
        if self.family[1].eq_ignore_ascii_case(&'P') { 0 } else { 1 }
    }

    fn at(&self, number: u32) -> Self {
        Self { number, ..self.clone() }
    }
}

fn chapter(path: &Path) -> Option<Chapter> {
    path.file_name().and_then(|name| name.to_str()).and_then(Chapter::parse)
}

/// Whether more files may belong to the recording that this one belongs to.
pub(crate) fn may_have_more(path: &Path) -> bool {
    chapter(path).is_some()
}

/// The first file of the recording that this one belongs to, which is mostly this one. Blocks.
pub(crate) fn first(path: PathBuf) -> PathBuf {
    if may_have_more(&path) && capture::is_whole_mp4(&path) {
        before(&path).take_while(|path| capture::is_whole_mp4(path)).last().unwrap_or(path)
    } else {
        path
    }
}

/// The files of the recording that begins with this one, in order. Blocks.
pub(crate) fn of(first: &Path) -> Vec<PathBuf> {
    let mut files = vec![first.to_path_buf()];
    if may_have_more(first) && capture::is_whole_mp4(first) {
        files.extend(after(first).take_while(|path| capture::is_whole_mp4(path)));
    }
    files
}

/// All files that the camera called chapters of this one's recording, in whatever state they are. Blocks.
pub(crate) fn named_like(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = before(path).take_while(|path| path.is_file()).collect();
    files.reverse();
    files.push(path.to_path_buf());
    files.extend(after(path).take_while(|path| path.is_file()));
    files
}

/// The chapters before this one, nearest first, whether they are there or not.
fn before(path: &Path) -> impl Iterator<Item = PathBuf> {
    let (path, own) = (path.to_path_buf(), chapter(path));
    own.into_iter().flat_map(move |own| {
        let path = path.clone();
        (own.least()..own.number).rev().map(move |number| path.with_file_name(own.at(number).name()))
    })
}

/// The chapters after this one, nearest first, whether they are there or not.
fn after(path: &Path) -> impl Iterator<Item = PathBuf> {
    let (path, own) = (path.to_path_buf(), chapter(path));
    own.into_iter().flat_map(move |own| {
        let path = path.clone();
        (own.number + 1..=MOST).map(move |number| path.with_file_name(own.at(number).name()))
    })
}

/// What counts as a whole video here, with this in it.
#[cfg(test)]
pub(crate) fn whole_mp4(content: &str) -> Vec<u8> {
    let free = u32::try_from(content.len() + 8).expect("small").to_be_bytes();
    [b"\0\0\0\x08moov".as_slice(), &free, b"free", content.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("dir");
        for name in names {
            std::fs::write(dir.path().join(name), whole_mp4(name)).expect("written");
        }
        dir
    }

    fn names(dir: &tempfile::TempDir, begin: &str) -> Vec<String> {
        let files = of(&dir.path().join(begin));
        files.iter().map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
    }

    fn beginning(dir: &tempfile::TempDir, name: &str) -> String {
        first(dir.path().join(name)).file_name().expect("a name").to_string_lossy().into_owned()
    }

    #[test]
    fn chapters_follow_one_another() {
        let new = ["GH010042.MP4", "GH020042.MP4", "GH030042.MP4", "GX020042.MP4", "GH020043.MP4", "GH040042.mp4"];
        let dir = folder(&new);
        assert_eq!(names(&dir, "GH010042.MP4"), new[..3]);
        assert_eq!(beginning(&dir, "GH030042.MP4"), "GH010042.MP4");
        assert_eq!((beginning(&dir, "GX020042.MP4").as_str(), names(&dir, "GX020042.MP4").len()), ("GX020042.MP4", 1));
        assert_eq!(beginning(&dir, "GH020043.MP4"), "GH020043.MP4", "another recording");
        let old = ["GOPR0007.MP4", "GP010007.MP4", "GP020007.MP4"];
        let dir = folder(&old);
        assert_eq!(names(&dir, "GOPR0007.MP4"), old);
        assert_eq!(beginning(&dir, "GP020007.MP4"), "GOPR0007.MP4");
        let small = ["gopr0007.mp4", "gp010007.mp4"];
        let dir = folder(&small);
        assert_eq!(names(&dir, "gopr0007.mp4"), small);
        assert_eq!(beginning(&dir, "gp010007.mp4"), "gopr0007.mp4");
    }

    #[test]
    fn a_missing_chapter_ends_a_recording() {
        let dir = folder(&["GX010001.MP4", "GX020001.MP4", "GX040001.MP4", "GX050001.MP4"]);
        assert_eq!(names(&dir, "GX010001.MP4"), ["GX010001.MP4", "GX020001.MP4"]);
        assert_eq!(beginning(&dir, "GX050001.MP4"), "GX040001.MP4");
        assert_eq!(names(&dir, "GX040001.MP4"), ["GX040001.MP4", "GX050001.MP4"]);
        std::fs::create_dir(dir.path().join("GX030001.MP4")).expect("made");
        assert_eq!(names(&dir, "GX010001.MP4").len(), 2, "a folder is no chapter");
    }

    #[test]
    fn a_damaged_chapter_costs_the_others_nothing() {
        let files = ["GX010001.MP4", "GX020001.MP4", "GX030001.MP4", "GX040001.MP4"];
        for damaged in [b"".to_vec(), whole_mp4("cut off")[..20].to_vec(), b"\0\0\0\x10mdat12345678".to_vec()] {
            let dir = folder(&files);
            std::fs::write(dir.path().join(files[1]), damaged).expect("written");
            assert_eq!((names(&dir, files[0]), names(&dir, files[1])), (vec![files[0].into()], vec![files[1].into()]));
            assert_eq!((beginning(&dir, files[1]).as_str(), beginning(&dir, files[3]).as_str()), (files[1], files[2]));
            assert_eq!(names(&dir, files[2]), files[2..]);
            assert_eq!(named_like(&dir.path().join(files[2])), files.map(|name| dir.path().join(name)));
        }
    }

    #[test]
    fn other_names_are_recordings_of_their_own() {
        let others = [
            "DJI_0001.MP4",
            "DJI_0002.MP4",
            "GH000042.MP4",
            "GH0100420.MP4",
            "GHab0042.MP4",
            "GH01004.MP4",
            "1.mp4",
            "GH",
        ];
        let dir = folder(&others);
        for name in others {
            assert_eq!((names(&dir, name), beginning(&dir, name).as_str()), (vec![name.to_owned()], name));
            assert!(!may_have_more(&dir.path().join(name)), "{name}");
        }
    }
}
