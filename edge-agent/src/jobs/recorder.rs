//! From findings to records: one session, written down as it is discovered.
//!
//! Each finding is one transaction. When the same file is looked at again (after a crash, or by a newer program), the
//! ids are the same, so equal findings change nothing, and what a complete look does not find any more is withdrawn.

use crate::analysis::findings::{DefectFound, Finding, Identity, Keyframe, Missing, Outcome, PauseFound, SourceInfo};
use crate::capture::camera::Piece;
use crate::jobs::date::Date;
use crate::jobs::facts::Facts;
use crate::store::media::Kept;
use crate::store::outbox::{self, Lane};
use crate::store::records::{self, Draft};
use crate::store::sessions::{self, Ended, Status};
use crate::store::{Store, StoreError, blobs, footage};
use fieldeye_protocol::body::{
    DefectBody, FrameBody, GapBody, ModelRef, PauseBody, SessionBody, SessionStatus, Severity,
};
use fieldeye_protocol::digest::Digest;
use fieldeye_protocol::record::{Parents, RecordId, RecordKind};
use rusqlite::Transaction;
use serde_json::json;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// A live session is told how far it is at most this often.
const REACHED: Duration = Duration::from_secs(1);

/// What is known of a session before its first frame.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Where ids come from.
    pub(crate) identity: Identity,
    /// Names of its files, in their order: one, unless the camera split the recording; of a camera its address.
    pub(crate) files: Vec<String>,
    /// When the inspection took place, as well as can be told from the file.
    pub(crate) date: Date,
    /// What people said about it.
    pub(crate) facts: Facts,
    /// The model that looks for defects.
    pub(crate) model: ModelRef,
    /// Program, model and settings, as a text that another look compares with its own.
    pub(crate) looked_with: String,
}

/// What a look at a video came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The session.
    pub(crate) session: RecordId,
    /// Pauses found.
    pub(crate) pauses: u64,
    /// Defects found.
    pub(crate) defects: u64,
    /// Why a part could not be looked at, if so.
    pub(crate) gap: Option<String>,
}

/// Writes down one session. Its methods block: they wait for the disk.
#[derive(Debug)]
pub(crate) struct Recorder {
    store: Store,
    subject: Subject,
    session: RecordId,
    info: Option<SourceInfo>,
    /// Everything that this look said.
    found: HashSet<RecordId>,
    pauses: HashSet<RecordId>,
    defects: HashSet<RecordId>,
    idle: Vec<[f64; 2]>,
    position_s: f64,
    frames: u64,
    gap: Option<String>,
    /// When it was noted how far a live session is.
    noted: Option<Instant>,
    ended: Option<&'static str>,
}

impl Recorder {
    /// Begins with a session of which nothing was seen yet.
    pub(crate) fn new(store: Store, subject: Subject) -> Self {
        let session = subject.identity.id(&RecordKind::Session, 0.0, "");
        Self {
            store,
            subject,
            session,
            info: None,
            found: HashSet::new(),
            pauses: HashSet::new(),
            defects: HashSet::new(),
            idle: Vec::new(),
            position_s: 0.0,
            frames: 0,
            gap: None,
            noted: None,
            ended: None,
        }
    }

    /// Writes a finding down; when this returns, it is durable.
    pub(crate) fn take(&mut self, finding: Finding) -> Result<(), StoreError> {
        match finding {
            Finding::Opened(info) => self.open(info),
            Finding::Pause(pause) => self.pause(&pause),
            Finding::Defect(defect) => self.defect(&defect),
            Finding::Idle { start_s, end_s } => {
                self.idle.push([start_s, end_s]);
                Ok(())
            }
            Finding::Gap { start_s, end_s, what, reason } => self.gap(start_s, end_s, what, &reason),
            Finding::Recorded(piece) => self.piece(&piece),
            Finding::Health(_) => Ok(()),
            Finding::Progress { position_s, frames } => {
                (self.position_s, self.frames) = (position_s, frames);
                self.reached()
            }
        }
    }

    /// Says why a live session has ended.
    pub(crate) fn ended(self, reason: &'static str) -> Self {
        Self { ended: Some(reason), ..self }
    }

    /// The video was looked at to its end.
    pub(crate) fn finish(mut self, outcome: &Outcome) -> Result<Summary, StoreError> {
        self.info = Some(outcome.source.clone());
        (self.position_s, self.frames) = (outcome.duration_s, outcome.frames);
        self.close(Status::Closed)
    }

    /// The video can't be read further; `seen` is what was read before that, where it is known. `None` when nothing of
    /// it could be read at all.
    pub(crate) fn break_off(mut self, why: &str, seen: Option<&Outcome>) -> Result<Option<Summary>, StoreError> {
        if let Some(seen) = seen {
            (self.position_s, self.frames) = (seen.duration_s, seen.frames);
        }
        let Some(info) = &self.info else { return Ok(None) };
        let start_s = self.position_s;
        let end_s = info.duration_s.unwrap_or(start_s).max(start_s);
        self.gap(start_s, end_s, Missing::Analysis, why)?;
        self.close(Status::Interrupted).map(Some)
    }

    fn open(&mut self, info: SourceInfo) -> Result<(), StoreError> {
        self.info = Some(info);
        if matches!(self.subject.identity, Identity::Live { .. }) {
            self.subject.date = Date::of_device(&self.store.at());
        }
        let draft = self.session_draft(SessionStatus::Open);
        let (id, source, content, at) = (self.session, self.source(), self.content(), self.store.at());
        self.write("begin a session", move |tx| {
            sessions::begin(tx, id, &source, content.as_ref(), at.wall.as_millisecond())?;
            // What an earlier look said at its end stands until this one ends.
            if !records::exists(tx, id)? {
                records::put(tx, &draft, &at, Lane::Backlog)?;
            }
            Ok(())
        })
    }

    fn pause(&mut self, pause: &PauseFound) -> Result<(), StoreError> {
        let PauseFound { id, start_s, end_s, confidence, keyframe } = pause;
        let body = PauseBody {
            start_s: *start_s,
            end_s: *end_s,
            confidence: *confidence,
            keyframe_s: keyframe.timestamp_s,
            frame_id: Some(keyframe.id),
        };
        let parents = Parents { session: Some(self.session), frame: Some(keyframe.id) };
        let draft = Draft::new(*id, RecordKind::Pause, parents, &body);
        self.with_frame("write a pause", keyframe, draft, Lane::Backlog)?;
        self.pauses.insert(*id);
        Ok(())
    }

    fn defect(&mut self, defect: &DefectFound) -> Result<(), StoreError> {
        let body = DefectBody {
            defect_type: defect.defect_type.clone(),
            severity: defect.severity,
            confidence: defect.confidence,
            bounding_box: defect.bounding_box,
            first_s: defect.first_s,
            last_s: defect.last_s,
            pause_id: defect.pause_id,
            model: self.subject.model.clone(),
        };
        let parents = Parents { session: Some(self.session), frame: Some(defect.keyframe.id) };
        let draft = Draft::new(defect.id, RecordKind::Defect, parents, &body);
        let lane = if defect.severity == Severity::Critical { Lane::Urgent } else { Lane::Backlog };
        self.with_frame("write a defect", &defect.keyframe, draft, lane)?;
        self.defects.insert(defect.id);
        Ok(())
    }

    /// Keeps the picture, then writes its record and the one that is about it. With something urgent, the session
    /// goes ahead too: without it nobody knows where to look.
    fn with_frame(
        &mut self,
        what: &'static str,
        keyframe: &Keyframe,
        draft: Draft,
        lane: Lane,
    ) -> Result<(), StoreError> {
        let kept: Kept = self.store.media().keep_jpeg(&keyframe.jpeg)?;
        let frame = FrameBody {
            frame_number: keyframe.frame_number,
            timestamp_s: keyframe.timestamp_s,
            width: keyframe.width,
            height: keyframe.height,
            blob: Some(blobs::reference(&kept)),
        };
        let parents = Parents { session: Some(self.session), frame: None };
        let frame = Draft::new(keyframe.id, RecordKind::Frame, parents, &frame);
        self.found.extend([draft.id, keyframe.id]);
        let (session, at) = (self.session, self.store.at());
        self.write(what, move |tx| {
            if lane == Lane::Urgent {
                outbox::promote(tx, &session.to_string())?;
            }
            records::put(tx, &frame, &at, lane)?;
            blobs::keep(tx, &kept, frame.id, lane)?;
            records::put(tx, &draft, &at, lane).map(drop)
        })
    }

    /// A piece of a live recording is closed: from here on it may be evicted.
    fn piece(&self, piece: &Piece) -> Result<(), StoreError> {
        let (session, piece) = (self.session, piece.clone());
        let root = self.store.media().root().to_path_buf();
        self.write("note a piece of video", move |tx| footage::add(tx, &root, session, &piece))
    }

    /// A live session is told how far it is, now and then: it may be ended by a power cut.
    fn reached(&mut self) -> Result<(), StoreError> {
        if !matches!(self.subject.identity, Identity::Live { .. })
            || self.noted.is_some_and(|at| at.elapsed() < REACHED)
        {
            return Ok(());
        }
        self.noted = Some(Instant::now());
        let (session, reached_s) = (self.session, self.position_s);
        self.write("note how far a session is", move |tx| sessions::reached(tx, session, reached_s))
    }

    fn gap(&mut self, start_s: f64, end_s: f64, what: Missing, reason: &str) -> Result<(), StoreError> {
        let id = self.subject.identity.id(&RecordKind::Gap, start_s, what.as_str());
        let body = GapBody { start_s, end_s, what: what.as_str().to_owned(), reason: reason.to_owned() };
        let parents = Parents { session: Some(self.session), frame: None };
        let draft = Draft::new(id, RecordKind::Gap, parents, &body);
        self.found.insert(id);
        self.gap.get_or_insert_with(|| reason.to_owned());
        let at = self.store.at();
        self.write("write a gap", move |tx| records::put(tx, &draft, &at, Lane::Backlog).map(drop))
    }

    fn close(self, status: Status) -> Result<Summary, StoreError> {
        let draft = self.session_draft(match status {
            Status::Closed => SessionStatus::Closed,
            Status::Interrupted | Status::Open => SessionStatus::Interrupted,
        });
        let summary = Summary {
            session: self.session,
            pauses: self.pauses.len() as u64,
            defects: self.defects.len() as u64,
            gap: self.gap.clone(),
        };
        let (at, session) = (self.store.at(), self.session);
        let (pauses, defects, looked_with) = (summary.pauses, summary.defects, self.subject.looked_with);
        let (found, ended) = (self.found, Ended { status, pauses, defects, looked_with });
        let withdrawn = self.store.write_blocking("end a session", move |tx| {
            // A look that was broken off says nothing about what it did not reach.
            let complete = status == Status::Closed;
            let withdrawn = if complete { records::void_missing(tx, session, &found, &at)? } else { 0 };
            records::put(tx, &draft, &at, Lane::Backlog)?;
            sessions::end(tx, session, &ended, at.wall.as_millisecond())?;
            Ok(withdrawn)
        })?;
        if withdrawn > 0 {
            tracing::info!(%session, withdrawn, "findings of an earlier look were withdrawn");
        }
        Ok(summary)
    }

    fn session_draft(&self, status: SessionStatus) -> Draft {
        let Subject { files, date, facts, .. } = &self.subject;
        let facts = facts.clone();
        let (width, height, fps) = self.info.as_ref().map_or((0, 0, 0.0), |info| (info.width, info.height, info.fps));
        let idle: Vec<_> =
            self.idle.iter().map(|[start_s, end_s]| json!({"start_s": start_s, "end_s": end_s})).collect();
        let mut metadata = json!({ "time_quality": date.quality.as_str(), "idle": idle });
        if files.len() > 1 {
            metadata["files"] = json!(files);
        }
        if let Some(reason) = self.ended {
            metadata["ended"] = json!(reason);
        }
        let ended = status != SessionStatus::Open;
        let body = SessionBody {
            status,
            technician_id: facts.technician_id,
            vehicle_id: facts.vehicle_id,
            equipment_type: facts.equipment_type,
            date: date.at,
            duration_s: if ended { self.position_s } else { 0.0 },
            total_frames: if ended { self.frames } else { 0 },
            pause_count: if ended { self.pauses.len() as u64 } else { 0 },
            camera_model: facts.camera_model,
            mount_type: facts.mount_type,
            source: self.source(),
            source_sha256: self.content(),
            width,
            height,
            fps,
            metadata,
        };
        Draft::new(self.session, RecordKind::Session, Parents::default(), &body)
    }

    /// How the recording is called: by its first file.
    fn source(&self) -> String {
        self.subject.files.first().cloned().unwrap_or_default()
    }

    fn content(&self) -> Option<Digest> {
        match self.subject.identity {
            Identity::File(content) => Some(content),
            Identity::Live { .. } => None,
        }
    }

    fn write<F>(&self, what: &'static str, work: F) -> Result<(), StoreError>
    where
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<()> + Send + 'static,
    {
        self.store.write_blocking(what, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::findings::Timing;
    use crate::store::Opening;
    use fieldeye_protocol::body::BoundingBox;
    use fieldeye_protocol::record::Record;

    fn identity() -> Identity {
        Identity::File(Digest::of(b"the video"))
    }

    fn recorder(store: &Store) -> Recorder {
        let model = ModelRef { name: "m".into(), version: "1".into(), sha256: "0".into() };
        let facts = Facts { technician_id: Some("t-1".into()), ..Facts::default() };
        let looked_with = "this test".into();
        let date = Date::UNKNOWN;
        let subject = Subject { identity: identity(), files: vec!["a.mp4".into()], date, facts, model, looked_with };
        Recorder::new(store.clone(), subject)
    }

    fn info() -> SourceInfo {
        SourceInfo { width: 640, height: 360, fps: 30.0, duration_s: Some(20.0) }
    }

    fn keyframe(at: f64) -> Keyframe {
        let jpeg = format!("jpeg of {at}").into_bytes().into();
        let id = identity().id(&RecordKind::Frame, at, "");
        Keyframe { id, frame_number: (at * 30.0) as u64, timestamp_s: at, width: 640, height: 360, jpeg }
    }

    fn pause(at: f64) -> Finding {
        let id = identity().id(&RecordKind::Pause, at, "");
        Finding::Pause(PauseFound { id, start_s: at, end_s: at + 2.0, confidence: 0.9, keyframe: keyframe(at + 1.0) })
    }

    fn defect(at: f64, severity: Severity, confidence: f64) -> Finding {
        Finding::Defect(DefectFound {
            id: identity().id(&RecordKind::Defect, at, ""),
            defect_type: "torque_stripe_missing".into(),
            severity,
            confidence,
            bounding_box: BoundingBox { x: 1.0, y: 2.0, width: 3.0, height: 4.0 },
            first_s: at,
            last_s: at + 1.0,
            pause_id: None,
            keyframe: keyframe(at + 1.0),
        })
    }

    fn outcome() -> Outcome {
        Outcome { source: info(), frames: 600, skim: None, duration_s: 20.0, timing: Timing::default(), complete: true }
    }

    fn open(dir: &tempfile::TempDir) -> Store {
        Store::open(dir.path(), None, Opening::Start).expect("opened")
    }

    fn outbox(store: &Store, lane: Lane) -> Vec<Record> {
        let rows = store.write_blocking("look", move |tx| outbox::next(tx, lane, 0, 100, 1 << 20)).expect("read");
        rows.into_iter().map(|(_, record)| record.expect("readable")).collect()
    }

    fn everything_stored(store: &Store) {
        let work = |tx: &Transaction<'_>| {
            let seqs: Vec<u64> = tx
                .prepare("SELECT seq FROM outbox")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            seqs.into_iter().try_for_each(|seq| outbox::stored(tx, seq).map(drop))
        };
        store.write_blocking("answer", work).expect("answered");
    }

    fn kinds(records: &[Record]) -> Vec<&str> {
        records.iter().map(|record| record.kind.as_str()).collect()
    }

    #[test]
    fn a_session_is_said_in_order_and_closed_with_its_counts() {
        let dir = tempfile::tempdir().expect("dir");
        let store = open(&dir);
        let mut recorder = recorder(&store);
        for finding in [Finding::Opened(info()), pause(3.0), Finding::Idle { start_s: 8.0, end_s: 12.0 }, pause(14.0)] {
            recorder.take(finding).expect("written");
        }
        let said = outbox(&store, Lane::Backlog);
        assert_eq!(kinds(&said), ["session", "frame", "pause", "frame", "pause"]);
        assert_eq!(said[0].body["status"], "open");
        assert_eq!(said[2].parents, Parents { session: Some(said[0].id), frame: Some(said[1].id) });
        let digest = Digest::parse(said[1].body["blob"]["sha256"].as_str().expect("text")).expect("digest");
        let size = said[1].body["blob"]["size"].as_u64().expect("number");
        let look = store.media().look(&format!("keyframes/{digest}.jpg"), size, &digest);
        assert_eq!(look, crate::store::media::Look::Good, "the picture is there before its record");
        let summary = recorder.finish(&outcome()).expect("closed");
        assert_eq!((summary.pauses, summary.defects, summary.gap), (2, 0, None));
        let last = outbox(&store, Lane::Backlog).pop().expect("session");
        assert_eq!((last.kind, last.rev), (RecordKind::Session, 2));
        let body: SessionBody = serde_json::from_value(last.body).expect("session");
        assert_eq!((body.status, body.pause_count, body.total_frames), (SessionStatus::Closed, 2, 600));
        assert_eq!(body.metadata["idle"][0]["end_s"], 12.0);
        assert_eq!((body.technician_id.as_deref(), body.source.as_str()), (Some("t-1"), "a.mp4"));
    }

    #[test]
    fn something_critical_overtakes_with_all_it_needs() {
        let dir = tempfile::tempdir().expect("dir");
        let store = open(&dir);
        let mut recorder = recorder(&store);
        let findings = [
            Finding::Opened(info()),
            pause(3.0),
            defect(9.0, Severity::Warning, 0.5),
            defect(3.0, Severity::Critical, 0.9),
        ];
        for finding in findings {
            recorder.take(finding).expect("written");
        }
        assert_eq!(kinds(&outbox(&store, Lane::Urgent)), ["session", "frame", "defect"]);
        assert_eq!(kinds(&outbox(&store, Lane::Backlog)), ["pause", "frame", "defect"]);
        recorder.take(defect(3.0, Severity::Critical, 0.95)).expect("seen better");
        let urgent = outbox(&store, Lane::Urgent);
        assert_eq!(urgent.last().map(|record| (record.rev, record.body["confidence"].clone())), Some((2, json!(0.95))));
        assert_eq!(recorder.finish(&outcome()).expect("closed").defects, 2, "one thing seen twice is one defect");
    }

    #[test]
    fn a_second_look_sends_only_what_differs() {
        let dir = tempfile::tempdir().expect("dir");
        let mut first = recorder(&open(&dir));
        for finding in [Finding::Opened(info()), pause(3.0), defect(3.0, Severity::Critical, 0.9)] {
            first.take(finding).expect("written");
        }
        // The program dies here and starts again.
        drop(first);
        let store = open(&dir);
        everything_stored(&store);
        let mut second = recorder(&store);
        for finding in [Finding::Opened(info()), pause(3.0)] {
            second.take(finding).expect("written");
        }
        assert_eq!(outbox(&store, Lane::Urgent).len() + outbox(&store, Lane::Backlog).len(), 0, "nothing new");
        second.finish(&outcome()).expect("closed");
        let said = outbox(&store, Lane::Backlog);
        assert_eq!(kinds(&said), ["defect", "session"]);
        assert!(said[0].void && said[0].rev == 2 && !said[1].void, "what is not found any more is withdrawn");
    }

    #[test]
    fn what_can_be_read_stays_and_the_rest_is_a_gap() {
        let dir = tempfile::tempdir().expect("dir");
        let store = open(&dir);
        let nothing = recorder(&store).break_off("not a video", None).expect("written");
        assert_eq!((nothing, outbox(&store, Lane::Backlog).len()), (None, 0));
        let mut recorder = recorder(&store);
        for finding in [Finding::Opened(info()), pause(3.0), Finding::Progress { position_s: 7.5, frames: 225 }] {
            recorder.take(finding).expect("written");
        }
        let summary =
            recorder.break_off("the file ends in the middle", None).expect("written").expect("a part was read");
        assert_eq!(summary.gap.as_deref(), Some("the file ends in the middle"));
        let said = outbox(&store, Lane::Backlog);
        assert_eq!(kinds(&said), ["frame", "pause", "gap", "session"]);
        assert_eq!((&said[2].body["start_s"], &said[2].body["end_s"]), (&json!(7.5), &json!(20.0)));
        assert_eq!(said[3].body["status"], "interrupted");
    }
}
