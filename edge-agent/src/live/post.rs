//! What the threads of the cameras and whoever gives them orders know of each other.

use crate::jobs::facts::Facts;
use fieldeye_base::stop::Stop;
use fieldeye_protocol::record::RecordId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// A session that goes on.
#[derive(Debug, Clone)]
pub(super) struct Current {
    /// Its id.
    pub(super) session: RecordId,
    /// Cancelled when it is to end.
    pub(super) over: Stop,
    /// Seconds from its first frame, once that was there.
    pub(super) position_s: Option<f64>,
    /// Set while nothing is to be looked at or recorded.
    pub(super) paused: Arc<AtomicBool>,
    /// Why it is to end, once that is known.
    pub(super) reason: Option<&'static str>,
}

/// One camera's place.
#[derive(Debug, Default)]
struct Place {
    /// A session is wanted, with what was said about it.
    wanted: Option<Facts>,
    current: Option<Current>,
}

/// All cameras, numbered from 1.
#[derive(Debug)]
pub(super) struct Post {
    places: Vec<Mutex<Place>>,
    /// There is no room for recordings.
    full: Arc<AtomicBool>,
}

impl Post {
    /// So many cameras; sessions begin by themselves or on an order.
    pub(super) fn new(cameras: usize, by_itself: bool) -> Self {
        let place = || Mutex::new(Place { wanted: by_itself.then(Facts::default), current: None });
        Self { places: (0..cameras).map(|_| place()).collect(), full: Arc::default() }
    }

    /// How many cameras there are.
    pub(super) fn cameras(&self) -> usize {
        self.places.len()
    }

    fn place(&self, camera: usize) -> MutexGuard<'_, Place> {
        let place = &self.places[camera - 1];
        place.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Asks for a session; false when one goes on already.
    pub(super) fn want(&self, camera: usize, facts: Facts) -> bool {
        let mut place = self.place(camera);
        if place.current.is_some() {
            return false;
        }
        place.wanted = Some(facts);
        true
    }

    /// Begins the session that is wanted, if one is; gives what was said about it.
    pub(super) fn begin(&self, camera: usize, session: RecordId, over: &Stop) -> Option<(Facts, Current)> {
        let mut place = self.place(camera);
        let facts = place.wanted.take()?;
        let (over, paused) = (over.clone(), Arc::default());
        let current = Current { session, over, position_s: None, paused, reason: None };
        place.current = Some(current.clone());
        Some((facts, current))
    }

    /// Notes how far the session is.
    pub(super) fn reached(&self, camera: usize, position_s: f64) {
        if let Some(current) = &mut self.place(camera).current {
            current.position_s = Some(position_s);
        }
    }

    /// The session that goes on.
    pub(super) fn current(&self, camera: usize) -> Option<Current> {
        self.place(camera).current.clone()
    }

    /// Lets the session rest or go on; gives it, if that is something new.
    pub(super) fn pause(&self, camera: usize, paused: bool) -> Option<Current> {
        let current = self.current(camera)?;
        let before = current.paused.swap(paused, Ordering::AcqRel);
        (before != paused).then_some(current)
    }

    /// Ends the session, or takes back that one is wanted; gives the session.
    pub(super) fn stop(&self, camera: usize, reason: &'static str) -> Option<Current> {
        let mut place = self.place(camera);
        place.wanted = None;
        let current = place.current.as_mut()?;
        current.reason.get_or_insert(reason);
        current.over.cancel();
        Some(current.clone())
    }

    /// The session has ended; gives the reason, if it was told to.
    pub(super) fn ended(&self, camera: usize) -> Option<&'static str> {
        self.place(camera).current.take().and_then(|current| current.reason)
    }

    /// Whether there is no room for recordings; shared with those who record.
    pub(super) fn full(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.full)
    }

    /// Says whether there is room for recordings; true when that is new.
    pub(super) fn set_full(&self, full: bool) -> bool {
        self.full.swap(full, Ordering::AcqRel) != full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_session_is_wanted_goes_on_and_ends() {
        let post = Post::new(2, false);
        let (id, over) = (RecordId(Uuid::now_v7()), Stop::new());
        assert!(post.begin(1, id, &over).is_none(), "nobody wants one");
        let facts = Facts { technician_id: Some("t-1".into()), ..Facts::default() };
        assert!(post.want(1, facts.clone()));
        assert!(post.begin(2, id, &over).is_none(), "of the other camera");
        assert_eq!(post.begin(1, id, &over).map(|(said, current)| (said, current.session)), Some((facts, id)));
        assert!(!post.want(1, Facts::default()), "one at a time");
        post.reached(1, 2.5);
        assert!(post.pause(1, false).is_none(), "it goes on already");
        assert!(post.pause(1, true).is_some_and(|current| current.paused.load(Ordering::Relaxed)));
        assert_eq!(post.stop(1, "by hand").and_then(|current| current.position_s), Some(2.5));
        assert!(over.is_cancelled());
        assert_eq!(post.ended(1), Some("by hand"));
        assert!(post.current(1).is_none());
    }
}
