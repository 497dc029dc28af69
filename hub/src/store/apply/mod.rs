//! A device's batch becomes rows: one transaction, in which a bad record costs only itself.
//!
//! A record applies only with a greater revision than the one that is there; an equal or lower one is answered
//! `stored` and changes nothing. Whatever the order in which records come, and however often, the tables end the same.

mod kinds;
mod marker;
#[cfg(test)]
mod order;
mod parents;
mod summary;
#[cfg(test)]
mod tests;

use super::boots::{self, Moment};
use super::quarantine::{self, Quarantine};
use super::uploads::{self, Standing};
use super::{Audience, alerts, devices};
use fieldeye_protocol::batch::{Numbered, Rejection};
use fieldeye_protocol::blob::BlobRef;
use fieldeye_protocol::body::Severity;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::{Record, RecordKind};
use fieldeye_protocol::seq::SeqRanges;
use jiff::Timestamp;
use kinds::Content;
pub(super) use marker::Marker;
use parents::Parents;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use uuid::Uuid;

/// What came of a batch: the parts of the answer to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Applied {
    /// Durable now, or before.
    pub(crate) stored: SeqRanges,
    /// In quarantine, and why.
    pub(crate) rejected: Vec<Rejection>,
    /// How the blobs stand that the records named.
    pub(crate) blobs: Vec<(Digest, Standing)>,
}

/// What applying needs to know.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// Who sent it.
    pub(super) device: &'a DeviceId,
    /// The batch's name.
    pub(super) batch: Uuid,
    /// Who is told of critical defects.
    pub(super) audience: &'a Audience,
    /// Where it is marked what is being applied.
    pub(super) marker: &'a Marker,
    /// The hub's clock.
    pub(super) now: Timestamp,
}

/// Why a record was not applied.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It can't be accepted; the others can.
    Rejected(String),
    /// Nothing can be written now.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    /// Sorts what is wrong with the record from what is wrong with the database.
    fn from(error: rusqlite::Error) -> Self {
        let rejected = match &error {
            rusqlite::Error::ToSqlConversionFailure(_) => true,
            other => matches!(
                other.sqlite_error_code(),
                Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
            ),
        };
        if rejected { Self::Rejected(format!("the hub can't keep it: {error}")) } else { Self::Database(error) }
    }
}

fn reject<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Rejected(why.into()))
}

/// What a batch has touched, to be brought up to date at its end.
#[derive(Debug, Default)]
struct Touched {
    sessions: BTreeSet<String>,
    blobs: BTreeSet<Digest>,
    moments: Vec<Moment>,
}

impl Touched {
    fn absorb(&mut self, other: Self) {
        self.sessions.extend(other.sessions);
        self.blobs.extend(other.blobs);
        self.moments.extend(other.moments);
    }
}

/// Applies the records of a batch.
pub(super) fn batch(
    tx: &mut Transaction<'_>,
    context: &Context<'_>,
    records: &[Numbered],
) -> rusqlite::Result<Applied> {
    devices::seen(tx, context.device, context.now)?;
    let mut quarantine = Quarantine::new(context.device, context.now);
    let mut touched = Touched::default();
    let mut parents = Parents::default();
    let (mut stored, mut rejected) = (BTreeSet::new(), BTreeMap::new());
    let suspects = marker::any(tx, context.device)?;
    for numbered in records {
        let result = match &numbered.record {
            Ok(record) if suspects && marker::is_deadly(tx, context.device, record)? => {
                reject("the hub died over it twice, so it is not tried again")
            }
            Ok(record) => {
                context.marker.set(context.device, record);
                let result = guarded(|| in_savepoint(tx, |db| one(db, context, record, &mut parents)));
                if suspects && result.is_ok() {
                    marker::clear(tx, context.device, record)?;
                }
                result
            }
            Err(why) => reject(why.as_str()),
        };
        match result {
            Ok(mine) => {
                touched.absorb(mine);
                parents.keep();
                stored.insert(numbered.seq);
            }
            Err(Refusal::Rejected(reason)) => {
                parents.forget();
                let entry = quarantine::Entry::of_record(numbered, context.batch, &reason);
                quarantine.put(tx, &entry)?;
                rejected.insert(numbered.seq, reason);
            }
            Err(Refusal::Database(error)) => return Err(error),
        }
    }
    context.marker.erase();
    for session in &touched.sessions {
        summary::refresh(tx, session)?;
    }
    boots::learn(tx, context.device, &touched.moments)?;
    let standing = |sha256: &Digest| Ok((*sha256, uploads::standing(tx, context.device, sha256)?));
    Ok(Applied {
        stored: stored.into_iter().collect(),
        rejected: rejected.into_iter().map(|(seq, reason)| Rejection { seq, reason }).collect(),
        blobs: touched.blobs.iter().map(standing).collect::<rusqlite::Result<_>>()?,
    })
}

/// Runs `work` so that a bug in it costs one record, not the thread.
fn guarded<R>(work: impl FnOnce() -> Result<R, Refusal>) -> Result<R, Refusal> {
    // Whatever it leaves half done is rolled back with its savepoint, and what it looked up is forgotten.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| reject("the hub failed on it; its log says where"))
}

/// Runs `work` so that its failure undoes nothing but itself.
fn in_savepoint<R>(
    tx: &mut Transaction<'_>,
    work: impl FnOnce(&Connection) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    let savepoint = tx.savepoint().map_err(Refusal::Database)?;
    // Dropped without a commit, it is rolled back.
    let value = work(&savepoint)?;
    savepoint.commit().map_err(Refusal::Database)?;
    Ok(value)
}

/// Applies one record.
fn one(db: &Connection, context: &Context<'_>, record: &Record, parents: &mut Parents) -> Result<Touched, Refusal> {
    let device = context.device;
    check_numbers(record)?;
    let Some(kind) = kinds::of(&record.kind) else {
        return reject(format!("this hub does not know the kind {:?}", clip(record.kind.as_str())));
    };
    let content = Content::read(record).or_else(reject)?;
    let id = record.id.0.to_string();
    let known: Option<(u64, String, Option<String>)> =
        db.prepare_cached(kind.find)?.query_row([&id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    if let Some((_, owner, _)) = &known
        && owner != device.as_str()
    {
        return reject(format!("the {} {id} belongs to another device", record.kind.as_str()));
    }
    let blob = named_blob(record)?;
    let mut touched = Touched { moments: vec![Moment::from(&record.at)], ..Touched::default() };
    touched.blobs.extend(blob.as_ref().map(|blob| blob.sha256));
    if known.as_ref().is_some_and(|(rev, ..)| *rev >= record.rev) {
        return Ok(touched);
    }
    let session = parents.session(db, context, record.parents.session)?;
    let frame = parents.frame(db, context, content.frame(record), session.as_deref())?;
    content.write(db, context, record, kind, session.as_deref(), frame.as_deref())?;
    uploads::name(db, device, record.kind.as_str(), &id, blob.as_ref(), context.now)?;
    match record.kind {
        RecordKind::Session => {
            touched.sessions.insert(id);
        }
        RecordKind::Pause => {
            touched.sessions.extend(known.and_then(|(.., session)| session).into_iter().chain(session));
        }
        RecordKind::Defect => {
            if content.severity() == Some(Severity::Critical) {
                alerts::raise(db, context.audience, &id, record.rev, context.now)?;
            } else {
                alerts::call_off(db, &id)?;
            }
        }
        _ => {}
    }
    Ok(touched)
}

/// SQL's integers end at 2^63.
fn check_numbers(record: &Record) -> Result<(), Refusal> {
    let numbers = [("rev", record.rev), ("at.boot", record.at.boot), ("at.mono_ms", record.at.mono_ms)];
    if record.rev == 0 {
        return reject("rev counts from 1");
    }
    match numbers.into_iter().find(|(_, number)| i64::try_from(*number).is_err()) {
        Some((name, number)) => reject(format!("{name} is {number}, which is out of range")),
        None => Ok(()),
    }
}

/// The blob that a record needs. A withdrawn one needs none.
fn named_blob(record: &Record) -> Result<Option<BlobRef>, Refusal> {
    match record.body.get("blob") {
        Some(blob) if !blob.is_null() && !record.void => {
            let blob = serde::Deserialize::deserialize(blob);
            blob.map(Some).or_else(|error| reject(format!("its blob can't be read: {error}")))
        }
        _ => Ok(None),
    }
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}
