//! Messages: sending, editing, and everything Telegram refuses about their content.

use super::answer::{Answer, Refusal};
use super::html::{self, Parsed};
use super::params::{InputFile, Params};
use super::picture;
use super::world::{Button, Message, Sent, World, bot_json, chat_json, unix_seconds};
use axum::body::Bytes;
use serde_json::{Value, json};

/// Longest text, in UTF-16 units after the markup is gone.
pub const MAX_TEXT: usize = 4096;
/// Longest caption.
pub const MAX_CAPTION: usize = 1024;
/// Longest callback data, in bytes.
pub const MAX_CALLBACK_BYTES: usize = 64;
const MAX_BUTTONS: usize = 100;

/// What a message says: markup as sent, and what came of it.
struct Words {
    raw: String,
    parsed: Parsed,
}

fn words(params: &Params, key: &str) -> Result<Words, Refusal> {
    let raw = params.text(key).unwrap_or_default();
    let parsed = match params.text("parse_mode").unwrap_or_default().to_ascii_lowercase().as_str() {
        "" => Parsed::unformatted(&raw),
        "html" => html::parse(&raw)?,
        _ => return Err(Refusal::bad_request("unsupported parse_mode")),
    };
    Ok(Words { raw, parsed })
}

fn text(params: &Params) -> Result<Words, Refusal> {
    let words = words(params, "text")?;
    if words.parsed.plain.is_empty() {
        return Err(Refusal::bad_request("message text is empty"));
    }
    if words.parsed.utf16_len() > MAX_TEXT {
        return Err(Refusal::bad_request("message is too long"));
    }
    Ok(words)
}

fn caption(params: &Params) -> Result<Words, Refusal> {
    let words = words(params, "caption")?;
    if words.parsed.utf16_len() > MAX_CAPTION {
        return Err(Refusal::bad_request("message caption is too long"));
    }
    Ok(words)
}

fn buttons(params: &Params) -> Result<Vec<Vec<Button>>, Refusal> {
    let Some(markup) = params.structure("reply_markup")? else { return Ok(Vec::new()) };
    let Some(rows) = markup.get("inline_keyboard") else { return Ok(Vec::new()) };
    let bad = |what: &str| Refusal::bad_request(format!("can't parse inline keyboard button: {what}"));
    let rows = rows.as_array().ok_or_else(|| bad("Field \"inline_keyboard\" must be of type Array"))?;
    let mut all = Vec::new();
    for row in rows {
        let row = row.as_array().ok_or_else(|| bad("InlineKeyboardMarkup rows must be arrays"))?;
        all.push(row.iter().map(button).collect::<Result<Vec<_>, _>>()?);
    }
    if all.iter().map(Vec::len).sum::<usize>() > MAX_BUTTONS {
        return Err(Refusal::bad_request("reply markup is too long"));
    }
    Ok(all)
}

fn button(value: &Value) -> Result<Button, Refusal> {
    let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let text = field("text").unwrap_or_default();
    if text.trim().is_empty() {
        return Err(Refusal::bad_request("BUTTON_TEXT_INVALID"));
    }
    let (callback_data, url) = (field("callback_data"), field("url"));
    match (&callback_data, &url) {
        (Some(data), _) if data.is_empty() || data.len() > MAX_CALLBACK_BYTES => {
            Err(Refusal::bad_request("BUTTON_DATA_INVALID"))
        }
        (None, Some(url)) if !["http://", "https://", "tg://"].iter().any(|scheme| url.starts_with(scheme)) => {
            Err(Refusal::bad_request("BUTTON_URL_INVALID"))
        }
        (None, None) => {
            let why = "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard";
            Err(Refusal::bad_request(why))
        }
        _ => Ok(Button { text, callback_data, url }),
    }
}

fn message_json(chat_id: i64, message_id: i64, key: &str, words: &Words, buttons: &[Vec<Button>]) -> Value {
    let mut value = json!({
        "message_id": message_id, "from": bot_json(), "chat": chat_json(chat_id), "date": unix_seconds(),
    });
    if !words.parsed.plain.is_empty() {
        value[key] = json!(words.parsed.plain);
        let entities: Vec<Value> = words.parsed.entities.iter().map(html::Entity::to_json).collect();
        if !entities.is_empty() {
            value[if key == "text" { "entities" } else { "caption_entities" }] = json!(entities);
        }
    }
    if !buttons.is_empty() {
        value["reply_markup"] = keyboard_json(buttons);
    }
    value
}

fn keyboard_json(rows: &[Vec<Button>]) -> Value {
    let button = |button: &Button| {
        let mut value = json!({"text": button.text});
        if let Some(data) = &button.callback_data {
            value["callback_data"] = json!(data);
        }
        if let Some(url) = &button.url {
            value["url"] = json!(url);
        }
        value
    };
    let rows: Vec<Vec<Value>> = rows.iter().map(|row| row.iter().map(button).collect()).collect();
    json!({"inline_keyboard": rows})
}

impl World {
    pub(crate) fn send_message(&mut self, params: &Params) -> Answer {
        let chat_id = self.open_chat(params.integer("chat_id"))?;
        let (words, buttons) = (text(params)?, buttons(params)?);
        let message_id = self.next_message_id();
        let value = message_json(chat_id, message_id, "text", &words, &buttons);
        Ok(self.delivered("sendMessage", chat_id, message_id, value, words, buttons, None))
    }

    pub(crate) fn send_photo(&mut self, params: &Params) -> Answer {
        let chat_id = self.open_chat(params.integer("chat_id"))?;
        let (words, buttons) = (caption(params)?, buttons(params)?);
        let (file_id, bytes, (width, height)) = self.photo(params)?;
        let message_id = self.next_message_id();
        let mut value = message_json(chat_id, message_id, "caption", &words, &buttons);
        value["photo"] = json!([{
            "file_id": file_id, "file_unique_id": format!("u{file_id}"), "width": width, "height": height,
            "file_size": bytes.len(),
        }]);
        Ok(self.delivered("sendPhoto", chat_id, message_id, value, words, buttons, Some((file_id, bytes))))
    }

    /// The photo that a request uploads or names.
    fn photo(&mut self, params: &Params) -> Result<(String, Bytes, (u32, u32)), Refusal> {
        match params.file("photo") {
            None => Err(Refusal::bad_request("there is no photo in the request")),
            Some(InputFile::Uploaded(upload)) => {
                let size = picture::check_photo(&upload.bytes)?;
                let extension = upload.file_name.rsplit('.').next().filter(|end| end.len() <= 4).unwrap_or("jpg");
                let id = self.keep("photos", extension, upload.bytes.clone());
                Ok((id, upload.bytes, size))
            }
            Some(InputFile::Id(id)) => {
                let wrong = || Refusal::bad_request("wrong file identifier/HTTP URL specified");
                let bytes = self.file(&id).ok_or_else(wrong)?.bytes.clone();
                let size = picture::check_photo(&bytes)?;
                Ok((id, bytes, size))
            }
        }
    }

    /// An album is several photos; one that can't be sent refuses them all.
    pub(crate) fn send_media_group(&mut self, params: &Params) -> Answer {
        self.open_chat(params.integer("chat_id"))?;
        let media = params.structure("media")?.unwrap_or_default();
        let items = media.as_array().filter(|items| (2..=10).contains(&items.len()));
        let items = items.ok_or_else(|| Refusal::bad_request("Too much messages to send as an album"))?;
        let single = |item: &Value| {
            if item["type"] != "photo" {
                return Err(Refusal::bad_request("only photos can be sent in an album here"));
            }
            let field = |name: &str| item.get(name).cloned().unwrap_or(Value::String(String::new()));
            let params = params
                .with("photo", field("media"))
                .with("caption", field("caption"))
                .with("parse_mode", field("parse_mode"));
            caption(&params)?;
            match params.file("photo") {
                Some(InputFile::Uploaded(upload)) => picture::check_photo(&upload.bytes).map(drop)?,
                Some(InputFile::Id(id)) if self.file(&id).is_some() => {}
                _ => return Err(Refusal::bad_request("wrong file identifier/HTTP URL specified")),
            }
            Ok(params)
        };
        let singles = items.iter().map(single).collect::<Result<Vec<_>, _>>()?;
        singles.iter().map(|params| self.send_photo(params)).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one message, each of which is somebody else's")]
    fn delivered(
        &mut self,
        method: &'static str,
        chat_id: i64,
        message_id: i64,
        value: Value,
        words: Words,
        buttons: Vec<Vec<Button>>,
        photo: Option<(String, Bytes)>,
    ) -> Value {
        let (photo_id, photo) = photo.unzip();
        let message = Message {
            value: value.clone(),
            parsed: words.parsed.clone(),
            buttons: buttons.clone(),
            photo_id,
            by_bot: true,
        };
        self.put_message(chat_id, message_id, message);
        self.sent.push(Sent {
            method,
            chat_id,
            message_id: Some(message_id),
            text: words.raw,
            plain: words.parsed.plain,
            entities: words.parsed.entities,
            photo,
            buttons,
        });
        value
    }

    pub(crate) fn edit_text(&mut self, params: &Params) -> Answer {
        self.edit("editMessageText", "text", params)
    }

    pub(crate) fn edit_caption(&mut self, params: &Params) -> Answer {
        self.edit("editMessageCaption", "caption", params)
    }

    fn edit(&mut self, method: &'static str, key: &str, params: &Params) -> Answer {
        let chat_id = self.open_chat(params.integer("chat_id"))?;
        let missing = || Refusal::bad_request("message to edit not found");
        let message_id = params
            .integer("message_id")
            .filter(|id| *id != 0)
            .ok_or_else(|| Refusal::bad_request("message identifier is not specified"))?;
        let before = self.message(chat_id, message_id).ok_or_else(missing)?.clone();
        if !before.by_bot {
            return Err(Refusal::bad_request("message can't be edited"));
        }
        match (key, &before.photo_id) {
            ("text", Some(_)) => return Err(Refusal::bad_request("there is no text in the message to edit")),
            ("caption", None) => return Err(Refusal::bad_request("there is no caption in the message to edit")),
            _ => {}
        }
        let words = if key == "text" { text(params)? } else { caption(params)? };
        let buttons = buttons(params)?;
        if words.parsed == before.parsed && buttons == before.buttons {
            let why = "message is not modified: specified new message content and reply markup are exactly the same \
                as a current content and reply markup of the message";
            return Err(Refusal::bad_request(why));
        }
        let mut value = message_json(chat_id, message_id, key, &words, &buttons);
        value["date"] = before.value["date"].clone();
        value["edit_date"] = json!(unix_seconds());
        if let Some(photo) = before.value.get("photo") {
            value["photo"] = photo.clone();
        }
        let photo = before.photo_id.map(|id| (id.clone(), self.file(&id).expect("kept when sent").bytes.clone()));
        Ok(self.delivered(method, chat_id, message_id, value, words, buttons, photo))
    }
}
