//! `fieldeye-agent inspect`: looks at one video and shows what it found. Needs no configuration and no service.

use crate::analysis::findings::{Finding, Identity, Outcome, SkimOutcome};
use crate::analysis::{self, Look, LookError, What};
use crate::capture;
use crate::cli::Global;
use crate::cmd::{LookArgs, bar_style, skim_flag};
use crate::jobs::content;
use crate::model::{self, LoadedModel};
use crate::report::{Collector, Folder, Inspection, Model, Skim};
use clap::Args;
use fieldeye_base::console;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_base::stop::Stop;
use indicatif::{ProgressBar, ProgressDrawTarget};
use std::path::{Path, PathBuf};

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The video
    file: PathBuf,
    /// Folder for the report, the pictures and the JSON
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Decode few frames: faster on recordings with a key frame every second or two, and pauses may differ by some
    /// hundredths of a second
    #[arg(long)]
    skim: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    look: LookArgs,
}

/// Looks at the video and shows what it found.
pub(crate) fn run(global: &Global, args: &InspectArgs) -> anyhow::Result<()> {
    if args.file.as_os_str() == "-" {
        return Err(Failure::usage("a video can't be read from standard input").hint("give the path of a file").into());
    }
    let [model, runtime] = args.look.flags();
    let config = global.load(&[model, runtime, skim_flag(args.skim)])?.value;
    let folder = args.out.as_deref().map(Folder::at).transpose()?;
    capture::check(&args.file).map_err(|error| Failure::new(Exit::Unreadable, error.why))?;
    let model = model::configured(&config)?;
    let progress = Progress::new();
    let identity = Identity::File(digest(&args.file)?);
    let mut collector = Collector::new(file_name(&args.file), about(&model), folder);
    let (rate_hz, skim) = (config.detect.rate_hz, config.detect.skim);
    let what = What::Files { paths: vec![args.file.clone()], skim };
    let look = Look { what, identity, model, rate_hz };
    let looked = analysis::look(&look, &Stop::new(), &mut |finding| {
        progress.show(&finding);
        collector.take(finding)
    });
    progress.end();
    let (outcome, broken_off) = match looked {
        Ok(outcome) => (outcome, None),
        // What could be read is shown, and the exit code says that it isn't all.
        Err(LookError::Unreadable { why, seen: Some(outcome) }) => (*outcome, Some(why)),
        Err(error) => return Err(error.into_error()),
    };
    if let Some(SkimOutcome::Refused(why)) = &outcome.skim {
        console::complain(&format!("{} can't be skimmed, every frame was looked at: {why}", args.file.display()));
    }
    let (inspection, folder) = collector.finish(&outcome, broken_off.as_deref(), peak_rss_mb());
    if let Some(folder) = &folder {
        folder.finish(&inspection)?;
    }
    if args.json {
        console::say_json(&inspection)?;
    } else {
        show(&inspection, &outcome, folder.as_ref());
    }
    broken_off.map_or(Ok(()), |why| Err(Failure::new(Exit::Unreadable, why).into()))
}

fn about(model: &LoadedModel) -> Model {
    let reference = model.reference.clone();
    Model {
        name: reference.name,
        version: reference.version,
        sha256: reference.sha256,
        runtime: model.detector.runtime().as_str().to_owned(),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn digest(path: &Path) -> Result<fieldeye_protocol::digest::Digest, Failure> {
    let unread = |error: std::io::Error| {
        Failure::new(Exit::Unreadable, format!("can't read {}: {error}", path.display()))
            .hint("check the storage it is on and copy it again")
    };
    let content = content::read(&[path.to_owned()], &Stop::new(), |_, _| {}).map_err(unread)?;
    content.map(|content| content.sha256).ok_or_else(|| Failure::new(Exit::Failed, "stopped"))
}

/// Greatest resident memory of this process.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some((kilobytes / 1024.0 * 10.0).round() / 10.0)
}

/// A bar on a terminal, nothing in a pipe.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let this = Self { bar };
        this.bar.set_style(bar_style("{msg}"));
        this.bar.set_message("reading");
        this
    }

    fn show(&self, finding: &Finding) {
        match finding {
            Finding::Opened(info) => {
                let template = match info.duration_s {
                    Some(length_s) => {
                        self.bar.set_length((length_s * 1000.0) as u64);
                        "{bar:40} {percent:>3} % {msg}"
                    }
                    None => "{elapsed} {msg}",
                };
                self.bar.set_style(bar_style(template));
            }
            Finding::Progress { position_s, frames } => {
                self.bar.set_message(format!("{position_s:.0} s, {frames} frames"));
                self.bar.set_position((position_s * 1000.0) as u64);
            }
            _ => {}
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn show(inspection: &Inspection, outcome: &Outcome, folder: Option<&Folder>) {
    let Inspection { source, width, height, fps, duration_s, frames, timing, model, .. } = inspection;
    console::say(&format!("{source}: {width}x{height}, {fps:.2} frames/s, {duration_s:.1} s, {frames} frames"));
    let pauses = inspection.pauses.iter().enumerate().map(|(index, pause)| {
        vec![
            (index + 1).to_string(),
            seconds(pause.start_s),
            seconds(pause.end_s),
            seconds(pause.end_s - pause.start_s),
            seconds(pause.keyframe_s),
            format!("{:.2}", pause.confidence),
        ]
    });
    let header = ["pause", "from s", "to s", "length s", "keyframe s", "confidence"];
    console::say_table(&header, &pauses.collect::<Vec<_>>(), "no pauses");
    let defects = inspection.defects.iter().enumerate().map(|(index, defect)| {
        let area = &defect.bounding_box;
        vec![
            (index + 1).to_string(),
            defect.defect_type.clone(),
            defect.severity.as_str().to_owned(),
            format!("{:.2}", defect.confidence),
            seconds(defect.first_s),
            seconds(defect.last_s),
            format!("{:.0},{:.0} {:.0}x{:.0}", area.x, area.y, area.width, area.height),
        ]
    });
    let header = ["defect", "type", "severity", "confidence", "first s", "last s", "where px"];
    console::say_table(&header, &defects.collect::<Vec<_>>(), "no defects");
    for idle in &inspection.idle {
        console::say(&format!("camera put down from {} to {} s", seconds(idle.start_s), seconds(idle.end_s)));
    }
    for gap in &inspection.gaps {
        console::say(&format!("not looked at from {} s: {}", seconds(gap.start_s), gap.reason));
    }
    let speed = duration_s / outcome.timing.wall_s.max(1e-3);
    console::say(&format!(
        "looked at in {:.1} s ({speed:.0} times real time) with {} {}",
        timing.wall_s, model.name, model.version
    ));
    if let Some(Skim { decoded, of, refused: None }) = &inspection.skim {
        console::say(&format!("skimmed: {decoded} of {of} frames decoded"));
    }
    if let Some(folder) = folder {
        console::say(&format!("report: {}", folder.report().display()));
    }
}

fn seconds(value: f64) -> String {
    format!("{value:.1}")
}
