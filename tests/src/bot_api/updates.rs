//! The queue of updates and its one reader: long polling, confirmation by offset, and the 409 for a second poller.

use super::answer::Refusal;
use super::params::Params;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// Most updates in one answer.
const MAX_LIMIT: i64 = 100;
/// Longest that Telegram holds a poll.
const MAX_TIMEOUT_S: i64 = 50;

/// One thing that happened to the bot.
#[derive(Debug, Clone)]
struct Update {
    id: i64,
    kind: &'static str,
    value: Value,
}

/// Updates that nobody has confirmed yet.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: VecDeque<Update>,
    next_id: i64,
    allowed: Vec<String>,
    /// Which poll is the newest: an older one that still waits is told 409.
    newest_poll: u64,
    webhook: Option<String>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), next_id: 700_000_001, allowed: Vec::new(), newest_poll: 0, webhook: None }
    }
}

/// What a poll asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Poll {
    ticket: u64,
    limit: usize,
    pub(crate) timeout: Duration,
}

impl Queue {
    /// Something happened. Kinds that the bot did not ask for are dropped, as Telegram does.
    pub(crate) fn push(&mut self, kind: &'static str, value: Value) {
        if self.allowed.is_empty() || self.allowed.iter().any(|allowed| allowed == kind) {
            self.waiting.push_back(Update { id: self.next_id, kind, value });
            self.next_id += 1;
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many polls there were.
    #[cfg(test)]
    pub(crate) fn polls(&self) -> u64 {
        self.newest_poll
    }

    /// Begins a poll: confirms what lies before the offset and ends the poll before this one.
    pub(crate) fn begin(&mut self, params: &Params) -> Result<Poll, Refusal> {
        if self.webhook.is_some() {
            let words = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete \
                the webhook first";
            return Err(Refusal::new(409, words));
        }
        if let Some(allowed) = params.structure("allowed_updates")? {
            let names = allowed.as_array().ok_or_else(|| Refusal::bad_request("can't parse allowed_updates"))?;
            self.allowed = names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        }
        let offset = params.integer("offset").unwrap_or(0);
        if offset < 0 {
            let keep = usize::try_from(-offset).unwrap_or(usize::MAX);
            while self.waiting.len() > keep {
                self.waiting.pop_front();
            }
        }
        while self.waiting.front().is_some_and(|update| update.id < offset) {
            self.waiting.pop_front();
        }
        self.newest_poll += 1;
        let limit = params.integer("limit").filter(|limit| (1..=MAX_LIMIT).contains(limit)).unwrap_or(MAX_LIMIT);
        let timeout = params.integer("timeout").unwrap_or(0).clamp(0, MAX_TIMEOUT_S);
        Ok(Poll {
            ticket: self.newest_poll,
            limit: usize::try_from(limit).unwrap_or(1),
            timeout: Duration::from_secs(timeout.unsigned_abs()),
        })
    }

    /// What a poll gets now; `None` means wait on.
    pub(crate) fn look(&self, poll: &Poll) -> Option<Result<Value, Refusal>> {
        if poll.ticket != self.newest_poll {
            return Some(Err(Refusal::other_poller()));
        }
        if self.waiting.is_empty() {
            return None;
        }
        let updates = self.waiting.iter().take(poll.limit).map(|update| {
            let mut value = json!({"update_id": update.id});
            value[update.kind] = update.value.clone();
            value
        });
        Some(Ok(updates.collect()))
    }

    /// `setWebhook` and `deleteWebhook`.
    pub(crate) fn set_webhook(&mut self, params: &Params) -> Result<Value, Refusal> {
        if params.text("drop_pending_updates").as_deref() == Some("true") {
            self.waiting.clear();
        }
        let url = params.text("url").filter(|url| !url.is_empty());
        if url.as_deref().is_some_and(|url| !url.starts_with("https://")) {
            return Err(Refusal::bad_request("bad webhook: An HTTPS URL must be provided for webhook"));
        }
        self.webhook = url;
        Ok(Value::Bool(true))
    }
}
