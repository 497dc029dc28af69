//! doctor
use clap::Args;
/// a
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {}
pub(crate) fn run(_: &crate::cli::Global, _: &DoctorArgs) -> anyhow::Result<()> {
    Ok(())
}
