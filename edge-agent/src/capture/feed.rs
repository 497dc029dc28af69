//! Waiting for what a pipeline gives: the next sample, the end, or why there is none.

use super::pipeline::Pipeline;
use super::trouble::{self, Trouble};
use super::{Unreadable, boxes};
use fieldeye_base::stop::Stop;
use gstreamer::Sample;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time without a frame after which a decoder that is to stop is not waited for.
const SLOW: Duration = Duration::from_millis(500);
/// How long frames that were decoded before an error may still take to come.
const AFTER_ERROR: Duration = Duration::from_secs(2);
/// Time without anything after which the file itself is asked. An error that a demuxer meets while it is still being
/// plugged in is kept back by decodebin and parsebin, and nothing more comes.
const HUSH: Duration = Duration::from_secs(1);
/// How long a look into the sink waits.
const PULL: Duration = Duration::from_millis(50);

/// What a pipeline gave.
#[derive(Debug)]
pub(super) enum Fed {
    /// The next of its pieces.
    Sample(Sample),
    /// There are no more.
    End,
    /// The stop token was cancelled.
    Stopped,
}

/// How far its reader is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// Pieces taken.
    pub(super) pieces: u64,
    /// Time of the newest, where there was one.
    pub(super) newest_s: Option<f64>,
}

/// A pipeline that is being read from.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) pipeline: Pipeline,
    path: PathBuf,
    silence: Duration,
    trouble: Option<(Instant, Trouble)>,
}

impl Feed {
    /// Reads from `pipeline`, which reads from `path`. It is given up after `silence` without a word.
    pub(super) fn new(path: &Path, pipeline: Pipeline, silence: Duration) -> Self {
        Self { pipeline, path: path.to_path_buf(), silence, trouble: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next piece.
    pub(super) fn next(&mut self, stop: &Stop, progress: Progress) -> Result<Fed, Unreadable> {
        let began = Instant::now();
        let mut asked = progress.pieces > 0;
        loop {
            if stop.is_cancelled() {
                if began.elapsed() > SLOW {
                    self.pipeline.leave();
                }
                return Ok(Fed::Stopped);
            }
            if let Some(sample) = self.pipeline.pull(PULL) {
                return Ok(Fed::Sample(sample));
            }
            if self.trouble.is_none() {
                self.trouble = self.pipeline.trouble().map(|trouble| (Instant::now(), trouble));
            }
            let ended = self.pipeline.ended();
            match &self.trouble {
                // Nothing was decoded: nothing is on its way either.
                Some((_, trouble)) if progress.pieces == 0 && !self.pipeline.has_video() => {
                    return Err(trouble.sentence(&self.path, None));
                }
                Some((since, trouble)) if ended || since.elapsed() > AFTER_ERROR || began.elapsed() > self.silence => {
                    return Err(trouble.sentence(&self.path, progress.newest_s));
                }
                Some(_) => {}
                None if ended => return Ok(Fed::End),
                None if !asked && began.elapsed() > HUSH => {
                    asked = true;
                    if let Some(error) = trouble::hopeless(&self.path) {
                        return Err(error);
                    }
                }
                None if began.elapsed() > self.silence => {
                    self.pipeline.leave();
                    return Err(trouble::silence(&self.path, self.silence, progress.newest_s));
                }
                None => {}
            }
        }
    }

    /// Whether the end is the end of a whole video.
    pub(super) fn check_end(&self, progress: Progress, duration_s: Option<f64>) -> Result<(), Unreadable> {
        if progress.pieces == 0 {
            return Err(trouble::no_picture(&self.path));
        }
        // A demuxer takes the end of the file for the end of the video.
        if boxes::is_cut_off(&self.path) {
            return Err(trouble::cut_off(&self.path, progress.newest_s.unwrap_or(0.0), duration_s));
        }
        Ok(())
    }
}
