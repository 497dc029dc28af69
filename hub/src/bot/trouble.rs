//! What went wrong with a request, sorted by what is to be done about it. The token never gets past this place.

use std::time::Duration;
use teloxide::{ApiError, RequestError};
use thiserror::Error;

/// Longest description of another program's that is kept, in characters.
const MOST: usize = 300;

/// A failed request to the Bot API.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Trouble {
    /// 401, or 404 for a token that does not even look like one.
    #[error("Telegram refuses the token; check TELEGRAM_BOT_TOKEN")]
    TokenRefused,
    /// 409: another program polls with the same token.
    #[error("some other program uses this bot's token; stop it, or give this hub a bot of its own")]
    OtherPoller,
    /// 409: a webhook is set.
    #[error("a webhook is set for this bot")]
    Webhook,
    /// 429.
    #[error("Telegram asks to wait {} s", .0.as_secs())]
    RetryAfter(Duration),
    /// 403, or a chat that is not there: nothing can be sent to it any more.
    #[error("the chat can't be reached: {0}")]
    Gone(String),
    /// 400: the same request will never be taken.
    #[error("Telegram refuses the request: {0}")]
    Rejected(String),
    /// The network, a time limit, 5xx: worth another try.
    #[error("Telegram can't be reached: {0}")]
    Transient(String),
}

impl Trouble {
    /// Sorts an error of the library. Telegram's status does not come through, so its words decide.
    pub(crate) fn of(error: &RequestError, token: &str) -> Self {
        let short = |text: &str| redact(text, token).chars().take(MOST).collect::<String>();
        let words = match error {
            RequestError::RetryAfter(seconds) => return Self::RetryAfter(seconds.duration()),
            RequestError::MigrateToChatId(new) => return Self::Gone(format!("the group moved to {new}")),
            RequestError::Network(error) => return Self::Transient(short(&chain(error.as_ref()))),
            RequestError::Io(error) => return Self::Transient(short(&error.to_string())),
            RequestError::InvalidJson { source, raw } => {
                return Self::Transient(short(&format!("not the Bot API's answer ({source}): {raw}")));
            }
            RequestError::Api(ApiError::InvalidToken) => return Self::TokenRefused,
            RequestError::Api(ApiError::TerminatedByOtherGetUpdates) => return Self::OtherPoller,
            RequestError::Api(ApiError::Unknown(words)) => words.clone(),
            RequestError::Api(known) => known.to_string(),
        };
        let begins = |prefix: &str| words.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        if begins("Forbidden") || words.contains("chat not found") || words.contains("group is deactivated") {
            Self::Gone(short(&words))
        } else if words.contains("webhook is active") {
            Self::Webhook
        } else if begins("Conflict") {
            Self::OtherPoller
        } else if begins("Bad Request") || begins("Request Entity Too Large") {
            Self::Rejected(short(&words))
        } else {
            Self::Transient(short(&words))
        }
    }
}

/// An error with its causes: the library's own text hides why a connection failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Takes the token out of a text, also its secret half alone and as it looks inside a URL.
pub(crate) fn redact(text: &str, token: &str) -> String {
    let mut clean = text.to_owned();
    let secret = token.split_once(':').map_or(token, |(_, secret)| secret);
    for form in [token.to_owned(), token.replace(':', "%3A"), token.replace(':', "%3a"), secret.to_owned()] {
        if form.len() >= 8 {
            clean = clean.replace(&form, "(token)");
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use teloxide::types::Seconds;

    const TOKEN: &str = "4200:AAsecretsecret";

    fn api(words: &str) -> Trouble {
        let error = serde_json::from_value::<ApiError>(serde_json::json!(words)).expect("any words are an error");
        Trouble::of(&RequestError::Api(error), TOKEN)
    }

    #[test]
    fn telegrams_words_are_sorted() {
        assert_eq!(api("Unauthorized"), Trouble::TokenRefused);
        assert_eq!(api("Not Found"), Trouble::TokenRefused);
        let other = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
        assert_eq!(api(other), Trouble::OtherPoller);
        assert_eq!(api("Conflict: something new"), Trouble::OtherPoller);
        let webhook = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the \
            webhook first";
        assert_eq!(api(webhook), Trouble::Webhook);
        assert!(matches!(api("Forbidden: bot was blocked by the user"), Trouble::Gone(_)));
        assert!(matches!(api("Forbidden: never seen before"), Trouble::Gone(_)));
        assert!(matches!(api("Bad Request: chat not found"), Trouble::Gone(_)));
        assert!(matches!(api("Bad Request: IMAGE_PROCESS_FAILED"), Trouble::Rejected(_)));
        assert!(matches!(api("Bad Request: never seen before"), Trouble::Rejected(_)));
        assert!(matches!(api("Internal Server Error"), Trouble::Transient(_)));
        let wait = RequestError::RetryAfter(Seconds::from_seconds(7));
        assert_eq!(Trouble::of(&wait, TOKEN), Trouble::RetryAfter(Duration::from_secs(7)));
    }

    #[test]
    fn the_token_never_shows() {
        let io = |text: String| RequestError::Io(Arc::new(std::io::Error::other(text)));
        for text in [
            format!("error for url (http://127.0.0.1:1/bot{TOKEN}/getMe)"),
            "https://x/bot4200%3AAAsecretsecret/getMe".to_owned(),
            "half of it: AAsecretsecret".to_owned(),
        ] {
            let shown = format!("{0} {0:?}", Trouble::of(&io(text), TOKEN));
            assert!(!shown.contains("secretsecret"), "{shown}");
        }
        assert!(!api(&format!("Bad Request: {TOKEN}")).to_string().contains("secretsecret"));
    }

    #[tokio::test]
    async fn a_refused_connection_says_why_but_not_the_token() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address");
        let bot = teloxide::Bot::new(TOKEN);
        for path in ["", "/behind/a/proxy"] {
            let url = format!("http://{closed}{path}").parse().expect("a URL");
            let error = teloxide::requests::Requester::get_me(&bot.clone().set_api_url(url)).await.expect_err("closed");
            let trouble = Trouble::of(&error, TOKEN);
            let shown = format!("{trouble} {trouble:?}");
            assert!(matches!(trouble, Trouble::Transient(_)) && !shown.contains("secretsecret"), "{shown}");
            assert!(shown.to_lowercase().contains("refused"), "the cause is named: {shown}");
        }
    }
}
