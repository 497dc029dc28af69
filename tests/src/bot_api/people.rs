//! The people on the other side: they write, press buttons, send files, and close their chats.

use super::BotApi;
use super::html::utf16_len;
use super::world::{Message, bot_json, chat_json, unix_seconds, user_json};
use axum::body::Bytes;
use serde_json::{Value, json};

impl BotApi {
    /// A person writes. In a private chat `chat_id` is `user_id`; a negative one is a group. Gives the message's id.
    pub fn user_says(&self, user_id: i64, chat_id: i64, text: &str) -> i64 {
        let mut content = json!({"text": text});
        let entities = command_entities(text);
        if !entities.is_empty() {
            content["entities"] = json!(entities);
        }
        self.user_sends(user_id, chat_id, &content)
    }

    /// A person sends a file. Gives the file's id.
    pub fn user_sends_document(
        &self,
        user_id: i64,
        chat_id: i64,
        name: &str,
        content_type: &str,
        bytes: impl Into<Bytes>,
    ) -> String {
        let bytes = bytes.into();
        let size = bytes.len();
        let extension = name.rsplit('.').next().unwrap_or("bin");
        let id = self.shared.state().world.keep("documents", extension, bytes);
        let document = json!({
            "file_id": id, "file_unique_id": format!("u{id}"), "file_name": name, "mime_type": content_type,
            "file_size": size,
        });
        self.user_sends(user_id, chat_id, &json!({"document": document}));
        id
    }

    fn user_sends(&self, user_id: i64, chat_id: i64, content: &Value) -> i64 {
        let mut state = self.shared.state();
        state.world.meet(chat_id);
        let message_id = state.world.next_message_id();
        let mut value = json!({
            "message_id": message_id, "from": user_json(user_id), "chat": chat_json(chat_id), "date": unix_seconds(),
        });
        for (key, part) in content.as_object().into_iter().flatten() {
            value[key] = part.clone();
        }
        let message = Message {
            value: value.clone(),
            parsed: Default::default(),
            buttons: Vec::new(),
            photo_id: None,
            by_bot: false,
        };
        state.world.put_message(chat_id, message_id, message);
        state.queue.push("message", value);
        message_id
    }

    /// A person presses a button of a message. Gives the query's id.
    ///
    /// # Panics
    /// When the message has no such button: nobody can press what isn't there.
    pub fn user_presses(&self, user_id: i64, chat_id: i64, message_id: i64, data: &str) -> String {
        let mut state = self.shared.state();
        let message = state.world.message(chat_id, message_id).expect("the message with the button is there").clone();
        let there = message.buttons.iter().flatten().any(|button| button.callback_data.as_deref() == Some(data));
        assert!(there, "message {message_id} has no button {data:?}: {:?}", message.buttons);
        let id = uuid::Uuid::new_v4().as_u128().to_string();
        state.world.open_callbacks.insert(id.clone());
        let value = json!({
            "id": id, "from": user_json(user_id), "message": message.value, "chat_instance": "1", "data": data,
        });
        state.queue.push("callback_query", value);
        id
    }

    /// A message arrives whose shape no library knows yet: nobody may stop over it.
    pub fn strange_update(&self, content: Value) {
        self.shared.state().queue.push("message", content);
    }

    /// The person blocks the bot, or the group throws it out: 403 from now on.
    pub fn closes(&self, chat_id: i64) {
        self.shared.state().world.close(chat_id);
    }

    /// The person or group has spoken to the bot before this test began: the bot may write there.
    pub fn knows(&self, chat_id: i64) {
        self.shared.state().world.meet(chat_id);
    }

    /// Who the bot is, as `getMe` tells it.
    pub fn bot(&self) -> Value {
        bot_json()
    }
}

/// Telegram marks commands: a slash and letters at the start of a word.
fn command_entities(text: &str) -> Vec<Value> {
    let mut entities = Vec::new();
    let mut offset = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let command = word.trim_end();
        let name = command.strip_prefix('/').unwrap_or_default();
        if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@')) {
            entities.push(json!({"type": "bot_command", "offset": offset, "length": utf16_len(command)}));
        }
        offset += utf16_len(word);
    }
    entities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_marked() {
        let entities = command_entities("\u{1f3a2} /start@bot 7 a/b /");
        assert_eq!(entities, [json!({"type": "bot_command", "offset": 3, "length": 10})]);
    }
}
