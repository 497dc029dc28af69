//! The program on the camera box: it finds pauses and defects, keeps everything, and brings it to the hub.
//!
//! `cli` takes the arguments, `cmd` has one file per subcommand. Frames come in through `capture`, or through `skim`, which
//! decodes few of them; `analysis` makes findings of them, `jobs` decides what is analysed and turns findings into records, `store` keeps those durably,
//! `sync` takes them to the hub and forgets them only on its answer. `report` shows an inspection to a person.

mod analysis;
mod capture;
mod cli;
mod cmd;
mod config;
mod jobs;
mod live;
mod model;
mod report;
mod skim;
mod store;
mod sync;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    fieldeye_base::memory::few_pools();
    cli::main(cli::Cli::parse())
}
