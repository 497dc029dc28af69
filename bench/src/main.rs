//! Field Eye beside what a user would pick instead: same clip, same model, one run, taken in turn.
//!
//! `fieldeye-bench -- edge pauses models` prints tables; `--json` one object per line. The programs are built, the peers'
//! packages installed and the clips rendered first, in the target folder; only the runs are timed. A claim of speed is a
//! ratio from here, never a time alone.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod case;
mod edge;
mod measured;
mod models;
mod pauses;
mod place;
mod table;

use case::Case;
use clap::{Parser, ValueEnum};
use place::Place;
use std::path::PathBuf;

/// Measures Field Eye beside its peers.
#[derive(Debug, Parser)]
struct Cli {
    /// What to measure (default: all)
    #[arg(value_enum)]
    benches: Vec<Bench>,
    /// Runs of each; the median counts
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Print one JSON object per case
    #[arg(long)]
    json: bool,
    /// Write the tables to this file, too
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Bench {
    /// `inspect` beside a Python script
    Edge,
    /// Motion and pauses alone
    Pauses,
    /// Preprocessing and inference alone
    Models,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let benches = if cli.benches.is_empty() { vec![Bench::Edge, Bench::Pauses, Bench::Models] } else { cli.benches };
    let place = Place::prepare()?;
    let runs = cli.runs.max(1);
    let mut all: Vec<Case> = Vec::new();
    let mut tell = |cases: Vec<Case>| {
        if cli.json {
            for case in &cases {
                println!("{}", serde_json::to_string(case)?);
            }
        } else {
            print!("{}", table::plain(&cases));
        }
        all.extend(cases);
        anyhow::Ok(())
    };
    for bench in benches {
        match bench {
            Bench::Edge => edge::cases(&place, runs, &mut tell)?,
            Bench::Pauses => tell(pauses::cases(&place, runs)?)?,
            Bench::Models => tell(models::cases(&place, runs)?)?,
        }
    }
    match cli.results {
        Some(path) => Ok(table::write(&path, &all, &machine())?),
        None => Ok(()),
    }
}

/// Machine, versions and date.
fn machine() -> String {
    let line = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let found = text.lines().find(|line| line.starts_with(key));
        found
            .and_then(|line| line.split_once([':', '=']))
            .map_or("?".to_owned(), |(_, value)| value.trim_matches(['"', ' ', '\t']).to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{}: {}, {cores} cores, {}; load at the end {}; Field Eye {}; peers as in `bench/peers/requirements.txt`.",
        fieldeye_base::clock::now().strftime("%Y-%m-%d"),
        line("/proc/cpuinfo", "model name"),
        line("/etc/os-release", "PRETTY_NAME"),
        load.split(' ').next().unwrap_or("?"),
        env!("CARGO_PKG_VERSION"),
    )
}
