//! The server refuses what Telegram refuses: each refusal over real HTTP.

use super::picture::jpeg_header;
use super::*;
use crate::http;
use serde_json::{Value, json};
use std::io;
use std::time::Duration;

const ME: i64 = 7;
const GROUP: i64 = -1_000_000_000_007;
const SOON: Duration = Duration::from_secs(5);

async fn call(api: &BotApi, method: &str, params: Value) -> (u16, Value) {
    let url = format!("{}/bot{}/{method}", api.url(), api.token());
    let answer = http::post_json(&url, &params).await.expect("answered");
    let value = answer.json().expect("JSON");
    assert_eq!(value["ok"], answer.status == 200, "{value}");
    if answer.status != 200 {
        assert_eq!(value["error_code"], answer.status, "{value}");
    }
    (answer.status, value)
}

async fn refused(api: &BotApi, method: &str, params: Value) -> String {
    let (status, value) = call(api, method, params).await;
    assert_ne!(status, 200, "{value}");
    format!("{status} {}", value["description"].as_str().expect("description"))
}

/// A multipart body: texts, and one file.
fn multipart(texts: &[(&str, &str)], name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in texts {
        body.extend(format!("--B\r\nContent-Disposition: form-data; name=\"{key}\"\r\n\r\n{value}\r\n").bytes());
    }
    let head = format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.jpg\"\r\n");
    body.extend(head.bytes());
    body.extend(b"Content-Type: image/jpeg\r\n\r\n");
    body.extend(bytes);
    body.extend(b"\r\n--B--\r\n");
    body
}

async fn upload(api: &BotApi, texts: &[(&str, &str)], name: &str, bytes: &[u8]) -> Value {
    let url = format!("{}/bot{}/sendPhoto", api.url(), api.token());
    let body = multipart(texts, name, bytes);
    let answer = http::send("POST", &url, "multipart/form-data; boundary=B", &body).await.expect("answered");
    answer.json().expect("JSON")
}

#[tokio::test]
async fn tokens_and_methods() {
    let api = BotApi::start().await;
    let wrong = http::get(&format!("{}/bot1:wrong/getMe", api.url())).await.expect("answered");
    assert_eq!(wrong.status, 401);
    let expected = json!({"ok": false, "error_code": 401, "description": "Unauthorized"});
    assert_eq!(wrong.json().expect("JSON"), expected);
    assert_eq!(http::get(&format!("{}/bot/getMe", api.url())).await.expect("answered").status, 404);
    assert_eq!(refused(&api, "makeCoffee", json!({})).await, "404 Not Found: method not found");
    let (_, me) = call(&api, "GetMe", json!({})).await;
    assert_eq!(me["result"]["username"], BOT_USERNAME);
    let form = format!("{}/bot{}/getme?x=1", api.url(), api.token());
    assert_eq!(http::send("POST", &form, "application/x-www-form-urlencoded", b"a=b").await.expect("ok").status, 200);
}

#[tokio::test]
async fn texts() {
    let api = BotApi::start().await;
    api.knows(ME);
    let send = |text: String| call(&api, "sendMessage", json!({"chat_id": ME, "text": text, "parse_mode": "HTML"}));
    let longest = "\u{1f3a2}".repeat(MAX_TEXT / 2);
    let (status, value) = send(format!("<b>{longest}</b>")).await;
    assert_eq!(status, 200, "markup does not count");
    assert_eq!(value["result"]["entities"][0]["length"], MAX_TEXT);
    for (text, why) in [
        (format!("{longest}x"), "message is too long"),
        (String::new(), "message text is empty"),
        (" <b> </b> ".to_owned(), "message text is empty"),
        ("<b>x".to_owned(), "can't parse entities: Can't find end tag corresponding to start tag \"b\""),
        ("<p>x</p>".to_owned(), "can't parse entities: Unsupported start tag \"p\" at byte offset 0"),
        ("a & b".to_owned(), "can't parse entities: Unsupported HTML entity at byte offset 2"),
    ] {
        let (status, value) = send(text).await;
        assert_eq!((status, &value["description"]), (400, &json!(format!("Bad Request: {why}"))));
    }
    let markdown = json!({"chat_id": ME, "text": "x", "parse_mode": "MarkdownV2"});
    assert_eq!(refused(&api, "sendMessage", markdown).await, "400 Bad Request: unsupported parse_mode");
    let plain = json!({"chat_id": ME.to_string(), "text": "a & <b>"});
    assert_eq!(call(&api, "sendMessage", plain).await.1["result"]["text"], "a & <b>");
    assert_eq!(api.messages(ME).len(), 2);
}

#[tokio::test]
async fn chats() {
    let api = BotApi::start().await;
    let to = |chat: i64| json!({"chat_id": chat, "text": "x"});
    assert_eq!(refused(&api, "sendMessage", to(ME)).await, "400 Bad Request: chat not found");
    assert_eq!(refused(&api, "sendMessage", json!({"text": "x"})).await, "400 Bad Request: chat_id is empty");
    api.user_says(ME, ME, "hello");
    assert_eq!(call(&api, "sendMessage", to(ME)).await.0, 200);
    api.closes(ME);
    assert_eq!(refused(&api, "sendMessage", to(ME)).await, "403 Forbidden: bot was blocked by the user");
    api.knows(GROUP);
    api.closes(GROUP);
    assert_eq!(refused(&api, "sendMessage", to(GROUP)).await, "403 Forbidden: bot was kicked from the supergroup chat");
}

#[tokio::test]
async fn buttons() {
    let api = BotApi::start().await;
    api.knows(ME);
    let with = |button: Value| json!({"chat_id": ME, "text": "x", "reply_markup": {"inline_keyboard": [[button]]}});
    for (button, why) in [
        (json!({"text": "a", "callback_data": "x".repeat(65)}), "BUTTON_DATA_INVALID"),
        (json!({"text": "a", "callback_data": "\u{e9}".repeat(33)}), "BUTTON_DATA_INVALID"),
        (json!({"text": "a", "callback_data": ""}), "BUTTON_DATA_INVALID"),
        (json!({"text": " ", "callback_data": "x"}), "BUTTON_TEXT_INVALID"),
        (json!({"text": "a", "url": "file:///etc"}), "BUTTON_URL_INVALID"),
    ] {
        assert_eq!(refused(&api, "sendMessage", with(button)).await, format!("400 Bad Request: {why}"));
    }
    assert!(refused(&api, "sendMessage", with(json!({"text": "a"}))).await.contains("Text buttons are unallowed"));
    let (status, value) = call(&api, "sendMessage", with(json!({"text": "a", "callback_data": "x".repeat(64)}))).await;
    assert_eq!(status, 200);
    let message_id = value["result"]["message_id"].as_i64().expect("id");
    let query = api.user_presses(ME, ME, message_id, &"x".repeat(64));
    let (_, updates) = call(&api, "getUpdates", json!({})).await;
    assert_eq!(updates["result"][0]["callback_query"]["id"], json!(query));
    assert_eq!(call(&api, "answerCallbackQuery", json!({"callback_query_id": query})).await.0, 200);
    let again = refused(&api, "answerCallbackQuery", json!({"callback_query_id": query})).await;
    assert!(again.contains("query is too old"), "{again}");
}

#[tokio::test]
async fn photos_and_captions() {
    let api = BotApi::start().await;
    api.knows(ME);
    let chat = ME.to_string();
    let picture = jpeg_header(640, 360);
    let texts = [("chat_id", chat.as_str()), ("caption", "<i>x</i>"), ("parse_mode", "HTML")];
    let sent = upload(&api, &texts, "photo", &picture).await;
    assert_eq!((&sent["result"]["caption"], &sent["result"]["photo"][0]["width"]), (&json!("x"), &json!(640)));
    assert_eq!(api.sent()[0].photo.as_deref(), Some(&picture[..]));
    let attached = upload(&api, &[("chat_id", &chat), ("photo", "attach://it")], "it", &picture).await;
    assert_eq!(attached["ok"], true, "{attached}");
    let id = sent["result"]["photo"][0]["file_id"].clone();
    assert_eq!(call(&api, "sendPhoto", json!({"chat_id": ME, "photo": id})).await.0, 200);
    let caption = json!({"chat_id": ME, "photo": id, "caption": "y".repeat(MAX_CAPTION + 1)});
    assert_eq!(refused(&api, "sendPhoto", caption).await, "400 Bad Request: message caption is too long");
    let unknown = json!({"chat_id": ME, "photo": "AgACnone"});
    let why = "400 Bad Request: wrong file identifier/HTTP URL specified";
    assert_eq!(refused(&api, "sendPhoto", unknown).await, why);
    let none = json!({"chat_id": ME});
    assert_eq!(refused(&api, "sendPhoto", none).await, "400 Bad Request: there is no photo in the request");
    let mut big = picture.clone();
    big.resize(MAX_PHOTO_BYTES + 1, 0);
    let answer = upload(&api, &[("chat_id", &chat)], "photo", &big).await;
    assert!(answer["description"].as_str().expect("why").contains("is too big for a photo"), "{answer}");
    let answer = upload(&api, &[("chat_id", &chat)], "photo", b"not a picture").await;
    assert_eq!(answer["description"], "Bad Request: IMAGE_PROCESS_FAILED");
    let album = |n: usize| json!({"chat_id": ME, "media": vec![json!({"type": "photo", "media": id}); n]});
    assert_eq!(call(&api, "sendMediaGroup", album(2)).await.0, 200);
    assert!(refused(&api, "sendMediaGroup", album(11)).await.contains("Too much messages"));
}

#[tokio::test]
async fn edits() {
    let api = BotApi::start().await;
    api.knows(ME);
    let (_, sent) = call(&api, "sendMessage", json!({"chat_id": ME, "text": "one"})).await;
    let id = sent["result"]["message_id"].as_i64().expect("id");
    let to = |text: &str, id: i64| json!({"chat_id": ME, "message_id": id, "text": text});
    assert_eq!(call(&api, "editMessageText", to("two", id)).await.1["result"]["text"], "two");
    assert!(refused(&api, "editMessageText", to("two", id)).await.contains("message is not modified"));
    let missing = "400 Bad Request: message to edit not found";
    assert_eq!(refused(&api, "editMessageText", to("x", 999)).await, missing);
    let theirs = api.user_says(ME, ME, "mine");
    assert_eq!(refused(&api, "editMessageText", to("x", theirs)).await, "400 Bad Request: message can't be edited");
    let caption = json!({"chat_id": ME, "message_id": id, "caption": "x"});
    assert!(refused(&api, "editMessageCaption", caption).await.contains("there is no caption"));
    assert_eq!(api.messages(ME).len(), 1, "an edit is no new message");
}

#[tokio::test]
async fn menu_and_actions() {
    let api = BotApi::start().await;
    api.knows(ME);
    let menu = |command: &str, words: &str| json!({"commands": [{"command": command, "description": words}]});
    assert_eq!(refused(&api, "setMyCommands", menu("Start", "x")).await, "400 Bad Request: BOT_COMMAND_INVALID");
    let empty = refused(&api, "setMyCommands", menu("start", "")).await;
    assert_eq!(empty, "400 Bad Request: BOT_COMMAND_DESCRIPTION_INVALID");
    assert_eq!(call(&api, "setMyCommands", menu("start", "Begin")).await.0, 200);
    assert_eq!(api.menu()[0].command, "start");
    let action = refused(&api, "sendChatAction", json!({"chat_id": ME, "action": "sleeping"})).await;
    assert_eq!(action, "400 Bad Request: wrong parameter action in request");
    assert_eq!(call(&api, "sendChatAction", json!({"chat_id": ME, "action": "typing"})).await.0, 200);
}

#[tokio::test]
async fn files() {
    let api = BotApi::start().await;
    let small = api.user_sends_document(ME, ME, "v.mp4", "video/mp4", vec![1, 2, 3]);
    let big = api.user_sends_document(ME, ME, "w.mp4", "video/mp4", vec![0; MAX_DOWNLOAD_BYTES + 1]);
    let (_, file) = call(&api, "getFile", json!({"file_id": small})).await;
    let path = file["result"]["file_path"].as_str().expect("path").to_owned();
    let url = |token: &str| format!("{}/file/bot{token}/{path}", api.url());
    assert_eq!(http::get(&url(api.token())).await.expect("answered").body, [1, 2, 3]);
    assert_eq!(http::get(&url("1:wrong")).await.expect("answered").status, 401);
    assert_eq!(refused(&api, "getFile", json!({"file_id": big})).await, "400 Bad Request: file is too big");
    let unknown = refused(&api, "getFile", json!({"file_id": "x"})).await;
    assert_eq!(unknown, "400 Bad Request: wrong file_id or the file is temporarily unavailable");
}

#[tokio::test]
async fn updates_wait_repeat_and_are_confirmed() {
    let api = BotApi::start().await;
    let url = format!("{}/bot{}/getUpdates?timeout=30", api.url(), api.token());
    let waiting = tokio::spawn(async move { http::get(&url).await });
    let polls = |state: &server::Changing| (state.queue.polls() == 1).then_some(());
    api.shared.wait(Instant::now() + SOON, polls).await.expect("the poll has begun");
    api.user_says(ME, GROUP, "/start@bot");
    let answer = waiting.await.expect("no panic").expect("answered").json().expect("JSON");
    let update = &answer["result"][0];
    assert_eq!(update["message"]["entities"][0]["type"], "bot_command");
    assert_eq!(update["message"]["chat"]["type"], "supergroup");
    let id = update["update_id"].as_i64().expect("id");
    assert_eq!(call(&api, "getUpdates", json!({"offset": id})).await.1["result"][0]["update_id"], id, "repeated");
    api.user_says(ME, ME, "two");
    api.user_says(ME, ME, "three");
    let (_, one) = call(&api, "getUpdates", json!({"offset": id + 1, "limit": 1})).await;
    assert_eq!(one["result"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["result"][0]["message"]["text"], "two");
    assert_eq!(call(&api, "getUpdates", json!({"offset": id + 3})).await.1["result"], json!([]));
    assert_eq!(api.unconfirmed(), 0);
    call(&api, "getUpdates", json!({"allowed_updates": ["callback_query"]})).await;
    api.user_says(ME, ME, "not asked for");
    assert_eq!(api.unconfirmed(), 0);
}

#[tokio::test]
async fn the_older_of_two_pollers_is_told() {
    let api = BotApi::start().await;
    let url = format!("{}/bot{}/getUpdates?timeout=30", api.url(), api.token());
    let older = tokio::spawn(async move { http::get(&url).await });
    let polls = |state: &server::Changing| (state.queue.polls() == 1).then_some(());
    api.shared.wait(Instant::now() + SOON, polls).await.expect("the poll has begun");
    assert_eq!(call(&api, "getUpdates", json!({"timeout": 0})).await.0, 200, "the newer one goes on");
    let answer = older.await.expect("no panic").expect("answered");
    assert_eq!(answer.status, 409);
    let words = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    assert_eq!(answer.json().expect("JSON")["description"], words);
    call(&api, "setWebhook", json!({"url": "https://example.com/x"})).await;
    assert!(refused(&api, "getUpdates", json!({})).await.contains("webhook is active"));
    call(&api, "deleteWebhook", json!({})).await;
    assert_eq!(call(&api, "getUpdates", json!({})).await.0, 200);
}

#[tokio::test]
async fn faults_on_order() {
    let api = BotApi::start().await;
    api.knows(ME);
    let message = || json!({"chat_id": ME, "text": "x"});
    let url = format!("{}/bot{}/sendMessage", api.url(), api.token());
    api.fail_next(Fault::TooManyRequests(3), Some("sendMessage"), 1);
    let (status, value) = call(&api, "sendMessage", message()).await;
    assert_eq!((status, &value["parameters"]["retry_after"]), (429, &json!(3)));
    assert_eq!(value["description"], "Too Many Requests: retry after 3");
    api.fail_next(Fault::ServerError, None, 1);
    assert_eq!(call(&api, "getMe", json!({})).await.0, 500);
    api.fail_next(Fault::BadGateway, None, 1);
    assert_eq!(http::post_json(&url, &message()).await.expect("answered").status, 502);
    api.fail_next(Fault::Cut, Some("sendMessage"), 1);
    let cut = http::post_json(&url, &message()).await.expect_err("cut");
    assert!(matches!(cut.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset), "{cut:?}");
    assert_eq!(api.messages(ME).len(), 0);
    api.fail_next(Fault::LostAnswer, Some("sendMessage"), 1);
    http::post_json(&url, &message()).await.expect_err("cut");
    assert_eq!(api.messages(ME).len(), 1, "done, though nobody heard of it");
    api.fail_next(Fault::Silence, Some("sendMessage"), 1);
    let silence = tokio::time::timeout(Duration::from_millis(200), http::post_json(&url, &message())).await;
    assert!(silence.is_err(), "answered: {silence:?}");
    assert_eq!(call(&api, "sendMessage", message()).await.0, 200, "and then all is well");
}

#[tokio::test]
async fn a_lasting_fault_strikes_the_poll_that_waits() {
    let api = BotApi::start().await;
    let url = format!("{}/bot{}/getUpdates?timeout=30", api.url(), api.token());
    let waiting = tokio::spawn(async move { http::get(&url).await });
    let polls = |state: &server::Changing| (state.queue.polls() == 1).then_some(());
    api.shared.wait(Instant::now() + SOON, polls).await.expect("the poll has begun");
    api.fail_until_mended(Fault::Unauthorized, None);
    assert_eq!(waiting.await.expect("no panic").expect("answered").status, 401);
    assert_eq!(call(&api, "getMe", json!({})).await.0, 401);
    api.mend();
    assert_eq!(call(&api, "getMe", json!({})).await.0, 200);
    let statuses: Vec<u16> = api.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [401, 401, 200]);
}
