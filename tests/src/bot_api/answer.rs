//! Answers in Telegram's JSON shape, and the refusals with their exact words.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

/// Why a request was refused: HTTP status, Telegram's sentence and its machine-readable parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Status and `error_code`.
    pub code: u16,
    /// The description, as Telegram words it: bot libraries compare it.
    pub description: String,
    /// Seconds to wait, for 429.
    pub retry_after: Option<u64>,
}

/// What a method gives.
pub(crate) type Answer = Result<Value, Refusal>;

impl Refusal {
    pub(crate) fn new(code: u16, description: impl Into<String>) -> Self {
        Self { code, description: description.into(), retry_after: None }
    }

    /// 400 with the usual prefix.
    pub(crate) fn bad_request(why: impl AsRef<str>) -> Self {
        Self::new(400, format!("Bad Request: {}", why.as_ref()))
    }

    /// 400 for markup that can't be read.
    pub(crate) fn entities(why: impl AsRef<str>) -> Self {
        Self::bad_request(format!("can't parse entities: {}", why.as_ref()))
    }

    /// 429.
    pub(crate) fn too_many_requests(retry_after: u64) -> Self {
        let description = format!("Too Many Requests: retry after {retry_after}");
        Self { code: 429, description, retry_after: Some(retry_after) }
    }

    /// The older of two pollers is told this.
    pub(crate) fn other_poller() -> Self {
        Self::new(
            409,
            "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
        )
    }
}

/// The body of an answer.
pub(crate) fn body(answer: &Answer) -> (u16, String) {
    match answer {
        Ok(result) => (200, json!({"ok": true, "result": result}).to_string()),
        Err(refusal) => {
            let mut value = json!({
                "ok": false, "error_code": refusal.code, "description": refusal.description,
            });
            if let Some(seconds) = refusal.retry_after {
                value["parameters"] = json!({"retry_after": seconds});
            }
            (refusal.code, value.to_string())
        }
    }
}

/// The whole HTTP answer.
pub(crate) fn response(answer: &Answer) -> Response {
    let (code, text) = body(answer);
    Response::builder()
        .status(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(text))
        .expect("status and header are valid")
}
