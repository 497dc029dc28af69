//! From pictures of good parts to a model package that marks what looks unlike them.
//!
//! For users who have no pictures of defects. A [`Learner`] is shown good pictures one after the other and gives a
//! [`Learnt`]: the two files of a package with the decoder `anomaly-map`, which is used like any other. All of the
//! method is inside the ONNX graph: `filters` says what each place looks like, `memory` how far that is from the nearest
//! good place, `tolerance` how far it may be; `onnx` writes it. After PatchCore (Roth et
//! al. 2022), with a fixed bank of filters in place of a trained network.
//!
//! It refuses to know files: pictures come decoded, packages leave as bytes.

mod filters;
mod memory;
mod onnx;
#[cfg(test)]
mod tests;
mod tolerance;

use crate::detect::RuntimeConfig;
use crate::detect::preprocess::Preprocessor;
use crate::detect::runtime::{self, Input, Kind, Runtime, Values};
use crate::package::{self, Manifest};
use crate::picture::PictureView;
use filters::FEATURES;
use memory::{Feature, Whitening};
use onnx::{Value, Writer};
use tolerance::{Map, Means};

/// Fewer good pictures say too little of how good ones differ.
pub const LEAST_PICTURES: usize = 5;
/// Sides that the input can have, px, and of what they are multiples.
pub const SIDES: std::ops::RangeInclusive<u32> = 64..=1024;
/// Sides are multiples of this many px.
pub const SIDE_STEP: u32 = 8;
/// Features that are remembered until the memory is made of them: 16 MB, and as much whitened.
const SAMPLES: usize = 48_000;
/// Pictures whose features are kept whole, to be compared with what the others taught: 2 MB each at 416 x 232.
const WHOLE: usize = 40;
/// Values that these may have together: larger inputs keep fewer pictures.
const WHOLE_VALUES: usize = 40 * 6_500 * FEATURES;
/// Parts into which the pictures are divided; each is judged by what the others taught.
const BLOCKS: usize = 4;
/// The map's value at the threshold.
const AT_THRESHOLD: f32 = 0.5;

/// Why nothing could be learnt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// Too few pictures were seen.
    #[error("{seen} good pictures were seen, at least {LEAST_PICTURES} are needed")]
    TooFew {
        /// How many.
        seen: usize,
    },
    /// The input's size can't be used.
    #[error("the size {width}x{height} can't be used; both sides must be multiples of {SIDE_STEP} from {} to {}", SIDES.start(), SIDES.end())]
    Size {
        /// Width, px.
        width: u32,
        /// Height, px.
        height: u32,
    },
    /// What was written can't be run, which is a mistake of this program.
    #[error("the model that was learnt can't be run: {why}")]
    Run {
        /// What the runtime said.
        why: String,
    },
}

/// What was learnt.
#[derive(Debug, Clone)]
pub struct Learnt {
    /// `model.toml`.
    pub manifest: String,
    /// `model.onnx`.
    pub model: Vec<u8>,
    /// Good pictures seen.
    pub pictures: usize,
    /// Places in the memory.
    pub places: usize,
    /// Good pictures that were judged by what the others taught.
    pub held_out: usize,
    /// How many of them would have been called bad, each by a threshold found without it.
    pub false_alarms: usize,
    /// The share of good pictures that the threshold is made for to be called bad.
    pub expected_false_alarms: f64,
    /// The score that is the threshold, in allowances. What is printed as confidence 0.5.
    pub threshold: f64,
    /// The greatest score of a good picture that was held out.
    pub greatest_good: f64,
}

/// A picture whose features are all kept.
#[derive(Debug)]
struct Whole {
    picture: usize,
    features: Vec<f32>,
}

/// A feature and the number of the picture that it comes from.
#[derive(Debug, Clone, Copy)]
struct Sample {
    picture: usize,
    feature: Feature,
}

/// Learns from good pictures.
#[derive(Debug)]
pub struct Learner {
    size: [u32; 2],
    /// The filters alone.
    filters: Box<dyn Runtime>,
    preprocessor: Preprocessor,
    /// Pictures seen, and cells on them.
    seen: usize,
    offered: usize,
    /// Of how many pictures one is kept whole.
    stride: usize,
    samples: Vec<Sample>,
    whole: Vec<Whole>,
    chance: Chance,
}

impl Learner {
    /// Begins for an input of `size` (width, height). Memory does not grow with the number of pictures.
    ///
    /// # Errors
    /// [`LearnError::Size`]; [`LearnError::Run`] when the runtime can't run the filters.
    pub fn new(size: [u32; 2]) -> Result<Self, LearnError> {
        let [width, height] = size;
        if !size.iter().all(|side| SIDES.contains(side) && side % SIDE_STEP == 0) {
            return Err(LearnError::Size { width, height });
        }
        let mut writer = Writer::default();
        let input = picture_shape(size);
        let features = filters::features(&mut writer, &Value::from("picture"), size);
        let (rows, columns) = filters::cells(size);
        let model = writer.model("features", ("picture", &input), (&features, &[1, FEATURES, rows, columns]));
        let filters = runner(&model, input)?;
        let spec =
            Manifest::parse(&manifest("features", size, &"0".repeat(64))).map_err(|why| LearnError::Run { why })?;
        let preprocessor = Preprocessor::new(&spec.input);
        let (samples, whole, chance) = (Vec::new(), Vec::new(), Chance(1));
        Ok(Self { size, filters, preprocessor, seen: 0, offered: 0, stride: 1, samples, whole, chance })
    }

    /// Learns from one good picture.
    ///
    /// # Errors
    /// [`LearnError::Run`] when the runtime gives up on it.
    pub fn see(&mut self, picture: &PictureView<'_>) -> Result<(), LearnError> {
        // The very tensor that the detector will make of such a picture.
        let (input, _) = self.preprocessor.input(picture, Kind::Float);
        let features = run(&*self.filters, &input)?;
        let cells = features.len() / FEATURES;
        let picture = self.seen;
        // Each cell of each picture has the same chance to be kept (reservoir sampling; Vitter 1985).
        for at in 0..cells {
            self.offered += 1;
            let sample = || Sample { picture, feature: std::array::from_fn(|channel| features[channel * cells + at]) };
            if self.samples.len() < SAMPLES {
                self.samples.push(sample());
            } else if let Some(kept) = self.samples.get_mut(self.chance.below(self.offered)) {
                *kept = sample();
            }
        }
        // Every picture at first; every second, fourth, eighth one when there are more.
        let most = WHOLE.min(WHOLE_VALUES / features.len()).clamp(2 * LEAST_PICTURES, WHOLE);
        if picture.is_multiple_of(self.stride) {
            self.whole.push(Whole { picture, features });
        }
        if self.whole.len() > most {
            self.stride *= 2;
            self.whole.retain(|whole| whole.picture.is_multiple_of(self.stride));
        }
        self.seen += 1;
        Ok(())
    }

    /// Makes the package, called `name`. `step` is told what share of that is done.
    ///
    /// # Errors
    /// [`LearnError::TooFew`] pictures; [`LearnError::Run`] when the runtime can't run what was written.
    pub fn finish(self, name: &str, mut step: impl FnMut(f64)) -> Result<Learnt, LearnError> {
        if self.seen < LEAST_PICTURES {
            return Err(LearnError::TooFew { seen: self.seen });
        }
        let features: Vec<Feature> = self.samples.iter().map(|sample| sample.feature).collect();
        let whitening = Whitening::of(&features);
        let white: Vec<Sample> =
            self.samples.iter().map(|sample| Sample { feature: whitening.apply(&sample.feature), ..*sample }).collect();
        // Neighbours in the folder may be pictures of one moment: they come into one block.
        let block_of = |picture: usize| picture * BLOCKS / self.seen;
        let taught = |without: Option<usize>| {
            let kept =
                white.iter().filter(|sample| Some(block_of(sample.picture)) != without).map(|sample| sample.feature);
            memory::farthest(&kept.collect::<Vec<_>>(), memory::PLACES)
        };
        let (rows, columns) = filters::cells(self.size);
        let shape = [1, FEATURES, rows, columns];
        let mut maps: Vec<(usize, Map)> = Vec::new();
        for block in 0..BLOCKS {
            step(block as f64 / (BLOCKS + 1) as f64);
            let mut writer = Writer::default();
            let distance = memory::distance(&mut writer, &Value::from("features"), &whitening, &taught(Some(block)));
            let model = writer.model("distance", ("features", &shape), (&distance, &[1, 1, rows, columns]));
            let distances = runner(&model, shape)?;
            for whole in self.whole.iter().filter(|whole| block_of(whole.picture) == block) {
                let input = Input { shape, values: Values::Float(whole.features.clone()) };
                maps.push((block, run(&*distances, &input)?));
            }
        }
        step(BLOCKS as f64 / (BLOCKS + 1) as f64);
        // A picture's score is found with means and allowances that know nothing of its block either.
        let mut scores = Vec::new();
        for block in 0..BLOCKS {
            let judge = Judge::of(maps.iter().filter(|(other, _)| *other != block).map(|(_, map)| map), columns);
            let own = maps.iter().filter(|(other, _)| *other == block);
            scores.extend(own.map(|(_, map)| tolerance::score(&judge.means.divide(map), &judge.allowance)));
        }
        let threshold = tolerance::threshold(&scores);
        let judge = Judge::of(maps.iter().map(|(_, map)| map), columns);
        let memory = taught(None);
        let places = memory.len();
        let model = whole_model(self.size, &whitening, &memory, &judge, threshold as f32);
        Ok(Learnt {
            manifest: manifest(name, self.size, &package::digest(&model)),
            model,
            pictures: self.seen,
            places,
            held_out: scores.len(),
            false_alarms: tolerance::false_alarms(&scores),
            expected_false_alarms: tolerance::FALSE_ALARMS,
            threshold,
            greatest_good: scores.iter().copied().fold(0.0, f64::max),
        })
    }
}

/// What distances are measured by.
#[derive(Debug)]
struct Judge {
    means: Means,
    allowance: Map,
}

impl Judge {
    fn of<'a>(maps: impl Iterator<Item = &'a Map> + Clone, columns: usize) -> Self {
        let means = Means::of(maps.clone());
        let even: Vec<Map> = maps.map(|map| means.divide(map)).collect();
        Self { means, allowance: tolerance::allowance(even.iter(), columns) }
    }
}

/// What was written, ready to run.
fn runner(model: &[u8], shape: [usize; 4]) -> Result<Box<dyn Runtime>, LearnError> {
    runtime::load(model, shape, &RuntimeConfig::default()).map_err(|why| LearnError::Run { why })
}

/// The values of its one output.
fn run(model: &dyn Runtime, input: &Input) -> Result<Vec<f32>, LearnError> {
    let outputs = model.run(input).map_err(|why| LearnError::Run { why })?;
    Ok(outputs.into_iter().next().map(|output| output.data).unwrap_or_default())
}

fn picture_shape([width, height]: [u32; 2]) -> [usize; 4] {
    [1, 3, height as usize, width as usize]
}

/// The whole graph: picture to map. At `s` thresholds the map has `s^2 / (s^2 + 1)`: 0.5 at the threshold, 0.8 at twice
/// that, and no two scores become one as with a sigmoid.
fn whole_model(size: [u32; 2], whitening: &Whitening, memory: &[Feature], judge: &Judge, threshold: f32) -> Vec<u8> {
    let mut writer = Writer::default();
    let (rows, columns) = filters::cells(size);
    let features = filters::features(&mut writer, &Value::from("picture"), size);
    let distance = memory::distance(&mut writer, &features, whitening, memory);
    let mean = writer.node("GlobalAveragePool", "mean", &[&distance], &[]);
    let least = writer.floats("mean.least", &[1], &[judge.means.least]);
    let most = writer.floats("mean.most", &[1], &[judge.means.most]);
    let above = writer.node("Max", "mean.above", &[&mean, &least], &[]);
    let unit = writer.node("Min", "mean.unit", &[&above, &most], &[]);
    let even = writer.node("Div", "even.distance", &[&distance, &unit], &[]);
    let shares: Vec<f32> = judge.allowance.iter().map(|allowed| 1.0 / (allowed * threshold)).collect();
    let shares = writer.floats("shares", &[1, 1, rows, columns], &shares);
    let share = writer.node("Mul", "share", &[&even, &shares], &[]);
    let square = writer.node("Mul", "square", &[&share, &share], &[]);
    let one = writer.floats("one", &[1], &[1.0]);
    let more = writer.node("Add", "more", &[&square, &one], &[]);
    let map = writer.node("Div", "map", &[&square, &more], &[]);
    let shape = picture_shape(size);
    writer.model("learnt", ("picture", &shape), (&map, &[1, 1, rows, columns]))
}

/// The text of `model.toml`. The picture is stretched: bars at its sides would be the most unlike thing of all.
fn manifest(name: &str, [width, height]: [u32; 2], digest: &str) -> String {
    let name = toml::Value::String(name.to_owned());
    format!(
        r#"# Marks what looks unlike the good pictures that it was learnt from (fieldeye-agent model learn).

[model]
name = {name}
version = "1.0.0"
file = "model.onnx"
sha256 = "{digest}"
task = "anomaly"

[input]
size = [{width}, {height}]
layout = "nchw"
colour = "rgb"
resize = "stretch"
scale = 0.00392156862745098
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]

[output]
decoder = "anomaly-map"
# {AT_THRESHOLD} is the threshold that was found. Twice as unlike is 0.8: raise this for fewer alarms, lower it for more.
confidence = {AT_THRESHOLD}

[[classes]]
name = "anomaly"
severity = "warning"
"#
    )
}

/// The input size for pictures of this size: their shape, about as many pixels as 416 x 232, sides in range.
#[must_use]
pub fn size_for(width: u32, height: u32) -> [u32; 2] {
    const PIXELS: f64 = 416.0 * 232.0;
    let shape = (f64::from(width.max(1)) / f64::from(height.max(1))).clamp(0.25, 4.0);
    let side =
        |length: f64| ((length / f64::from(SIDE_STEP)).round() as u32 * SIDE_STEP).clamp(*SIDES.start(), *SIDES.end());
    [side((PIXELS * shape).sqrt()), side((PIXELS / shape).sqrt())]
}

/// Numbers without pattern, the same on each run (SplitMix64; Steele, Lea and Flood 2014).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % count.max(1) as u64) as usize
    }
}
