//! `fieldeye-agent model`: making and checking model packages. One file per subcommand.

mod learn;
mod verify;

use crate::cli::Global;
use clap::{Args, Subcommand};

/// Arguments of `model`.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Learn from pictures of good parts to mark what looks unlike them
    Learn(learn::LearnArgs),
    /// Say what a model needs, what it costs here, and whether its answers are right
    Verify(verify::VerifyArgs),
}

/// Does what the subcommand says.
pub(crate) fn run(global: &Global, args: &ModelArgs) -> anyhow::Result<()> {
    match &args.command {
        ModelCommand::Learn(args) => learn::run(args),
        ModelCommand::Verify(args) => verify::run(global, args),
    }
}
