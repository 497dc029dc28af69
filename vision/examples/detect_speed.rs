//! How long a model takes per picture, preprocessing and all, on one thread.
//!
//! ```text
//! detect_speed PACKAGE_FOLDER [WIDTHxHEIGHT] [ROUNDS]
//! ```

#![allow(clippy::print_stdout)]

use fieldeye_vision::detect::{Detector, RuntimeKind, Spent};
use fieldeye_vision::package::Package;
use fieldeye_vision::picture::{Colour, Layout, Orientation, Picture};
use std::path::Path;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: detect_speed PACKAGE_FOLDER [WIDTHxHEIGHT] [ROUNDS]")?;
    let size = arguments.next().unwrap_or_else(|| "1280x720".to_owned());
    let rounds: u32 = arguments.next().map_or(Ok(30), |rounds| rounds.parse())?;
    let (width, height) = size.split_once('x').ok_or("the size is written WIDTHxHEIGHT")?;
    let (width, height): (u32, u32) = (width.parse()?, height.parse()?);
    let (w, h) = (width as usize, height as usize);
    let (half_w, half_h) = (w.div_ceil(2), h.div_ceil(2));
    let noise = |length: usize| (0..length).map(|n| ((n * 2_654_435_761) >> 13) as u8).collect::<Vec<u8>>();
    let planes = vec![(noise(w * h), w), (noise(half_w * half_h), half_w), (noise(half_w * half_h), half_w)];
    let picture = Picture::new(Layout::I420, (width, height), planes, Colour::BT709, Orientation::default())?;

    let package = Package::open(Path::new(&folder))?;
    for &kind in RuntimeKind::built_in() {
        let began = Instant::now();
        let detector = match Detector::load(&package, &kind.into()) {
            Ok(detector) => detector,
            Err(error) => {
                println!("{}: {error}", kind.as_str());
                continue;
            }
        };
        println!("{}: loaded in {:.1} ms", kind.as_str(), milliseconds(began.elapsed()));
        let spent = (0..rounds.max(1)).map(|_| detector.look(&picture.view()).map(|(_, spent)| spent));
        let spent: Vec<Spent> = spent.collect::<Result<_, _>>()?;
        let tell = |name: &str, stage: fn(&Spent) -> Duration| {
            let mut times: Vec<Duration> = spent.iter().map(stage).collect();
            println!("    {name} {size} I420: {:.2} ms (median of {rounds})", milliseconds(median(&mut times)));
        };
        tell("preprocess", |spent| spent.preprocess);
        tell("inference", |spent| spent.inference);
        tell("postprocess", |spent| spent.postprocess);
    }
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
