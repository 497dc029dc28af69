//! Whether a file was cut off, and whether an MP4 has lost its index: from the outermost boxes alone.
//!
//! A demuxer that runs out of bytes takes that for the end of the video; here the file's own sizes are asked instead.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// What the outermost boxes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Outline {
    /// It is an MP4, MOV or 3GP.
    pub(super) is_mp4: bool,
    /// It has an index (`moov`), whole.
    pub(super) has_index: bool,
    /// Its last box or chunk is longer than the file.
    pub(super) cut_off: bool,
}

impl Outline {
    /// It is an MP4 that nobody can read.
    pub(super) fn lacks_index(&self) -> bool {
        self.is_mp4 && !self.has_index
    }
}

/// Most boxes looked at: fragmented files have thousands.
const BOXES: usize = 100_000;

/// Whether the file says that it should be longer.
pub(super) fn is_cut_off(path: &Path) -> bool {
    outline(path).is_some_and(|outline| outline.cut_off)
}

/// Whether the file is an MP4, MOV or 3GP with its index and all of its bytes. Blocks.
pub(crate) fn is_whole_mp4(path: &Path) -> bool {
    outline(path).is_some_and(|outline| outline.has_index && !outline.cut_off)
}

/// The outline of a file; `None` when it can't be read or is of a kind that isn't known here.
pub(super) fn outline(path: &Path) -> Option<Outline> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    read(&mut file, length).ok().flatten()
}

fn read(file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<Outline>> {
    let mut head = [0u8; 12];
    if length < 12 {
        return Ok(None);
    }
    file.read_exact(&mut head)?;
    let word = |at: usize| u64::from(u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    if &head[0..4] == b"RIFF" {
        // AVI beyond 1 GB has further RIFF chunks: only the first is looked at.
        return Ok(Some(Outline { cut_off: word(4) + 8 > length, ..Outline::default() }));
    }
    if !matches!(&head[4..8], b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot") {
        return Ok(None);
    }
    let mut outline = Outline { is_mp4: true, ..Outline::default() };
    let mut at = 0u64;
    for _ in 0..BOXES {
        if at >= length {
            break;
        }
        if length - at < 8 {
            outline.cut_off = true;
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0u8; 8];
        file.read_exact(&mut head)?;
        let size = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
            // To the end of the file.
            0 => length - at,
            1 => {
                let mut large = [0u8; 8];
                if length - at < 16 {
                    outline.cut_off = true;
                    break;
                }
                file.read_exact(&mut large)?;
                u64::from_be_bytes(large)
            }
            size => u64::from(size),
        };
        // Rubbish after the last box is no sign of a cut.
        if size < 8 || !head[4..8].iter().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | 0xa9)) {
            break;
        }
        let whole = size <= length - at;
        if &head[4..8] == b"moov" && whole {
            outline.has_index = true;
        }
        outline.cut_off = !whole;
        if !whole {
            break;
        }
        at += size;
    }
    Ok(Some(outline))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn a_box(name: &[u8; 4], content: usize) -> Vec<u8> {
        let mut out = u32::try_from(content + 8).expect("small").to_be_bytes().to_vec();
        out.extend_from_slice(name);
        out.resize(content + 8, 7);
        out
    }

    fn outline_of(bytes: &[u8]) -> Option<Outline> {
        read(&mut Cursor::new(bytes), bytes.len() as u64).expect("readable")
    }

    #[test]
    fn mp4_boxes_are_walked() {
        let whole = [a_box(b"ftyp", 16), a_box(b"mdat", 100), a_box(b"moov", 40)].concat();
        let good = Outline { is_mp4: true, has_index: true, cut_off: false };
        assert_eq!(outline_of(&whole), Some(good));
        // Cut in the media, the index comes last: lost.
        assert_eq!(outline_of(&whole[..80]), Some(Outline { has_index: false, cut_off: true, ..good }));
        let index_first = [a_box(b"ftyp", 16), a_box(b"moov", 40), a_box(b"mdat", 100)].concat();
        assert_eq!(outline_of(&index_first[..100]), Some(Outline { cut_off: true, ..good }));
        // Rubbish at the end is not a cut.
        assert_eq!(outline_of(&[whole, vec![0; 20]].concat()), Some(good));
    }

    #[test]
    fn large_and_open_boxes() {
        let mut open = [a_box(b"ftyp", 16), a_box(b"moov", 40), a_box(b"mdat", 100)].concat();
        open[72..76].copy_from_slice(&[0; 4]);
        assert!(!outline_of(&open).expect("known").cut_off, "size 0 reaches to the end, wherever that is");
        let mut large = a_box(b"ftyp", 16);
        large.extend_from_slice(&[0, 0, 0, 1]);
        large.extend_from_slice(b"mdat");
        large.extend_from_slice(&5_000_000_000u64.to_be_bytes());
        large.extend_from_slice(&[0; 50]);
        assert!(outline_of(&large).expect("known").cut_off);
    }

    #[test]
    fn other_files() {
        assert_eq!(outline_of(b"hello, this is text"), None);
        assert_eq!(outline_of(b""), None);
        let mut riff = b"RIFF\x00\x01\x00\x00AVI LIST".to_vec();
        assert!(outline_of(&riff).expect("known").cut_off);
        riff.resize(264, 0);
        assert!(!outline_of(&riff).expect("known").cut_off);
    }
}
