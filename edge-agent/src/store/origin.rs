//! Which hub answers: its store, that store's generation, its protocol version. An answer of an older generation
//! means nothing; another store or a restored one does not have what the one before had.

use crate::store::{meta, outbox};
use rusqlite::{Connection, Transaction};
use uuid::Uuid;

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The hub's store.
    pub(crate) store: Uuid,
    /// How often that store was restored.
    pub(crate) generation: u64,
    /// The protocol version that the hub speaks.
    pub(crate) version: u32,
}

/// What is to be done with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It counts.
    Counts,
    /// It counts, and it is the first of a hub that must be offered everything (or what was rejected) again.
    CountsAndOffersAgain,
    /// It is older than the hub's last restore.
    TooOld,
}

/// The hub that answered last.
pub(crate) fn last(db: &Connection) -> rusqlite::Result<Option<Origin>> {
    let Some(text) = meta::get(db, "hub")? else { return Ok(None) };
    let mut parts = text.split(' ');
    let mut origin = || -> Option<Origin> {
        let store = parts.next()?.parse().ok()?;
        Some(Origin { store, generation: parts.next()?.parse().ok()?, version: parts.next()?.parse().ok()? })
    };
    Ok(origin())
}

/// Judges an answer by where it comes from, and remembers that.
pub(crate) fn judge(tx: &Transaction<'_>, origin: Origin) -> rusqlite::Result<Verdict> {
    let last = last(tx)?;
    if last == Some(origin) {
        return Ok(Verdict::Counts);
    }
    let verdict = match last {
        Some(last) if last.store == origin.store && origin.generation < last.generation => return Ok(Verdict::TooOld),
        None => Verdict::Counts,
        Some(last) => {
            let offered = if last.store == origin.store && last.generation == origin.generation {
                outbox::offer_rejected_again(tx)?
            } else {
                outbox::offer_all_again(tx)?
            };
            tracing::warn!(store = %origin.store, generation = origin.generation, offered, "another hub answers; it is offered what it may not have");
            Verdict::CountsAndOffersAgain
        }
    };
    meta::set(tx, "hub", &format!("{} {} {}", origin.store, origin.generation, origin.version))?;
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::{Lane, depth, rejected, stored};
    use crate::store::records::put;
    use crate::store::testing::{at, database, draft, write};
    use serde_json::json;

    #[test]
    fn older_generations_mean_nothing_and_other_hubs_get_everything() {
        let mut db = database();
        let origin = |store: u128, generation, version| Origin { store: Uuid::from_u128(store), generation, version };
        for n in 1..=3 {
            write(&mut db, |tx| put(tx, &draft(n, json!(n)), &at(1), Lane::Backlog));
        }
        let ask = |db: &mut Connection, from: Origin| write(db, move |tx| judge(tx, from));
        let waiting = |db: &Connection| depth(db).expect("read").records;
        assert_eq!(ask(&mut db, origin(1, 2, 1)), Verdict::Counts);
        write(&mut db, |tx| stored(tx, 1).and_then(|_| rejected(tx, 2, "no")));
        assert_eq!(ask(&mut db, origin(1, 1, 1)), Verdict::TooOld);
        assert_eq!(last(&db).expect("read"), Some(origin(1, 2, 1)), "an old answer is not remembered");
        assert_eq!(waiting(&db), 1);
        assert_eq!(ask(&mut db, origin(1, 2, 2)), Verdict::CountsAndOffersAgain);
        assert_eq!(waiting(&db), 2, "a newer version is offered what was rejected");
        assert_eq!(ask(&mut db, origin(1, 3, 2)), Verdict::CountsAndOffersAgain);
        assert_eq!(waiting(&db), 3, "a restored store is offered everything");
        write(&mut db, |tx| (3..=5).try_for_each(|seq| stored(tx, seq).map(drop)));
        assert_eq!(waiting(&db), 0);
        assert_eq!(ask(&mut db, origin(2, 1, 2)), Verdict::CountsAndOffersAgain);
        assert_eq!(waiting(&db), 3, "another store is offered everything");
        assert_eq!(ask(&mut db, origin(2, 1, 2)), Verdict::Counts);
    }
}
