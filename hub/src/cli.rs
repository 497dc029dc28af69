//! The command line: what there is to say, and who does it.

use crate::cmd;
use crate::config::{self, Config};
use clap::{Args, Parser, Subcommand};
use fieldeye_base::config::{Flag, Loaded};
use fieldeye_base::exit::{self, Failure};
use fieldeye_base::{config as layers, console, logs};
use std::path::PathBuf;
use std::process::ExitCode;

/// The name that stands before error lines, and in the name of the log.
pub(crate) const PROGRAM: &str = "fieldeye-hub";

/// Takes in what the devices find, keeps it, and tells the people who decide.
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
    /// Configuration file (default: ./hub.toml, if there is one)
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
    /// Take in, keep, tell: runs until it is stopped
    Serve,
    /// Inspections
    #[command(subcommand)]
    Session(SessionCommand),
    /// Defects
    #[command(subcommand)]
    Defect(DefectCommand),
    /// Devices
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Alerts, sent and waiting
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Check everything that can be checked from here, and say what to do
    Doctor(cmd::doctor::DoctorArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// The last inspections, newest first
    List(cmd::session::ListArgs),
    /// One inspection with its pauses, defects and frames
    Show(cmd::session::ShowArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DefectCommand {
    /// The last defects, newest first
    List(cmd::defect::ListArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// All devices that were ever heard
    List(cmd::device::ListArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// The last alerts, newest first
    List(cmd::alert::ListArgs),
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
    use_one_crypto();
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
        return Err(Failure::usage("no command given").hint("`fieldeye-hub --help` lists them").into());
    };
    let command = match command {
        Command::Serve => return cmd::serve::run(&global),
        other => other,
    };
    let _logs = logs::for_command();
    match command {
        Command::Serve => unreachable!("done above"),
        Command::Session(SessionCommand::List(args)) => cmd::session::list(&global, &args),
        Command::Session(SessionCommand::Show(args)) => cmd::session::show(&global, &args),
        Command::Defect(DefectCommand::List(args)) => cmd::defect::list(&global, &args),
        Command::Device(DeviceCommand::List(args)) => cmd::device::list(&global, &args),
        Command::Alert(AlertCommand::List(args)) => cmd::alert::list(&global, &args),
        Command::Doctor(args) => cmd::doctor::run(&global, &args),
    }
}

/// TLS asks one provider of cryptography for everything, whatever else the libraries bring along.
pub(crate) fn use_one_crypto() {
    // An error only says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn print_config(global: &Global) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> =
        global.load(&[])?.origins.into_iter().map(|(key, value, origin)| vec![key, value, origin]).collect();
    console::say_table(&["key", "value", "from"], &rows, "nothing is configured");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }

    #[test]
    fn https_clients_open() {
        use_one_crypto();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
        teloxide::net::default_reqwest_settings().use_rustls_tls().build().expect("a client with TLS");
        rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    }
}
