//! Parameters of a request, from the query, JSON, a form or a multipart body: Telegram takes all four.

use super::answer::Refusal;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Multipart, Query};
use axum::http::{Request, header};
use serde_json::Value;
use std::collections::BTreeMap;

/// Largest request that Telegram's servers take, in bytes.
const MAX_REQUEST_BYTES: usize = 50 * 1024 * 1024 + 64 * 1024;

/// A file that came with the request.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) file_name: String,
    pub(crate) bytes: Bytes,
}

/// What the caller said. Values from JSON keep their type, all others are texts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    values: BTreeMap<String, Value>,
    uploads: BTreeMap<String, Upload>,
}

/// How the caller names a file.
#[derive(Debug, Clone)]
pub(crate) enum InputFile {
    Uploaded(Upload),
    Id(String),
}

impl Params {
    /// Reads them all.
    pub(crate) async fn read(request: Request<Body>) -> Result<Self, Refusal> {
        let mut params = Self::default();
        let unreadable = |why: String| Refusal::bad_request(format!("can't read the request: {why}"));
        let query: Query<BTreeMap<String, String>> =
            Query::try_from_uri(request.uri()).map_err(|error| unreadable(error.to_string()))?;
        params.values.extend(query.0.into_iter().map(|(key, value)| (key, Value::String(value))));
        let content_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if content_type.starts_with("multipart/form-data") {
            params.read_multipart(request).await?;
            return Ok(params);
        }
        let bytes = axum::body::to_bytes(request.into_body(), MAX_REQUEST_BYTES)
            .await
            .map_err(|_| Refusal::new(413, "Request Entity Too Large"))?;
        if content_type.starts_with("application/json") && !bytes.is_empty() {
            let value: Value = serde_json::from_slice(&bytes)
                .map_err(|_| Refusal::bad_request("can't parse request JSON object: expected an object"))?;
            let Value::Object(object) = value else {
                return Err(Refusal::bad_request("can't parse request JSON object: expected an object"));
            };
            params.values.extend(object.into_iter().filter(|(_, value)| !value.is_null()));
        } else if content_type.starts_with("application/x-www-form-urlencoded") {
            params.values.extend(form(&bytes));
        }
        Ok(params)
    }

    async fn read_multipart(&mut self, request: Request<Body>) -> Result<(), Refusal> {
        let unreadable =
            |error: &dyn std::fmt::Display| Refusal::bad_request(format!("can't read the request: {error}"));
        let mut parts = Multipart::from_request(request, &()).await.map_err(|error| unreadable(&error))?;
        let mut total = 0;
        while let Some(part) = parts.next_field().await.map_err(|error| unreadable(&error))? {
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.file_name().map(str::to_owned);
            let bytes = part.bytes().await.map_err(|error| unreadable(&error))?;
            total += bytes.len();
            if total > MAX_REQUEST_BYTES {
                return Err(Refusal::new(413, "Request Entity Too Large"));
            }
            match file_name {
                Some(file_name) => {
                    self.uploads.insert(name, Upload { file_name, bytes });
                }
                None => {
                    let text = String::from_utf8(bytes.to_vec())
                        .map_err(|_| Refusal::bad_request("strings must be encoded in UTF-8"))?;
                    self.values.insert(name, Value::String(text));
                }
            }
        }
        Ok(())
    }

    /// A text; numbers are texts to Telegram, too.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.values.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// A whole number, also when written as text.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        match self.values.get(name)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A structure, also when written as JSON in a text.
    pub(crate) fn structure(&self, name: &str) -> Result<Option<Value>, Refusal> {
        match self.values.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| Refusal::bad_request(format!("can't parse {} JSON object", name.replace('_', " ")))),
            Some(other) => Ok(Some(other.clone())),
        }
    }

    /// A file: uploaded under this name, under another one (`attach://other`), or one that the server has already.
    pub(crate) fn file(&self, name: &str) -> Option<InputFile> {
        if let Some(upload) = self.uploads.get(name) {
            return Some(InputFile::Uploaded(upload.clone()));
        }
        let text = self.text(name).filter(|text| !text.is_empty())?;
        match text.strip_prefix("attach://") {
            Some(other) => self.uploads.get(other).cloned().map(InputFile::Uploaded),
            None => Some(InputFile::Id(text)),
        }
    }

    /// The same parameters with one value set: for methods that are several of another one.
    pub(crate) fn with(&self, name: &str, value: Value) -> Self {
        let mut params = self.clone();
        params.values.insert(name.to_owned(), value);
        params
    }
}

fn form(bytes: &[u8]) -> impl Iterator<Item = (String, Value)> {
    bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (unescaped(&pair[..at]), Value::String(unescaped(pair.get(at + 1..).unwrap_or_default())))
    })
}

fn unescaped(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let escaped = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = escaped.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (*first, byte) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => out.push(b' '),
            (other, _) => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_unescaped() {
        let values: BTreeMap<_, _> = form(b"text=a%20b+c%26&empty=&chat_id=7&%zz=1").collect();
        assert_eq!(values["text"], "a b c&");
        assert_eq!(values["empty"], "");
        assert_eq!(values["chat_id"], "7");
        assert_eq!(values["%zz"], "1");
    }
}
