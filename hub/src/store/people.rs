//! People and the audit trail.

use super::times;
use jiff::Timestamp;
use rusqlite::{Transaction, params};

const REMEMBER: &str = "INSERT INTO field_eye_users (id, chat_id, name, updated_at, created_at)
    VALUES (?1, ?2, ?3, ?4, ?4)
    ON CONFLICT (id) DO UPDATE SET chat_id = excluded.chat_id, name = excluded.name, updated_at = excluded.updated_at";

/// Remembers a person and the chat in which they are reached.
pub(super) fn remember(tx: &Transaction<'_>, user: i64, chat: i64, name: &str, now: Timestamp) -> rusqlite::Result<()> {
    tx.prepare_cached(REMEMBER)?.execute(params![user, chat, name, times::text(now)]).map(drop)
}

const AUDIT: &str = "INSERT INTO field_eye_audit (at, who, action, target, result) VALUES (?1, ?2, ?3, ?4, ?5)";

/// Writes down who did what to what, and what came of it.
pub(super) fn audit(
    tx: &Transaction<'_>,
    who: &str,
    action: &str,
    target: &str,
    result: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    tx.prepare_cached(AUDIT)?.execute(params![times::text(now), who, action, target, result]).map(drop)
}
