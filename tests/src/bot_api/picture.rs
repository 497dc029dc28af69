//! Whether bytes are a picture that Telegram takes as a photo: kind, size and shape.

use super::answer::Refusal;

/// Largest photo, in bytes.
pub const MAX_PHOTO_BYTES: usize = 10 * 1024 * 1024;
const MAX_SIDES_SUM: u32 = 10_000;
const MAX_RATIO: u32 = 20;

/// Checks a photo and gives width and height.
pub(crate) fn check_photo(bytes: &[u8]) -> Result<(u32, u32), Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::bad_request("file must be non-empty"));
    }
    if bytes.len() > MAX_PHOTO_BYTES {
        let why = format!(
            "file of size {} bytes is too big for a photo; the maximum size is {MAX_PHOTO_BYTES} bytes",
            bytes.len()
        );
        return Err(Refusal::bad_request(why));
    }
    let (width, height) =
        png(bytes).or_else(|| jpeg(bytes)).ok_or_else(|| Refusal::bad_request("IMAGE_PROCESS_FAILED"))?;
    let (short, long) = (width.min(height), width.max(height));
    if short == 0 || long / short > MAX_RATIO || width + height > MAX_SIDES_SUM {
        return Err(Refusal::bad_request("PHOTO_INVALID_DIMENSIONS"));
    }
    Ok((width, height))
}

fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..16)?.strip_prefix(b"IHDR")?;
    let number = |at: usize| header.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    Some((number(0)?, number(4)?))
}

/// Walks the segments to the start of frame.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let (marker, tail) = (rest.get(..2)?, rest.get(2..)?);
        if marker[0] != 0xff {
            return None;
        }
        let two = |at: usize| Some(u32::from(u16::from_be_bytes(tail.get(at..at + 2)?.try_into().ok()?)));
        if matches!(marker[1], 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) {
            return Some((two(5)?, two(3)?));
        }
        rest = tail.get(two(0)? as usize..)?;
    }
}

/// The head of a JPEG of the given size: enough for whoever only measures.
#[cfg(test)]
pub(crate) fn jpeg_header(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 16];
    bytes.extend(b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    bytes.extend([0xff, 0xc0, 0, 11, 8]);
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([1, 1, 0x11, 0]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_measured_and_others_refused() {
        assert_eq!(check_photo(&jpeg_header(640, 360)), Ok((640, 360)));
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend(30u32.to_be_bytes());
        png.extend(20u32.to_be_bytes());
        assert_eq!(check_photo(&png), Ok((30, 20)));
        let words = |bytes: &[u8]| check_photo(bytes).expect_err("refused").description;
        assert_eq!(words(b"GIF? no"), "Bad Request: IMAGE_PROCESS_FAILED");
        assert_eq!(words(&[0xff, 0xd8, 0xff]), "Bad Request: IMAGE_PROCESS_FAILED");
        assert_eq!(words(b""), "Bad Request: file must be non-empty");
        assert_eq!(words(&jpeg_header(2100, 100)), "Bad Request: PHOTO_INVALID_DIMENSIONS");
        assert_eq!(words(&jpeg_header(6000, 5000)), "Bad Request: PHOTO_INVALID_DIMENSIONS");
        let mut big = jpeg_header(640, 360);
        big.resize(MAX_PHOTO_BYTES + 1, 0);
        assert!(words(&big).contains("too big for a photo"));
    }
}
