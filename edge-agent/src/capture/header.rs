//! What a container says of its recording as a whole: when it was made (`mvhd` of an MP4 or MOV, `DateUTC` of a Matroska
//! file), and how long it is (`mvhd` alone).
//!
//! Only the heads of boxes and elements are read on the way there; media is jumped over. What the camera wrote is given
//! as it stands: whether it can be true is for others to judge.

use jiff::Timestamp;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Seconds from 1904, where the clock of MP4 begins, to 1970.
const MP4_EPOCH_S: i64 = 2_082_844_800;
/// 2001, where the clock of Matroska begins, in seconds from 1970.
const MATROSKA_EPOCH_S: i64 = 978_307_200;
/// Most boxes or elements looked at on one level.
const MOST: usize = 10_000;

const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const CLUSTER: u32 = 0x1f43_b675;
const DATE_UTC: u32 = 0x4461;

/// When the file's container says that it was made; `None` when it does not say, or is of another kind. Blocks.
pub(crate) fn creation_time(path: &Path) -> Option<Timestamp> {
    let (mut file, length) = open(path)?;
    read(&mut file, length).ok().flatten()
}

/// Length in seconds as the index of an MP4 or MOV says; `None` for other files. Blocks.
pub(crate) fn length_s(path: &Path) -> Option<f64> {
    let (mut file, length) = open(path)?;
    movie_header(&mut file, length).ok().flatten()?.length_s
}

fn open(path: &Path) -> Option<(BufReader<File>, u64)> {
    // Asked before it is opened: to open a pipe would wait for its other end.
    let length = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    Some((BufReader::with_capacity(4096, File::open(path).ok()?), length))
}

fn read(file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<Timestamp>> {
    let mut head = [0u8; 4];
    file.read_exact(&mut head)?;
    if u32::from_be_bytes(head) == EBML {
        return of_matroska(file, length);
    }
    // Zero is what those write who don't know.
    let seconds = movie_header(file, length)?.map(|movie| movie.created).filter(|created| *created > 0);
    let since_1970 = seconds.and_then(|seconds| i64::try_from(seconds).ok()?.checked_sub(MP4_EPOCH_S));
    Ok(since_1970.and_then(|seconds| Timestamp::from_second(seconds).ok()))
}

/// What `mvhd` says.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Movie {
    /// Seconds from 1904.
    created: u64,
    length_s: Option<f64>,
}

fn movie_header(file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<Movie>> {
    let Some(moov) = find_box(file, Span { start: 0, end: length }, *b"moov")? else { return Ok(None) };
    let Some(mvhd) = find_box(file, moov, *b"mvhd")? else { return Ok(None) };
    file.seek(SeekFrom::Start(mvhd.start))?;
    // Version 1 has 64 bits for times. All ones is a length that nobody knows.
    let (created, ticks_a_second, ticks) = if bytes::<4>(file)?[0] == 1 {
        let [created, _] = [u64::from_be_bytes(bytes(file)?), u64::from_be_bytes(bytes(file)?)];
        let ticks_a_second = u32::from_be_bytes(bytes(file)?);
        (created, ticks_a_second, Some(u64::from_be_bytes(bytes(file)?)).filter(|ticks| *ticks != u64::MAX))
    } else {
        let [created, _, ticks_a_second, ticks] = [
            u32::from_be_bytes(bytes(file)?),
            u32::from_be_bytes(bytes(file)?),
            u32::from_be_bytes(bytes(file)?),
            u32::from_be_bytes(bytes(file)?),
        ];
        (u64::from(created), ticks_a_second, Some(u64::from(ticks)).filter(|ticks| *ticks != u64::from(u32::MAX)))
    };
    let length_s = ticks.filter(|ticks| *ticks > 0 && ticks_a_second > 0);
    let length_s = length_s.map(|ticks| ticks as f64 / f64::from(ticks_a_second));
    Ok(Some(Movie { created, length_s }))
}

/// A part of the file, in bytes from its beginning.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
}

/// The content of the first box of this name between `within`'s ends.
fn find_box(file: &mut (impl Read + Seek), within: Span, name: [u8; 4]) -> io::Result<Option<Span>> {
    let mut at = within.start;
    for _ in 0..MOST {
        if at + 8 > within.end {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let size = u64::from(u32::from_be_bytes(bytes(file)?));
        let found: [u8; 4] = bytes(file)?;
        let (head, size) = match size {
            // To the end of the file.
            0 => (8, within.end - at),
            1 => (16, u64::from_be_bytes(bytes(file)?)),
            size => (8, size),
        };
        if size < head {
            break;
        }
        let end = at.saturating_add(size).min(within.end);
        if found == name {
            return Ok(Some(Span { start: at + head, end }));
        }
        at = end;
    }
    Ok(None)
}

fn of_matroska(file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<Timestamp>> {
    let all = Span { start: 0, end: length };
    let Some(segment) = find_element(file, all, SEGMENT)? else { return Ok(None) };
    let Some(info) = find_element(file, segment, INFO)? else { return Ok(None) };
    let Some(date) = find_element(file, info, DATE_UTC)?.filter(|date| date.end - date.start == 8) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(date.start))?;
    let nanoseconds = i64::from_be_bytes(bytes(file)?);
    let since_1970 = i128::from(MATROSKA_EPOCH_S) * 1_000_000_000 + i128::from(nanoseconds);
    Ok(Timestamp::from_nanosecond(since_1970).ok())
}

/// The content of the first element of this id between `within`'s ends. What comes after the first media is not found:
/// a file that has it there would have to be read as a whole.
fn find_element(file: &mut (impl Read + Seek), within: Span, id: u32) -> io::Result<Option<Span>> {
    let mut at = within.start;
    for _ in 0..MOST {
        if at + 2 > within.end {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let (Some((found, id_length)), Some((size, size_length))) = (number(file, 4, false)?, number(file, 8, true)?)
        else {
            break;
        };
        let start = at + id_length + size_length;
        // All ones is a length that was not known when it was written: to the end.
        let unknown = size == (1 << (7 * size_length)) - 1;
        let end = if unknown { within.end } else { start.saturating_add(size).min(within.end) };
        if found == u64::from(id) {
            return Ok(Some(Span { start, end }));
        }
        if found == u64::from(CLUSTER) || end <= at {
            break;
        }
        at = end;
    }
    Ok(None)
}

/// A number of EBML with its length in bytes; its marker bit is taken off for a size, and stays for an id. `None` when
/// it is longer than `longest`.
fn number(file: &mut impl Read, longest: u64, unmarked: bool) -> io::Result<Option<(u64, u64)>> {
    let [first] = bytes::<1>(file)?;
    let length = u64::from(first.leading_zeros()) + 1;
    if length > longest {
        return Ok(None);
    }
    let marker = 0x80_u8 >> (length - 1);
    let mut value = u64::from(if unmarked { first & !marker } else { first });
    for _ in 1..length {
        value = (value << 8) | u64::from(bytes::<1>(file)?[0]);
    }
    Ok(Some((value, length)))
}

fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    const WHEN: &str = "2024-05-01T10:20:30Z";

    fn when() -> Timestamp {
        WHEN.parse().expect("a time")
    }

    fn made(bytes: &[u8]) -> Option<Timestamp> {
        read(&mut Cursor::new(bytes), bytes.len() as u64).ok().flatten()
    }

    fn a_box(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).expect("small").to_be_bytes();
        [&size, name.as_slice(), content].concat()
    }

    fn mvhd(version: u8, seconds: u64) -> Vec<u8> {
        let time = |value: u64| value.to_be_bytes()[if version == 1 { 0 } else { 4 }..].to_vec();
        let ticks_a_second = 600_u32.to_be_bytes().to_vec();
        let head = vec![version, 0, 0, 0];
        a_box(b"mvhd", &[head, time(seconds), time(seconds), ticks_a_second, time(900), vec![9; 80]].concat())
    }

    #[test]
    fn mp4_says_it_in_its_movie_header() {
        let seconds = u64::try_from(when().as_second() + MP4_EPOCH_S).expect("after 1904");
        let moov = |version, seconds| a_box(b"moov", &[a_box(b"iods", &[1; 5]), mvhd(version, seconds)].concat());
        let (ftyp, mdat) = (a_box(b"ftyp", b"mp42"), a_box(b"mdat", &[7; 1000]));
        assert_eq!(made(&[ftyp.clone(), mdat.clone(), moov(0, seconds)].concat()), Some(when()), "index at the end");
        assert_eq!(made(&[moov(1, seconds), mdat.clone()].concat()), Some(when()), "64 bits, no ftyp");
        assert_eq!(made(&[ftyp.clone(), moov(0, 0), mdat.clone()].concat()), None, "nobody knew");
        assert_eq!(made(&[ftyp.clone(), moov(1, u64::MAX)].concat()), None, "no time at all");
        assert_eq!(made(&[ftyp.clone(), mdat.clone()].concat()), None, "no index");
        let large = [&[0, 0, 0, 1], b"mdat".as_slice(), &24u64.to_be_bytes(), &[7; 8]].concat();
        assert_eq!(made(&[ftyp.clone(), large, moov(0, seconds)].concat()), Some(when()));
        for version in [0, 1] {
            let file = moov(version, seconds);
            let movie = movie_header(&mut Cursor::new(&file), file.len() as u64).expect("readable");
            assert_eq!(movie, Some(Movie { created: seconds, length_s: Some(1.5) }));
        }
        let whole = [ftyp, mdat, moov(0, seconds)].concat();
        for cut in 0..whole.len() - 100 {
            let _ = made(&whole[..cut]);
        }
    }

    fn element(id: u32, content: &[u8]) -> Vec<u8> {
        let id: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        let size = u32::try_from(content.len()).expect("small") | 0x1000_0000;
        [&id, size.to_be_bytes().as_slice(), content].concat()
    }

    #[test]
    fn matroska_says_it_in_its_info() {
        let nanoseconds = (when().as_second() - MATROSKA_EPOCH_S) * 1_000_000_000;
        let date = element(DATE_UTC, &nanoseconds.to_be_bytes());
        let info = element(INFO, &[element(0x002a_d7b1, &[0x0f, 0x42, 0x40]), date].concat());
        let (head, cluster) = (element(EBML, &[0; 20]), element(CLUSTER, &[5; 300]));
        let file = |children: &[Vec<u8>]| [head.clone(), element(SEGMENT, &children.concat())].concat();
        assert_eq!(made(&file(&[element(0xec, &[0; 50]), info.clone(), cluster.clone()])), Some(when()));
        assert_eq!(made(&file(&[cluster.clone(), info.clone()])), None, "media is not searched");
        // A recording that goes on, or was never closed: the length of the segment is not known.
        let open = [head.clone(), b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff".to_vec(), info, cluster].concat();
        assert_eq!(made(&open), Some(when()));
        assert_eq!(made(&file(&[element(INFO, &element(DATE_UTC, &[1, 2]))])), None);
        for cut in 0..open.len() {
            let _ = made(&open[..cut]);
        }
    }

    #[test]
    fn other_files_say_nothing() {
        for bytes in [b"".as_slice(), b"RIFF\x00\x01\x00\x00AVI LIST", b"hello, this is text", &[0; 64], &[255; 64]] {
            assert_eq!(made(bytes), None, "{bytes:?}");
        }
    }
}
