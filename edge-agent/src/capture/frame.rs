//! A decoded frame: the decoder's buffer, mapped, with what is needed to read it.

use super::{SHORTEST_S, seconds};
use fieldeye_vision::luma::{LumaError, LumaView};
use fieldeye_vision::picture::{BadPicture, Colour, Layout, Orientation, Picture};
use gstreamer::{Buffer, Caps, CapsRef, Sample, TagListRef};
use gstreamer_video::video_frame::Readable;
use gstreamer_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrame, VideoFrameExt as _, VideoInfo};

/// The formats that are read as they are, in the order in which decoders are asked for them.
pub(super) const FORMATS: [VideoFormat; 4] =
    [VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Yv12, VideoFormat::Gray8];

/// More frames per second are the tick of a container's clock.
const MOST_FPS: f64 = 1000.0;

/// How the frames of a stream are to be read.
#[derive(Debug)]
pub(super) struct Format {
    caps: Caps,
    info: VideoInfo,
    layout: Layout,
    /// Where Y, U and V are among the planes.
    planes: &'static [u32],
    colour: Colour,
    orientation: Orientation,
}

impl Format {
    fn new(caps: &CapsRef, orientation: Orientation) -> Result<Self, String> {
        let info = VideoInfo::from_caps(caps).map_err(|_| format!("its format is {caps}"))?;
        let (layout, planes): (_, &'static [u32]) = match info.format() {
            VideoFormat::I420 => (Layout::I420, &[0, 1, 2]),
            VideoFormat::Yv12 => (Layout::I420, &[0, 2, 1]),
            VideoFormat::Nv12 => (Layout::Nv12, &[0, 1]),
            VideoFormat::Gray8 => (Layout::Gray8, &[0]),
            other => return Err(format!("its format is {other}")),
        };
        let colour = colour(&info);
        Ok(Self { caps: caps.to_owned(), info, layout, planes, colour, orientation })
    }

    /// The format of a sample: the known one, if the sample has the same.
    pub(super) fn of<'a>(
        known: &'a mut Option<Self>,
        sample: &Sample,
        orientation: impl FnOnce() -> Orientation,
    ) -> Result<&'a Self, String> {
        let caps = sample.caps().ok_or("it comes without a format")?;
        let same = known.take().filter(|format| format.is(caps));
        let format = same.map_or_else(|| Self::new(caps, orientation()), Ok)?;
        Ok(known.insert(format))
    }

    /// How long a buffer is shown, seconds, where it or the stream says.
    pub(super) fn length_s(&self, buffer: &Buffer) -> Option<f64> {
        buffer.duration().map(seconds).filter(|length| *length >= SHORTEST_S).or(self.frame_s())
    }

    /// Whether it was made from these caps.
    fn is(&self, caps: &CapsRef) -> bool {
        std::ptr::eq::<CapsRef>(&*self.caps, caps) || *self.caps == *caps
    }

    /// Length of a frame in seconds, where the stream says.
    pub(super) fn frame_s(&self) -> Option<f64> {
        let fps = self.fps();
        (fps > 0.0).then(|| 1.0 / fps)
    }

    /// Nominal frames per second; 0 when unknown, variable or out of the question.
    fn fps(&self) -> f64 {
        let fps = self.info.fps();
        let fps = if fps.denom() == 0 { 0.0 } else { f64::from(fps.numer()) / f64::from(fps.denom()) };
        if (0.0..=MOST_FPS).contains(&fps) { fps } else { 0.0 }
    }
}

/// Weights and range of the stream's colours; what it doesn't say, GStreamer has taken from the size.
fn colour(info: &VideoInfo) -> Colour {
    let colorimetry = info.colorimetry();
    let weights = match colorimetry.matrix() {
        VideoColorMatrix::Bt709 => Colour::BT709,
        VideoColorMatrix::Bt2020 => Colour::BT2020,
        _ => Colour::BT601,
    };
    Colour { full_range: colorimetry.range() == VideoColorRange::Range0_255, ..weights }
}

/// Which way up a stream is shown, from its tags.
pub(super) fn orientation(tags: &TagListRef) -> Option<Orientation> {
    let tag = tags.get::<gstreamer::tags::ImageOrientation>()?;
    parse_orientation(tag.get())
}

/// `rotate-90` is clockwise; `flip-rotate-90` is mirrored first.
fn parse_orientation(text: &str) -> Option<Orientation> {
    let (mirrored, rest) = text.strip_prefix("flip-").map_or((false, text), |rest| (true, rest));
    let quarter_turns = match rest {
        "rotate-0" => 0,
        "rotate-90" => 1,
        "rotate-180" => 2,
        "rotate-270" => 3,
        _ => return None,
    };
    Some(Orientation { mirrored, quarter_turns })
}

/// A frame in the decoder's memory. Holding many of them holds the decoder up: [`Frame::copy`] what is to stay.
#[derive(Debug)]
pub(crate) struct Frame {
    video: VideoFrame<Readable>,
    layout: Layout,
    planes: &'static [u32],
    colour: Colour,
    orientation: Orientation,
    fps: f64,
    /// Number in the video, from 0.
    pub(crate) number: u64,
    /// Presentation time from the first frame, seconds.
    pub(crate) pts_s: f64,
    /// How long it is shown, seconds, where the stream says.
    pub(crate) length_s: Option<f64>,
}

impl Frame {
    pub(super) fn new(
        buffer: Buffer,
        format: &Format,
        number: u64,
        pts_s: f64,
        length_s: Option<f64>,
    ) -> Result<Self, String> {
        let video = VideoFrame::from_buffer_readable(buffer, &format.info)
            .map_err(|_| "its memory can't be read".to_owned())?;
        let Format { layout, planes, colour, orientation, .. } = *format;
        Ok(Self { video, layout, planes, colour, orientation, fps: format.fps(), number, pts_s, length_s })
    }

    /// Size as stored, in pixels.
    pub(crate) fn stored_size(&self) -> (u32, u32) {
        (self.video.width(), self.video.height())
    }

    /// Size as shown, in pixels.
    pub(crate) fn displayed_size(&self) -> (u32, u32) {
        let (width, height) = self.stored_size();
        self.orientation.displayed_size(width, height)
    }

    /// Which way up it is shown.
    pub(crate) fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Nominal frames per second of the stream; 0 when it does not say.
    pub(crate) fn fps(&self) -> f64 {
        self.fps
    }

    /// Its brightness, as stored, where the decoder put it.
    pub(crate) fn luma(&self) -> Result<LumaView<'_>, LumaError> {
        let (width, height) = self.stored_size();
        let (data, stride) = self.plane(0);
        LumaView::new(data, width, height, stride)
    }

    /// A copy that outlives the decoder's buffer.
    pub(crate) fn copy(&self) -> Result<Picture, BadPicture> {
        let copied = |&index: &u32| {
            let (data, stride) = self.plane(index);
            (data.to_vec(), stride)
        };
        let planes = self.planes.iter().map(copied).collect();
        Picture::new(self.layout, self.stored_size(), planes, self.colour, self.orientation)
    }

    /// Bytes and stride; empty for a plane that isn't there, or with rows that run upwards.
    fn plane(&self, index: u32) -> (&[u8], usize) {
        let stride = self.video.plane_stride().get(index as usize).copied().unwrap_or(0);
        match (self.video.plane_data(index), usize::try_from(stride)) {
            (Ok(data), Ok(stride)) => (data, stride),
            _ => (&[], 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orientations_are_read() {
        let turned = |mirrored, quarter_turns| Some(Orientation { mirrored, quarter_turns });
        assert_eq!(parse_orientation("rotate-0"), turned(false, 0));
        assert_eq!(parse_orientation("rotate-270"), turned(false, 3));
        assert_eq!(parse_orientation("flip-rotate-90"), turned(true, 1));
        assert_eq!(parse_orientation("sideways"), None);
    }
}
