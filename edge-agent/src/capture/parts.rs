//! The undecoded parts of a video, and a decoder for some of them.
//!
//! A part is what a decoder is handed at once, and holds one frame (an access unit). A decoder may begin with a part
//! that is a key frame, and goes on with the parts that follow it.

use super::feed::{Fed, Feed, Progress};
use super::frame::{Format, Frame};
use super::pipeline::Pipeline;
use super::{SILENCE, Unreadable, running_time, seconds, trouble};
use fieldeye_base::stop::Stop;
use fieldeye_vision::picture::Orientation;
use gstreamer::event;
use gstreamer::prelude::*;
use gstreamer::{Buffer, BufferFlags, Caps, ClockTime, FlowError, FormattedSegment, Pad, Sample};
use std::path::Path;

/// One undecoded frame.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    buffer: Buffer,
    caps: Option<Caps>,
    /// From the first part; `None` when it is not shown, or nobody knows when.
    time: Option<ClockTime>,
    /// Decoding can begin with it.
    pub(crate) is_key: bool,
}

impl Part {
    /// Presentation time from the first frame, seconds; `None` when it is not shown, or nobody knows when.
    pub(crate) fn pts_s(&self) -> Option<f64> {
        self.time.map(seconds)
    }

    /// Its length in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.buffer.size()
    }
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum NextPart {
    /// A part, in the order in which a decoder wants them.
    Part(Part),
    /// There are no more.
    End,
    /// The stop token was cancelled.
    Stopped,
}

/// A video that is being taken apart.
#[derive(Debug)]
pub(crate) struct Parts {
    feed: Feed,
    parts: u64,
    caps: Option<Caps>,
    first: Option<ClockTime>,
    newest_s: f64,
}

impl Parts {
    /// Begins to read a file.
    pub(crate) fn open(path: &Path) -> Result<Self, Unreadable> {
        trouble::check_file(path)?;
        let feed = Feed::new(path, Pipeline::apart(path)?, SILENCE);
        Ok(Self { feed, parts: 0, caps: None, first: None, newest_s: 0.0 })
    }

    /// Waits for the next part. After an error or the end nothing more comes.
    pub(crate) fn next(&mut self, stop: &Stop) -> Result<NextPart, Unreadable> {
        let progress = Progress { pieces: self.parts, newest_s: self.first.map(|_| self.newest_s) };
        match self.feed.next(stop, progress)? {
            Fed::Sample(sample) => self.part(&sample).map(NextPart::Part),
            Fed::End => {
                self.feed.check_end(progress, self.feed.pipeline.duration_s())?;
                Ok(NextPart::End)
            }
            Fed::Stopped => Ok(NextPart::Stopped),
        }
    }

    fn part(&mut self, sample: &Sample) -> Result<Part, Unreadable> {
        let unusable = |why: &str| trouble::unusable_frame(self.feed.path(), why);
        let caps = sample.caps_owned();
        if self.caps.is_none() {
            self.caps.clone_from(&caps);
        }
        let buffer = sample.buffer_owned().ok_or_else(|| unusable("it is empty"))?;
        let time = running_time(sample, &buffer);
        self.first = self.first.or(time);
        let time = time.zip(self.first).and_then(|(time, first)| time.checked_sub(first));
        self.newest_s = time.map_or(self.newest_s, |time| self.newest_s.max(seconds(time)));
        self.parts += 1;
        let is_key = !buffer.flags().contains(BufferFlags::DELTA_UNIT);
        Ok(Part { buffer, caps, time, is_key })
    }

    /// What the parts are, as GStreamer's caps say it; `None` before the first.
    pub(crate) fn kind(&self) -> Option<&str> {
        Some(self.caps.as_ref()?.structure(0)?.name().as_str())
    }

    /// Length in seconds as the container says, once the first part is there.
    pub(crate) fn duration_s(&self) -> Option<f64> {
        self.feed.pipeline.duration_s()
    }

    /// A decoder for the parts, once the first of them is there.
    pub(crate) fn decoder(&self) -> Result<PartDecoder, Unreadable> {
        let path = self.feed.path();
        let caps = self.caps.clone().ok_or_else(|| trouble::no_picture(path))?;
        let (pipeline, entrance) = Pipeline::of_parts(path, &caps)?;
        let orientation = self.feed.pipeline.orientation();
        let feed = Feed::new(path, pipeline, SILENCE);
        Ok(PartDecoder { feed, entrance, caps, orientation, format: None, frames: 0, newest_s: None, begun: false })
    }
}

/// What a decoder gave.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// A frame, in presentation order within a run. Its number is 0: only the whole of the parts knows it.
    Frame(Box<Frame>),
    /// All of the run was decoded.
    End,
    /// The stop token was cancelled.
    Stopped,
}

/// Decodes runs of parts. A run begins with a key frame and ends with [`PartDecoder::end`].
#[derive(Debug)]
pub(crate) struct PartDecoder {
    feed: Feed,
    entrance: Pad,
    /// Of the newest part.
    caps: Caps,
    orientation: Orientation,
    format: Option<Format>,
    frames: u64,
    newest_s: Option<f64>,
    /// The decoder knows on which clock the parts of this run are.
    begun: bool,
}

impl PartDecoder {
    /// Hands in the next part of a run; returns at once.
    pub(crate) fn push(&mut self, part: &Part) -> Result<(), Unreadable> {
        let mut buffer = part.buffer.copy();
        let header = buffer.make_mut();
        header.set_pts(part.time);
        header.set_dts(ClockTime::NONE);
        header.unset_flags(BufferFlags::DISCONT);
        if part.time.is_none() {
            header.set_flags(BufferFlags::DECODE_ONLY);
        }
        self.begin();
        if let Some(caps) = part.caps.as_ref().filter(|caps| **caps != self.caps) {
            self.entrance.push_event(event::Caps::new(caps));
            self.caps = caps.clone();
        }
        self.entrance.push(buffer).map(|_| ()).map_err(|error| self.refused(error))
    }

    /// The run is complete.
    pub(crate) fn end(&mut self) {
        self.begin();
        self.entrance.push_event(event::Eos::new());
    }

    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.entrance.push_event(event::Segment::new(&FormattedSegment::<ClockTime>::new()));
        }
    }

    fn refused(&mut self, error: FlowError) -> Unreadable {
        // Why is on the bus.
        match self.feed.pipeline.trouble() {
            Some(trouble) => trouble.sentence(self.feed.path(), self.newest_s),
            None => trouble::internal(&error.to_string()),
        }
    }

    /// Waits for the next frame, or for the end of a run that was ended.
    pub(crate) fn next(&mut self, stop: &Stop) -> Result<Decoded, Unreadable> {
        loop {
            let progress = Progress { pieces: self.frames, newest_s: self.newest_s };
            match self.feed.next(stop, progress)? {
                Fed::Sample(sample) => {
                    if let Some(frame) = self.frame(&sample)? {
                        return Ok(Decoded::Frame(Box::new(frame)));
                    }
                }
                Fed::End => return Ok(Decoded::End),
                Fed::Stopped => return Ok(Decoded::Stopped),
            }
        }
    }

    /// Lets go of what is left of a run, and is ready for the next.
    pub(crate) fn clear(&mut self) {
        self.begun = false;
        self.entrance.push_event(event::FlushStart::new());
        self.entrance.push_event(event::FlushStop::new(true));
    }

    fn frame(&mut self, sample: &Sample) -> Result<Option<Frame>, Unreadable> {
        let unusable = |why: &str| trouble::unusable_frame(self.feed.path(), why);
        let format = Format::of(&mut self.format, sample, || self.orientation).map_err(|why| unusable(&why))?;
        let buffer = sample.buffer_owned().ok_or_else(|| unusable("it is empty"))?;
        let Some(pts_s) = buffer.pts().map(seconds) else { return Ok(None) };
        let length_s = format.length_s(&buffer);
        let frame = Frame::new(buffer, format, 0, pts_s, length_s).map_err(|why| unusable(&why))?;
        self.frames += 1;
        self.newest_s = Some(self.newest_s.map_or(pts_s, |newest| newest.max(pts_s)));
        Ok(Some(frame))
    }
}
