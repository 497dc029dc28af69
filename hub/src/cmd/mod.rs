//! One file per subcommand: arguments, what is done, what a person reads. Everything else is in the rooms.

pub(crate) mod alert;
pub(crate) mod defect;
pub(crate) mod device;
pub(crate) mod doctor;
mod running;
pub(crate) mod serve;
pub(crate) mod session;
mod show;

use crate::cli::Global;
use crate::store::{Store, StoreError};
use std::future::Future;

/// Asks the store beside whatever program may be running on it.
fn ask<T, F>(global: &Global, question: impl FnOnce(Store) -> F) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let config = global.load(&[])?.value;
    let store = Store::beside(&config.data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(question(store));
    answer.map_err(|error| error.failure().into())
}
