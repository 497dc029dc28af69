//! What is wrong with a file, in one sentence for the person who gave it.

use super::Unreadable;
use super::boxes::{self, Outline};
use gstreamer::glib;
use gstreamer::{CoreError, Message, ResourceError, StreamError};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Why a pipeline failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is sound or text, but no video stream.
    NoVideo,
    /// The content is not of a kind that GStreamer knows as a video.
    NotAVideo,
    /// No decoder or demuxer for this.
    Missing { what: String },
    /// The container or the stream is damaged.
    Damaged { detail: String },
    /// Protected content.
    Encrypted,
    /// The storage failed.
    Storage { detail: String },
    /// Anything else.
    Other { detail: String },
}

impl Trouble {
    pub(super) fn other(detail: &str) -> Self {
        Self::Other { detail: detail.to_owned() }
    }

    /// From an error message; `missing` is what a plugin was missing for, if one was that a video could need.
    pub(super) fn new(error: &glib::Error, missing: Option<String>) -> Self {
        let detail = error.message().trim_end_matches('.').to_owned();
        if let Some(what) = missing {
            return Self::Missing { what };
        }
        if let Some(kind) = error.kind::<StreamError>() {
            return match kind {
                StreamError::TypeNotFound | StreamError::WrongType | StreamError::CodecNotFound => Self::NotAVideo,
                StreamError::Decrypt | StreamError::DecryptNokey => Self::Encrypted,
                _ => Self::Damaged { detail },
            };
        }
        if error.kind::<ResourceError>().is_some() {
            return Self::Storage { detail };
        }
        if error.kind::<CoreError>() == Some(CoreError::MissingPlugin) {
            return Self::NotAVideo;
        }
        Self::Other { detail }
    }

    /// The sentence. `reached` is the time of the last good frame.
    pub(super) fn sentence(&self, path: &Path, reached: Option<f64>) -> Unreadable {
        let name = path.display();
        let outline = boxes::outline(path).unwrap_or_default();
        if let Some(reached) = reached
            && outline.cut_off
        {
            return cut_off(path, reached, None);
        }
        let why = match self {
            Self::NoVideo => return no_video(path),
            Self::Encrypted => format!("{name} is encrypted; give a copy without protection"),
            Self::Storage { detail } => {
                format!("{name} can't be read ({detail}); check the storage it is on and copy it again")
            }
            Self::Missing { what } => {
                let package = package_for(what);
                format!("{name} needs a decoder that is not installed ({what}); install it: apt-get install {package}")
            }
            _ if outline.lacks_index() => return no_index(path),
            Self::NotAVideo => format!("{name} is not a video, whatever its name says; give a video file"),
            Self::Damaged { detail } | Self::Other { detail } => match reached {
                Some(reached) => {
                    format!("{name} can't be read beyond {reached:.1} s ({detail}); copy it again from the camera")
                }
                None => format!("{name} can't be decoded ({detail}); copy it again from the camera"),
            },
        };
        Unreadable { why }
    }
}

/// Refuses what can't be a video before a decoder waits for it.
pub(crate) fn check_file(path: &Path) -> Result<(), Unreadable> {
    let name = path.display();
    let refuse = |why: String| Err(Unreadable { why });
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return refuse(unopened(path, &error)),
    };
    if metadata.is_dir() {
        return refuse(format!("{name} is a folder; give a video file in it"));
    }
    if !metadata.is_file() {
        return refuse(format!("{name} is a device or a pipe, not a file; record into a file first"));
    }
    if metadata.len() == 0 {
        return refuse(format!("{name} is empty (0 bytes); copy it again from the camera"));
    }
    match File::open(path) {
        Ok(_) => Ok(()),
        Err(error) => refuse(unopened(path, &error)),
    }
}

fn unopened(path: &Path, error: &io::Error) -> String {
    let name = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("{name} does not exist; check the path"),
        io::ErrorKind::PermissionDenied => format!("{name} may not be read by this user; change its permissions"),
        _ => format!("{name} can't be opened ({error})"),
    }
}

fn no_index(path: &Path) -> Unreadable {
    let why = format!(
        "{} has no index (moov): the recording was cut off before it was closed; \
         copy it again from the camera or repair it with the camera",
        path.display()
    );
    Unreadable { why }
}

/// What the file itself says against being read, when nobody else says anything.
pub(super) fn hopeless(path: &Path) -> Option<Unreadable> {
    boxes::outline(path).filter(Outline::lacks_index).map(|_| no_index(path))
}

pub(super) fn no_video(path: &Path) -> Unreadable {
    Unreadable { why: format!("{} has no video in it, only sound or text; give a file with pictures", path.display()) }
}

pub(super) fn no_picture(path: &Path) -> Unreadable {
    let why =
        format!("{} holds a video stream without a single picture; copy it again from the camera", path.display());
    Unreadable { why }
}

pub(super) fn silence(path: &Path, limit: Duration, reached: Option<f64>) -> Unreadable {
    let name = path.display();
    let at = reached.map_or_else(String::new, |reached| format!(" after {reached:.1} s of video"));
    Unreadable {
        why: format!("{name}: the decoder gives nothing for {} s{at}; check the storage it is on", limit.as_secs()),
    }
}

pub(super) fn cut_off(path: &Path, reached: f64, whole: Option<f64>) -> Unreadable {
    let name = path.display();
    let of = whole.filter(|whole| *whole > reached).map_or_else(String::new, |whole| format!(" of {whole:.1} s"));
    Unreadable { why: format!("{name} is cut off: it ends at {reached:.1} s{of}; copy it again from the camera") }
}

pub(super) fn unusable_frame(path: &Path, why: &str) -> Unreadable {
    Unreadable { why: format!("{}: a decoded picture can't be used: {why}", path.display()) }
}

pub(super) fn internal(what: &str) -> Unreadable {
    Unreadable { why: format!("GStreamer can't build a pipeline: {what}") }
}

/// What a plugin is missing for, if the message says that one is, and a video could need it.
pub(super) fn missing_plugin(message: &Message) -> Option<String> {
    let structure = message.structure().filter(|structure| structure.name() == "missing-plugin")?;
    let name = structure.get::<String>("name").or_else(|_| structure.get::<String>("type")).ok()?;
    let caps = structure.get::<gstreamer::Caps>("detail").ok();
    let kind = caps.as_ref().and_then(|caps| caps.structure(0)).map(|caps| caps.name().as_str()).unwrap_or_default();
    // A programme or a document is "not decodable" too.
    let of_video = kind.starts_with("video/") || kind.starts_with("image/") || name.contains("demuxer");
    of_video.then_some(name)
}

/// Debian's package that has what is missing, as GStreamer names it ("H.265 decoder", "Matroska demuxer").
fn package_for(what: &str) -> &'static str {
    let what = what.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| what.contains(word));
    if any(&["demuxer"]) {
        if any(&["asf", "realmedia"]) {
            "gstreamer1.0-plugins-ugly"
        } else if any(&["mpeg-2 transport", "mpeg ts", "mpeg-2 system", "mxf"]) {
            "gstreamer1.0-plugins-bad"
        } else if any(&["ogg"]) {
            "gstreamer1.0-plugins-base"
        } else {
            "gstreamer1.0-plugins-good"
        }
    } else if any(&["vp8", "vp9", "jpeg", "png", "dv "]) {
        "gstreamer1.0-plugins-good"
    } else if any(&["av1", "parse"]) {
        "gstreamer1.0-plugins-bad"
    } else {
        "gstreamer1.0-libav"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named() {
        assert_eq!(package_for("H.265 (Main Profile) decoder"), "gstreamer1.0-libav");
        assert_eq!(package_for("Matroska demuxer"), "gstreamer1.0-plugins-good");
        assert_eq!(package_for("MPEG-2 Transport Stream demuxer"), "gstreamer1.0-plugins-bad");
        assert_eq!(package_for("VP9 decoder"), "gstreamer1.0-plugins-good");
    }

    #[test]
    fn files_are_refused_before_a_decoder_waits_for_them() {
        let dir = tempfile::tempdir().expect("dir");
        let why = |path: &Path| check_file(path).expect_err("refused").why;
        assert!(why(dir.path()).contains("folder"));
        assert!(why(&dir.path().join("none.mp4")).contains("does not exist"));
        let empty = dir.path().join("empty.mp4");
        File::create(&empty).expect("made");
        assert!(why(&empty).contains("0 bytes"));
        #[cfg(unix)]
        assert!(why(Path::new("/dev/null")).contains("device"));
    }
}
