//! `fieldeye-agent doctor`: looks at everything that this program needs, and says what to do where something is wrong.
//!
//! It changes nothing, takes no lock, and works beside a running program. What is kept here is looked at by [`kept`],
//! what comes from outside (model, decoders, hub, clock) by [`outside`].

mod kept;
mod outside;

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

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// It works, but somebody should know.
    Warn,
    /// It does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    text: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: State::Ok, text: text.into(), hint: None }
    }

    fn warn(name: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, state: State::Warn, text: text.into(), hint: Some(hint.into()) }
    }

    fn fail(name: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, state: State::Fail, text: text.into(), hint: Some(hint.into()) }
    }

    fn line(&self) -> String {
        let state = match self.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        let hint = self.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
        format!("{state:<5} {:<12} {}{hint}", self.name, self.text)
    }
}

/// What `doctor --json` prints.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
}

/// Looks at everything.
pub(crate) fn run(global: &Global, args: &DoctorArgs) -> anyhow::Result<()> {
    let config = global.load(&[])?.value;
    let mut checks = kept::checks(&config);
    checks.extend(outside::checks(&config)?);
    let failed: Vec<&str> = checks.iter().filter(|check| check.state == State::Fail).map(|check| check.name).collect();
    let verdict = match failed.len() {
        0 => Ok(()),
        _ => Err(Failure::new(Exit::Failed, format!("not in order: {}", failed.join(", ")))),
    };
    if args.json {
        console::say_json(&Report { ok: verdict.is_ok(), checks })?;
    } else {
        checks.iter().for_each(|check| console::say(&check.line()));
    }
    Ok(verdict?)
}
