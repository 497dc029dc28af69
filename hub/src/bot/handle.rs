//! What other rooms hold of the bot: how it stands, and a way to send an alert.

use super::line::Line;
use super::text;
use super::trouble::Trouble;
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::watch;

/// Largest photo that Telegram takes, in bytes.
const PHOTO_BYTES: usize = 10 * 1024 * 1024;

/// How the bot stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BotState {
    /// Not yet heard of Telegram.
    Starting,
    /// Listening, under this name.
    Up {
        /// The name after the @.
        username: String,
    },
    /// Not listening, and why. It goes on trying.
    Down {
        /// One sentence.
        why: String,
    },
}

/// An alert, ready to read.
#[derive(Debug, Clone)]
pub(crate) struct AlertMessage {
    /// HTML, escaped; of any length.
    pub(crate) html: String,
    /// A picture for it.
    pub(crate) picture: Option<Bytes>,
}

/// Why an alert did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// Telegram asks for patience.
    #[error("Telegram asks to wait {} s", .0.as_secs())]
    RetryAfter(Duration),
    /// The chat is closed to the bot for good.
    #[error("{0}")]
    Gone(String),
    /// This message will never be taken.
    #[error("{0}")]
    Rejected(String),
    /// Another try may work.
    #[error("{0}")]
    Transient(String),
}

impl From<Trouble> for SendError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::RetryAfter(wait) => Self::RetryAfter(wait),
            Trouble::Gone(_) => Self::Gone(trouble.to_string()),
            Trouble::Rejected(_) => Self::Rejected(trouble.to_string()),
            // A token can be mended; the alert waits for that.
            Trouble::TokenRefused | Trouble::OtherPoller | Trouble::Webhook | Trouble::Transient(_) => {
                Self::Transient(trouble.to_string())
            }
        }
    }
}

/// The bot, for other rooms. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct BotHandle {
    pub(super) line: Line,
    pub(super) state: watch::Receiver<BotState>,
}

impl BotHandle {
    /// How the bot stands at this moment.
    pub(crate) fn state(&self) -> BotState {
        self.state.borrow().clone()
    }
}

/// Sends one alert to one chat and gives the id of the message that carries it.
///
/// A picture that Telegram does not take costs only the picture: the words arrive without it.
pub(crate) async fn send_alert(bot: &BotHandle, chat: i64, message: &AlertMessage) -> Result<i32, SendError> {
    if let Some(picture) = message.picture.as_ref().filter(|picture| fits(picture)) {
        let caption = text::clip(&message.html, text::CAPTION_UNITS);
        match bot.line.send_photo(chat, picture.clone(), &caption).await {
            Err(Trouble::Rejected(why)) => {
                tracing::warn!(chat, why, "Telegram does not take the picture of an alert; sending the words alone");
            }
            other => return Ok(other?),
        }
    }
    let words = text::clip(&message.html, text::MESSAGE_UNITS);
    Ok(bot.line.send_text(chat, &words).await?)
}

fn fits(picture: &Bytes) -> bool {
    !picture.is_empty() && picture.len() <= PHOTO_BYTES
}
