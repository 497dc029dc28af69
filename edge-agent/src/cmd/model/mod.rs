//! `fieldeye-agent model`: making model packages. One file per subcommand.

mod learn;

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
}

/// Does what the subcommand says.
pub(crate) fn run(args: &ModelArgs) -> anyhow::Result<()> {
    match &args.command {
        ModelCommand::Learn(args) => learn::run(args),
    }
}
