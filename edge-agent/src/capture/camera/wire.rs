//! The pipeline of one connection to a camera.
//!
//! ```text
//! source ─ key frames first ─ tee ┬─ queue ─ splitmuxsink                      the camera's own bitstream, in pieces
//!                                 └─ queue ─ decodebin ─ convert ─ appsink     frames; the oldest is dropped
//! ```
//!
//! A camera that gives bare pictures is encoded for the recorder, by hardware where there is some. Pieces are fragmented
//! MP4: after a power cut everything but the newest second can be played.

use super::super::pipeline::{BASE_PACKAGE, element, init, limit_threads, sink};
use super::super::{Unreadable, trouble};
use super::address::Address;
use super::{Settings, Transport};
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::{Bus, Caps, ClockTime, Element, MessageView, PadProbeReturn, PadProbeType, Sample};
use gstreamer_app::AppSink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const GOOD: &str = "gstreamer1.0-plugins-good";
const BAD: &str = "gstreamer1.0-plugins-bad";
/// Frames that wait for the analysis.
const FRAMES: u32 = 2;
/// What the recorder may fall behind, seconds: a memory card can stand still for that long.
const RECORDER_S: u64 = 10;
/// What the decoder may fall behind, seconds.
const DECODER_S: u64 = 2;
/// Length of a fragment inside a piece, ms: what a power cut may take.
const FRAGMENT_MS: u32 = 1000;
/// How long the recorder may take to close its last piece.
const CLOSING: Duration = Duration::from_secs(2);
/// The network camera's packets are put in order within this time, ms.
const JITTER_MS: u32 = 200;
/// Encoders of bare pictures, best first, and what parses what they give.
const ENCODERS: [(&str, &str); 5] = [
    ("nvv4l2h264enc", "h264parse"),
    ("v4l2h264enc", "h264parse"),
    ("x264enc", "h264parse"),
    ("openh264enc", "h264parse"),
    ("jpegenc", "jpegparse"),
];

/// What the bus has said.
#[derive(Debug, PartialEq)]
pub(super) enum Word {
    /// The connection is over; half a sentence.
    Broken(String),
    /// There is no more.
    End,
    /// A piece of the recording is closed: its file, and the running time of its end.
    Piece(PathBuf, f64),
}

/// A connection. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Wire {
    pipeline: gstreamer::Pipeline,
    bus: Bus,
    sink: AppSink,
    /// Frames that came to the sink.
    arrived: Arc<AtomicU64>,
    /// Something that only comes to light while the streams are linked.
    flaw: Arc<Mutex<Option<String>>>,
    records: bool,
}

impl Wire {
    /// Connects. `pieces` gives the file of the next piece, each time it is called.
    pub(super) fn connect(
        settings: &Settings,
        pieces: impl Fn() -> PathBuf + Send + Sync + 'static,
    ) -> Result<Self, Unreadable> {
        init()?;
        let pipeline = gstreamer::Pipeline::new();
        let bus = pipeline.bus().ok_or_else(|| trouble::internal("the pipeline has no bus"))?;
        let sink = sink()?;
        sink.set_max_buffers(FRAMES);
        sink.set_drop(true);
        let arrived = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&arrived);
        if let Some(pad) = sink.static_pad("sink") {
            pad.add_probe(PadProbeType::BUFFER, move |_, _| {
                counted.fetch_add(1, Ordering::Relaxed);
                PadProbeReturn::Ok
            });
        }
        pipeline.connect_deep_element_added(|_, _, element| limit_threads(element));
        let records = settings.record.is_some();
        let wire = Self { pipeline, bus, sink, arrived, flaw: Arc::default(), records };
        wire.build(settings, pieces)?;
        if wire.pipeline.set_state(gstreamer::State::Playing).is_err() {
            let why = wire.words().into_iter().find_map(|word| match word {
                Word::Broken(why) => Some(why),
                _ => None,
            });
            return Err(Unreadable { why: why.unwrap_or_else(|| "it does not start".to_owned()) });
        }
        Ok(wire)
    }

    fn build(
        &self,
        settings: &Settings,
        pieces: impl Fn() -> PathBuf + Send + Sync + 'static,
    ) -> Result<(), Unreadable> {
        let recorder = settings.record.as_ref().map(|record| recorder(record.piece, pieces)).transpose()?;
        let branches = Branches { pipeline: self.pipeline.downgrade(), sink: self.sink.clone(), recorder };
        match &settings.address {
            Address::Rtsp(location) => {
                let source = element("rtspsrc", GOOD)?;
                source.set_property("location", location);
                source.set_property("latency", JITTER_MS);
                source.set_property_from_str(
                    "protocols",
                    match settings.transport {
                        Transport::Tcp => "tcp",
                        Transport::Udp => "udp",
                    },
                );
                if let Some(credentials) = &settings.credentials {
                    source.set_property("user-id", &credentials.user);
                    source.set_property("user-pw", &credentials.password);
                }
                self.add(&[&source])?;
                self.follow(&source, branches, from_packets);
            }
            Address::Played(path) => {
                let source = element("filesrc", "libgstreamer1.0-0")?;
                source.set_property("location", path);
                let parser = element("parsebin", BASE_PACKAGE)?;
                self.add(&[&source, &parser])?;
                source.link(&parser).map_err(|error| trouble::internal(&error.to_string()))?;
                self.follow(&parser, branches, in_real_time);
            }
            Address::V4l2(device) => {
                let source = element("v4l2src", GOOD)?;
                source.set_property("device", device.to_string_lossy().as_ref());
                self.add(&[&source])?;
                let kind = of_device(&source);
                let parsers: &[&str] = match kind {
                    "video/x-h264" => &["h264parse"],
                    "image/jpeg" => &["jpegparse"],
                    _ => &[],
                };
                let wanted = Caps::builder(kind).build();
                self.straight(&source, Some(wanted), parsers, &branches)?;
            }
            Address::Libcamera(name) => {
                let source = element("libcamerasrc", "gstreamer1.0-libcamera")?;
                if let Some(name) = name {
                    source.set_property("camera-name", name);
                }
                self.add(&[&source])?;
                self.straight(&source, Some(Caps::builder("video/x-raw").build()), &[], &branches)?;
            }
            Address::Nvargus(number) => {
                let source = element("nvarguscamerasrc", "nvidia-l4t-gstreamer")?;
                source.set_property_from_str("sensor-id", &number.to_string());
                self.add(&[&source])?;
                // Out of the graphics memory.
                self.straight(&source, None, &["nvvidconv"], &branches)?;
            }
            Address::Test { pattern, size: (width, height), fps } => {
                let source = element("videotestsrc", BASE_PACKAGE)?;
                source.set_property("is-live", true);
                let known = source
                    .find_property("pattern")
                    .and_then(|property| glib::EnumClass::with_type(property.value_type()));
                if known.is_none_or(|class| class.value_by_nick(pattern).is_none()) {
                    return Err(Unreadable {
                        why: format!("there is no pattern {pattern:?}; smpte, ball, snow, checkers-1 are some"),
                    });
                }
                source.set_property_from_str("pattern", pattern);
                self.add(&[&source])?;
                let (width, height, fps) = (*width as i32, *height as i32, *fps as i32);
                let wanted = Caps::builder("video/x-raw")
                    .field("format", "I420")
                    .field("width", width)
                    .field("height", height)
                    .field("framerate", gstreamer::Fraction::new(fps, 1))
                    .build();
                self.straight(&source, Some(wanted), &[], &branches)?;
            }
        }
        Ok(())
    }

    fn add(&self, elements: &[&Element]) -> Result<(), Unreadable> {
        self.pipeline.add_many(elements.iter().copied()).map_err(|error| trouble::internal(&error.to_string()))
    }

    /// A source with one pad that is there from the start.
    fn straight(
        &self,
        source: &Element,
        wanted: Option<Caps>,
        then: &[&str],
        branches: &Branches,
    ) -> Result<(), Unreadable> {
        let mut last = source.clone();
        let mut next = |element: Element| -> Result<(), Unreadable> {
            self.add(&[&element])?;
            last.link(&element).map_err(|error| trouble::internal(&error.to_string()))?;
            last = element;
            Ok(())
        };
        if let Some(caps) = &wanted {
            let filter = element("capsfilter", "libgstreamer1.0-0")?;
            filter.set_property("caps", caps);
            next(filter)?;
        }
        for factory in then {
            next(element(factory, BAD)?)?;
        }
        let bare = wanted.is_none_or(|caps| caps.structure(0).is_some_and(|kind| kind.name() == "video/x-raw"));
        let pad = last.static_pad("src").ok_or_else(|| trouble::internal("a source without a pad"))?;
        branches.lead(&pad, bare).map_err(|why| Unreadable { why })
    }

    /// A source that tells its streams when it knows them: the first video is taken.
    fn follow(
        &self,
        source: &Element,
        branches: Branches,
        through: fn(&gstreamer::Pad) -> Result<Option<Vec<Element>>, String>,
    ) {
        let (flaw, taken) = (Arc::clone(&self.flaw), AtomicBool::new(false));
        source.connect_pad_added(move |_, pad| {
            let led = through(pad).and_then(|elements| {
                let Some(elements) = elements else { return Ok(()) };
                if taken.swap(true, Ordering::AcqRel) {
                    return Ok(());
                }
                let mut last = pad.clone();
                for element in &elements {
                    branches.pipeline()?.add(element).map_err(|error| error.to_string())?;
                    element.sync_state_with_parent().map_err(|error| error.to_string())?;
                    let entrance = element.static_pad("sink").ok_or("an element without a pad")?;
                    last.link(&entrance).map_err(|error| format!("its stream can't be taken ({error})"))?;
                    last = element.static_pad("src").ok_or("an element without a pad")?;
                }
                branches.lead(&last, false)
            });
            if let Err(why) = led {
                flaw.lock().expect("never poisoned").get_or_insert(why);
            }
        });
    }

    /// The next frame, if one comes within `wait`.
    pub(super) fn pull(&self, wait: Duration) -> Option<Sample> {
        self.sink.try_pull_sample(ClockTime::from_mseconds(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX / 2)))
    }

    /// Frames that came and were thrown away, when so many were pulled; some more may wait.
    pub(super) fn dropped(&self, pulled: u64) -> u64 {
        self.arrived.load(Ordering::Relaxed).saturating_sub(pulled + u64::from(FRAMES))
    }

    /// Whether it records.
    pub(super) fn records(&self) -> bool {
        self.records
    }

    /// What was said since the last call.
    pub(super) fn words(&self) -> Vec<Word> {
        let mut words = Vec::new();
        if let Some(why) = self.flaw.lock().expect("never poisoned").take() {
            words.push(Word::Broken(why));
        }
        while let Some(message) = self.bus.pop() {
            words.extend(word(&message));
        }
        words
    }

    /// Closes the recording; gives the pieces that were closed by that.
    pub(super) fn close(&self) -> Vec<Word> {
        if !self.records {
            return Vec::new();
        }
        self.pipeline.send_event(gstreamer::event::Eos::new());
        let until = std::time::Instant::now() + CLOSING;
        let mut words = Vec::new();
        while let Some(left) = until.checked_duration_since(std::time::Instant::now()) {
            let left = ClockTime::from_mseconds(u64::try_from(left.as_millis()).unwrap_or(0));
            let Some(message) = self.bus.timed_pop(left) else { break };
            match word(&message) {
                Some(Word::End | Word::Broken(_)) => break,
                other => words.extend(other),
            }
            // Frames that nobody takes hold nothing up: the sink drops them.
        }
        words
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gstreamer::State::Null);
    }
}

fn word(message: &gstreamer::Message) -> Option<Word> {
    match message.view() {
        MessageView::Error(error) => {
            tracing::debug!(error = %error.error(), details = ?error.debug(), "the camera's pipeline fails");
            Some(Word::Broken(error.error().message().trim_end_matches('.').to_owned()))
        }
        MessageView::Eos(_) => Some(Word::End),
        MessageView::Element(told) => {
            let structure = told.structure().filter(|structure| structure.name() == "splitmuxsink-fragment-closed")?;
            let file = structure.get::<String>("location").ok()?;
            let end = structure.get::<ClockTime>("running-time").ok()?;
            Some(Word::Piece(PathBuf::from(file), super::super::seconds(end)))
        }
        _ => None,
    }
}

/// Where a video stream goes.
struct Branches {
    /// Weak, for its own elements hold this.
    pipeline: glib::WeakRef<gstreamer::Pipeline>,
    sink: AppSink,
    recorder: Option<Element>,
}

impl Branches {
    fn pipeline(&self) -> Result<gstreamer::Pipeline, String> {
        self.pipeline.upgrade().ok_or_else(|| "the connection is over".to_owned())
    }

    /// Links a stream that is encoded, or of bare pictures, to recorder and analysis. The error is half a sentence.
    fn lead(&self, stream: &gstreamer::Pad, bare: bool) -> Result<(), String> {
        let make = |factory: &str, package: &str| element(factory, package).map_err(|error| error.why);
        let tee = make("tee", "libgstreamer1.0-0")?;
        tee.set_property("allow-not-linked", true);
        if !bare {
            starts_on_a_key_frame(stream);
        }
        let mut recording = Vec::new();
        if let Some(recorder) = &self.recorder {
            recording.push(queue(RECORDER_S, false)?);
            let mut coding = stream.current_caps().unwrap_or_else(|| stream.query_caps(None));
            if bare {
                recording.push(make("videoconvert", BASE_PACKAGE)?);
                let encoder = encoder()?;
                if let Some(pad) = encoder[1].static_pad("src") {
                    coding = pad.pad_template_caps();
                }
                recording.extend(encoder);
            }
            // MP4 knows no MJPEG; QuickTime, which is nearly the same, does.
            let jpeg = coding.structure(0).is_some_and(|kind| kind.name() == "image/jpeg");
            let muxer = make(if jpeg { "qtmux" } else { "mp4mux" }, GOOD)?;
            muxer.set_property("fragment-duration", FRAGMENT_MS);
            recorder.set_property("muxer", &muxer);
            recording.push(recorder.clone());
        }
        let mut looking = vec![queue(if bare { 0 } else { DECODER_S }, true)?];
        if !bare {
            looking.push(make("decodebin", BASE_PACKAGE)?);
        }
        let convert = make("videoconvert", BASE_PACKAGE)?;
        let all = std::iter::once(&tee).chain(&recording).chain(&looking).chain([&convert, self.sink.upcast_ref()]);
        let text = |error: glib::BoolError| error.to_string();
        self.pipeline()?.add_many(all.clone()).map_err(text)?;
        for chain in [&recording, &looking] {
            for pair in chain.windows(2) {
                pair[0].link(&pair[1]).map_err(text)?;
            }
        }
        convert.link(&self.sink).map_err(text)?;
        match looking.last() {
            Some(decoder) if !bare => {
                let convert = convert.clone();
                decoder.connect_pad_added(move |_, pad| {
                    let entrance = convert.static_pad("sink").filter(|entrance| !entrance.is_linked());
                    if let Some(entrance) = entrance
                        && let Err(error) = pad.link(&entrance)
                    {
                        tracing::debug!(%error, "the decoder can't be linked");
                    }
                });
            }
            Some(queue) => queue.link(&convert).map_err(text)?,
            None => {}
        }
        for first in [recording.first(), looking.first()].into_iter().flatten() {
            tee.link(first).map_err(text)?;
        }
        // From the end to the start: nothing flows into what is not ready.
        let all: Vec<&Element> = all.collect();
        for element in all.into_iter().rev() {
            element.sync_state_with_parent().map_err(text)?;
        }
        let entrance = tee.static_pad("sink").ok_or("tee has no sink")?;
        stream.link(&entrance).map(drop).map_err(|error| format!("its stream can't be taken ({error})"))
    }
}

/// A queue that holds so many seconds, or one buffer; the leaky one throws the oldest away, the other makes wait.
fn queue(seconds: u64, leaky: bool) -> Result<Element, String> {
    let queue = element("queue", "libgstreamer1.0-0").map_err(|error| error.why)?;
    queue.set_property("max-size-buffers", u32::from(seconds == 0));
    queue.set_property("max-size-bytes", 0u32);
    queue.set_property("max-size-time", seconds * 1_000_000_000);
    if leaky {
        queue.set_property_from_str("leaky", "downstream");
    }
    Ok(queue)
}

/// What comes before the first key frame can't be shown.
fn starts_on_a_key_frame(stream: &gstreamer::Pad) {
    let begun = AtomicBool::new(false);
    stream.add_probe(PadProbeType::BUFFER, move |_, info| {
        let is_key = info.buffer().is_some_and(|buffer| !buffer.flags().contains(gstreamer::BufferFlags::DELTA_UNIT));
        if begun.load(Ordering::Relaxed) || is_key {
            begun.store(true, Ordering::Relaxed);
            PadProbeReturn::Ok
        } else {
            PadProbeReturn::Drop
        }
    });
}

/// An encoder and its parser: the first of those that are installed.
fn encoder() -> Result<[Element; 2], String> {
    let (encoder, parser) = ENCODERS
        .iter()
        .find_map(|(encoder, parser)| Some((gstreamer::ElementFactory::make(encoder).build().ok()?, parser)))
        .ok_or_else(|| format!("no video encoder is installed; install one: apt-get install {BAD}"))?;
    let name = encoder.factory().map(|factory| factory.name().to_string()).unwrap_or_default();
    match name.as_str() {
        "x264enc" => {
            encoder.set_property_from_str("tune", "zerolatency");
            encoder.set_property_from_str("speed-preset", "superfast");
            encoder.set_property_from_str("key-int-max", "30");
        }
        "openh264enc" => {
            encoder.set_property_from_str("gop-size", "30");
            encoder.set_property_from_str("bitrate", "4000000");
        }
        _ => {}
    }
    Ok([encoder, element(parser, BAD).map_err(|error| error.why)?])
}

/// What closes the pieces and opens the next.
fn recorder(piece: Duration, pieces: impl Fn() -> PathBuf + Send + Sync + 'static) -> Result<Element, Unreadable> {
    let recorder = element("splitmuxsink", GOOD)?;
    let file = element("filesink", "libgstreamer1.0-0")?;
    // On the disk at once, fragment by fragment: what lies in a buffer is gone with the program.
    file.set_property_from_str("buffer-mode", "unbuffered");
    file.set_property("o-sync", true);
    recorder.set_property("sink", &file);
    recorder.set_property("max-size-time", u64::try_from(piece.as_nanos()).unwrap_or(u64::MAX));
    recorder.set_property("send-keyframe-requests", true);
    recorder.connect("format-location", false, move |_| {
        let file = pieces();
        Some(file.to_string_lossy().into_owned().to_value())
    });
    Ok(recorder)
}

/// What makes whole frames of a network camera's packets; `None` for sound.
fn from_packets(pad: &gstreamer::Pad) -> Result<Option<Vec<Element>>, String> {
    let caps = pad.current_caps().or_else(|| pad.allowed_caps()).ok_or("it does not say what it sends")?;
    let packets = caps.structure(0).ok_or("it does not say what it sends")?;
    if packets.get::<String>("media").is_ok_and(|media| media != "video") {
        return Ok(None);
    }
    let coding = packets.get::<String>("encoding-name").unwrap_or_default();
    let (unpack, parse) = match coding.as_str() {
        "H264" => ("rtph264depay", "h264parse"),
        "H265" => ("rtph265depay", "h265parse"),
        "JPEG" => ("rtpjpegdepay", "jpegparse"),
        other => return Err(format!("it sends {other}; set the camera to H.264, H.265 or MJPEG")),
    };
    let [unpack, parse] = [element(unpack, GOOD), element(parse, BAD)].map(|made| made.map_err(|error| error.why));
    let parse = parse?;
    if parse.find_property("config-interval").is_some() {
        parse.set_property("config-interval", -1i32);
    }
    Ok(Some(vec![unpack?, parse]))
}

/// What lets a file's frames through when it is their time; `None` for sound.
fn in_real_time(pad: &gstreamer::Pad) -> Result<Option<Vec<Element>>, String> {
    let caps = pad.current_caps().or_else(|| pad.allowed_caps());
    let is_video = caps
        .as_ref()
        .and_then(|caps| caps.structure(0))
        .is_some_and(|kind| kind.name().starts_with("video/") || kind.name().starts_with("image/"));
    if !is_video {
        return Ok(None);
    }
    let pace = element("identity", "libgstreamer1.0-0").map_err(|error| error.why)?;
    pace.set_property("sync", true);
    Ok(Some(vec![pace]))
}

/// The best of what a kernel's device offers.
fn of_device(source: &Element) -> &'static str {
    let _ = source.set_state(gstreamer::State::Ready);
    let offered = source.static_pad("src").map(|pad| pad.query_caps(None)).unwrap_or_else(Caps::new_empty);
    ["video/x-h264", "image/jpeg"]
        .into_iter()
        .find(|kind| offered.iter().any(|structure| structure.name() == *kind))
        .unwrap_or("video/x-raw")
}
