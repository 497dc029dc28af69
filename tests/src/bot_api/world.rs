//! What the server knows: chats, messages, files, and what the bot did so far.

use super::answer::Refusal;
use super::html::{Entity, Parsed};
use axum::body::Bytes;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The bot's own user id.
pub(crate) const BOT_ID: i64 = 4_200_000_042;
/// The bot's name after the @.
pub const BOT_USERNAME: &str = "fieldeye_test_bot";

/// A button under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// What stands on it.
    pub text: String,
    /// What pressing it tells the bot.
    pub callback_data: Option<String>,
    /// Where it leads.
    pub url: Option<String>,
}

/// One thing that the bot did and the server accepted.
#[derive(Debug, Clone)]
pub struct Sent {
    /// `sendMessage`, `sendPhoto`, `editMessageText` …
    pub method: &'static str,
    /// The chat; 0 for an answer to a button.
    pub chat_id: i64,
    /// The message that came of it, or was changed.
    pub message_id: Option<i64>,
    /// Text or caption as it was sent, with markup.
    pub text: String,
    /// Text or caption as people read it.
    pub plain: String,
    /// How it looks.
    pub entities: Vec<Entity>,
    /// The picture.
    pub photo: Option<Bytes>,
    /// Buttons, row by row.
    pub buttons: Vec<Vec<Button>>,
}

/// Any request, also those that were refused: method and the HTTP status it was answered with (0: not answered).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method in Telegram's spelling.
    pub method: String,
    /// HTTP status.
    pub status: u16,
    /// Telegram's words when it was refused.
    pub refusal: Option<String>,
}

/// A command of the bot's menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuEntry {
    /// Without the slash.
    pub command: String,
    /// What stands beside it.
    pub description: String,
}

#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) path: String,
    pub(crate) bytes: Bytes,
}

/// A message as it stands now.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) value: Value,
    pub(crate) parsed: Parsed,
    pub(crate) buttons: Vec<Vec<Button>>,
    pub(crate) photo_id: Option<String>,
    pub(crate) by_bot: bool,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    /// Chat id to whether it is closed to the bot, and how.
    chats: BTreeMap<i64, Option<&'static str>>,
    messages: BTreeMap<(i64, i64), Message>,
    files: BTreeMap<String, StoredFile>,
    last_message_id: i64,
    last_file: u64,
    pub(crate) open_callbacks: BTreeSet<String>,
    pub(crate) menu: Vec<MenuEntry>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) calls: Vec<Call>,
}

impl World {
    /// The chat that a request names, if the bot may write there.
    pub(crate) fn open_chat(&self, chat_id: Option<i64>) -> Result<i64, Refusal> {
        let Some(chat_id) = chat_id else { return Err(Refusal::bad_request("chat_id is empty")) };
        match self.chats.get(&chat_id) {
            None => Err(Refusal::bad_request("chat not found")),
            Some(Some(closed)) => Err(Refusal::new(403, format!("Forbidden: {closed}"))),
            Some(None) => Ok(chat_id),
        }
    }

    /// Somebody wrote: the chat exists, and the bot may answer.
    pub(crate) fn meet(&mut self, chat_id: i64) {
        self.chats.insert(chat_id, None);
    }

    /// From now on the bot may not write there.
    pub(crate) fn close(&mut self, chat_id: i64) {
        let words = if chat_id < 0 { "bot was kicked from the supergroup chat" } else { "bot was blocked by the user" };
        self.chats.insert(chat_id, Some(words));
    }

    pub(crate) fn next_message_id(&mut self) -> i64 {
        self.last_message_id += 1;
        self.last_message_id
    }

    /// Keeps a file and gives its id.
    pub(crate) fn keep(&mut self, folder: &str, extension: &str, bytes: Bytes) -> String {
        self.last_file += 1;
        let id = format!("AgACAgIAAx{:08}", self.last_file);
        let path = format!("{folder}/file_{}.{extension}", self.last_file);
        self.files.insert(id.clone(), StoredFile { path, bytes });
        id
    }

    pub(crate) fn file(&self, id: &str) -> Option<&StoredFile> {
        self.files.get(id)
    }

    pub(crate) fn file_at(&self, path: &str) -> Option<&StoredFile> {
        self.files.values().find(|file| file.path == path)
    }

    pub(crate) fn put_message(&mut self, chat_id: i64, message_id: i64, message: Message) {
        self.messages.insert((chat_id, message_id), message);
    }

    pub(crate) fn message(&self, chat_id: i64, message_id: i64) -> Option<&Message> {
        self.messages.get(&(chat_id, message_id))
    }
}

/// A chat in Telegram's JSON. Negative ids are groups.
pub(crate) fn chat_json(chat_id: i64) -> Value {
    if chat_id < 0 {
        json!({"id": chat_id, "type": "supergroup", "title": format!("Group {}", -chat_id)})
    } else {
        json!({"id": chat_id, "type": "private", "first_name": format!("Person {chat_id}")})
    }
}

/// A person in Telegram's JSON.
pub(crate) fn user_json(user_id: i64) -> Value {
    json!({"id": user_id, "is_bot": false, "first_name": format!("Person {user_id}"), "language_code": "en"})
}

/// The bot in Telegram's JSON.
pub(crate) fn bot_json() -> Value {
    json!({"id": BOT_ID, "is_bot": true, "first_name": "Field Eye", "username": BOT_USERNAME})
}

/// Seconds since the Unix epoch, as Telegram dates messages.
#[expect(clippy::disallowed_methods, reason = "the server plays another machine, which has a clock of its own")]
pub(crate) fn unix_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}
