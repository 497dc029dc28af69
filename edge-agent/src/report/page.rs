//! `report.html`: one page that needs nothing else, neither network nor scripts.

use super::inspection::{Defect, Inspection, Pause, Picture};
use askama::Template;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use fieldeye_base::clock;
use fieldeye_protocol::body::{BoundingBox, Severity};
use fieldeye_protocol::record::RecordId;
use image::ImageFormat;
use image::codecs::jpeg::JpegEncoder;
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

/// Stands in every page, near its beginning.
pub(super) const MARK: &str = "name=\"generator\" content=\"fieldeye-agent\"";
/// Longest side of a picture on the page, px; larger ones are scaled down.
const LONG_SIDE: u32 = 1280;
/// JPEG quality of pictures that were scaled down, of 100.
const QUALITY: u8 = 80;
/// Least part of the picture's long side that a close-up shows.
const CLOSE_UP: f64 = 0.2;

/// Writes the page of an inspection whose pictures are in `folder`.
pub(super) fn write(inspection: &Inspection, folder: &Path, out: &mut impl Write) -> io::Result<()> {
    let mut shown = HashSet::new();
    let mut view = |picture: &Picture, keyframe: &Option<String>| {
        let file = keyframe.as_ref().map(|name| folder.join(name)).unwrap_or_default();
        View::new(picture, file, shown.insert(picture.id))
    };
    let mut defects: Vec<&Defect> = inspection.defects.iter().collect();
    defects.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.first_s.total_cmp(&b.first_s)));
    let defects: Vec<DefectCard<'_>> = (1..)
        .zip(defects)
        .map(|(number, defect)| {
            let pause = inspection.pauses.iter().position(|pause| Some(pause.id) == defect.pause_id);
            let view = view(&defect.picture, &defect.keyframe);
            DefectCard { number, defect, pause: pause.map(|index| index + 1), view }
        })
        .collect();
    let pauses: Vec<PauseCard<'_>> = (1..)
        .zip(&inspection.pauses)
        .map(|(number, pause)| {
            let on_it = |card: &&DefectCard<'_>| card.defect.picture.id == pause.picture.id;
            let boxes = defects.iter().filter(on_it).map(|card| card.shape()).collect();
            PauseCard { number, pause, view: view(&pause.picture, &pause.keyframe), boxes }
        })
        .collect();
    let timeline = Timeline::new(inspection, &defects);
    let made = clock::now().strftime("%Y-%m-%d %H:%M UTC").to_string();
    let version = env!("CARGO_PKG_VERSION");
    Page { it: inspection, mark: MARK, defects: &defects, pauses: &pauses, timeline, made, version }.write_into(out)
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    it: &'a Inspection,
    mark: &'a str,
    defects: &'a [DefectCard<'a>],
    pauses: &'a [PauseCard<'a>],
    timeline: Timeline,
    made: String,
    version: &'a str,
}

impl Page<'_> {
    fn count(&self, severity: &str) -> usize {
        self.it.defects.iter().filter(|defect| defect.severity.as_str() == severity).count()
    }

    fn idle_s(&self) -> f64 {
        self.it.idle.iter().fold(0.0, |sum, span| sum + span.end_s - span.start_s)
    }

    fn looked_at_s(&self) -> f64 {
        self.it.pauses.iter().fold(0.0, |sum, pause| sum + pause.end_s - pause.start_s)
    }
}

/// A picture of the page. Each is in the page once; the next place refers to it.
struct View {
    id: RecordId,
    width: u32,
    height: u32,
    data: Option<DataUri>,
}

impl View {
    fn new(picture: &Picture, file: PathBuf, first: bool) -> Self {
        Self { id: picture.id, width: picture.width, height: picture.height, data: first.then_some(DataUri(file)) }
    }

    /// Width of lines, px of the picture.
    fn stroke(&self) -> f64 {
        f64::from(self.width.max(self.height)) / 320.0
    }
}

/// A picture file as a `data:` URI, read when it is written.
struct DataUri(PathBuf);

impl fmt::Display for DataUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A picture that is gone leaves an empty place, not a report that isn't there.
        let jpeg = fs::read(&self.0).map(fitted).unwrap_or_default();
        write!(f, "data:image/jpeg;base64,{}", Base64Display::new(&jpeg, &STANDARD))
    }
}

impl askama::filters::HtmlSafe for DataUri {}

/// The picture, not larger than a page needs it.
fn fitted(jpeg: Vec<u8>) -> Vec<u8> {
    let size = image::ImageReader::with_format(Cursor::new(&jpeg), ImageFormat::Jpeg).into_dimensions();
    if size.is_ok_and(|(width, height)| width.max(height) <= LONG_SIDE) {
        return jpeg;
    }
    let mut small = Vec::new();
    let scaled = image::load_from_memory_with_format(&jpeg, ImageFormat::Jpeg)
        .map(|picture| picture.thumbnail(LONG_SIDE, LONG_SIDE))
        .and_then(|picture| picture.write_with_encoder(JpegEncoder::new_with_quality(&mut small, QUALITY)));
    if scaled.is_ok() { small } else { jpeg }
}

struct DefectCard<'a> {
    number: usize,
    defect: &'a Defect,
    /// Number of the pause in which it was seen best.
    pause: Option<usize>,
    view: View,
}

/// A box to draw.
struct Shape<'a> {
    number: usize,
    severity: &'a str,
    area: BoundingBox,
}

impl DefectCard<'_> {
    fn shape(&self) -> Shape<'_> {
        Shape { number: self.number, severity: self.defect.severity.as_str(), area: self.defect.bounding_box }
    }

    fn name(&self) -> String {
        readable(&self.defect.defect_type)
    }

    /// `viewBox` of the close-up: the box with some surroundings, as wide as the whole picture is.
    fn close_up(&self) -> String {
        let BoundingBox { x, y, width, height } = self.defect.bounding_box;
        let (w, h) = (f64::from(self.view.width), f64::from(self.view.height));
        let part = (2.0 * width / w).max(2.0 * height / h).clamp(CLOSE_UP, 1.0);
        let (cw, ch) = (w * part, h * part);
        let left = (x + width / 2.0 - cw / 2.0).clamp(0.0, w - cw);
        let top = (y + height / 2.0 - ch / 2.0).clamp(0.0, h - ch);
        format!("{left:.1} {top:.1} {cw:.1} {ch:.1}")
    }
}

struct PauseCard<'a> {
    number: usize,
    pause: &'a Pause,
    view: View,
    boxes: Vec<Shape<'a>>,
}

/// The bar that shows what was when; positions in percent of the whole.
struct Timeline {
    bars: Vec<Bar>,
    marks: Vec<Mark>,
    ticks: Vec<Tick>,
}

struct Bar {
    kind: &'static str,
    x: f64,
    width: f64,
    title: String,
}

struct Mark {
    x: f64,
    number: usize,
    severity: &'static str,
    title: String,
}

struct Tick {
    x: f64,
    label: String,
}

impl Timeline {
    fn new(it: &Inspection, defects: &[DefectCard<'_>]) -> Self {
        let ends = it.gaps.iter().map(|gap| gap.end_s).chain([it.duration_s, 0.1]);
        let whole = ends.fold(0.0, f64::max);
        let at = |time: f64| (time / whole * 10_000.0).round().clamp(0.0, 10_000.0) / 100.0;
        let bar = |kind: &'static str, start: f64, end: f64, what: &str| {
            let title = format!("{what}: {} to {}", time(&start), time(&end));
            Bar { kind, x: at(start), width: (at(end) * 100.0 - at(start) * 100.0).round() / 100.0, title }
        };
        let idle = it.idle.iter().map(|idle| bar("idle", idle.start_s, idle.end_s, "Camera put down"));
        let gaps = it.gaps.iter().map(|gap| bar("gap", gap.start_s, gap.end_s, "Not looked at"));
        let pauses = (1..).zip(&it.pauses);
        let pauses =
            pauses.map(|(n, pause): (usize, _)| bar("pause", pause.start_s, pause.end_s, &format!("Pause {n}")));
        // The worst come last, on top.
        let marks = defects.iter().rev().map(|card| Mark {
            x: at(card.defect.picture.timestamp_s),
            number: card.number,
            severity: card.defect.severity.as_str(),
            title: format!("Defect {}: {}", card.number, card.name()),
        });
        let step = step_s(whole);
        let ticks = (0..).map(|n| f64::from(n) * step).take_while(|t| *t <= whole);
        let ticks = ticks.map(|t| Tick { x: at(t), label: whole_seconds(t) });
        Self { bars: idle.chain(gaps).chain(pauses).collect(), marks: marks.collect(), ticks: ticks.collect() }
    }
}

/// Seconds between the labels of a timeline: a round number, about eight of them.
fn step_s(whole: f64) -> f64 {
    const STEPS: [f64; 14] =
        [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0];
    STEPS.into_iter().find(|step| whole / step <= 8.0).unwrap_or(14_400.0)
}

/// `0:04`, `12:30`, `1:02:30`.
fn whole_seconds(seconds: f64) -> String {
    let total = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `0:04.2`.
fn time(seconds: &f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round();
    format!("{}.{}", whole_seconds((tenths / 10.0).floor()), tenths as u64 % 10)
}

/// `4.2 s`, `2 min 5 s`.
fn length(seconds: &f64) -> String {
    if *seconds < 59.95 {
        format!("{seconds:.1} s")
    } else {
        let whole = seconds.round() as u64;
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

/// `91 %`.
fn percent(share: &f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// `torque_stripe_missing` as a person writes it.
fn readable(name: &str) -> String {
    let text = name.replace(['_', '-'], " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// How a severity is called.
fn severity_word(severity: &Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::Warning => "Warning",
        Severity::Info => "Info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_names_for_people() {
        assert_eq!([time(&4.25), time(&59.96), time(&3725.04)], ["0:04.3", "1:00.0", "1:02:05.0"]);
        assert_eq!([length(&4.24), length(&125.0)], ["4.2 s", "2 min 5 s"]);
        assert_eq!(readable("torque_stripe_missing"), "Torque stripe missing");
        assert_eq!([step_s(7.0), step_s(41.0), step_s(3600.0 * 30.0)], [1.0, 10.0, 14_400.0]);
    }
}
