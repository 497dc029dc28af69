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
//! machine disturb less, and that of asking whether the picture is new.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use fieldeye_vision::luma::LumaView;
use fieldeye_vision::motion::Glance;
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
    let (mut busy, mut asked) = (Vec::new(), Vec::new());
    let mut glance = Glance::default();
    for line in times.lines().filter(|l| !l.trim().is_empty()) {
        let pts_s: f64 = line.trim().parse()?;
        if input.read_exact(&mut frame).is_err() {
            break;
        }
        let luma = LumaView::packed(&frame, width, height)?;
        let began = Instant::now();
        let step = finder.push(pts_s, luma);
        busy.push(began.elapsed());
        let began = Instant::now();
        let new = finder.change_since(&glance).is_new();
        asked.push(began.elapsed());
        if new {
            finder.glance(&mut glance);
        }
        let evidence = finder.evidence();
        events.extend(step.events.into_iter().map(|e| (pts_s, e, evidence)));
    }
    let last = times.lines().rev().find_map(|l| l.trim().parse::<f64>().ok()).unwrap_or(0.0);
    let at_end = finder.finish();
    let evidence = finder.evidence();
    events.extend(at_end.into_iter().map(|e| (last, e, evidence)));

    let pauses: Vec<_> = events
        .iter()
        .filter_map(|(known_s, event, evidence)| match event {
            PauseEvent::Ended(p) => Some(serde_json::json!({
                "start_s": p.start_s, "end_s": p.end_s, "confidence": p.confidence, "keyframe_s": p.keyframe_s,
                "known_s": known_s, "evidence": evidence,
            })),
            _ => None,
        })
        .collect();
    let idle: Vec<_> = events
        .iter()
        .filter_map(|(_, event, _)| match event {
            PauseEvent::Idle { start_s, end_s } => Some(serde_json::json!({"start_s": start_s, "end_s": end_s})),
            _ => None,
        })
        .collect();
    println!("{}", serde_json::json!({"clip": clip, "pauses": pauses, "idle": idle}));
    let milliseconds = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        let mean = times.iter().sum::<Duration>().as_secs_f64() * 1e3 / times.len().max(1) as f64;
        (mean, times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64) * 1e3)
    };
    let ((mean, median), (_, change)) = (milliseconds(&mut busy), milliseconds(&mut asked));
    eprintln!("{clip} {size}: {mean:.3} ms per frame, median {median:.3}; what has changed: median {change:.3}");
    Ok(())
}
