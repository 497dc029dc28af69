//! `fieldeye-agent model verify`: what a model needs, what it costs on this machine, and whether its answers are right.
//!
//! The package's pictures with known answers are the judge; what the file alone gives away, and a second runtime where
//! there is one, help to find the reason.

use crate::cli::Global;
use crate::cmd::detect::decode;
use crate::model;
use clap::Args;
use fieldeye_base::console;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_vision::detect::{self, Anatomy, Declared, Detector, RuntimeConfig, RuntimeKind, Spent};
use fieldeye_vision::package::Package;
use fieldeye_vision::picture::Picture;
use fieldeye_vision::verify::{Comparison, Expected, Tolerance, compare, noise, remarks};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The schema of `model verify --json`.
const SCHEMA: &str = "fieldeye.verification/1";
/// Looks that are timed at most, and for how long.
const LOOKS: usize = 25;
const PATIENCE: Duration = Duration::from_secs(3);
/// The frame that costs are told for.
const FRAME: (u32, u32) = (1280, 720);
/// Greatest score on noise under which a model is suspected to give none at all.
const SILENT: f32 = 1e-4;

/// Arguments of `model verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Folder of the package (default: the configured model, or the one inside the program)
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// What is to run the model: tract, or onnxruntime where it is built in
    #[arg(long, value_name = "NAME")]
    runtime: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Verification {
    schema: &'static str,
    model: About,
    anatomy: Anatomy,
    runtimes: Vec<Runtime>,
    /// What has gone wrong with such models before, and what could not be checked.
    remarks: Vec<String>,
    verdict: Verdict,
}

#[derive(Debug, Serialize)]
struct About {
    name: String,
    version: String,
    sha256: String,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// Every reference was met.
    Good,
    /// It runs; nothing says whether its answers are right.
    Unproven,
    /// It does not run, or its answers are wrong.
    Bad,
}

/// What one runtime makes of it.
#[derive(Debug, Serialize)]
struct Runtime {
    runtime: RuntimeKind,
    /// Why it can't run the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    selftests: Vec<SelfTest>,
}

/// Milliseconds for a picture of 1280 x 720, medians.
#[derive(Debug, Serialize)]
struct Cost {
    load_ms: f64,
    preprocess_ms: f64,
    inference_ms: f64,
    postprocess_ms: f64,
}

#[derive(Debug, Serialize)]
struct SelfTest {
    image: String,
    #[serde(flatten)]
    comparison: Comparison,
}

/// Verifies the package; exit 4 when it can't be run or its answers are wrong.
pub(crate) fn run(global: &Global, args: &VerifyArgs) -> anyhow::Result<()> {
    let folder = args.folder.as_ref().map(|dir| dir.to_string_lossy().into_owned());
    let config = global.load(&[("model.path", folder), ("detect.runtime", args.runtime.clone())])?.value;
    let wanted = config.detect.runtime_config()?;
    let folder = config.model.path.as_deref();
    let package = model::open(folder)?;
    let anatomy = detect::anatomy(&package).map_err(|error| Failure::new(Exit::BadModel, error.to_string()))?;
    let mut remarks = remarks(&anatomy);
    let mut runtimes = vec![examine(&package, folder, &wanted, &mut remarks)?];
    for &kind in RuntimeKind::built_in().iter().filter(|kind| **kind != wanted.kind) {
        runtimes.push(examine(&package, folder, &RuntimeConfig { kind, ..wanted.clone() }, &mut Vec::new())?);
    }
    let model = &package.manifest.model;
    let about = About {
        name: model.name.clone(),
        version: model.version.clone(),
        sha256: model.sha256.clone(),
        bytes: package.model.len(),
    };
    let verdict = verdict(&runtimes[0]);
    if verdict == Verdict::Unproven {
        remarks.push(match folder {
            Some(_) => "it brings no pictures with known answers: nothing says whether its answers are right; add [[selftest]] (docs/MODELS.md)".to_owned(),
            None => "its pictures with known answers are in the source, models/torque-stripe: give that folder to see them compared".to_owned(),
        });
    }
    let verification = Verification { schema: SCHEMA, model: about, anatomy, runtimes, remarks, verdict };
    if args.json {
        console::say_json(&verification)?;
    } else {
        show(&verification, config.detect.rate_hz);
    }
    let why = |runtime: &Runtime| match &runtime.refused {
        Some(why) => why.clone(),
        None => "its answers are not those of its references".to_owned(),
    };
    match verification.verdict {
        Verdict::Bad => Err(Failure::new(
            Exit::BadModel,
            format!("the model is not fit for use: {}", why(&verification.runtimes[0])),
        )
        .hint("docs/MODELS.md says what to export")
        .into()),
        _ => Ok(()),
    }
}

fn verdict(chosen: &Runtime) -> Verdict {
    if chosen.refused.is_some() || chosen.selftests.iter().any(|test| !test.comparison.is_good()) {
        Verdict::Bad
    } else if chosen.selftests.is_empty() {
        Verdict::Unproven
    } else {
        Verdict::Good
    }
}

/// Loads, times and tests the package with one runtime.
fn examine(
    package: &Package,
    folder: Option<&Path>,
    config: &RuntimeConfig,
    remarks: &mut Vec<String>,
) -> Result<Runtime, Failure> {
    let began = Instant::now();
    let detector = match Detector::load(package, config) {
        Ok(detector) => detector,
        Err(error) => {
            let refused = Some(error.to_string());
            return Ok(Runtime { runtime: config.kind, refused, cost: None, selftests: Vec::new() });
        }
    };
    let load = began.elapsed();
    let failed = |error: detect::DetectError| Failure::new(Exit::BadModel, error.to_string());
    let noise = noise(FRAME.0, FRAME.1);
    if detector.strongest(&noise.view()).map_err(failed)? < SILENT {
        remarks.push(
            "it gives every place of a picture of noise the score 0: quantised models do so when boxes and scores share one scale".to_owned(),
        );
    }
    let spent = looks(&detector, &noise).map_err(failed)?;
    let median = |stage: fn(&Spent) -> Duration| {
        let mut times: Vec<Duration> = spent.iter().map(stage).collect();
        times.sort();
        milliseconds(times[times.len() / 2])
    };
    let cost = Cost {
        load_ms: milliseconds(load),
        preprocess_ms: median(|spent| spent.preprocess),
        inference_ms: median(|spent| spent.inference),
        postprocess_ms: median(|spent| spent.postprocess),
    };
    // The built-in package's pictures are not in the program.
    let selftests = folder.map_or(Ok(Vec::new()), |folder| selftests(&detector, folder))?;
    Ok(Runtime { runtime: config.kind, refused: None, cost: Some(cost), selftests })
}

/// Where the time of each look went; at least one.
fn looks(detector: &Detector, picture: &Picture) -> Result<Vec<Spent>, detect::DetectError> {
    let (began, mut spent) = (Instant::now(), Vec::new());
    while spent.is_empty() || (spent.len() < LOOKS && began.elapsed() < PATIENCE) {
        spent.push(detector.look(&picture.view())?.1);
    }
    Ok(spent)
}

fn selftests(detector: &Detector, folder: &Path) -> Result<Vec<SelfTest>, Failure> {
    let bad = |file: &Path, why: String| Failure::new(Exit::BadModel, format!("{}: {why}", file.display()));
    let test = |selftest: &fieldeye_vision::package::SelfTest| {
        let (image, expect) = (folder.join(&selftest.image), folder.join(&selftest.expect));
        let picture = decode(&image).map_err(|why| bad(&image, why))?;
        let text = std::fs::read_to_string(&expect).map_err(|error| bad(&expect, error.to_string()))?;
        let expected = Expected::parse(&text).map_err(|why| bad(&expect, why))?;
        let found = detector.detect(&picture.view()).map_err(|error| bad(&image, error.to_string()))?;
        let comparison = compare(&found, &expected, detector.manifest(), Tolerance::DECODED);
        Ok(SelfTest { image: selftest.image.clone(), comparison })
    };
    detector.manifest().selftest.iter().map(test).collect()
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

fn show(verification: &Verification, rate_hz: f64) {
    let Verification { model, anatomy, runtimes, remarks, verdict, .. } = verification;
    console::say(&format!(
        "{} {}, {:.2} MB, opset {}",
        model.name,
        model.version,
        model.bytes as f64 / 1e6,
        anatomy.opset
    ));
    let weights: Vec<String> = anatomy.weights.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    console::say(&format!("weights: {}", weights.join(", ")));
    let listed = |values: &[Declared]| values.iter().map(declared).collect::<Vec<_>>().join(", ");
    console::say(&format!("takes {}, gives {}", listed(&anatomy.inputs), listed(&anatomy.outputs)));
    let operators: Vec<String> = anatomy.operators.iter().map(|(name, count)| format!("{name} {count}")).collect();
    console::say(&format!("operators: {}", operators.join(", ")));
    let rows: Vec<Vec<String>> = runtimes.iter().map(row).collect();
    let header = ["runtime", "load ms", "preprocess ms", "inference ms", "postprocess ms", "references"];
    console::say_table(&header, &rows, "nothing runs it");
    if let Some(Cost { preprocess_ms, inference_ms, postprocess_ms, .. }) = &runtimes[0].cost {
        let share = (preprocess_ms + inference_ms + postprocess_ms) * rate_hz / 10.0;
        console::say(&format!("at {rate_hz} looks a second of video that is {share:.1} % of a processor core"));
    }
    for runtime in runtimes {
        let name = runtime.runtime.as_str();
        runtime.refused.iter().for_each(|why| console::say(&format!("{name} refuses it: {why}")));
        for test in &runtime.selftests {
            for fault in &test.comparison.faults {
                console::say(&format!("{name}, {}: {fault}", test.image));
            }
        }
    }
    remarks.iter().for_each(|remark| console::say(&format!("note: {remark}")));
    console::say(match verdict {
        Verdict::Good => "good: every reference is met",
        Verdict::Unproven => "it runs; its answers are unproven",
        Verdict::Bad => "not fit for use",
    });
}

fn declared(value: &Declared) -> String {
    let axes: Vec<String> =
        value.shape.iter().map(|axis| axis.map_or("?".to_owned(), |size| size.to_string())).collect();
    format!("{} {} [{}]", value.name, value.holds, axes.join(", "))
}

fn row(runtime: &Runtime) -> Vec<String> {
    let number =
        |value: fn(&Cost) -> f64| runtime.cost.as_ref().map_or("-".to_owned(), |cost| format!("{:.2}", value(cost)));
    let good = runtime.selftests.iter().filter(|test| test.comparison.is_good()).count();
    let references = match (&runtime.refused, runtime.selftests.len()) {
        (Some(_), _) => "refused".to_owned(),
        (None, 0) => "none".to_owned(),
        (None, all) => format!("{good} of {all} met"),
    };
    let mut row =
        vec![runtime.runtime.as_str().to_owned(), number(|cost| cost.load_ms), number(|cost| cost.preprocess_ms)];
    row.extend([number(|cost| cost.inference_ms), number(|cost| cost.postprocess_ms), references]);
    row
}
