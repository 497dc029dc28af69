//! The program that takes everything in.
//!
//! `cli` takes the arguments, `cmd` has one file per subcommand. `serve` puts the rooms together: devices speak MQTT to
//! the `broker`, `ingest` reads what they send, `store` and `blobs` keep it, `alerts` tells people through the `bot` or
//! on the console, `health` says how everything stands. All other commands work beside a running hub.

mod alerts;
mod blobs;
mod bot;
mod broker;
mod cli;
mod cmd;
mod config;
mod health;
mod ingest;
mod store;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(cli::Cli::parse())
}
