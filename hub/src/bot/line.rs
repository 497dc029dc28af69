//! The line to the Bot API: the few requests that this hub makes, with time limits, and errors without the token.

use super::trouble::Trouble;
use bytes::Bytes;
use fieldeye_base::secret::Secret;
use std::future::IntoFuture;
use std::time::Duration;
use teloxide::net::default_reqwest_settings;
use teloxide::payloads::{GetUpdatesSetters as _, SendMessageSetters as _, SendPhotoSetters as _};
use teloxide::requests::Requester as _;
use teloxide::types::{
    AllowedUpdate, BotCommand, ChatAction, ChatId, InputFile, LinkPreviewOptions, ParseMode, Update,
};
use teloxide::{Bot, RequestError};
use tokio::time::timeout;

/// How long Telegram may hold a poll when nothing happens. Well under the usual limits of firewalls.
pub(crate) const LONGEST_POLL: Duration = Duration::from_secs(25);
/// How much longer than that an answer may take before the line counts as dead.
const POLL_GRACE: Duration = Duration::from_secs(10);
/// Longest wait for any other answer: a picture on a slow line takes its time.
const REQUEST: Duration = Duration::from_secs(20);

/// The server can't be spoken to at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// Not an address.
    #[error("telegram.api_url {url:?} is not an http:// or https:// URL")]
    Url {
        /// As configured.
        url: String,
    },
    /// No TLS, most likely.
    #[error("can't set up HTTP for Telegram: {why}")]
    Client {
        /// What the library says.
        why: String,
    },
}

/// The line. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Line {
    bot: Bot,
    poller: Bot,
    token: Secret,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The library's own Debug shows the token.
        write!(f, "Line({})", self.bot.api_url())
    }
}

impl Line {
    /// Prepares the line; nothing is sent yet.
    pub(crate) fn new(token: Secret, api_url: &str) -> Result<Self, LineError> {
        let bad_url = || LineError::Url { url: api_url.to_owned() };
        let trimmed = api_url.trim_end_matches('/');
        if !trimmed.starts_with("http://") && !trimmed.starts_with("https://") {
            return Err(bad_url());
        }
        let bot = |limit: Duration| {
            let client = default_reqwest_settings()
                .timeout(limit)
                .build()
                .map_err(|error| LineError::Client { why: error.to_string() })?;
            let url = trimmed.parse().map_err(|_| bad_url())?;
            Ok(Bot::with_client(token.expose(), client).set_api_url(url))
        };
        Ok(Self { bot: bot(REQUEST)?, poller: bot(LONGEST_POLL + POLL_GRACE)?, token })
    }

    async fn done<T>(&self, request: impl IntoFuture<Output = Result<T, RequestError>>) -> Result<T, Trouble> {
        request.into_future().await.map_err(|error| Trouble::of(&error, self.token.expose()))
    }

    /// The bot's name after the @; also the first proof that the token is right.
    pub(crate) async fn username(&self) -> Result<String, Trouble> {
        Ok(self.done(self.bot.get_me()).await?.username().to_owned())
    }

    /// Registers the menu of commands.
    pub(crate) async fn set_menu(&self, menu: &[(&str, &str)]) -> Result<(), Trouble> {
        let commands = menu.iter().map(|(command, words)| BotCommand::new(*command, *words));
        self.done(self.bot.set_my_commands(commands)).await.map(drop)
    }

    /// Takes a webhook away, which would keep polling from working.
    pub(crate) async fn drop_webhook(&self) -> Result<(), Trouble> {
        self.done(self.bot.delete_webhook()).await.map(drop)
    }

    /// Waits at most `hold` for messages to the bot; what lies before `offset` is confirmed and never comes again.
    pub(crate) async fn updates(&self, offset: i32, hold: Duration) -> Result<Vec<Update>, Trouble> {
        let seconds = u32::try_from(hold.min(LONGEST_POLL).as_secs()).unwrap_or(0);
        let request =
            self.poller.get_updates().offset(offset).timeout(seconds).allowed_updates([AllowedUpdate::Message]);
        let answer = timeout(hold.min(LONGEST_POLL) + POLL_GRACE, self.done(request)).await;
        answer.unwrap_or_else(|_| Err(Trouble::Transient("a poll was not answered in time".to_owned())))
    }

    /// Sends one message of HTML, which must fit; gives its id.
    pub(crate) async fn send_text(&self, chat: i64, html: &str) -> Result<i32, Trouble> {
        let preview = LinkPreviewOptions {
            is_disabled: true,
            url: None,
            prefer_small_media: false,
            prefer_large_media: false,
            show_above_text: false,
        };
        let request =
            self.bot.send_message(ChatId(chat), html).parse_mode(ParseMode::Html).link_preview_options(preview);
        Ok(self.done(request).await?.id.0)
    }

    /// Sends a picture with a caption of HTML, which must fit; gives the message's id.
    pub(crate) async fn send_photo(&self, chat: i64, picture: Bytes, caption: &str) -> Result<i32, Trouble> {
        let file = InputFile::memory(picture).file_name("keyframe.jpg");
        let request = self.bot.send_photo(ChatId(chat), file).caption(caption).parse_mode(ParseMode::Html);
        Ok(self.done(request).await?.id.0)
    }

    /// Shows "typing" for some five seconds.
    pub(crate) async fn typing(&self, chat: i64) -> Result<(), Trouble> {
        self.done(self.bot.send_chat_action(ChatId(chat), ChatAction::Typing)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_addresses() {
        let line = |url: &str| Line::new(Secret::new("4200:AAsecretsecret"), url);
        assert!(line("https://api.telegram.org").is_ok() && line("http://127.0.0.1:9/").is_ok());
        for bad in ["", "api.telegram.org", "ftp://x", "http://"] {
            assert!(matches!(line(bad), Err(LineError::Url { .. })), "{bad}");
        }
        let shown = format!("{:?}", line("http://127.0.0.1:9").expect("good"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
