//! Finds the pauses of a clip and prints them, for scoring against labelled clips.
//!
//! ```text
//! ffmpeg -v error -noautorotate -i CLIP -fps_mode passthrough -f rawvideo -pix_fmt gray - \
//!   | pause_score WIDTHxHEIGHT PTS_FILE CLIP_NAME > CLIP.json
//! ```
//!
//! `PTS_FILE` has one presentation time in seconds per line, in presentation order:
//! `ffprobe -v error -select_streams v:0 -show_entries frame=pts_time -of csv=p=0 CLIP`.
//! Standard error gets the time spent per frame, without reading: the mean, and the median, which other programs on the
//! machine disturb less.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use fieldeye_vision::luma::LumaView;
use fieldeye_vision::pause::{PauseConfig, PauseEvent, PauseFinder};
use std::io::Read;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(size), Some(times), Some(clip)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: pause_score WIDTHxHEIGHT PTS_FILE CLIP_NAME < gray frames".into());
    };
    let (width, height) = size.split_once('x').ok_or("the size is written WIDTHxHEIGHT")?;
    let (width, height): (u32, u32) = (width.parse()?, height.parse()?);
    let times = std::fs::read_to_string(times)?;

    let mut finder = PauseFinder::new(PauseConfig::default());
    let mut frame = vec![0u8; width as usize * height as usize];
    let mut input = std::io::stdin().lock();
    let mut events = Vec::new();
    let mut busy = Vec::new();
    for line in times.lines().filter(|l| !l.trim().is_empty()) {
        let pts_s: f64 = line.trim().parse()?;
        if input.read_exact(&mut frame).is_err() {
            break;
        }
        let luma = LumaView::packed(&frame, width, height)?;
        let began = Instant::now();
        let step = finder.push(pts_s, luma);
        busy.push(began.elapsed());
        events.extend(step.events.into_iter().map(|e| (pts_s, e)));
    }
    let last = times.lines().rev().find_map(|l| l.trim().parse::<f64>().ok()).unwrap_or(0.0);
    events.extend(finder.finish().into_iter().map(|e| (last, e)));

    let pauses: Vec<_> = events
        .iter()
        .filter_map(|(known_s, event)| match event {
            PauseEvent::Ended(p) => Some(serde_json::json!({
                "start_s": p.start_s, "end_s": p.end_s, "confidence": p.confidence, "keyframe_s": p.keyframe_s,
                "known_s": known_s,
            })),
            _ => None,
        })
        .collect();
    let idle: Vec<_> = events
        .iter()
        .filter_map(|(_, event)| match event {
            PauseEvent::Idle { start_s, end_s } => Some(serde_json::json!({"start_s": start_s, "end_s": end_s})),
            _ => None,
        })
        .collect();
    println!("{}", serde_json::json!({"clip": clip, "pauses": pauses, "idle": idle}));
    busy.sort_unstable();
    let mean = busy.iter().sum::<Duration>().as_secs_f64() * 1e3 / busy.len().max(1) as f64;
    let median = busy.get(busy.len() / 2).map_or(0.0, Duration::as_secs_f64) * 1e3;
    eprintln!("{clip} {size}: {mean:.3} ms per frame, median {median:.3}");
    Ok(())
}
