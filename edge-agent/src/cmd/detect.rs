//! `fieldeye-agent detect`: what the model sees in single pictures.

use crate::cli::Global;
use crate::cmd::LookArgs;
use crate::model;
use clap::Args;
use fieldeye_base::console;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_protocol::body::BoundingBox;
use fieldeye_vision::detect::{Detection, Detector};
use fieldeye_vision::picture::Picture;
use image::{DynamicImage, ImageDecoder as _, ImageReader};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The schema of `detect --json`.
const SCHEMA: &str = "fieldeye.detections/1";

/// Arguments of `detect`.
#[derive(Debug, Args)]
pub(crate) struct DetectArgs {
    /// Pictures, JPEG or PNG
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    look: LookArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Detections {
    schema: &'static str,
    images: Vec<Seen>,
}

#[derive(Debug, Serialize)]
struct Seen {
    source: String,
    width: u32,
    height: u32,
    detections: Vec<Found>,
}

/// A box. Classes that are no defects are among them: they show what was looked at.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(rename = "type")]
    class: String,
    class_id: usize,
    confidence: f64,
    severity: String,
    bounding_box: BoundingBox,
}

/// Looks at the pictures and shows what is on them. A picture that can't be read does not hold up the others.
pub(crate) fn run(global: &Global, args: &DetectArgs) -> anyhow::Result<()> {
    let config = global.load(&args.look.flags())?.value;
    let detector = model::configured(&config)?.detector;
    let mut images = Vec::new();
    let mut failures = Vec::new();
    for path in &args.images {
        match look(path, &detector) {
            Ok(seen) => images.push(seen),
            Err(failure) => failures.push(failure),
        }
    }
    let all = Detections { schema: SCHEMA, images };
    if args.json {
        console::say_json(&all)?;
    } else {
        show(&all.images);
    }
    let more = failures.len().saturating_sub(1);
    match failures.into_iter().next() {
        None => Ok(()),
        Some(failure) if more == 0 => Err(failure.into()),
        Some(Failure { exit, message, hint }) => {
            Err(Failure { exit, message: format!("{message} (and {more} more can't be read)"), hint }.into())
        }
    }
}

fn look(path: &Path, detector: &Detector) -> Result<Seen, Failure> {
    let unread = |why: String| {
        Failure::new(Exit::Unreadable, format!("can't read {}: {why}", path.display()))
            .hint("give JPEG or PNG pictures")
    };
    let picture = decode(path).map_err(unread)?;
    let detections = detector
        .detect(&picture.view())
        .map_err(|error| Failure::new(Exit::BadModel, format!("{}: {error}", path.display())))?;
    let (width, height) = picture.view().displayed_size();
    let found = |detection: &Detection| found(detection, detector);
    Ok(Seen {
        source: path.to_string_lossy().into_owned(),
        width,
        height,
        detections: detections.iter().filter_map(found).collect(),
    })
}

/// A picture as it is shown: turned as its camera says.
pub(crate) fn decode(path: &Path) -> Result<Picture, String> {
    let text = |error: image::ImageError| error.to_string();
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let mut decoder = reader.map_err(|error| error.to_string())?.into_decoder().map_err(text)?;
    let orientation = decoder.orientation().map_err(text)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(text)?;
    image.apply_orientation(orientation);
    let rgb = image.into_rgb8();
    let (width, height) = rgb.dimensions();
    Picture::from_rgb(width, height, rgb.into_raw()).map_err(|error| error.to_string())
}

fn found(detection: &Detection, detector: &Detector) -> Option<Found> {
    let class = detector.manifest().classes.get(detection.class_id)?;
    let rounded = |value: f32, parts: f64| (f64::from(value) * parts).round() / parts;
    let Detection { x, y, width, height, .. } = *detection;
    let [x, y, width, height] = [x, y, width, height].map(|value| rounded(value, 10.0));
    Some(Found {
        class: class.name.clone(),
        class_id: detection.class_id,
        confidence: rounded(detection.confidence, 1000.0),
        severity: class.severity.clone(),
        bounding_box: BoundingBox { x, y, width, height },
    })
}

fn show(images: &[Seen]) {
    let row = |seen: &Seen, found: &Found| {
        let BoundingBox { x, y, width, height } = found.bounding_box;
        let area = format!("{x:.0},{y:.0} {width:.0}x{height:.0}");
        let confidence = format!("{:.2}", found.confidence);
        vec![seen.source.clone(), found.class.clone(), found.severity.clone(), confidence, area]
    };
    let rows: Vec<_> = images.iter().flat_map(|seen| seen.detections.iter().map(|found| row(seen, found))).collect();
    console::say_table(&["picture", "type", "severity", "confidence", "where px"], &rows, "nothing found");
}
