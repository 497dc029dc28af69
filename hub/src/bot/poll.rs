//! Listening: one long poll after the other, and patience with everything that can be wrong with it.
//!
//! The library's own dispatcher retries, too, but does not say why it failed, can't tell a second poller from a dead
//! line, and holds a stop up with one more request. This loop is short enough to see what it does.

use super::backoff::Backoff;
use super::handle::BotState;
use super::line::{LONGEST_POLL, Line};
use super::trouble::Trouble;
use fieldeye_base::stop::Stop;
use std::time::Duration;
use teloxide::types::Message;
use teloxide::types::UpdateKind;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// The first wait after a failure, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A refused token does not mend itself soon.
const TOKEN_WAIT: Duration = Duration::from_secs(60);
/// What Telegram may ask for at most before we try again anyway.
const LONGEST_ASKED: Duration = Duration::from_secs(15 * 60);
/// For the last request of a clean stop.
const FAREWELL: Duration = Duration::from_secs(2);
/// A poll right after another poller was there: if that one is still at work, it shows within this time.
const PROBE: Duration = Duration::from_secs(5);

/// Listens until told to stop. `handle` gets each message with the bot's name; it must not wait for anything.
pub(crate) async fn run(
    line: &Line,
    menu: &[(&str, &str)],
    state: &watch::Sender<BotState>,
    stop: &Stop,
    mut handle: impl FnMut(&str, Box<Message>),
) {
    let mut trials = Trials { state, backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT) };
    let Some(username) = stop.run_until_cancelled(introduce(line, menu, &mut trials)).await else { return };
    let mut offset = 0;
    let mut unconfirmed = false;
    // The first poll and those after a failure are short, so that "all is well" is said as soon as it is true.
    let mut hold = Duration::ZERO;
    loop {
        let Some(answer) = stop.run_until_cancelled(line.updates(offset, hold)).await else { break };
        match answer {
            Ok(updates) => {
                trials.worked(&username);
                hold = LONGEST_POLL;
                unconfirmed = !updates.is_empty();
                for update in updates {
                    offset = update.id.as_offset();
                    match update.kind {
                        UpdateKind::Message(message) => handle(&username, Box::new(message)),
                        UpdateKind::Error(_) => {
                            tracing::warn!(update = update.id.0, "an update that is not understood");
                        }
                        _ => {}
                    }
                }
            }
            Err(trouble) => {
                hold = if trouble == Trouble::OtherPoller { PROBE } else { Duration::ZERO };
                if stop.run_until_cancelled(trials.failed(line, &trouble)).await.is_none() {
                    break;
                }
            }
        }
    }
    // Without this the next start would answer the last messages again.
    if unconfirmed {
        let _ = timeout(FAREWELL, line.updates(offset, Duration::ZERO)).await;
    }
}

/// Learns the bot's own name and registers the menu, however long it takes.
async fn introduce(line: &Line, menu: &[(&str, &str)], trials: &mut Trials<'_>) -> String {
    let username = loop {
        match line.username().await {
            Ok(username) => break username,
            Err(trouble) => trials.failed(line, &trouble).await,
        }
    };
    loop {
        match line.set_menu(menu).await {
            Ok(()) => break,
            // The menu is a convenience: a server that refuses it does not keep the bot from working.
            Err(Trouble::Rejected(why)) => {
                tracing::warn!(why, "Telegram refuses the menu of commands");
                break;
            }
            Err(trouble) => trials.failed(line, &trouble).await,
        }
    }
    username
}

struct Trials<'a> {
    state: &'a watch::Sender<BotState>,
    backoff: Backoff,
}

impl Trials<'_> {
    fn worked(&mut self, username: &str) {
        self.backoff.reset();
        let up = BotState::Up { username: username.to_owned() };
        if *self.state.borrow() != up {
            tracing::info!(bot = username, "listening to Telegram");
            self.state.send_replace(up);
        }
    }

    /// Says what is wrong, and waits as long as it deserves.
    async fn failed(&mut self, line: &Line, trouble: &Trouble) {
        let wait = match trouble {
            Trouble::RetryAfter(asked) => (*asked).clamp(FIRST_WAIT, LONGEST_ASKED),
            Trouble::TokenRefused => TOKEN_WAIT,
            _ => self.backoff.next(),
        };
        let why = trouble.to_string();
        tracing::warn!(why, wait_s = wait.as_secs_f32(), "not listening to Telegram; trying again");
        // A request to slow down is no failure of the bot: it listens again in a moment.
        if !matches!(trouble, Trouble::RetryAfter(_)) {
            let why = if *trouble == Trouble::TokenRefused { "token refused".to_owned() } else { why };
            self.state.send_replace(BotState::Down { why });
        }
        if *trouble == Trouble::Webhook {
            match line.drop_webhook().await {
                Ok(()) => tracing::warn!("took away the webhook that was set for this bot: this hub polls"),
                Err(error) => tracing::warn!(%error, "can't take away the webhook that is set for this bot"),
            }
        }
        sleep(wait).await;
    }
}
