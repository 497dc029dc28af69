//! The thread of one camera: waits until a session is wanted, sees it through, waits again.

use super::post::{Current, Post};
use crate::analysis::findings::{Finding, Identity};
use crate::analysis::{self, Look, LookError, What};
use crate::capture::camera::{Address, Credentials, Health, Record, Settings};
use crate::config::Config;
use crate::jobs::date::Date;
use crate::jobs::facts::Facts;
use crate::jobs::looked_with;
use crate::jobs::recorder::{Recorder, Subject};
use crate::model;
use crate::store::{Store, StoreError, meta};
use fieldeye_base::stop::{self, Stop};
use fieldeye_base::{clock, sqlite};
use fieldeye_protocol::record::RecordId;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How often it is asked whether a session is wanted.
const PERIOD: Duration = Duration::from_millis(200);
/// Between two attempts when this device is in trouble.
const PATIENCE: Duration = Duration::from_secs(5);
/// How the camera is doing is written down at most this often.
const HEALTH: Duration = Duration::from_secs(2);

/// What the thread needs.
pub(super) struct Shift {
    /// Of the camera, from 1.
    pub(super) number: usize,
    pub(super) address: Address,
    pub(super) credentials: Option<Credentials>,
    pub(super) store: Store,
    pub(super) config: Config,
    pub(super) post: Arc<Post>,
    /// Of the program.
    pub(super) stop: Stop,
}

/// Under which name the store keeps how a camera is doing.
pub(crate) fn health_key(number: usize) -> String {
    format!("camera.{number}")
}

impl Shift {
    /// Works until the program stops.
    pub(super) fn work(self) {
        while !self.stop.is_cancelled() {
            let (id, over) = (RecordId(Uuid::now_v7()), self.stop.child_token());
            let Some((facts, current)) = self.post.begin(self.number, id, &over) else {
                stop::rest(&self.stop, PERIOD);
                continue;
            };
            let seen = self.session(current, facts.clone());
            self.post.ended(self.number);
            if let Err(why) = seen {
                tracing::error!(camera = self.number, why, "no session");
                self.note(None, &Health { gone: Some(why), ..Health::default() });
                stop::rest(&self.stop, PATIENCE);
                // What was wanted is still wanted.
                self.post.want(self.number, facts);
            }
        }
    }

    /// Sees a session through. The error is one sentence.
    fn session(&self, current: Current, facts: Facts) -> Result<(), String> {
        let Current { session: id, over, paused, .. } = current;
        let model = model::configured(&self.config).map_err(|failure| failure.to_string())?;
        let rate_hz = self.config.detect.rate_hz;
        let identity = Identity::Live { session: id, began_ms: clock::now_ms() };
        let looked_with = looked_with(&model.reference, rate_hz, false);
        let subject = Subject {
            identity,
            files: vec![self.address.to_string()],
            date: Date::UNKNOWN,
            facts: facts.or(Facts::from(&self.config.session)),
            model: model.reference.clone(),
            looked_with,
        };
        let folder = self.folder(id).map_err(|failure| failure.to_string())?;
        let settings = Settings {
            address: self.address.clone(),
            credentials: self.credentials.clone(),
            transport: self.config.camera.transport,
            stall: Duration::from_secs_f64(self.config.camera.stall_s),
            paused,
            patience: Duration::from_secs_f64(self.config.camera.reconnect_s),
            record: folder.clone().map(|folder| Record {
                folder,
                piece: Duration::from_secs_f64(self.config.camera.piece_s),
                full: self.post.full(),
            }),
        };
        tracing::info!(camera = self.number, session = %id, address = %self.address, "a session begins");
        let mut recorder = Recorder::new(self.store.clone(), subject);
        let mut noted: Option<Instant> = None;
        let look = Look { what: What::Camera(settings, over), identity, model, rate_hz };
        // The camera ends it, in its own time: nothing that was seen is left out.
        let looked = analysis::look(&look, &Stop::new(), &mut |finding| {
            match &finding {
                Finding::Progress { position_s, .. } => self.post.reached(self.number, *position_s),
                Finding::Health(health) if noted.is_none_or(|at| at.elapsed() >= HEALTH) => {
                    noted = Some(Instant::now());
                    self.note(Some(id), health);
                }
                _ => {}
            }
            recorder.take(finding)
        });
        let reason = self.post.current(self.number).and_then(|current| current.reason);
        let reason =
            reason.unwrap_or(if self.stop.is_cancelled() { "the program was stopped" } else { "the source ended" });
        let ended = match looked {
            Ok(outcome) if outcome.frames == 0 => {
                tracing::info!(camera = self.number, session = %id, reason, "ended without a picture");
                Ok(None)
            }
            Ok(outcome) => recorder.ended(reason).finish(&outcome).map(Some),
            Err(LookError::Unreadable { why, seen }) => recorder.ended(reason).break_off(&why, seen.as_deref()),
            Err(LookError::Model { why } | LookError::Failed { why }) => {
                let ended = recorder.ended("the analysis failed").break_off(&why, None);
                tracing::error!(camera = self.number, session = %id, why, "the analysis failed");
                ended
            }
            Err(LookError::Sink(error)) => Err(error),
        };
        if let Some(folder) = folder {
            // Nothing was recorded.
            let _ = std::fs::remove_dir(folder);
        }
        match ended {
            Ok(Some(summary)) => {
                let (pauses, defects) = (summary.pauses, summary.defects);
                tracing::info!(camera = self.number, session = %id, pauses, defects, reason, "a session has ended");
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Where the session's video goes, if it is to be recorded.
    fn folder(&self, id: RecordId) -> Result<Option<PathBuf>, fieldeye_base::exit::Failure> {
        if !self.config.camera.record {
            return Ok(None);
        }
        let root = self.store.media().root().join("video");
        sqlite::private_dir(&root)?;
        let folder = root.join(id.to_string());
        sqlite::private_dir(&folder)?;
        Ok(Some(folder))
    }

    fn note(&self, session: Option<RecordId>, health: &Health) {
        let Health { frames, dropped, connections, gone } = health;
        let text = json!({
            "address": self.address.to_string(),
            "session": session.map(|id| id.to_string()),
            "frames": frames,
            "dropped": dropped,
            "connections": connections,
            "gone": gone,
            "at_ms": clock::now_ms(),
        });
        let (key, text) = (health_key(self.number), text.to_string());
        let written: Result<(), StoreError> =
            self.store.write_blocking("note how a camera is doing", move |tx| meta::set(tx, &key, &text));
        if let Err(error) = written {
            tracing::warn!(%error, "how the camera is doing can't be written down");
        }
    }
}
