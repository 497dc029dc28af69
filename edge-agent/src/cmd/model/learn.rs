//! `fieldeye-agent model learn`: from a folder of good pictures to a package that marks what is unlike them.

use crate::analysis::findings::thousandths;
use crate::cmd::{bar_style, detect};
use clap::Args;
use fieldeye_base::console;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_vision::learn::{self, LEAST_PICTURES, LearnError, Learner, Learnt};
use image::{ImageDecoder as _, ImageReader};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The schema of `model learn --json`.
const SCHEMA: &str = "fieldeye.learnt/1";
/// Pictures whose shape is looked at to choose the input's.
const SHAPES: usize = 64;
/// Pictures that could not be read and are named one by one.
const NAMED: usize = 20;
/// Steps of the bar that making the package counts for, in pictures.
const MAKING: u64 = 30;

/// Arguments of `model learn`.
#[derive(Debug, Args)]
pub(crate) struct LearnArgs {
    /// Folder with pictures of good parts, JPEG or PNG: 5 at least, 20 to 50 are better
    #[arg(long, value_name = "DIR")]
    good: PathBuf,
    /// Folder for the model package
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the model (default: the name of its folder)
    #[arg(long)]
    name: Option<String>,
    /// Pixels of the model's input (default: the pictures' shape, as many as 416x232)
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<[u32; 2]>,
    /// Replace the package that is in the folder
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Summary {
    schema: &'static str,
    folder: String,
    name: String,
    input: [u32; 2],
    /// Good pictures learnt from.
    pictures: usize,
    /// Files that are copies of others.
    copies: usize,
    skipped: Vec<Skipped>,
    /// Places in the memory.
    places: usize,
    /// Good pictures judged by what the others taught, and how many of them would have been called bad.
    held_out: usize,
    false_alarms: usize,
    /// The share of good pictures that the threshold is made for to be called bad.
    expected_false_alarms: f64,
    /// Unlikeness at which a picture is called bad (there, the confidence is 0.5), and the greatest of a good one.
    threshold: f64,
    greatest_good: f64,
}

#[derive(Debug, Serialize)]
struct Skipped {
    source: String,
    why: String,
}

/// Learns, writes the package and says what it is worth.
pub(crate) fn run(args: &LearnArgs) -> anyhow::Result<()> {
    let name = name(args)?;
    free(&args.out, args.force)?;
    let files = pictures(&args.good)?;
    let size = args.size.unwrap_or_else(|| shape(&files));
    let bar = bar(files.len() as u64 + MAKING);
    let mut learner = Learner::new(size).map_err(|error| failure(&error))?;
    let mut known = HashSet::new();
    let (mut copies, mut skipped) = (0, Vec::new());
    for file in &files {
        bar.set_message(console::ascii(&file.file_name().unwrap_or_default().to_string_lossy()));
        match digest(file).map(|digest| known.insert(digest)) {
            // A copy held out would be known to the memory, and the threshold would be too low.
            Ok(false) => copies += 1,
            Ok(true) => match detect::decode(file) {
                Ok(picture) => learner.see(&picture.view()).map_err(|error| failure(&error))?,
                Err(why) => skipped.push(Skipped { source: file.display().to_string(), why }),
            },
            Err(error) => skipped.push(Skipped { source: file.display().to_string(), why: error.to_string() }),
        }
        bar.inc(1);
    }
    bar.set_message("making the model");
    let done = |share: f64| bar.set_position(files.len() as u64 + (share * MAKING as f64) as u64);
    let learnt = learner.finish(&name, done);
    bar.finish_and_clear();
    tell_skipped(&skipped);
    let learnt = learnt.map_err(|error| match error {
        LearnError::TooFew { .. } => too_few(args, &error, copies, skipped.len()),
        other => failure(&other),
    })?;
    write(&args.out, &learnt)?;
    let summary = Summary {
        schema: SCHEMA,
        folder: args.out.display().to_string(),
        name,
        input: size,
        pictures: learnt.pictures,
        copies,
        skipped,
        places: learnt.places,
        held_out: learnt.held_out,
        false_alarms: learnt.false_alarms,
        expected_false_alarms: learnt.expected_false_alarms,
        threshold: thousandths(learnt.threshold),
        greatest_good: thousandths(learnt.greatest_good),
    };
    if args.json {
        console::say_json(&summary)?;
    } else {
        show(&summary);
    }
    Ok(())
}

/// `WxH`.
fn size(text: &str) -> Result<[u32; 2], String> {
    let side = |text: &str| text.parse::<u32>().map_err(|_| "give width and height in pixels, like 416x232".to_owned());
    let (width, height) = text.split_once('x').unwrap_or((text, ""));
    Ok([side(width)?, side(height)?])
}

/// The name given, or that of the folder.
fn name(args: &LearnArgs) -> Result<String, Failure> {
    let folder = || args.out.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = args.name.clone().or_else(folder).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Failure::usage("the model has no name that can be used").hint("give one with --name NAME"));
    }
    Ok(name.to_owned())
}

/// Refuses to write over a package.
fn free(folder: &Path, force: bool) -> Result<(), Failure> {
    if folder.exists() && !folder.is_dir() {
        return Err(Failure::usage(format!("{} is no folder", folder.display())).hint("give another --out DIR"));
    }
    let taken = ["model.toml", "model.onnx"].into_iter().find(|file| folder.join(file).exists());
    match taken {
        Some(file) if !force => Err(Failure::usage(format!("{} already holds a {file}", folder.display()))
            .hint("give another --out DIR, or --force to replace it")),
        _ => Ok(()),
    }
}

/// The pictures in the folder, by name.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unread = |error: io::Error| {
        Failure::new(Exit::Unreadable, format!("can't read the folder {}: {error}", folder.display()))
            .hint("give a folder with pictures of good parts with --good DIR")
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default().to_ascii_lowercase();
        if ["jpg", "jpeg", "png"].contains(&kind.as_str()) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::new(Exit::Unreadable, format!("no pictures in {}", folder.display()))
            .hint("put JPEG or PNG pictures of good parts there (20 to 50), not in folders below it"));
    }
    if files.len() < LEAST_PICTURES {
        return Err(Failure::usage(format!(
            "{} holds {} pictures, at least {LEAST_PICTURES} are needed",
            folder.display(),
            files.len()
        ))
        .hint("take more pictures of good parts: other specimens, other light; 20 to 50 are better"));
    }
    files.sort();
    Ok(files)
}

/// The input's size for the middle one of the pictures' shapes.
fn shape(files: &[PathBuf]) -> [u32; 2] {
    let step = files.len().div_ceil(SHAPES);
    let mut shapes: Vec<(u32, u32)> = files.iter().step_by(step).filter_map(|file| shown_size(file)).collect();
    shapes.sort_by(|a, b| (u64::from(a.0) * u64::from(b.1)).cmp(&(u64::from(b.0) * u64::from(a.1))));
    let (width, height) = shapes.get(shapes.len() / 2).copied().unwrap_or((1, 1));
    learn::size_for(width, height)
}

/// Width and height as displayed, without decoding.
fn shown_size(file: &Path) -> Option<(u32, u32)> {
    let mut decoder = ImageReader::open(file).ok()?.with_guessed_format().ok()?.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    use image::metadata::Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    let turned = matches!(decoder.orientation().ok()?, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH);
    Some(if turned { (height, width) } else { (width, height) })
}

fn digest(file: &Path) -> io::Result<[u8; 32]> {
    Ok(Sha256::digest(fs::read(file)?).into())
}

fn failure(error: &LearnError) -> Failure {
    match error {
        LearnError::Size { .. } => Failure::usage(error.to_string()).hint("leave --size away to have one chosen"),
        LearnError::TooFew { .. } | LearnError::Run { .. } => Failure::new(Exit::Failed, error.to_string()),
    }
}

fn too_few(args: &LearnArgs, error: &LearnError, copies: usize, skipped: usize) -> Failure {
    let exit = if skipped > 0 { Exit::Unreadable } else { Exit::Usage };
    let message = format!("{}: {error} ({skipped} can't be read, {copies} are copies)", args.good.display());
    Failure::new(exit, message).hint("add pictures of good parts, each taken anew")
}

fn tell_skipped(skipped: &[Skipped]) {
    for Skipped { source, why } in skipped.iter().take(NAMED) {
        console::complain(&format!("left out {source}: {why}"));
    }
    if skipped.len() > NAMED {
        console::complain(&format!("left out {} more that can't be read", skipped.len() - NAMED));
    }
}

/// Writes both files, each whole or not at all; the manifest last, which alone makes it a package.
fn write(folder: &Path, learnt: &Learnt) -> Result<(), Failure> {
    let failed = |path: &Path, error: &io::Error| {
        Failure::new(Exit::Failed, format!("can't write {}: {error}", path.display()))
            .hint("check the storage's space and rights, or give another --out DIR")
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    for (name, bytes) in [("model.onnx", learnt.model.as_slice()), ("model.toml", learnt.manifest.as_bytes())] {
        let (path, partial) = (folder.join(name), folder.join(format!("{name}.part")));
        fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, &path)).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

/// A bar on a terminal, nothing in a pipe.
fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    bar.set_style(bar_style("{bar:40} {percent:>3} % {msg}"));
    bar
}

fn show(summary: &Summary) {
    let Summary { folder, name, input: [width, height], pictures, copies, skipped, places, .. } = summary;
    let and = |count: usize, what: &str| if count == 0 { String::new() } else { format!(", {count} {what}") };
    let left_out = and(skipped.len(), "can't be read") + &and(*copies, "are copies of others");
    console::say(&format!(
        "{name}: learnt from {pictures} good pictures at {width}x{height}, {places} places kept{left_out}"
    ));
    let Summary { held_out, false_alarms, expected_false_alarms, threshold, greatest_good, .. } = summary;
    console::say(&format!(
        "threshold {threshold:.2} (confidence 0.5); the most unlike of {held_out} good pictures that were held out has {greatest_good:.2}"
    ));
    console::say(&format!(
        "false alarms: {false_alarms} of these {held_out} with a threshold found without them; at most {:.0} in 100 are to be expected",
        expected_false_alarms * 100.0
    ));
    if *pictures < 15 {
        console::say("so few pictures make a high threshold: 20 to 50 would find more");
    }
    console::say(&format!("next: fieldeye-agent detect PICTURE --model {folder}"));
}
