//! Where a camera is: the text of the configuration, taken apart. What is shown of it never has a password in it.

use std::fmt;
use std::path::PathBuf;

/// The kinds of cameras, and where one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A network camera; the text is without user and password.
    Rtsp(String),
    /// A device of the kernel, such as `/dev/video0`.
    V4l2(PathBuf),
    /// A camera that libcamera knows; the first one without a name.
    Libcamera(Option<String>),
    /// A camera on a Jetson's own connector, by number.
    Nvargus(u32),
    /// A drawn picture; the text is the name of the pattern.
    Test {
        /// A pattern of GStreamer's `videotestsrc`.
        pattern: String,
        /// Width and height, px.
        size: (u32, u32),
        /// Frames per second.
        fps: u32,
    },
    /// A file that is played in real time.
    Played(PathBuf),
}

/// User and password of a network camera. Printing it shows neither.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Credentials {
    /// From the content of a file: `user:password` in its first line.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (user, password) = text.lines().next()?.trim().split_once(':')?;
        (!user.is_empty()).then(|| Self { user: user.to_owned(), password: password.to_owned() })
    }
}

const TEST_SIZE: (u32, u32) = (1280, 720);
const TEST_FPS: u32 = 30;
/// Larger or faster than any camera.
const MOST: u32 = 8192;

impl Address {
    /// Takes a source of the configuration apart; `None` for files and folders, which are not cameras. The error is one
    /// sentence.
    pub(crate) fn parse(source: &str) -> Result<Option<Self>, String> {
        let Some((scheme, rest)) = source.split_once(':') else { return Ok(None) };
        let place = rest.strip_prefix("//").unwrap_or(rest);
        Ok(Some(match scheme {
            "rtsp" | "rtsps" => {
                let host = place.split('/').next().unwrap_or_default();
                if host.contains('@') {
                    return Err("a password in an address is seen by everyone: write user:password into a file that \
                         only this user may read and name it in camera.credentials_file"
                        .to_owned());
                }
                if host.is_empty() {
                    return Err("an rtsp address needs a host: rtsp://HOST[:PORT]/PATH".to_owned());
                }
                Self::Rtsp(format!("{scheme}://{place}"))
            }
            "v4l2" => Self::V4l2(PathBuf::from(if place.is_empty() { "/dev/video0" } else { place })),
            "libcamera" => Self::Libcamera(Some(place.to_owned()).filter(|name| !name.is_empty())),
            "nvargus" => {
                let number = if place.is_empty() { Ok(0) } else { place.parse() };
                Self::Nvargus(number.map_err(|_| format!("{place:?} is not the number of a camera"))?)
            }
            "test" => test(place)?,
            "play" => Self::Played(PathBuf::from(place)),
            _ => return Ok(None),
        }))
    }
}

/// `pattern[,WIDTHxHEIGHT[,FPS]]`
fn test(text: &str) -> Result<Address, String> {
    let mut parts = text.split(',').map(str::trim);
    let pattern = parts.next().filter(|pattern| !pattern.is_empty()).unwrap_or("smpte").to_owned();
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| (1..=MOST).contains(number));
    let size = match parts.next() {
        Some(text) => text.split_once('x').and_then(|(width, height)| Some((number(width)?, number(height)?))),
        None => Some(TEST_SIZE),
    };
    let fps = parts.next().map_or(Some(TEST_FPS), number);
    match (size, fps, parts.next()) {
        (Some(size), Some(fps), None) => Ok(Address::Test { pattern, size, fps }),
        _ => Err(format!("{text:?} is not PATTERN[,WIDTHxHEIGHT[,FPS]]")),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rtsp(text) => f.write_str(text),
            Self::V4l2(path) => write!(f, "v4l2:{}", path.display()),
            Self::Libcamera(name) => write!(f, "libcamera:{}", name.as_deref().unwrap_or_default()),
            Self::Nvargus(number) => write!(f, "nvargus:{number}"),
            Self::Test { pattern, size: (width, height), fps } => write!(f, "test:{pattern},{width}x{height},{fps}"),
            Self::Played(path) => write!(f, "play:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_shown_again() {
        for text in ["rtsp://10.0.0.7:8554/main", "v4l2:/dev/video2", "libcamera:", "nvargus:1", "test:ball,640x360,25"]
        {
            let address = Address::parse(text).expect("good").expect("a camera");
            assert_eq!(address.to_string(), text);
        }
        for text in ["clip.mp4", "/a/b", "file:///a/b.mp4", "videos/10:30.mp4"] {
            assert_eq!(Address::parse(text), Ok(None), "{text}");
        }
        let drawn = Address::Test { pattern: "smpte".into(), size: TEST_SIZE, fps: TEST_FPS };
        assert_eq!(Address::parse("test:"), Ok(Some(drawn)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let why = |text: &str| Address::parse(text).expect_err("refused");
        assert!(why("rtsp://me:secret@host/1").contains("credentials_file"));
        assert!(!why("rtsp://me:secret@host/1").contains("secret"));
        assert!(why("rtsp:///1").contains("host"));
        assert!(why("nvargus:left").contains("number"));
        assert!(why("test:ball,0x5").contains("WIDTHxHEIGHT"));
    }

    #[test]
    fn credentials_are_read_and_never_shown() {
        let credentials = Credentials::parse("me:se:cret\n").expect("both");
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("me", "se:cret"));
        assert!(!format!("{credentials:?}").contains("cret"));
        assert_eq!(Credentials::parse("nothing"), None);
    }
}
