//! One alert brought to its reader, and what came of it written down.

use super::text;
use crate::blobs::Blobs;
use crate::bot::{AlertMessage, BotHandle, SendError, send_alert};
use crate::store::{AlertTarget, DueAlert, Store};
use bytes::Bytes;
use fieldeye_base::console;
use fieldeye_protocol::digest::Digest;
use std::time::Duration;
use tokio::time::timeout;

/// The wait after the first try in vain; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// What Telegram may ask for at most before we try again anyway.
const LONGEST_ASKED: Duration = Duration::from_secs(15 * 60);
/// For a chat while the program has no bot.
const NO_BOT_WAIT: Duration = Duration::from_secs(300);
/// Longest time for one delivery; well below what a claim lasts.
const DELIVERY: Duration = Duration::from_secs(90);

/// What delivering needs.
pub(super) struct Desk {
    pub(super) store: Store,
    pub(super) blobs: Blobs,
    pub(super) bot: Option<BotHandle>,
}

/// A delivery that is over, well or not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// How long this reader wants to be left alone.
    pub(super) pause: Option<Duration>,
}

/// What came of an alert.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Sent { message: Option<i64> },
    Later { wait: Duration, why: String, pause: bool },
    Never { why: String },
}

impl Desk {
    /// Brings an alert to its reader. What can't be written down afterwards is sent again when its claim has run out.
    pub(super) async fn deliver(&self, alert: DueAlert) -> Delivery {
        let (id, defect, reader) = (alert.id, alert.defect.id, alert.target);
        let try_it = timeout(DELIVERY, self.bring(&alert)).await;
        let outcome = try_it.unwrap_or_else(|_| later(&alert, "the delivery took too long".to_owned()));
        let mut pause = None;
        let noted = match &outcome {
            Outcome::Sent { message } => {
                tracing::info!(alert = id, %defect, ?reader, "alert sent");
                self.store.alert_sent(id, *message).await
            }
            Outcome::Later { wait, why, pause: all } => {
                pause = all.then_some(*wait);
                tracing::warn!(alert = id, %defect, ?reader, why, wait_s = wait.as_secs_f32(), "alert not sent; again later");
                self.store.alert_later(id, *wait, why).await
            }
            Outcome::Never { why } => {
                // Somebody has to see it: whoever looks at the console is the last one left.
                tracing::error!(alert = id, %defect, ?reader, why, "an alert can't be sent");
                say(format!("{} (not sent: {why})", text::line(&alert.defect))).await;
                self.store.alert_dropped(id, why).await
            }
        };
        if let Err(error) = noted {
            tracing::error!(alert = id, %error, "what came of an alert is not written down");
        }
        Delivery { pause }
    }

    async fn bring(&self, alert: &DueAlert) -> Outcome {
        let chat = match alert.target {
            AlertTarget::Console => {
                say(text::line(&alert.defect)).await;
                return Outcome::Sent { message: None };
            }
            AlertTarget::Chat(chat) => chat,
        };
        let Some(bot) = &self.bot else {
            let why = "this hub has no bot: TELEGRAM_BOT_TOKEN is not set".to_owned();
            return Outcome::Later { wait: NO_BOT_WAIT, why, pause: true };
        };
        let picture = match alert.picture {
            Some(digest) => self.picture(&digest).await,
            None => None,
        };
        let message = AlertMessage { html: text::html(&alert.defect), picture };
        match send_alert(bot, chat, &message).await {
            Ok(message) => Outcome::Sent { message: Some(message.into()) },
            Err(error) => after(&error, alert),
        }
    }

    /// The words matter more: a picture that can't be read is left out.
    async fn picture(&self, digest: &Digest) -> Option<Bytes> {
        match self.blobs.get(digest).await {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                tracing::error!(%digest, %error, "the picture of an alert can't be read");
                None
            }
        }
    }
}

/// Prints a line. Whoever reads the console may be slow.
async fn say(line: String) {
    let printed = tokio::task::spawn_blocking(move || console::say(&line)).await;
    if let Err(error) = printed {
        tracing::error!(%error, "an alert was not printed");
    }
}

fn after(error: &SendError, alert: &DueAlert) -> Outcome {
    let why = error.to_string();
    match error {
        SendError::RetryAfter(asked) => {
            Outcome::Later { wait: (*asked).clamp(FIRST_WAIT, LONGEST_ASKED), why, pause: true }
        }
        SendError::Gone(_) | SendError::Rejected(_) => Outcome::Never { why },
        SendError::Transient(_) => later(alert, why),
    }
}

fn later(alert: &DueAlert, why: String) -> Outcome {
    let doubled = 2u32.saturating_pow(u32::try_from(alert.tries).unwrap_or(u32::MAX));
    Outcome::Later { wait: FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT), why, pause: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::text::tests::due;

    #[test]
    fn what_comes_of_an_error() {
        let asked = after(&SendError::RetryAfter(Duration::from_secs(3)), &due());
        assert!(matches!(asked, Outcome::Later { wait, pause: true, .. } if wait == Duration::from_secs(3)));
        let absurd = after(&SendError::RetryAfter(Duration::from_secs(1 << 40)), &due());
        assert!(matches!(absurd, Outcome::Later { wait, .. } if wait == LONGEST_ASKED));
        assert!(matches!(after(&SendError::Gone("x".into()), &due()), Outcome::Never { .. }));
        assert!(matches!(after(&SendError::Rejected("x".into()), &due()), Outcome::Never { .. }));
        let waits = [0, 1, 5, 20, u64::MAX].map(|tries| {
            let Outcome::Later { wait, pause: false, .. } =
                after(&SendError::Transient("x".into()), &DueAlert { tries, ..due() })
            else {
                panic!("only this alert, and later")
            };
            wait.as_secs()
        });
        assert_eq!(waits, [1, 2, 32, 300, 300]);
    }
}
