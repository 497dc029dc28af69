//! A program that is run and measured: time, processor, memory.

use anyhow::{Context as _, bail};
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Instant;
use wait4::Wait4 as _;

/// What a run took.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// Wall time, seconds.
    pub(crate) wall_s: f64,
    /// Processor time, user and system, seconds.
    pub(crate) cpu_s: f64,
    /// Greatest resident memory, MB.
    pub(crate) rss_mb: f64,
    /// What it printed.
    pub(crate) out: String,
}

/// Runs a program to its end. A failure is told with what it printed.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Measured> {
    let said = format!("{command:?}");
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("can't start {said}"))?;
    let mut out = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut out).with_context(|| format!("can't read what {said} prints"))?;
    }
    let used = child.wait4().with_context(|| format!("can't wait for {said}"))?;
    let wall_s = began.elapsed().as_secs_f64();
    if !used.status.success() {
        bail!("{said} ended with {}: {out}", used.status);
    }
    let cpu_s = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    // The crate gives bytes.
    Ok(Measured { wall_s, cpu_s, rss_mb: used.rusage.maxrss as f64 / 1e6, out })
}

/// The middle one; of an even number the upper.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
