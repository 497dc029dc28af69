//! `fieldeye-hub doctor`: looks at everything that can be looked at from here, and says what to do.
//!
//! It works with and without a running hub, and changes nothing. One line for each check: `ok`, `warn` (works, but
//! somebody should know) or `FAIL` (does not work). Exit 1 when something fails.

mod checks;
mod line;

use crate::cli::Global;
use clap::Args;
use fieldeye_base::console;
use fieldeye_base::exit::{Exit, Failure};
use serde::Serialize;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Found {
    name: &'static str,
    level: Level,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Found {
    fn new(name: &'static str, level: Level, message: impl Into<String>) -> Self {
        Self { name, level, message: message.into(), hint: None }
    }

    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Level::Ok, message)
    }

    fn warn(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Level::Warn, message)
    }

    fn fail(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Level::Fail, message)
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn line(&self) -> String {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        let hint = self.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
        format!("{level:<5} {:<12} {}{hint}", self.name, self.message)
    }
}

/// What `doctor --json` prints.
#[derive(Debug, Serialize)]
struct Page {
    status: Level,
    checks: Vec<Found>,
}

/// Checks, prints, and fails when a check did.
pub(crate) fn run(global: &Global, args: &DoctorArgs) -> anyhow::Result<()> {
    let config = global.load(&[])?.value;
    let checks = checks::all(&config)?;
    let status = checks.iter().map(|found| found.level).max().unwrap_or(Level::Ok);
    let failed = checks.iter().filter(|found| found.level == Level::Fail).count();
    if args.json {
        console::say_json(&Page { status, checks })?;
    } else {
        checks.iter().for_each(|found| console::say(&found.line()));
    }
    match failed {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Failed, "one check failed").into()),
        n => Err(Failure::new(Exit::Failed, format!("{n} checks failed")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_people() {
        let found = Found::fail("disk", "only 1.0 MB free").hint("make room");
        assert_eq!(found.line(), "FAIL  disk         only 1.0 MB free; make room");
        assert_eq!(Found::ok("clock", "synchronised").line(), "ok    clock        synchronised");
        assert!(Level::Fail > Level::Warn && Level::Warn > Level::Ok);
    }
}
