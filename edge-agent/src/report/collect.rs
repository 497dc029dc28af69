//! From findings to an inspection.

use super::folder::Folder;
use super::inspection::{Defect, Gap, Inspection, Model, Pause, Picture, Skim, Span, Timing};
use crate::analysis::findings::{DefectFound, Finding, Keyframe, Outcome, PauseFound, SkimOutcome, thousandths};
use fieldeye_base::exit::Failure;

/// Takes findings as they come; pictures go to the folder at once, so that memory stays small.
#[derive(Debug)]
pub(crate) struct Collector {
    inspection: Inspection,
    folder: Option<Folder>,
}

impl Collector {
    /// Collects what is found in the file named `source`; without a folder, pictures are let go.
    pub(crate) fn new(source: String, model: Model, folder: Option<Folder>) -> Self {
        Self { inspection: Inspection::new(source, model), folder }
    }

    /// Takes a finding.
    pub(crate) fn take(&mut self, finding: Finding) -> Result<(), Failure> {
        match finding {
            Finding::Opened(info) => {
                self.folder.as_ref().map_or(Ok(()), Folder::begin)?;
                let it = &mut self.inspection;
                (it.width, it.height, it.fps) = (info.width, info.height, info.fps);
            }
            Finding::Pause(pause) => self.pause(&pause)?,
            Finding::Defect(defect) => self.defect(defect)?,
            Finding::Idle { start_s, end_s } => self.inspection.idle.push(Span { start_s, end_s }),
            Finding::Recorded(_) | Finding::Health(_) => {}
            Finding::Gap { start_s, end_s, reason, .. } => self.inspection.gaps.push(Gap { start_s, end_s, reason }),
            Finding::Progress { position_s, frames } => {
                (self.inspection.duration_s, self.inspection.frames) = (position_s, frames);
            }
        }
        Ok(())
    }

    /// The inspection as it stands at the end; `broken_off` is why the video could not be read further.
    pub(crate) fn finish(
        mut self,
        outcome: &Outcome,
        broken_off: Option<&str>,
        peak_rss_mb: Option<f64>,
    ) -> (Inspection, Option<Folder>) {
        let it = &mut self.inspection;
        let Outcome { source, frames, duration_s, timing, skim, .. } = outcome;
        (it.width, it.height, it.fps) = (source.width, source.height, thousandths(source.fps));
        (it.frames, it.duration_s) = (*frames, *duration_s);
        it.skim = skim.as_ref().map(|skim| match skim {
            SkimOutcome::Decoded(decoded) => Skim { decoded: *decoded, of: *frames, refused: None },
            SkimOutcome::Refused(why) => Skim { decoded: *frames, of: *frames, refused: Some(why.clone()) },
        });
        if let Some(reason) = broken_off {
            let end_s = source.duration_s.unwrap_or(*duration_s).max(*duration_s);
            it.gaps.push(Gap { start_s: *duration_s, end_s: thousandths(end_s), reason: reason.to_owned() });
        }
        it.timing = Timing {
            wall_s: thousandths(timing.wall_s),
            decode_s: thousandths(timing.decode_s),
            motion_s: thousandths(timing.motion_s),
            preprocess_s: thousandths(timing.preprocess_s),
            infer_s: thousandths(timing.infer_s),
            postprocess_s: thousandths(timing.postprocess_s),
            store_s: thousandths(timing.store_s),
            frames_per_s: (*frames as f64 / timing.wall_s.max(1e-3) * 10.0).round() / 10.0,
            peak_rss_mb,
        };
        (self.inspection, self.folder)
    }

    fn pause(&mut self, pause: &PauseFound) -> Result<(), Failure> {
        let PauseFound { id, start_s, end_s, confidence, keyframe } = pause;
        let number = self.inspection.pauses.len() + 1;
        let kept = self.keep('p', number, keyframe)?;
        self.inspection.pauses.push(Pause {
            id: *id,
            start_s: *start_s,
            end_s: *end_s,
            confidence: *confidence,
            keyframe_s: keyframe.timestamp_s,
            keyframe: kept,
            picture: picture(keyframe),
        });
        Ok(())
    }

    fn defect(&mut self, found: DefectFound) -> Result<(), Failure> {
        let known = self.inspection.defects.iter().position(|defect| defect.id == found.id);
        let index = known.unwrap_or(self.inspection.defects.len());
        let picture = picture(&found.keyframe);
        let before = known.map(|index| &self.inspection.defects[index]).filter(|before| before.picture == picture);
        let keyframe = match before {
            Some(before) => before.keyframe.clone(),
            None => self.keep('d', index + 1, &found.keyframe)?,
        };
        let defect = Defect {
            id: found.id,
            defect_type: found.defect_type,
            severity: found.severity,
            confidence: found.confidence,
            first_s: found.first_s,
            last_s: found.last_s,
            bounding_box: found.bounding_box,
            pause_id: found.pause_id,
            keyframe,
            picture,
        };
        match known {
            Some(index) => self.inspection.defects[index] = defect,
            None => self.inspection.defects.push(defect),
        }
        Ok(())
    }

    fn keep(&self, letter: char, number: usize, keyframe: &Keyframe) -> Result<Option<String>, Failure> {
        self.folder.as_ref().map(|folder| folder.keep(letter, number, &keyframe.jpeg)).transpose()
    }
}

fn picture(keyframe: &Keyframe) -> Picture {
    let Keyframe { id, timestamp_s, width, height, .. } = *keyframe;
    Picture { id, timestamp_s, width, height }
}
