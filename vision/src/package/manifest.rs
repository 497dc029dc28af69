//! `model.toml`: what a model is called, what it wants to see and how its output is read.

use serde::Deserialize;

/// The whole manifest. Tables and keys that this program does not know are left alone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Manifest {
    /// Name, version, file.
    pub model: ModelInfo,
    /// What it wants to see.
    pub input: InputSpec,
    /// How its output is read.
    pub output: OutputSpec,
    /// Its classes, in the order of its output.
    #[serde(default)]
    pub classes: Vec<Class>,
    /// Pictures with known answers.
    #[serde(default)]
    pub selftest: Vec<SelfTest>,
}

/// `[model]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ModelInfo {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// File name of the ONNX model beside the manifest.
    pub file: String,
    /// SHA-256 of that file, lower-case hexadecimal.
    pub sha256: String,
    /// What it does.
    pub task: Task,
}

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Boxes.
    Detect,
    /// One class for the whole picture.
    Classify,
    /// How unlike the good ones, per region.
    Anomaly,
}

/// `[input]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct InputSpec {
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// Order of the tensor's axes; only `nchw`.
    #[serde(default = "nchw")]
    pub layout: String,
    /// Channel order.
    #[serde(default)]
    pub colour: Channels,
    /// How the picture is brought to the size.
    #[serde(default)]
    pub resize: Resize,
    /// Value of the padding, 0 to 255.
    #[serde(default = "grey")]
    pub pad: f32,
    /// `value = (pixel * scale - mean) / std`.
    #[serde(default = "one_255th")]
    pub scale: f32,
    /// See `scale`; one per channel, or one for all.
    #[serde(default = "zero")]
    pub mean: Vec<f32>,
    /// See `scale`; one per channel, or one for all.
    #[serde(default = "one")]
    pub std: Vec<f32>,
    /// Large pictures are looked at in parts, too.
    #[serde(default)]
    pub tiles: Option<Tiles>,
}

/// `tiles = [columns, rows, overlap]`: the parts of a picture that are looked at besides the whole.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(from = "(u32, u32, f32)")]
pub struct Tiles {
    /// Parts side by side.
    pub columns: u32,
    /// Parts below each other.
    pub rows: u32,
    /// Part of its length that a part shares with the next, 0 to 0.5.
    pub overlap: f32,
}

impl From<(u32, u32, f32)> for Tiles {
    fn from((columns, rows, overlap): (u32, u32, f32)) -> Self {
        Self { columns, rows, overlap }
    }
}

/// Most parts of a picture.
const MOST_TILES: u32 = 64;

/// Channel order of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first.
    Bgr,
    /// One channel of luma (BT.601 weights).
    Gray,
}

impl Channels {
    /// How many channels.
    pub fn count(self) -> usize {
        if self == Self::Gray { 1 } else { 3 }
    }
}

/// How a picture is brought to the model's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Aspect ratio kept, centred, padded on both sides.
    #[default]
    Letterbox,
    /// Aspect ratio kept, padded right and below (official YOLOX).
    LetterboxCorner,
    /// Aspect ratio given up.
    Stretch,
}

/// `[output]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct OutputSpec {
    /// How the tensors are read.
    pub decoder: Decoder,
    /// Lowest confidence that counts, 0 to 1.
    #[serde(default = "quarter")]
    pub confidence: f32,
    /// Boxes of a class that overlap more than this are one (IoU).
    #[serde(default = "iou")]
    pub iou: f32,
}

/// How the output tensors are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decoder {
    /// `[1, 4+C, N]`: centre, size, class scores, in model pixels. Also YOLOv9 and 11.
    Yolov8,
    /// `[1, N, 5+C]`: centre, size, objectness, class scores.
    Yolov5,
    /// `[1, N, 5+C]`: raw grid output of strides 8, 16, 32.
    Yolox,
    /// `[1, N, 6]`: corners, score, class; NMS done.
    EndToEnd,
    /// Boxes and scores as two tensors.
    Ssd,
    /// One score per class.
    Classifier,
    /// A map of distances.
    AnomalyMap,
}

/// `[[classes]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Class {
    /// Name, as it appears as a defect's type.
    pub name: String,
    /// `info`, `warning` or `critical`.
    #[serde(default = "warning")]
    pub severity: String,
    /// Lowest confidence of this class; the output's otherwise.
    #[serde(default)]
    pub confidence: Option<f32>,
    /// Whether it is a defect at all; a part in order is not.
    #[serde(default = "yes")]
    pub defect: bool,
}

/// `[[selftest]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SelfTest {
    /// A picture, relative to the manifest.
    pub image: String,
    /// What must be found on it, relative to the manifest.
    pub expect: String,
}

fn nchw() -> String {
    "nchw".to_owned()
}
fn grey() -> f32 {
    114.0
}
fn one_255th() -> f32 {
    1.0 / 255.0
}
fn zero() -> Vec<f32> {
    vec![0.0]
}
fn one() -> Vec<f32> {
    vec![1.0]
}
fn quarter() -> f32 {
    0.25
}
fn iou() -> f32 {
    0.45
}
fn warning() -> String {
    "warning".to_owned()
}
fn yes() -> bool {
    true
}

impl Manifest {
    /// Parses and checks a manifest. The error is one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string().trim().replace('\n', " "))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let unit = |name: &str, value: f32| {
            if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(format!("{name} is {value}, it must lie in 0..1")) }
        };
        let file = &self.model.file;
        let plain = !file.is_empty() && file.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !plain || file.starts_with('.') {
            return Err(format!("model.file is {file:?}, it must be a plain file name beside the manifest"));
        }
        let digest = &self.model.sha256;
        if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err("model.sha256 must be 64 lower-case hexadecimal digits".to_owned());
        }
        if !self.input.size.iter().all(|side| (16..=4096).contains(side)) {
            return Err(format!("input.size is {:?}, sides from 16 to 4096 are possible", self.input.size));
        }
        if self.input.layout != "nchw" {
            return Err(format!("input.layout {:?} is not supported, export the model as nchw", self.input.layout));
        }
        let channels = self.input.colour.count();
        for (name, values) in [("mean", &self.input.mean), ("std", &self.input.std)] {
            if ![1, channels].contains(&values.len()) && values.len() != 3 {
                return Err(format!("input.{name} has {} values, {channels} are needed", values.len()));
            }
        }
        let numbers = [self.input.pad, self.input.scale].into_iter().chain(self.input.mean.iter().copied());
        if !numbers.chain(self.input.std.iter().copied()).all(f32::is_finite) {
            return Err("input.pad, scale, mean and std must be numbers".to_owned());
        }
        if let Some(Tiles { columns, rows, overlap }) = self.input.tiles {
            let count = columns.checked_mul(rows).filter(|count| (1..=MOST_TILES).contains(count));
            if count.is_none() || !(0.0..=0.5).contains(&overlap) {
                return Err(format!(
                    "input.tiles is [{columns}, {rows}, {overlap}]; columns and rows make 1 to {MOST_TILES} parts, the overlap is 0 to 0.5"
                ));
            }
        }
        if self.input.std.contains(&0.0) {
            return Err("input.std must not be 0".to_owned());
        }
        unit("output.confidence", self.output.confidence)?;
        unit("output.iou", self.output.iou)?;
        if self.model.task == Task::Detect && self.classes.is_empty() {
            return Err("a detector needs at least one [[classes]]".to_owned());
        }
        for class in &self.classes {
            if !["info", "warning", "critical"].contains(&class.severity.as_str()) {
                return Err(format!(
                    "class {:?} has severity {:?}; info, warning and critical are known",
                    class.name, class.severity
                ));
            }
            class.confidence.map_or(Ok(()), |value| unit("classes.confidence", value))?;
        }
        Ok(())
    }

    /// The lowest confidence that counts for a class.
    pub fn threshold(&self, class_id: usize) -> f32 {
        self.classes.get(class_id).and_then(|class| class.confidence).unwrap_or(self.output.confidence)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const EXAMPLE: &str = r#"
[model]
name = "torque-stripe"
version = "1.0.0"
file = "model.onnx"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
task = "detect"
[input]
size = [320, 320]
layout = "nchw"
colour = "rgb"
resize = "letterbox"
pad = 114
scale = 0.00392156862745098
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
tiles = [2, 2, 0.1]
[output]
decoder = "yolov8"
confidence = 0.25
iou = 0.45
[[classes]]
name = "torque_stripe_missing"
severity = "critical"
confidence = 0.4
[[classes]]
name = "torque_stripe_ok"
severity = "info"
defect = false
"#;

    #[test]
    fn the_example_is_read() {
        let manifest = Manifest::parse(EXAMPLE).expect("valid");
        assert_eq!(manifest.output.decoder, Decoder::Yolov8);
        assert_eq!(manifest.input.tiles, Some(Tiles { columns: 2, rows: 2, overlap: 0.1 }));
        assert_eq!((manifest.threshold(0), manifest.threshold(1)), (0.4, 0.25));
        assert!(manifest.classes[0].defect && !manifest.classes[1].defect);
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, word) in [
            ("model.onnx", "../model.onnx", "plain file name"),
            ("\"yolov8\"", "\"yolov99\"", "yolov99"),
            ("[320, 320]", "[0, 320]", "input.size"),
            ("\"critical\"", "\"bad\"", "severity"),
            ("confidence = 0.25", "confidence = 25", "0..1"),
            ("task = \"detect\"", "", "task"),
            ("sha256 = \"0", "sha256 = \"X", "hexadecimal"),
            ("std = [1.0, 1.0, 1.0]", "std = [0.0]", "std"),
            ("mean = [0.0, 0.0, 0.0]", "mean = [nan]", "must be numbers"),
            ("pad = 114", "pad = inf", "must be numbers"),
            ("iou = 0.45", "iou = nan", "0..1"),
            ("\"nchw\"", "\"nhwc\"", "nhwc"),
            ("[2, 2, 0.1]", "[0, 2, 0.1]", "input.tiles"),
            ("[2, 2, 0.1]", "[65536, 65536, 0.1]", "input.tiles"),
            ("[2, 2, 0.1]", "[2, 2, 0.9]", "overlap"),
            ("[2, 2, 0.1]", "[2, 2]", "tuple"),
        ] {
            let text = EXAMPLE.replacen(from, to, 1);
            assert_ne!(text, EXAMPLE, "{from}");
            let error = Manifest::parse(&text).expect_err(to);
            assert!(error.contains(word), "{error}");
            assert!(!error.contains('\n'));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,300}", cut in 0usize..900) {
            let _ = Manifest::parse(&text);
            let _ = Manifest::parse(&EXAMPLE[..cut.min(EXAMPLE.len())]);
        }
    }
}
