//! The GStreamer pipelines: of a whole file, `filesrc ! decodebin ! videoconvert ! appsink`; of a file that is taken apart
//! and not decoded, `filesrc ! parsebin ! appsink`; and of parts that are handed in, `queue ! decodebin ! ...`.
//!
//! `videoconvert` passes on what the sink takes as it is; it only works for formats that the sink does not take
//! (10 bit, 4:2:2, RGB). The sink answers the decoder's question for memory so that padded rows need no copy.

use super::frame::{self, FORMATS};
use super::trouble::Trouble;
use super::{Unreadable, seconds, trouble};
use fieldeye_vision::picture::Orientation;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::{
    Bus, ClockTime, Element, MessageView, PadProbeData, PadProbeReturn, PadProbeType, QueryViewMut, Sample,
};
use gstreamer_app::AppSink;
use gstreamer_video::{VideoBufferPool, VideoCapsBuilder, VideoInfo, VideoMeta};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Decoded frames that wait in the sink.
const SINK_FRAMES: u32 = 2;
/// Undecoded frames that wait in the sink.
const SINK_UNITS: u32 = 64;
/// Most threads of a software decoder: each holds frames.
const DECODER_THREADS: usize = 2;
/// Debian's package with the elements that every file needs.
pub(super) const BASE_PACKAGE: &str = "gstreamer1.0-plugins-base";

/// Starts GStreamer, once. What its libraries print goes to the log.
pub(super) fn init() -> Result<(), Unreadable> {
    static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
    let started = STARTED.get_or_init(|| {
        glib::log_set_default_handler(|domain, _, text| tracing::debug!(domain, text, "glib"));
        gstreamer::init().map_err(|error| error.to_string())
    });
    started.clone().map_err(|why| Unreadable {
        why: format!(
            "GStreamer does not start ({why}); install it again: apt-get install --reinstall libgstreamer1.0-0"
        ),
    })
}

/// What decodebin has said about the streams of the file.
#[derive(Debug, Default)]
struct Streams {
    linked: AtomicBool,
    all_known: AtomicBool,
}

/// A running pipeline. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Pipeline {
    pipeline: gstreamer::Pipeline,
    bus: Bus,
    sink: AppSink,
    streams: Arc<Streams>,
    /// What a missing plugin would have been for; told by GStreamer before the error that follows from it.
    missing: Option<String>,
    /// It hangs in a read that may never return.
    hangs: bool,
}

impl Pipeline {
    /// Begins to decode a file.
    pub(super) fn start(path: &Path) -> Result<Self, Unreadable> {
        init()?;
        Self::decoding(&file_source(path)?)?.play(path)
    }

    /// Begins to take a file apart: its sink gives what a decoder would be given.
    pub(super) fn apart(path: &Path) -> Result<Self, Unreadable> {
        init()?;
        let source = file_source(path)?;
        let parser = element("parsebin", BASE_PACKAGE)?;
        element("appsink", BASE_PACKAGE)?;
        let sink = AppSink::builder().sync(false).qos(false).max_buffers(SINK_UNITS).enable_last_sample(false).build();
        let this = Self::new(sink)?;
        let built =
            this.pipeline.add_many([&source, &parser, this.sink.upcast_ref()]).and_then(|()| source.link(&parser));
        built.map_err(|error| trouble::internal(&error.to_string()))?;
        take_first_video(&parser, this.entrance()?, &this.streams);
        only_decode_video(&parser);
        this.play(path)
    }

    /// A decoder of what is pushed out of the returned pad, in the format `caps`; `path` is where that comes from. What
    /// is pushed waits in a queue without a limit.
    pub(super) fn of_parts(path: &Path, caps: &gstreamer::Caps) -> Result<(Self, gstreamer::Pad), Unreadable> {
        init()?;
        let queue = element("queue", "libgstreamer1.0-0")?;
        queue.set_property("max-size-buffers", 0u32);
        queue.set_property("max-size-bytes", 0u32);
        queue.set_property("max-size-time", 0u64);
        let this = Self::decoding(&queue)?;
        // It is emptied and filled again and again.
        this.sink.set_property("async", false);
        let this = this.play(path)?;
        let entrance = queue.static_pad("sink").ok_or_else(|| trouble::internal("queue has no sink"))?;
        let pad = gstreamer::Pad::builder(gstreamer::PadDirection::Src).name("parts").build();
        let linked = pad.set_active(true).map_err(|error| error.to_string());
        linked
            .and_then(|()| pad.link(&entrance).map(|_| ()).map_err(|error| error.to_string()))
            .map_err(|why| trouble::internal(&why))?;
        pad.push_event(gstreamer::event::StreamStart::new("parts"));
        pad.push_event(gstreamer::event::Caps::new(caps));
        Ok((this, pad))
    }

    /// What decodes what `source` gives.
    fn decoding(source: &Element) -> Result<Self, Unreadable> {
        let decoder = element("decodebin", BASE_PACKAGE)?;
        let convert = element("videoconvert", BASE_PACKAGE)?;
        let this = Self::new(sink()?)?;
        let built = this
            .pipeline
            .add_many([source, &decoder, &convert, this.sink.upcast_ref()])
            .and_then(|()| source.link(&decoder))
            .and_then(|()| convert.link(&this.sink));
        built.map_err(|error| trouble::internal(&error.to_string()))?;
        let entrance = convert.static_pad("sink").ok_or_else(|| trouble::internal("videoconvert has no sink"))?;
        take_first_video(&decoder, entrance, &this.streams);
        only_decode_video(&decoder);
        this.pipeline.connect_deep_element_added(|_, _, element| limit_threads(element));
        Ok(this)
    }

    fn new(sink: AppSink) -> Result<Self, Unreadable> {
        let pipeline = gstreamer::Pipeline::new();
        let bus = pipeline.bus().ok_or_else(|| trouble::internal("the pipeline has no bus"))?;
        Ok(Self { pipeline, bus, sink, streams: Arc::default(), missing: None, hangs: false })
    }

    fn play(mut self, path: &Path) -> Result<Self, Unreadable> {
        // A failure here has left its reason on the bus.
        if self.pipeline.set_state(gstreamer::State::Playing).is_err() {
            let trouble = self.trouble().unwrap_or_else(|| Trouble::other("the decoder does not start"));
            return Err(trouble.sentence(path, None));
        }
        Ok(self)
    }

    fn entrance(&self) -> Result<gstreamer::Pad, Unreadable> {
        self.sink.static_pad("sink").ok_or_else(|| trouble::internal("appsink has no sink"))
    }

    /// The next decoded frame, if one comes within `wait`.
    pub(super) fn pull(&self, wait: Duration) -> Option<Sample> {
        let wait = ClockTime::from_nseconds(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX - 1));
        self.sink.try_pull_sample(wait)
    }

    /// Whether the last frame was pulled.
    pub(super) fn ended(&self) -> bool {
        self.sink.is_eos()
    }

    /// Whether a video stream is being decoded.
    pub(super) fn has_video(&self) -> bool {
        self.streams.linked.load(Ordering::Acquire)
    }

    /// Whether all streams are known and none is a video that can be decoded.
    fn has_no_video(&self) -> bool {
        self.streams.all_known.load(Ordering::Acquire) && !self.has_video()
    }

    /// Why nothing more comes, as soon as that is known.
    pub(super) fn trouble(&mut self) -> Option<Trouble> {
        while let Some(message) = self.bus.pop() {
            match message.view() {
                MessageView::Element(_) if self.missing.is_none() => {
                    self.missing = trouble::missing_plugin(&message);
                }
                MessageView::Warning(warning) => {
                    tracing::debug!(error = %warning.error(), details = ?warning.debug(), "the decoder warns");
                }
                MessageView::Error(error) => {
                    let source = message.src().map(|source| source.name().to_string()).unwrap_or_default();
                    tracing::debug!(error = %error.error(), details = ?error.debug(), source, "the decoder fails");
                    return Some(match self.no_video() {
                        Some(trouble) => trouble,
                        // Other streams may lack a decoder and the video be damaged all the same.
                        None => Trouble::new(&error.error(), self.missing.take().filter(|_| !self.has_video())),
                    });
                }
                _ => {}
            }
        }
        self.no_video()
    }

    fn no_video(&self) -> Option<Trouble> {
        let missing = || self.missing.clone().map_or(Trouble::NoVideo, |what| Trouble::Missing { what });
        self.has_no_video().then(missing)
    }

    /// Which way up the video is shown.
    pub(super) fn orientation(&self) -> Orientation {
        let Some(pad) = self.sink.static_pad("sink") else { return Orientation::default() };
        let tags = (0..).map_while(|index| pad.sticky_event::<gstreamer::event::Tag>(index));
        tags.filter_map(|event| frame::orientation(event.tag())).last().unwrap_or_default()
    }

    /// Gives it up: it is not waited for when it is dropped.
    pub(super) fn leave(&mut self) {
        self.hangs = true;
    }

    /// Length of the file, where the container says.
    pub(super) fn duration_s(&self) -> Option<f64> {
        self.pipeline.query_duration::<ClockTime>().map(seconds).filter(|length| *length > 0.0)
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // Only the state NULL ends its threads and frees its memory.
        let pipeline = self.pipeline.clone();
        let end = move || {
            let _ = pipeline.set_state(gstreamer::State::Null);
        };
        if self.hangs {
            // Whoever waits for it hangs, too: a thread of its own does, until the storage answers.
            let _ = std::thread::Builder::new().name("stuck decoder".to_owned()).spawn(end);
        } else {
            end();
        }
    }
}

fn file_source(path: &Path) -> Result<Element, Unreadable> {
    let source = element("filesrc", "libgstreamer1.0-0")?;
    source.set_property("location", path);
    Ok(source)
}

pub(super) fn element(factory: &str, package: &str) -> Result<Element, Unreadable> {
    gstreamer::ElementFactory::make(factory).build().map_err(|_| Unreadable {
        why: format!("GStreamer's element {factory} is missing; install it: apt-get install {package}"),
    })
}

pub(super) fn sink() -> Result<AppSink, Unreadable> {
    element("appsink", BASE_PACKAGE)?;
    let sink = AppSink::builder()
        .caps(&VideoCapsBuilder::new().format_list(FORMATS).build())
        .sync(false)
        .qos(false)
        .max_buffers(SINK_FRAMES)
        .drop(false)
        .enable_last_sample(false)
        .build();
    let pad = sink.static_pad("sink").ok_or_else(|| trouble::internal("appsink has no sink"))?;
    pad.add_probe(PadProbeType::QUERY_DOWNSTREAM, |_, info| match &mut info.data {
        Some(PadProbeData::Query(query)) => match query.view_mut() {
            QueryViewMut::Allocation(allocation) => {
                offer_memory(allocation);
                PadProbeReturn::Handled
            }
            _ => PadProbeReturn::Ok,
        },
        _ => PadProbeReturn::Ok,
    });
    Ok(sink)
}

/// Answers a decoder that asks for memory: rows and planes may lie as it likes, in a pool that it may set up as it
/// likes. It then decodes into what comes out here, also where it works on a larger picture than is shown (1088 rows
/// for 1080).
fn offer_memory(allocation: &mut gstreamer::query::Allocation) {
    allocation.add_allocation_meta::<VideoMeta>(None);
    let (caps, _) = allocation.get();
    let size = caps.and_then(|caps| VideoInfo::from_caps(caps).ok()).and_then(|info| u32::try_from(info.size()).ok());
    if let Some(size) = size {
        allocation.add_allocation_pool(Some(&VideoBufferPool::new()), size, 0, 0);
    }
}

/// Links the first video stream that decodebin offers.
fn take_first_video(decoder: &Element, entrance: gstreamer::Pad, streams: &Arc<Streams>) {
    let known = streams.clone();
    decoder.connect_pad_added(move |_, pad| {
        let is_video = pad
            .current_caps()
            .or_else(|| pad.allowed_caps())
            .and_then(|caps| Some(caps.structure(0)?.name().to_string()))
            .is_some_and(|name| name.starts_with("video/") || name.starts_with("image/"));
        if is_video && !entrance.is_linked() {
            match pad.link(&entrance) {
                Ok(_) => known.linked.store(true, Ordering::Release),
                Err(error) => tracing::debug!(%error, "the video stream can't be linked"),
            }
        }
    });
    let known = streams.clone();
    decoder.connect_no_more_pads(move |_| known.all_known.store(true, Ordering::Release));
}

/// Keeps decodebin from decoding sound and text, and from following playlists: a file must not open the network.
fn only_decode_video(decoder: &Element) {
    decoder.connect("autoplug-continue", false, |values| {
        let caps = values.get(2)?.get::<gstreamer::Caps>().ok()?;
        let name = caps.structure(0)?.name();
        let sound = name.starts_with("audio/") && name.as_str() != "audio/x-m4a";
        let text =
            name.starts_with("text/") || name.starts_with("subpicture/") || name.starts_with("application/x-sub");
        let playlist = ["application/x-hls", "application/dash+xml", "application/vnd.ms-sstr+xml", "application/sdp"];
        Some((!(sound || text || playlist.contains(&name.as_str()))).to_value())
    });
}

/// A software decoder takes as many threads as there are cores, but not so many that memory suffers.
pub(super) fn limit_threads(element: &Element) {
    let software = element.factory().is_some_and(|factory| factory.name().starts_with("avdec_"));
    if software && element.find_property("max-threads").is_some() {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        element.set_property("max-threads", i32::try_from(cores.min(DECODER_THREADS)).unwrap_or(1));
    }
}
