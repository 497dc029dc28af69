//! Does what people ask: begins and ends sessions, remembers moments.

use super::post::Post;
use crate::jobs::facts::Facts;
use crate::store::orders::{self, Answer, Order, Waiting};
use crate::store::outbox::Lane;
use crate::store::records::{self, Draft};
use crate::store::{Store, StoreError};
use fieldeye_base::clock;
use fieldeye_base::stop::{self, Stop};
use fieldeye_protocol::body::EventBody;
use fieldeye_protocol::record::{Parents, RecordId, RecordKind};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// How often it looks for orders; other programs write them without a word.
const PERIOD: Duration = Duration::from_millis(150);
/// Older ones are not what anyone wants any more, ms.
const STALE_MS: i64 = 60_000;

/// Does what is asked until the program stops.
pub(super) fn serve(store: &Store, post: &Post, stop: &Stop) {
    while !stop.is_cancelled() {
        if let Err(error) = do_all(store, post) {
            tracing::warn!(%error, "orders can't be read");
        }
        stop::rest(stop, PERIOD);
    }
}

fn do_all(store: &Store, post: &Post) -> Result<(), StoreError> {
    for order in store.read_blocking("read the orders", orders::waiting)? {
        let answer = obey(store, post, &order)?;
        tracing::info!(what = ?order.what, camera = order.camera, done = answer.done, answer = answer.text, "an order");
        store.write_blocking("answer an order", move |tx| orders::answer(tx, order.id, &answer))?;
    }
    Ok(())
}

fn refused(text: impl Into<String>) -> Answer {
    Answer { done: false, text: text.into() }
}

fn obey(store: &Store, post: &Post, order: &Waiting) -> Result<Answer, StoreError> {
    if clock::now_ms() - order.created_ms > STALE_MS {
        return Ok(refused("it was asked too long ago"));
    }
    let cameras: Vec<usize> = match order.camera {
        _ if post.cameras() == 0 => {
            return Ok(refused("the running program has no camera; add one to its sources, such as v4l2:/dev/video0"));
        }
        Some(camera) if camera == 0 || camera > post.cameras() => {
            return Ok(refused(format!("there are cameras 1 to {}", post.cameras())));
        }
        Some(camera) => vec![camera],
        None => (1..=post.cameras()).collect(),
    };
    match order.what {
        Order::Start => {
            let facts = Facts::from_json(&order.said);
            let begun = cameras.into_iter().filter(|&camera| post.want(camera, facts.clone())).count();
            Ok(match begun {
                0 => refused("a session goes on already; stop it first"),
                1 => Answer { done: true, text: "a session begins with the next picture".to_owned() },
                n => Answer { done: true, text: format!("{n} sessions begin with the next picture") },
            })
        }
        Order::Pause | Order::Resume => {
            let paused = order.what == Order::Pause;
            let changed: Vec<String> = cameras
                .into_iter()
                .filter_map(|camera| post.pause(camera, paused))
                .map(|current| current.session.to_string())
                .collect();
            Ok(match (changed.as_slice(), paused) {
                ([], true) => refused("no session goes on that could be paused"),
                ([], false) => refused("no session is paused"),
                (sessions, true) => Answer { done: true, text: format!("paused: {}", sessions.join(", ")) },
                (sessions, false) => Answer { done: true, text: format!("goes on: {}", sessions.join(", ")) },
            })
        }
        Order::Stop => {
            let stopped: Vec<String> = cameras
                .into_iter()
                .filter_map(|camera| post.stop(camera, "by hand"))
                .map(|it| it.session.to_string())
                .collect();
            Ok(match stopped.as_slice() {
                [] => refused("no session goes on"),
                sessions => Answer { done: true, text: format!("ended: {}", sessions.join(", ")) },
            })
        }
        Order::Mark => {
            let note = serde_json::from_str(&order.said).ok().and_then(|said: Value| Some(said.get("note")?.clone()));
            let mut marked = Vec::new();
            for current in cameras.into_iter().filter_map(|camera| post.current(camera)) {
                let Some(at_s) = current.position_s else { continue };
                mark(store, current.session, at_s, note.as_ref())?;
                marked.push(format!("{at_s:.1} s of {}", current.session));
            }
            Ok(match marked.as_slice() {
                [] => refused("no session goes on that has a picture"),
                marks => Answer { done: true, text: format!("marked: {}", marks.join(", ")) },
            })
        }
    }
}

fn mark(store: &Store, session: RecordId, at_s: f64, note: Option<&Value>) -> Result<(), StoreError> {
    let body = EventBody { name: "mark".to_owned(), data: json!({"at_s": at_s, "note": note}) };
    let parents = Parents { session: Some(session), frame: None };
    let draft = Draft::new(RecordId(Uuid::now_v7()), RecordKind::Event, parents, &body);
    let at = store.at();
    store.write_blocking("write a mark", move |tx| records::put(tx, &draft, &at, Lane::Backlog).map(drop))
}
