//! The Telegram bot: people ask, the hub answers; and alerts go out with their picture.
//!
//! What passes through: messages come in over one long poll ([`poll`]), are read as commands ([`request`]) if their
//! writer may ask ([`access`]), and are answered in tasks of their own ([`dispatch`], one file per command in
//! [`command`]) with texts that Telegram takes ([`reply`], [`text`]). Alerts go the other way through a [`BotHandle`].
//!
//! Only [`line`] speaks to Telegram, and only [`trouble`] sees its errors, so that the token, which stands in every
//! URL of the Bot API, shows nowhere. This room knows no SQL and writes no files.

mod access;
mod backoff;
mod command;
mod dispatch;
mod handle;
mod line;
mod poll;
mod reply;
mod request;
pub(crate) mod text;
mod trouble;
pub(crate) mod words;

pub(crate) use handle::{AlertMessage, BotHandle, BotState, SendError, send_alert};
pub(crate) use line::LineError;

use crate::store::Store;
use access::Access;
use dispatch::Desk;
use fieldeye_base::secret::Secret;
use fieldeye_base::stop::Stop;
use line::Line;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// The name of the secret.
pub(crate) const TOKEN: &str = "TELEGRAM_BOT_TOKEN";
/// Answers that are being worked on at a stop get this long.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Starts the bot in a task of its own, which ends when `stop` is cancelled. Nothing here needs Telegram to be there.
pub(crate) fn start(
    token: Secret,
    api_url: &str,
    admins: &[i64],
    store: Store,
    stop: Stop,
) -> Result<(BotHandle, JoinHandle<()>), LineError> {
    let line = Line::new(token, api_url)?;
    let access = Access::new(admins.iter().copied());
    if access.is_empty() {
        tracing::warn!("telegram.admins is empty: the bot refuses everybody and has nobody to alert");
    }
    let (state, seen) = watch::channel(BotState::Starting);
    let tasks = TaskTracker::new();
    let desk = Arc::new(Desk::new(line.clone(), store, access, tasks.clone()));
    let handle = BotHandle { line: line.clone(), state: seen };
    let task = tokio::spawn(async move {
        poll::run(&line, &command::MENU, &state, &stop, |username, message| desk.receive(username, &message)).await;
        tasks.close();
        if timeout(LAST_ANSWERS, tasks.wait()).await.is_err() {
            tracing::warn!(open = tasks.len(), "answers that were not ready at the stop are dropped");
        }
    });
    Ok((handle, task))
}
