//! Frames of files: all of a video, or those that a skim chooses. A recording in several files is one video: times and
//! numbers run on from file to file.

use crate::capture::{self, Frame, Next, Unreadable, Video};
use crate::skim::{Coming, Refused, Since, Skim};
use fieldeye_base::stop::Stop;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// The files of a video, one after the other.
#[derive(Debug)]
pub(super) struct Files {
    reader: Reader,
    path: PathBuf,
    /// Files that follow.
    rest: VecDeque<PathBuf>,
    skim: bool,
    /// What lies behind in files that were read.
    base: Base,
    /// Time of the end of what came out of this file so far, from its first frame, seconds.
    end_s: f64,
    /// Time of the newest frame of this file, seconds.
    newest_s: Option<f64>,
    /// Number of the next frame of this file.
    next_number: u64,
    /// What was left out before the next file's first frame.
    since: Option<Since>,
    size: Option<(u32, u32)>,
    /// Length of the files that follow, as their containers say.
    rest_s: Option<f64>,
}

#[derive(Debug, Default)]
struct Base {
    time_s: f64,
    frames: u64,
    decoded: u64,
    /// Some of it was skimmed.
    skimmed: bool,
}

/// Who reads one file.
#[derive(Debug)]
enum Reader {
    /// All of its frames.
    Whole {
        video: Box<Video>,
        /// Why it is not skimmed, if it was to be.
        refused: Option<String>,
    },
    /// Few of them.
    Skimmed(Box<Skim>),
    /// It was read.
    Nobody,
}

impl Files {
    /// Opens the files of a video, in their order, to be skimmed if that is wanted and can be done.
    pub(super) fn open(files: &[PathBuf], skim: bool, stop: &Stop) -> Result<Self, Unreadable> {
        let mut rest: VecDeque<PathBuf> = files.iter().cloned().collect();
        let path = rest.pop_front().unwrap_or_default();
        let reader = Reader::open(&path, skim, stop)?;
        let rest_s = rest.iter().map(|file| capture::length_s(file)).sum();
        Ok(Self {
            reader,
            path,
            rest,
            skim,
            base: Base::default(),
            end_s: 0.0,
            newest_s: None,
            next_number: 0,
            since: None,
            size: None,
            rest_s,
        })
    }

    /// Waits for what comes next.
    pub(super) fn next(&mut self, stop: &Stop) -> Result<Coming, Unreadable> {
        loop {
            match self.reader.next(stop)? {
                Coming::Frame(frame, since) => return self.frame(frame, since),
                Coming::Passed { until_s, blind_s } => {
                    self.end_s = self.end_s.max(until_s);
                    let later = |time_s: f64| self.base.time_s + time_s;
                    return Ok(Coming::Passed { until_s: later(until_s), blind_s: blind_s.map(later) });
                }
                Coming::End => match self.rest.pop_front() {
                    Some(path) => self.go_on_with(path, stop)?,
                    None => return Ok(Coming::End),
                },
                Coming::Stopped => return Ok(Coming::Stopped),
            }
        }
    }

    fn frame(&mut self, mut frame: Box<Frame>, since: Since) -> Result<Coming, Unreadable> {
        let size = frame.displayed_size();
        let first = *self.size.get_or_insert(size);
        if size != first && self.base.frames > 0 {
            let ((width, height), name) = (size, self.path.display());
            let why = format!(
                "{name} does not go on with the recording before it: {width}x{height} after {}x{}; import it alone, \
                 from another folder",
                first.0, first.1
            );
            return Err(Unreadable { why });
        }
        let step_s = self.newest_s.map_or(0.0, |newest_s| (frame.pts_s - newest_s).max(0.0));
        self.end_s = self.end_s.max(frame.pts_s + frame.length_s.unwrap_or(step_s));
        self.newest_s = Some(frame.pts_s);
        self.next_number = frame.number + 1;
        frame.pts_s += self.base.time_s;
        frame.number += self.base.frames;
        Ok(Coming::Frame(frame, self.since.take().unwrap_or(since)))
    }

    /// Goes on with the next file where this one ended.
    fn go_on_with(&mut self, path: PathBuf, stop: &Stop) -> Result<(), Unreadable> {
        self.base.decoded += self.reader.decoded().unwrap_or(self.next_number);
        self.base.skimmed |= self.reader.decoded().is_some();
        self.base.frames += self.reader.frames().unwrap_or(self.next_number);
        self.base.time_s += self.end_s;
        self.since = self.reader.since();
        (self.end_s, self.newest_s, self.next_number) = (0.0, None, 0);
        // The memory of two decoders is not needed at once.
        self.reader = Reader::Nobody;
        tracing::debug!(path = %path.display(), from_s = self.base.time_s, "the next file of the recording");
        self.reader = Reader::open(&path, self.skim, stop)?;
        self.path = path;
        self.rest_s = self.rest.iter().map(|file| capture::length_s(file)).sum();
        Ok(())
    }

    /// Length in seconds as the containers say, once the first frame is there.
    pub(super) fn duration_s(&self) -> Option<f64> {
        let own = match &self.reader {
            Reader::Whole { video, .. } => video.duration_s(),
            Reader::Skimmed(skim) => skim.duration_s(),
            Reader::Nobody => None,
        };
        Some(self.base.time_s + own? + self.rest_s?)
    }

    /// Frames of the video that lie behind, if it is skimmed: some of them were not given.
    pub(super) fn behind(&self) -> Option<u64> {
        self.reader.frames().map(|frames| self.base.frames + frames)
    }

    /// Whether the camera is held in the newest frame, as far as is known.
    pub(super) fn is_held(&mut self, held: bool) {
        if let Reader::Skimmed(skim) = &mut self.reader {
            skim.is_held(held);
        }
    }

    /// Frames that were decoded, if it was skimmed, be it in part.
    pub(super) fn decoded(&self) -> Option<u64> {
        let own = self.reader.decoded();
        let skimmed = own.is_some() || self.base.skimmed;
        skimmed.then(|| self.base.decoded + own.unwrap_or(self.next_number))
    }

    /// Why it is not skimmed, if it was to be.
    pub(super) fn refused(&self) -> Option<&str> {
        match &self.reader {
            Reader::Whole { refused, .. } => refused.as_deref(),
            Reader::Skimmed(_) | Reader::Nobody => None,
        }
    }
}

impl Reader {
    fn open(path: &Path, skim: bool, stop: &Stop) -> Result<Self, Unreadable> {
        let refused = match skim.then(|| Skim::open(path, stop)) {
            Some(Ok(skim)) => return Ok(Self::Skimmed(Box::new(skim))),
            Some(Err(Refused::Unreadable(error))) => return Err(error),
            Some(Err(Refused::Unsuited(why))) => {
                tracing::info!(path = %path.display(), why, "looking at every frame");
                Some(why)
            }
            None => None,
        };
        Ok(Self::Whole { video: Box::new(Video::open(path)?), refused })
    }

    fn next(&mut self, stop: &Stop) -> Result<Coming, Unreadable> {
        Ok(match self {
            Self::Whole { video, .. } => match video.next(stop)? {
                Next::Frame(frame) => Coming::Frame(frame, Since::Nothing),
                Next::End => Coming::End,
                Next::Stopped => Coming::Stopped,
            },
            Self::Skimmed(skim) => skim.next(stop)?,
            Self::Nobody => Coming::End,
        })
    }

    /// Frames of the file that lie behind, if it is skimmed.
    fn frames(&self) -> Option<u64> {
        match self {
            Self::Skimmed(skim) => Some(skim.frames()),
            Self::Whole { .. } | Self::Nobody => None,
        }
    }

    /// Frames that were decoded, if it is skimmed.
    fn decoded(&self) -> Option<u64> {
        match self {
            Self::Skimmed(skim) => Some(skim.decoded()),
            Self::Whole { .. } | Self::Nobody => None,
        }
    }

    /// What was left out since the last frame.
    fn since(&self) -> Option<Since> {
        match self {
            Self::Skimmed(skim) => Some(skim.since()),
            Self::Whole { .. } => Some(Since::Nothing),
            Self::Nobody => None,
        }
    }
}
