//! What a model costs a picture, beside OpenCV and ONNX Runtime in Python, and whether all say the same.

use crate::case::{Better, Case};
use crate::measured::{median, run};
use crate::place::Place;
use anyhow::{Context as _, bail};
use fieldeye_vision::detect::{Detector, RuntimeConfig, RuntimeKind};
use fieldeye_vision::package::Package;
use fieldeye_vision::picture::Picture;
use fieldeye_vision::verify::noise;
use std::path::{Path, PathBuf};
use std::time::Instant;

const PICTURES: usize = 20;
/// Greatest difference of two runtimes' outputs, as part of the greatest value.
const SAME: f32 = 1e-3;

/// All cases.
pub(crate) fn cases(place: &Place, runs: usize) -> anyhow::Result<Vec<Case>> {
    let yolo = place.made("models/yolov8n/model.toml", "bench/peers/yolov8n.py", &["{folder}"])?;
    let yolo = yolo.parent().context("a folder")?.to_path_buf();
    let mut cases = one(place, runs, "torque-stripe", &place.project("models/torque-stripe"))?;
    cases.extend(one(place, runs, "yolov8n", &yolo)?);
    Ok(cases)
}

fn one(place: &Place, runs: usize, name: &str, folder: &Path) -> anyhow::Result<Vec<Case>> {
    let package = Package::open(folder)?;
    let library = Some(place.onnxruntime()?);
    let (mut load, mut stages) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    let mut peers = [Vec::new(), Vec::new(), Vec::new()];
    let picture = noise(1280, 720);
    let files = [place.kept("tensor.f32"), place.kept("output.f32")];
    for _ in 0..runs {
        let began = Instant::now();
        let tract = Detector::load(&package, &RuntimeConfig::default())?;
        load.push(began.elapsed().as_secs_f64() * 1e3);
        let config = RuntimeConfig { library: library.clone(), ..RuntimeKind::OnnxRuntime.into() };
        let other = Detector::load(&package, &config)?;
        let (preprocess, inference) = spent(&tract, &picture)?;
        stages[0].push(preprocess);
        stages[1].push(inference);
        stages[2].push(spent(&other, &picture)?.1);
        let (tensor, outputs) = tract.raw(&picture.view())?;
        write(&files[0], &tensor)?;
        let mut python = place.python();
        python.arg(place.project("bench/peers/ort_model.py")).arg(folder).arg(PICTURES.to_string());
        python.arg("--tensor").arg(&files[0]).arg("--output").arg(&files[1]);
        let told: serde_json::Value = serde_json::from_str(&run(&mut python)?.out)?;
        for (values, key) in peers.iter_mut().zip(["load", "preprocess", "inference"]) {
            values.push(told[key].as_f64().context(key)?);
        }
        same(&outputs, &read(&files[1])?)?;
    }
    let [preprocess, tract, other] = stages.map(median);
    let [peer_load, peer_preprocess, peer_inference] = peers.map(median);
    let about = "OpenCV and ONNX Runtime in Python, one thread";
    let case = |what: &str, ours: f64, peer: f64| {
        Case::new(("models", format!("{name}-{what}")), ("ms", Better::Less), ours, (Some(peer), None), runs, about)
    };
    Ok(vec![
        case("load-tract", median(load), peer_load),
        case("preprocess", preprocess, peer_preprocess),
        case("inference-tract", tract, peer_inference),
        case("inference-onnxruntime", other, peer_inference),
    ])
}

/// Median milliseconds of preprocessing and inference.
fn spent(detector: &Detector, picture: &Picture) -> anyhow::Result<(f64, f64)> {
    let (mut preprocess, mut inference) = (Vec::new(), Vec::new());
    for _ in 0..PICTURES {
        let (_, spent) = detector.look(&picture.view())?;
        preprocess.push(spent.preprocess.as_secs_f64() * 1e3);
        inference.push(spent.inference.as_secs_f64() * 1e3);
    }
    Ok((median(preprocess), median(inference)))
}

fn write(path: &PathBuf, values: &[f32]) -> anyhow::Result<()> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}

fn read(path: &PathBuf) -> anyhow::Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

fn same(ours: &[f32], theirs: &[f32]) -> anyhow::Result<()> {
    let most = theirs.iter().fold(1.0f32, |most, value| most.max(value.abs()));
    let off = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
    if ours.len() != theirs.len() || off > SAME * most {
        bail!("the outputs are not the same: {} and {} numbers, off by {off} of {most}", ours.len(), theirs.len());
    }
    Ok(())
}
