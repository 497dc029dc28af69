//! What finding pauses costs a frame, decoding apart, beside phase correlation in OpenCV.

use crate::case::{Better, Case};
use crate::measured::{median, run};
use crate::place::Place;
use anyhow::Context as _;
use fieldeye_vision::luma::LumaView;
use fieldeye_vision::pause::{PauseConfig, PauseFinder};
use std::process::Command;
use std::time::Instant;

const FRAMES: usize = 240;

/// All cases.
pub(crate) fn cases(place: &Place, runs: usize) -> anyhow::Result<Vec<Case>> {
    let clip = place.made("clips/same-answer.mp4", "bench/clips/same_answer.py", &["{file}"])?;
    let mut cases = Vec::new();
    for (case, (width, height)) in [("motion-720p", (1280u32, 720u32)), ("motion-1080p", (1920, 1080))] {
        let size = format!("{width}x{height}");
        let count = FRAMES.to_string();
        let mut ffmpeg = Command::new("ffmpeg");
        let raw = place.kept(&format!("clips/{size}.gray"));
        ffmpeg.args(["-v", "error", "-y", "-i"]).arg(&clip).args([
            "-frames:v",
            &count,
            "-vf",
            &format!("scale={width}:{height}"),
        ]);
        run(ffmpeg.args(["-pix_fmt", "gray", "-f", "rawvideo"]).arg(&raw))?;
        let greys = std::fs::read(&raw).with_context(|| raw.display().to_string())?;
        std::fs::remove_file(&raw)?;
        let (mut ours, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            ours.push(spent(&greys, width, height)?);
            let mut python = place.python();
            python.arg(place.project("bench/peers/opencv_motion.py")).arg(&clip).arg(&size).arg(&count);
            let told: serde_json::Value = serde_json::from_str(&run(&mut python)?.out)?;
            peers.push(told["ms"].as_f64().context("ms")?);
        }
        let about = "phase correlation at 160 px in OpenCV, which finds no pauses yet";
        cases.push(Case::new(
            ("pauses", case),
            ("ms/frame", Better::Less),
            median(ours),
            (Some(median(peers)), None),
            runs,
            about,
        ));
    }
    Ok(cases)
}

/// Median milliseconds of a frame.
fn spent(greys: &[u8], width: u32, height: u32) -> anyhow::Result<f64> {
    let mut finder = PauseFinder::new(PauseConfig::default());
    let mut times = Vec::new();
    for (number, frame) in greys.chunks_exact(width as usize * height as usize).enumerate() {
        let luma = LumaView::packed(frame, width, height)?;
        let began = Instant::now();
        std::hint::black_box(finder.push(number as f64 / 30.0, luma));
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}
