//! Sessions and frames that records belong to. A parent may come later than its child: until then a placeholder
//! stands for it. A parent of another device is refused.

use super::{Context, Refusal, reject};
use crate::store::times;
use fieldeye_protocol::record::RecordId;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashSet;

const SESSION_OWNER: &str = "SELECT device_id FROM field_eye_sessions WHERE id = ?1";
const SESSION_PLACEHOLDER: &str = "INSERT INTO field_eye_sessions (id, device_id, rev, received_at, created_at)
    VALUES (?1, ?2, 0, ?3, ?3)";
const FRAME_OWNER: &str = "SELECT device_id FROM field_eye_frames WHERE id = ?1";
const FRAME_PLACEHOLDER: &str = "INSERT INTO field_eye_frames (id, session_id, device_id, rev, received_at, created_at)
    VALUES (?1, ?2, ?3, 0, ?4, ?4)";
// Two children may know different things about a parent that has not come yet.
const FRAME_SESSION: &str =
    "UPDATE field_eye_frames SET session_id = ?2 WHERE id = ?1 AND rev = 0 AND session_id IS NULL";

/// Parents that this batch has looked up. What a record of it made is known for sure only once that record is in.
#[derive(Debug, Default)]
pub(super) struct Parents {
    known: HashSet<String>,
    new: Vec<String>,
}

impl Parents {
    /// The record is in.
    pub(super) fn keep(&mut self) {
        self.known.extend(self.new.drain(..));
    }

    /// The record was undone.
    pub(super) fn forget(&mut self) {
        self.new.clear();
    }

    /// Makes sure that there is a row for the session and that it is this device's.
    pub(super) fn session(
        &mut self,
        db: &Connection,
        context: &Context<'_>,
        id: Option<RecordId>,
    ) -> Result<Option<String>, Refusal> {
        let Some(id) = id.map(|id| id.to_string()) else { return Ok(None) };
        if self.known.contains(&id) {
            return Ok(Some(id));
        }
        let owner: Option<String> = db.prepare_cached(SESSION_OWNER)?.query_row([&id], |row| row.get(0)).optional()?;
        match owner {
            Some(owner) if owner != context.device.as_str() => {
                return reject(format!("its session {id} belongs to another device"));
            }
            Some(_) => {}
            None => {
                let values = params![id, context.device.as_str(), times::text(context.now)];
                db.prepare_cached(SESSION_PLACEHOLDER)?.execute(values)?;
            }
        }
        self.new.push(id.clone());
        Ok(Some(id))
    }

    /// Makes sure that there is a row for the frame and that it is this device's.
    pub(super) fn frame(
        &mut self,
        db: &Connection,
        context: &Context<'_>,
        id: Option<RecordId>,
        session: Option<&str>,
    ) -> Result<Option<String>, Refusal> {
        let Some(id) = id.map(|id| id.to_string()) else { return Ok(None) };
        let owner: Option<String> = db.prepare_cached(FRAME_OWNER)?.query_row([&id], |row| row.get(0)).optional()?;
        match owner {
            Some(owner) if owner != context.device.as_str() => {
                return reject(format!("its frame {id} belongs to another device"));
            }
            Some(_) => {
                if session.is_some() {
                    db.prepare_cached(FRAME_SESSION)?.execute(params![id, session])?;
                }
            }
            None => {
                let values = params![id, session, context.device.as_str(), times::text(context.now)];
                db.prepare_cached(FRAME_PLACEHOLDER)?.execute(values)?;
            }
        }
        Ok(Some(id))
    }
}
