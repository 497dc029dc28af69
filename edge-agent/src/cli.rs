//! The command line: what there is to say, and who does it.

use crate::cmd;
use crate::config::{self, Config};
use clap::{Args, Parser, Subcommand};
use fieldeye_base::config::{Flag, Loaded};
use fieldeye_base::exit::{self, Failure};
use fieldeye_base::{config as layers, console};
use std::path::PathBuf;
use std::process::ExitCode;

/// The name that stands before error lines.
const PROGRAM: &str = "fieldeye-agent";

/// Finds the pauses and defects in inspection videos, keeps them, and brings them to the hub.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What every command understands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Configuration file (default: ./agent.toml, if there is one)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for the database, pictures and logs
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Show the configuration and where each value comes from, then end
    #[arg(long, global = true)]
    pub(crate) print_config: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at a video and show the pauses and defects in it
    Inspect(cmd::inspect::InspectArgs),
    /// Show what the model sees in single pictures
    Detect(cmd::detect::DetectArgs),
    /// Make and check model packages
    Model(cmd::model::ModelArgs),
    /// Watch cameras, analyse what lies in the sources, keep it, bring it to the hub, until stopped
    Run(cmd::run::RunArgs),
    /// Begin and end live sessions, remember a moment, list what there is
    Session(cmd::session::SessionArgs),
    /// Analyse videos, keep what is found, bring it to the hub
    Import(cmd::import::ImportArgs),
    /// Look at everything that this program needs, and say what to do
    Doctor(cmd::doctor::DoctorArgs),
    /// Show what is stored here and what still waits for the hub
    Status(cmd::status::StatusArgs),
    /// Say why something is missing or late
    Why(cmd::why::WhyArgs),
}

impl Global {
    /// Loads the configuration, with these flags and the command's own as the strongest layer.
    pub(crate) fn load(&self, flags: &[Flag]) -> Result<Loaded<Config>, Failure> {
        let data_dir = self.data_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
        let mut all: Vec<Flag> = vec![("data_dir", data_dir)];
        all.extend_from_slice(flags);
        let loaded = layers::load::<Config>(&config::SCHEME, self.config.as_deref(), &all)?;
        loaded.value.check()?;
        Ok(loaded)
    }
}

/// Does what the command line says and gives the exit code.
pub(crate) fn main(cli: Cli) -> ExitCode {
    exit::finish(PROGRAM, dispatch(cli))
}

fn dispatch(cli: Cli) -> anyhow::Result<()> {
    // Before any thread: it changes the environment.
    layers::load_dotenv()?;
    let Cli { global, command } = cli;
    if global.print_config {
        return print_config(&global);
    }
    let Some(command) = command else {
        return Err(Failure::usage("no command given").hint("`fieldeye-agent --help` lists them").into());
    };
    match command {
        Command::Inspect(args) => cmd::inspect::run(&global, &args),
        Command::Detect(args) => cmd::detect::run(&global, &args),
        Command::Model(args) => cmd::model::run(&global, &args),
        Command::Run(args) => cmd::run::run(&global, &args),
        Command::Session(args) => cmd::session::run(&global, &args),
        Command::Import(args) => cmd::import::run(&global, &args),
        Command::Doctor(args) => cmd::doctor::run(&global, &args),
        Command::Status(args) => cmd::status::run(&global, &args),
        Command::Why(args) => cmd::why::run(&global, &args),
    }
}

fn print_config(global: &Global) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> =
        global.load(&[])?.origins.into_iter().map(|(key, value, origin)| vec![key, value, origin]).collect();
    console::say_table(&["key", "value", "from"], &rows, "nothing is configured");
    Ok(())
}
