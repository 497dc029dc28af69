//! The commands, one file each. A command reads the store and gives a text; it knows nothing of Telegram.

mod defects;
mod help;
mod sessions;
mod start;
mod stats;

use crate::store::{Store, StoreError};

/// What Telegram offers when somebody types a slash: command and a few words.
pub(crate) const MENU: [(&str, &str); 5] = [
    ("start", "Begin, and get alerts in this chat"),
    ("help", "What you can ask"),
    ("fieldeye_stats", "Everything in numbers"),
    ("fieldeye_sessions", "The last inspections; add a number up to 20"),
    ("fieldeye_defects", "The last defects; add a number up to 50"),
];

/// Who asks, and where.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    /// Telegram's id of the person.
    pub(crate) user: i64,
    /// Where the answer goes.
    pub(crate) chat: i64,
    /// Whether nobody else reads there.
    pub(crate) private: bool,
    /// As the person calls themself.
    pub(crate) name: String,
}

/// Whether this bot has a command.
pub(crate) fn is_known(name: &str) -> bool {
    MENU.iter().any(|(known, _)| *known == name)
}

/// Answers a command of somebody who may ask, with HTML of any length.
pub(crate) async fn run(store: &Store, asker: &Asker, name: &str, words: &[String]) -> Result<String, StoreError> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match name {
        "start" => start::run(store, asker).await,
        "help" => Ok(help::text()),
        "fieldeye_stats" => stats::run(store).await,
        "fieldeye_sessions" => sessions::run(store, &words).await,
        "fieldeye_defects" => defects::run(store, &words).await,
        _ => Ok(super::reply::UNKNOWN.to_owned()),
    }
}

/// Writes down that a stranger was refused.
pub(crate) async fn audit_refusal(store: &Store, asker: &Asker, command: &str) -> Result<(), StoreError> {
    let (who, chat) = (format!("telegram:{}", asker.user), format!("chat:{}", asker.chat));
    store.audit(&who, &format!("bot.{command}"), &chat, "refused").await
}
