//! From a file to decoded frames.
//!
//! GStreamer demuxes and decodes; the decoder's own planes come out through a bounded sink that makes the decoder wait,
//! so nothing is dropped and memory stays small. Luma is read where the decoder put it. Formats other than the four
//! that are read directly ([`frame`]) are converted once, before the sink.
//!
//! [`Video`] decodes a file from its first frame to its last; [`camera`] gives what a live camera sees and records it.
//! [`Parts`] takes a file apart without decoding, and [`PartDecoder`] decodes those parts that it is given.
//! [`creation_time`] and [`length_s`] ask the container.
//!
//! Times are presentation times from the first frame. What can't be read ends in [`Unreadable`], one sentence for a
//! person ([`trouble`]); frames that came before it are good. This room knows neither pauses nor models.

mod boxes;
pub(crate) mod camera;
mod feed;
mod frame;
mod header;
mod parts;
mod pipeline;
#[cfg(test)]
mod tests;
mod trouble;

pub(crate) use boxes::is_whole_mp4;
pub(crate) use frame::Frame;
pub(crate) use header::{creation_time, length_s};
pub(crate) use parts::{Decoded, NextPart, Part, PartDecoder, Parts};
pub(crate) use trouble::check_file as check;

use feed::{Fed, Feed, Progress};
use fieldeye_base::stop::Stop;
use frame::Format;
use pipeline::Pipeline;
use std::path::Path;
use std::time::Duration;

/// Longest time without a frame, an end or an error.
const SILENCE: Duration = Duration::from_secs(20);
/// A frame that is shown for less has no length: containers of variable frame rate claim one tick of their clock.
const SHORTEST_S: f64 = 0.001;

/// The video can't be read, or not further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Unreadable {
    /// One sentence: what is wrong with which file, what to do.
    pub(crate) why: String,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// A frame, in presentation order.
    Frame(Box<Frame>),
    /// There are no more.
    End,
    /// The stop token was cancelled.
    Stopped,
}

/// A video that is being decoded. Dropping it ends the decoder.
#[derive(Debug)]
pub(crate) struct Video {
    feed: Feed,
    format: Option<Format>,
    frames: u64,
    /// Running time of the first frame, seconds.
    first_s: Option<f64>,
    /// Time of the newest frame from the first, seconds.
    newest_s: f64,
    duration_s: Option<f64>,
}

impl Video {
    /// Begins to decode a file.
    pub(crate) fn open(path: &Path) -> Result<Self, Unreadable> {
        trouble::check_file(path)?;
        Self::start(path, SILENCE)
    }

    fn start(path: &Path, silence: Duration) -> Result<Self, Unreadable> {
        let feed = Feed::new(path, Pipeline::start(path)?, silence);
        Ok(Self { feed, format: None, frames: 0, first_s: None, newest_s: 0.0, duration_s: None })
    }

    /// Length in seconds as the container says, once the first frame is there.
    pub(crate) fn duration_s(&self) -> Option<f64> {
        self.duration_s
    }

    /// Waits for the next frame. After an error or the end nothing more comes.
    pub(crate) fn next(&mut self, stop: &Stop) -> Result<Next, Unreadable> {
        let progress = Progress { pieces: self.frames, newest_s: self.first_s.map(|_| self.newest_s) };
        match self.feed.next(stop, progress)? {
            Fed::Sample(sample) => self.frame(&sample).map(|frame| Next::Frame(Box::new(frame))),
            Fed::End => self.feed.check_end(progress, self.duration_s).map(|()| Next::End),
            Fed::Stopped => Ok(Next::Stopped),
        }
    }

    fn frame(&mut self, sample: &gstreamer::Sample) -> Result<Frame, Unreadable> {
        let unusable = |why: &str| trouble::unusable_frame(self.feed.path(), why);
        let orientation = || self.feed.pipeline.orientation();
        let format = Format::of(&mut self.format, sample, orientation).map_err(|why| unusable(&why))?;
        let buffer = sample.buffer_owned().ok_or_else(|| unusable("it is empty"))?;
        let (frame_s, length_s) = (format.frame_s(), format.length_s(&buffer));
        let running_s = running_time(sample, &buffer).map(seconds);
        let pts_s = match (running_s, self.first_s) {
            (Some(time), Some(first)) => time - first,
            (Some(time), None) => {
                self.first_s = Some(time);
                0.0
            }
            // A stream without times: as many frames a second as it claims.
            (None, known) => {
                self.first_s = known.or(Some(0.0));
                if self.frames == 0 { 0.0 } else { self.newest_s + frame_s.unwrap_or(1.0 / 30.0) }
            }
        };
        if self.frames == 0 {
            self.duration_s = self.feed.pipeline.duration_s();
        }
        let frame = Frame::new(buffer, format, self.frames, pts_s, length_s).map_err(|why| unusable(&why))?;
        self.frames += 1;
        self.newest_s = self.newest_s.max(pts_s);
        Ok(frame)
    }
}

fn seconds(time: gstreamer::ClockTime) -> f64 {
    time.nseconds() as f64 * 1e-9
}

/// When a buffer is to be shown, on the clock that runs on over edits and segments.
fn running_time(sample: &gstreamer::Sample, buffer: &gstreamer::Buffer) -> Option<gstreamer::ClockTime> {
    let segment = sample.segment()?.downcast_ref::<gstreamer::ClockTime>()?;
    segment.to_running_time(buffer.pts()?)
}
