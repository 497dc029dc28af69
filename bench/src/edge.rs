//! `inspect` beside the script that most people would write, on the same clip with the same model.

use crate::case::{Better, Case};
use crate::measured::{Measured, median, run};
use crate::place::Place;
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Least temporal overlap of two pauses that are the same.
const SAME: f64 = 0.7;
/// The script looks at every sixth frame of 30 a second.
const RATE_HZ: &str = "5";

/// Who takes part, and their runs.
struct Field<'a> {
    place: &'a Place,
    clip: &'a Path,
    runs: usize,
}

/// A program of one side.
type Runner<'a> = Box<dyn Fn() -> Command + 'a>;

impl Field<'_> {
    fn ours(&self, model: &Path, more: &[&str], rate_hz: Option<&str>) -> Command {
        let mut agent = self.place.agent();
        agent.arg("inspect").arg(self.clip).arg("--json").arg("--model").arg(model).args(more);
        rate_hz.map(|rate| agent.env("FIELDEYE_AGENT_DETECT__RATE_HZ", rate));
        agent
    }

    fn peer(&self, model: &Path, threads: &[&str]) -> Command {
        let mut python = self.place.python();
        python.arg(self.place.project("bench/peers/opencv_ort.py")).arg(self.clip).arg(model).args(threads);
        python
    }

    /// Decoding alone, with the threads that the agent gives its decoder.
    fn bare(&self) -> Command {
        let mut gst = Command::new("gst-launch-1.0");
        gst.args(["-q", "filesrc"]).arg(format!("location={}", self.clip.display()));
        gst.args(["!", "qtdemux", "!", "h264parse", "!", "avdec_h264", "max-threads=2", "!", "fakesink", "sync=false"]);
        gst
    }

    /// Everyone's runs, one after the other, again and again.
    fn interleaved(&self, runners: &[Runner<'_>]) -> anyhow::Result<Vec<Vec<Measured>>> {
        let mut all: Vec<Vec<Measured>> = runners.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.runs {
            for (runner, measured) in runners.iter().zip(&mut all) {
                measured.push(run(&mut runner())?);
            }
        }
        Ok(all)
    }
}

fn of(runs: &[Measured], value: fn(&Measured) -> f64) -> f64 {
    median(runs.iter().map(value).collect())
}

fn json(runs: &[Measured]) -> anyhow::Result<Value> {
    let last = runs.last().context("nothing was run")?;
    serde_json::from_str(&last.out).context("no JSON came")
}

/// All cases, group by group: a group takes minutes.
pub(crate) fn cases(
    place: &Place,
    runs: usize,
    tell: &mut dyn FnMut(Vec<Case>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let clip = place.made("clips/same-answer.mp4", "bench/clips/same_answer.py", &["{file}"])?;
    let field = Field { place, clip: &clip, runs };
    tell(same_answer(&field)?)?;
    tell(same_frames(&field)?)?;
    tell(skim(place, runs)?)
}

/// Both find the same pauses and kinds of defects, with the default model.
fn same_answer(field: &Field<'_>) -> anyhow::Result<Vec<Case>> {
    const ABOUT: &str = "OpenCV, ONNX Runtime and SQLite in Python; the limit is GStreamer decoding alone";
    let model = field.place.project("models/torque-stripe");
    let runners: [Runner<'_>; 4] = [
        Box::new(|| field.ours(&model, &[], None)),
        Box::new(|| field.peer(&model, &[])),
        Box::new(|| field.peer(&model, &["--threads", "1"])),
        Box::new(|| field.bare()),
    ];
    let all = field.interleaved(&runners)?;
    let [ours, default, pinned, bare] = all.as_slice() else { bail!("four took part") };
    let (mine, theirs) = (json(ours)?, json(default)?);
    agree(&mine, &theirs)?;
    let frames = mine["frames"].as_f64().context("frames")?;
    let speed = |runs: &[Measured]| frames / of(runs, |run| run.wall_s);
    let cpu = |runs: &[Measured]| of(runs, |run| run.cpu_s) * 1e3 / frames;
    let rss = |runs: &[Measured]| of(runs, |run| run.rss_mb);
    let runs = field.runs;
    let mut cases = vec![
        Case::new(
            ("edge", "same-answer-tract"),
            ("frames/s", Better::More),
            speed(ours),
            (Some(speed(default)), Some(speed(bare))),
            runs,
            ABOUT,
        ),
        Case::new(
            ("edge", "same-answer-tract-cpu"),
            ("ms/frame", Better::Less),
            cpu(ours),
            (Some(cpu(pinned)), Some(cpu(bare))),
            runs,
            "the same, pinned to one thread",
        ),
        Case::new(
            ("edge", "same-answer-tract-rss"),
            ("MB", Better::Less),
            rss(ours),
            (Some(rss(default)), None),
            runs,
            ABOUT,
        ),
    ];
    // Where our time went, from the last run's own clock.
    for stage in ["decode", "motion", "preprocess", "infer", "postprocess", "store"] {
        let spent = mine["timing"][format!("{stage}_s")].as_f64().unwrap_or(f64::NAN);
        let case = format!("same-answer-tract-stage-{stage}");
        cases.push(Case::new(
            ("edge", case),
            ("ms/frame", Better::Less),
            spent * 1e3 / frames,
            (None, None),
            1,
            "waiting included",
        ));
    }
    Ok(cases)
}

/// Whether both saw the same.
fn agree(ours: &Value, theirs: &Value) -> anyhow::Result<()> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let span = |pause: &Value| (pause["start_s"].as_f64().unwrap_or(0.0), pause["end_s"].as_f64().unwrap_or(0.0));
    let (a, b) = (list(&ours["pauses"]), list(&theirs["pauses"]));
    let overlap =
        |(a0, a1): (f64, f64), (b0, b1): (f64, f64)| (a1.min(b1) - a0.max(b0)).max(0.0) / (a1.max(b1) - a0.min(b0));
    let same = a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| overlap(span(a), span(b)) >= SAME);
    if !same || a.is_empty() {
        bail!("the pauses are not the same: {a:?} and {b:?}");
    }
    let mut types: Vec<String> =
        list(&ours["defects"]).iter().filter_map(|defect| defect["type"].as_str().map(str::to_owned)).collect();
    types.sort();
    types.dedup();
    let other: Vec<String> =
        list(&theirs["types"]).iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect();
    if types != other {
        bail!("the kinds of defects are not the same: {types:?} and {other:?}");
    }
    Ok(())
}

/// Both run YOLOv8n on every sixth frame.
fn same_frames(field: &Field<'_>) -> anyhow::Result<Vec<Case>> {
    const ABOUT: &str = "the script pinned to one thread; YOLOv8n with weights by lot";
    let package = field.place.made("models/yolov8n/model.toml", "bench/peers/yolov8n.py", &["{folder}"])?;
    let model = package.parent().context("a folder")?.to_path_buf();
    let library = field.place.onnxruntime()?;
    let with_library = |mut command: Command| {
        command.env("ORT_DYLIB_PATH", &library);
        command
    };
    let runners: [Runner<'_>; 3] = [
        Box::new(|| field.ours(&model, &[], Some(RATE_HZ))),
        Box::new(|| with_library(field.ours(&model, &["--runtime", "onnxruntime"], Some(RATE_HZ)))),
        Box::new(|| field.peer(&model, &["--threads", "1"])),
    ];
    let all = field.interleaved(&runners)?;
    let [tract, onnxruntime, peer] = all.as_slice() else { bail!("three took part") };
    let frames = json(tract)?["frames"].as_f64().context("frames")?;
    let cpu = |runs: &[Measured]| of(runs, |run| run.cpu_s) * 1e3 / frames;
    let line = |case: &str, ours: &[Measured]| {
        Case::new(("edge", case), ("ms/frame", Better::Less), cpu(ours), (Some(cpu(peer)), None), field.runs, ABOUT)
    };
    Ok(vec![line("same-frames-tract", tract), line("same-frames-onnxruntime", onnxruntime)])
}

/// A long recording by decoding less, beside decoding all of it.
fn skim(place: &Place, runs: usize) -> anyhow::Result<Vec<Case>> {
    const ABOUT: &str = "peer and limit: GStreamer decoding alone";
    let mut cases = Vec::new();
    for (case, encoding) in [("skim", "crf30"), ("skim-cbr", "cbr30")] {
        let path = format!("clips/walk/{encoding}/walk1.mp4");
        let only = ["--out", "{folder}/..", "--minutes", "10", "--takes", "4", "--jobs", "2", "--only", encoding];
        let clip = place.made(&path, "bench/clips/long_walk.py", &only)?;
        let field = Field { place, clip: &clip, runs };
        let model = place.project("models/torque-stripe");
        let runners: [Runner<'_>; 2] = [Box::new(|| field.ours(&model, &["--skim"], None)), Box::new(|| field.bare())];
        let all = field.interleaved(&runners)?;
        let [ours, bare] = all.as_slice() else { bail!("two took part") };
        let frames = json(ours)?["frames"].as_f64().context("frames")?;
        let speed = |runs: &[Measured]| frames / of(runs, |run| run.wall_s);
        let cpu = |runs: &[Measured]| of(runs, |run| run.cpu_s) * 1e3 / frames;
        let (wall, limit) = (speed(ours), speed(bare));
        cases.push(Case::new(
            ("edge", case),
            ("frames/s", Better::More),
            wall,
            (Some(limit), Some(limit)),
            runs,
            ABOUT,
        ));
        let (mine, limit) = (cpu(ours), cpu(bare));
        cases.push(Case::new(
            ("edge", format!("{case}-cpu")),
            ("ms/frame", Better::Less),
            mine,
            (Some(limit), Some(limit)),
            runs,
            ABOUT,
        ));
    }
    Ok(cases)
}
