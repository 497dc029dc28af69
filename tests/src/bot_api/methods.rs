//! Which methods there are, and the small ones.

use super::answer::{Answer, Refusal};
use super::params::Params;
use super::server::Shared;
use super::world::{MenuEntry, Sent, World, bot_json};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Largest file that a bot may fetch, in bytes.
pub const MAX_DOWNLOAD_BYTES: usize = 20 * 1024 * 1024;

const METHODS: [&str; 14] = [
    "getMe",
    "getUpdates",
    "setWebhook",
    "deleteWebhook",
    "setMyCommands",
    "getMyCommands",
    "sendMessage",
    "sendPhoto",
    "sendMediaGroup",
    "editMessageText",
    "editMessageCaption",
    "answerCallbackQuery",
    "sendChatAction",
    "getFile",
];

const ACTIONS: [&str; 11] = [
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

/// Telegram's spelling of a method; names are taken in any case.
pub(crate) fn canonical(method: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|known| known.eq_ignore_ascii_case(method))
}

/// Does what was asked.
pub(crate) async fn call(shared: &Shared, method: &'static str, params: &Params) -> Answer {
    if method == "getUpdates" {
        return shared.poll(params).await;
    }
    let mut state = shared.state();
    match method {
        "getMe" => {
            let mut me = bot_json();
            let facts = [
                ("can_join_groups", true),
                ("can_read_all_group_messages", false),
                ("supports_inline_queries", false),
                ("can_connect_to_business", false),
                ("has_main_web_app", false),
            ];
            facts.into_iter().for_each(|(key, value)| me[key] = json!(value));
            Ok(me)
        }
        "setWebhook" => state.queue.set_webhook(params),
        "deleteWebhook" => state.queue.set_webhook(&params.with("url", Value::String(String::new()))),
        "setMyCommands" => state.world.set_menu(params),
        "getMyCommands" => {
            let entry = |e: &MenuEntry| json!({"command": e.command, "description": e.description});
            Ok(state.world.menu.iter().map(entry).collect())
        }
        "sendMessage" => state.world.send_message(params),
        "sendPhoto" => state.world.send_photo(params),
        "sendMediaGroup" => state.world.send_media_group(params),
        "editMessageText" => state.world.edit_text(params),
        "editMessageCaption" => state.world.edit_caption(params),
        "answerCallbackQuery" => state.world.answer_callback(params),
        "sendChatAction" => state.world.chat_action(params),
        "getFile" => state.world.get_file(params),
        _ => Err(Refusal::new(404, "Not Found")),
    }
}

impl World {
    fn set_menu(&mut self, params: &Params) -> Answer {
        let commands = params.structure("commands")?.unwrap_or_default();
        let list = commands.as_array().ok_or_else(|| Refusal::bad_request("can't parse commands JSON object"))?;
        if list.len() > 100 {
            return Err(Refusal::bad_request("BOT_COMMANDS_TOO_MUCH"));
        }
        let mut menu = Vec::new();
        let mut seen = BTreeSet::new();
        for entry in list {
            let field = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            let (command, description) = (field("command").trim_start_matches('/').to_owned(), field("description"));
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !(1..=32).contains(&command.len()) || !command.chars().all(allowed) {
                return Err(Refusal::bad_request("BOT_COMMAND_INVALID"));
            }
            if !(1..=256).contains(&description.trim().chars().count()) {
                return Err(Refusal::bad_request("BOT_COMMAND_DESCRIPTION_INVALID"));
            }
            if !seen.insert(command.clone()) {
                return Err(Refusal::bad_request("BOT_COMMAND_DUPLICATE"));
            }
            menu.push(MenuEntry { command, description });
        }
        self.menu = menu;
        Ok(Value::Bool(true))
    }

    fn answer_callback(&mut self, params: &Params) -> Answer {
        let text = params.text("text").unwrap_or_default();
        if text.chars().count() > 200 {
            return Err(Refusal::bad_request("MESSAGE_TOO_LONG"));
        }
        let id = params.text("callback_query_id").unwrap_or_default();
        if !self.open_callbacks.remove(&id) {
            let why = "query is too old and response timeout expired or query id is invalid";
            return Err(Refusal::bad_request(why));
        }
        self.sent.push(note("answerCallbackQuery", 0, text));
        Ok(Value::Bool(true))
    }

    fn chat_action(&mut self, params: &Params) -> Answer {
        let chat_id = self.open_chat(params.integer("chat_id"))?;
        let action = params.text("action").unwrap_or_default();
        if !ACTIONS.contains(&action.as_str()) {
            return Err(Refusal::bad_request("wrong parameter action in request"));
        }
        self.sent.push(note("sendChatAction", chat_id, action));
        Ok(Value::Bool(true))
    }

    fn get_file(&mut self, params: &Params) -> Answer {
        let id = params.text("file_id").unwrap_or_default();
        let wrong = || Refusal::bad_request("wrong file_id or the file is temporarily unavailable");
        let file = self.file(&id).ok_or_else(wrong)?;
        if file.bytes.len() > MAX_DOWNLOAD_BYTES {
            return Err(Refusal::bad_request("file is too big"));
        }
        Ok(json!({
            "file_id": id, "file_unique_id": format!("u{id}"), "file_size": file.bytes.len(), "file_path": file.path,
        }))
    }
}

fn note(method: &'static str, chat_id: i64, text: String) -> Sent {
    Sent {
        method,
        chat_id,
        message_id: None,
        plain: text.clone(),
        text,
        entities: Vec::new(),
        photo: None,
        buttons: Vec::new(),
    }
}
