//! A live camera: frames come as long as it gives them, and when it comes back after it was gone.
//!
//! One connection is a pipeline ([`wire`]); [`Camera`] watches it, ends it when it breaks, stalls or changes its picture,
//! and connects again, each time a little later. Times run on over all connections: seconds from the first frame of all.
//! When the analysis can't keep up, the oldest frame is dropped and counted; the recording is not touched by that.

mod address;
mod wire;

pub(crate) use address::{Address, Credentials};

use super::frame::{Format, Frame};
use super::{running_time, seconds};
use fieldeye_base::backoff::Backoff;
use fieldeye_base::stop::{self, Stop};
use gstreamer::Sample;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use wire::{Wire, Word};

/// How long a look into the sink waits.
const PULL: Duration = Duration::from_millis(100);
/// A connection that lasted so long was a good one: the next wait is short again.
const GOOD: Duration = Duration::from_secs(10);

/// How a network camera's packets travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Transport {
    /// Inside the connection: nothing is lost on the way.
    #[default]
    Tcp,
    /// As datagrams: later by less, and some are lost.
    Udp,
}

/// What to connect to, and how.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where the camera is.
    pub(crate) address: Address,
    /// User and password, for network cameras that want them.
    pub(crate) credentials: Option<Credentials>,
    /// How packets travel.
    pub(crate) transport: Transport,
    /// A camera without a frame for so long is connected to anew.
    pub(crate) stall: Duration,
    /// Longest wait between two attempts to connect.
    pub(crate) patience: Duration,
    /// While this is set, it is neither looked at nor recorded.
    pub(crate) paused: Arc<AtomicBool>,
    /// Where the recording goes, if there is to be one.
    pub(crate) record: Option<Record>,
}

/// Where a recording goes.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// An existing folder of this recording's own.
    pub(crate) folder: PathBuf,
    /// Length of a piece.
    pub(crate) piece: Duration,
    /// There is no room: nothing is recorded while this is set.
    pub(crate) full: Arc<AtomicBool>,
}

/// A closed piece of a recording. Times are seconds from the first frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    /// Its file.
    pub(crate) file: PathBuf,
    /// Start.
    pub(crate) start_s: f64,
    /// End.
    pub(crate) end_s: f64,
    /// Bytes.
    pub(crate) size: u64,
}

impl Piece {
    /// The piece in a file that is not written to any more.
    pub(crate) fn of(file: PathBuf, start_s: f64, end_s: f64) -> Self {
        let size = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
        Self { file, start_s, end_s, size }
    }
}

/// A span without a picture. Times are seconds from the first frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Absence {
    /// Start.
    pub(crate) from_s: f64,
    /// End.
    pub(crate) until_s: f64,
    /// Why, one sentence.
    pub(crate) why: String,
}

/// What comes from a camera.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A frame.
    Frame(Box<Frame>),
    /// It is gone. Comes once for each time that it is gone.
    Gone,
    /// It is back: its next frame is here. What was between is missing.
    Back(Absence),
    /// A piece of the recording is closed.
    Piece(Piece),
    /// Nothing new; whoever waits may look around.
    Nothing,
    /// It was told to end, or the file that is played has ended.
    End,
}

/// How a camera is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Health {
    /// Frames that were given.
    pub(crate) frames: u64,
    /// Frames that the analysis was too slow for.
    pub(crate) dropped: u64,
    /// Connections so far.
    pub(crate) connections: u64,
    /// Why there is no picture now, if there is none.
    pub(crate) gone: Option<String>,
}

/// A camera that is being watched.
#[derive(Debug)]
pub(crate) struct Camera {
    settings: Settings,
    over: Stop,
    state: State,
    backoff: Backoff,
    pieces: Arc<AtomicU32>,
    /// What is told before anything else.
    owed: VecDeque<Seen>,
    /// When the first frame of all came.
    began: Option<Instant>,
    /// End of the newest frame, seconds.
    end_s: f64,
    /// Time of the newest frame, seconds.
    newest_s: Option<f64>,
    /// End of the newest piece, seconds.
    piece_end_s: f64,
    /// The newest piece that was told.
    told_piece: Option<PathBuf>,
    size: Option<(u32, u32)>,
    /// Why it is gone.
    lost: Option<String>,
    health: Health,
    /// Frames that were dropped by connections that are over.
    dropped_before: u64,
}

#[derive(Debug)]
enum State {
    /// Connected, and since when.
    On(Box<On>),
    /// To be connected at this moment.
    Off(Instant),
    /// Over.
    Ended,
}

#[derive(Debug)]
struct On {
    wire: Wire,
    format: Option<Format>,
    since: Instant,
    /// When the newest frame came, or the connection began.
    heard: Instant,
    /// Seconds of the session at the pipeline's zero, known from its first frame on.
    offset_s: Option<f64>,
    pulled: u64,
}

impl Camera {
    /// A camera that will be connected to. It ends when `over` is cancelled.
    pub(crate) fn new(settings: Settings, over: Stop) -> Self {
        let backoff = Backoff::new(settings.patience);
        Self {
            settings,
            over,
            state: State::Off(Instant::now()),
            backoff,
            pieces: Arc::default(),
            owed: VecDeque::new(),
            began: None,
            end_s: 0.0,
            newest_s: None,
            piece_end_s: 0.0,
            told_piece: None,
            size: None,
            lost: None,
            health: Health::default(),
            dropped_before: 0,
        }
    }

    /// How it is doing.
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// Waits for what comes next, a fraction of a second.
    pub(crate) fn next(&mut self) -> Seen {
        if let Some(seen) = self.owed.pop_front() {
            return seen;
        }
        let paused = self.settings.paused.load(Ordering::Relaxed);
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => Seen::End,
            state if self.over.is_cancelled() => self.end(state),
            State::On(on) if paused => self.leave(*on, "the session was paused by hand"),
            State::On(on) if self.is_full() && on.wire.records() => {
                self.leave(*on, "the connection was made anew to go on without a recording: the disk is full")
            }
            State::On(on) if self.settings.record.is_some() && !self.is_full() && !on.wire.records() => {
                self.leave(*on, "the connection was made anew to go on with the recording: there is room again")
            }
            State::Off(_) if paused => {
                self.state = State::Off(Instant::now());
                stop::rest(&self.over, PULL);
                Seen::Nothing
            }
            State::Off(when) => self.wait_to_connect(when),
            State::On(on) => self.listen(on),
        }
    }

    /// Whether there is no room for a recording that is wanted.
    fn is_full(&self) -> bool {
        self.settings.record.as_ref().is_some_and(|record| record.full.load(Ordering::Relaxed))
    }

    fn wait_to_connect(&mut self, when: Instant) -> Seen {
        let left = when.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            stop::rest(&self.over, left.min(PULL));
            self.state = State::Off(when);
            return Seen::Nothing;
        }
        let pieces = Arc::clone(&self.pieces);
        let folder = self.settings.record.as_ref().map(|record| record.folder.clone()).unwrap_or_default();
        let next_piece = move || piece_file(&folder, pieces.fetch_add(1, Ordering::Relaxed) + 1);
        self.health.connections += 1;
        let full = self.is_full();
        let settings = Settings { record: self.settings.record.clone().filter(|_| !full), ..self.settings.clone() };
        match Wire::connect(&settings, next_piece) {
            Ok(wire) => {
                let now = Instant::now();
                let on = On { wire, format: None, since: now, heard: now, offset_s: None, pulled: 0 };
                self.state = State::On(Box::new(on));
                Seen::Nothing
            }
            Err(error) => self.gone(&error.why),
        }
    }

    fn listen(&mut self, mut on: Box<On>) -> Seen {
        let sample = on.wire.pull(PULL);
        let mut over = None;
        for word in on.wire.words() {
            match word {
                Word::Piece(file, end) => self.piece(&on, file, end),
                Word::Broken(why) => over = Some(Some(why)),
                Word::End => over = Some(None),
            }
        }
        let seen = match sample {
            Some(sample) => match self.frame(&mut on, &sample) {
                Ok(seen) => Some(seen),
                Err(why) => {
                    over = Some(Some(why));
                    None
                }
            },
            None if over.is_none() && on.heard.elapsed() > self.settings.stall => {
                over = Some(Some(format!("it gave no picture for {} s", self.settings.stall.as_secs_f64())));
                None
            }
            None => None,
        };
        let played = matches!(self.settings.address, Address::Played(_));
        match over {
            // What is still in the sink comes before the end.
            None => self.state = State::On(on),
            Some(None) if seen.is_some() => self.state = State::On(on),
            Some(None) if played => {
                self.hang_up(*on, false);
                self.owed.push_back(Seen::End);
            }
            Some(why) => {
                if on.since.elapsed() > GOOD {
                    self.backoff.reset();
                }
                self.hang_up(*on, false);
                let gone = self.gone(why.as_deref().unwrap_or("it ended the stream"));
                self.owed.push_back(gone);
            }
        }
        seen.unwrap_or_else(|| self.first_owed())
    }

    /// Ends all of it, as it was told to.
    fn end(&mut self, state: State) -> Seen {
        if let State::On(on) = state {
            self.hang_up(*on, true);
        }
        // It did not come back in time.
        if let (Some(why), Some(began)) = (self.lost.take(), self.began) {
            let until_s = began.elapsed().as_secs_f64().max(self.end_s);
            self.owed.push_back(Seen::Back(Absence { from_s: self.end_s, until_s, why }));
        }
        self.owed.push_back(Seen::End);
        self.first_owed()
    }

    fn first_owed(&mut self) -> Seen {
        self.owed.pop_front().unwrap_or(Seen::Nothing)
    }

    /// Ends a connection in good order; a sentence says why. The next one is made at once.
    fn leave(&mut self, on: On, why: &str) -> Seen {
        self.hang_up(on, true);
        self.state = State::Off(Instant::now());
        let seen = self.lose(why.to_owned());
        self.owed.push_back(seen);
        self.first_owed()
    }

    /// Ends a connection. `close` waits for the recorder; one that broke is closed by the pipeline's end alone.
    fn hang_up(&mut self, on: On, close: bool) {
        self.dropped_before += on.wire.dropped(on.pulled);
        let words = if close { on.wire.close() } else { on.wire.words() };
        for word in words {
            if let Word::Piece(file, end) = word {
                self.piece(&on, file, end);
            }
        }
        drop(on);
        // A piece that nobody has closed is whole up to its last fragment, and takes room like the others.
        let open = self.newest_piece().filter(|file| self.told_piece.as_ref() != Some(file) && file.exists());
        if let Some(file) = open {
            self.told(file, self.end_s);
        }
    }

    /// The file of the piece that was begun last.
    fn newest_piece(&self) -> Option<PathBuf> {
        let record = self.settings.record.as_ref()?;
        let number = Some(self.pieces.load(Ordering::Relaxed)).filter(|number| *number > 0)?;
        Some(piece_file(&record.folder, number))
    }

    /// Notes that there is no picture, and when to try again; half a sentence says why.
    fn gone(&mut self, why: &str) -> Seen {
        self.state = State::Off(Instant::now() + self.backoff.next_delay());
        self.lose(format!("the camera was gone: {why}"))
    }

    /// Notes that there is no picture; a sentence says why.
    fn lose(&mut self, why: String) -> Seen {
        let first = self.lost.is_none();
        self.health.gone = Some(why.clone());
        if first {
            tracing::warn!(camera = %self.settings.address, why, "the camera is gone");
            self.lost = Some(why);
            Seen::Gone
        } else {
            Seen::Nothing
        }
    }

    fn piece(&mut self, on: &On, file: PathBuf, end: f64) {
        let end_s = on.offset_s.map_or(self.end_s, |offset| (end + offset).max(0.0));
        self.told(file, end_s);
    }

    /// A piece that began where the one before it ended is told.
    fn told(&mut self, file: PathBuf, end_s: f64) {
        let start_s = std::mem::replace(&mut self.piece_end_s, end_s).min(end_s);
        self.told_piece = Some(file.clone());
        self.owed.push_back(Seen::Piece(Piece::of(file, start_s, end_s)));
    }

    fn frame(&mut self, on: &mut On, sample: &Sample) -> Result<Seen, String> {
        on.heard = Instant::now();
        on.pulled += 1;
        let orientation = fieldeye_vision::picture::Orientation::default;
        let format = Format::of(&mut on.format, sample, orientation)?;
        let buffer = sample.buffer_owned().ok_or("a picture of it is empty")?;
        let running_s = running_time(sample, &buffer).map(seconds).ok_or("its pictures carry no time")?;
        let offset_s = match on.offset_s {
            Some(offset) => offset,
            None => {
                let began = *self.began.get_or_insert_with(Instant::now);
                let now_s = began.elapsed().as_secs_f64().max(self.end_s);
                *on.offset_s.insert(now_s - running_s)
            }
        };
        let pts_s = running_s + offset_s;
        let length_s = format.length_s(&buffer);
        let frame = Frame::new(buffer, format, self.health.frames, pts_s, length_s)?;
        let size = frame.stored_size();
        if self.size.replace(size).is_some_and(|before| before != size) {
            let (width, height) = size;
            return Err(format!("it changed its picture to {width} x {height}"));
        }
        let from_s = self.end_s;
        let step_s = self.newest_s.replace(pts_s).map_or(0.0, |newest_s| (pts_s - newest_s).max(0.0));
        self.health.frames += 1;
        self.health.dropped = self.dropped_before + on.wire.dropped(on.pulled);
        self.end_s = self.end_s.max(pts_s + length_s.unwrap_or(step_s.min(1.0)));
        self.health.gone = None;
        Ok(match self.lost.take() {
            Some(why) if self.health.frames > 1 => {
                self.piece_end_s = pts_s;
                self.owed.push_back(Seen::Frame(Box::new(frame)));
                Seen::Back(Absence { from_s, until_s: pts_s, why })
            }
            _ => Seen::Frame(Box::new(frame)),
        })
    }
}

/// The file of a piece, counted from 1.
fn piece_file(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:05}.mp4"))
}

/// Closed and half-closed pieces in a recording's folder, in order.
pub(crate) fn pieces_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "mp4")).collect();
    files.sort();
    files
}
