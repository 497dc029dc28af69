//! What a person at a terminal sees meanwhile. Nothing where standard error is not a terminal.

use super::left::{self, Work};
use crate::cmd::bar_style;
use crate::store::jobs::Job;
use crate::store::outbox::Depth;
use fieldeye_base::console;
use fieldeye_base::instance::Holder;
use indicatif::ProgressBar;
use std::path::Path;
use std::time::Duration;

/// Steps of the bar.
const STEPS: f64 = 1000.0;

/// The progress bar.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
    work: Work,
    files: usize,
}

impl Bar {
    /// Begins with `files` files.
    pub(super) fn new(work: Work, files: usize) -> Self {
        let bar = ProgressBar::new(STEPS as u64);
        bar.set_style(bar_style("[{bar:30}] {percent:>3}%  {msg}"));
        Self { bar, work, files }
    }

    /// Shows how the files stand. `running` is what is worked on now, which may be somebody else's file.
    pub(super) fn show(&self, jobs: &[Job], running: Option<&Job>, holder: Option<&Holder>) {
        self.bar.set_position((self.work.share(jobs) * STEPS) as u64);
        let left = self.work.left(jobs, self.bar.elapsed());
        self.say(&self.text(jobs, running, holder, left));
    }

    fn text(&self, jobs: &[Job], running: Option<&Job>, holder: Option<&Holder>, left: Option<Duration>) -> String {
        let done = jobs.iter().filter(|job| job.state.is_final()).count();
        let name = running.map(|job| {
            let name = Path::new(&job.path).file_name().map(|name| name.to_string_lossy().into_owned());
            (jobs.iter().any(|own| own.id == job.id), name.unwrap_or_default())
        });
        let mut text = match name {
            Some((true, name)) => format!("file {} of {}: {name}", done + 1, self.files),
            Some((false, name)) => format!("before that: {name}"),
            None => format!("{done} of {} files done", self.files),
        };
        if let Some(left) = left {
            text += &format!(", {}", left::told(left));
        }
        if let Some(holder) = holder {
            text += &format!(", by `{}` (process {})", holder.role, holder.pid);
        }
        text
    }

    /// Shows that the files are done and the hub is waited for.
    pub(super) fn wait_for_hub(&self, waiting: &Depth) {
        self.bar.set_position(STEPS as u64);
        self.say(&format!("waiting for the hub: {waiting}"));
    }

    /// Takes the bar away while something else is printed.
    pub(super) fn hide_for(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn say(&self, text: &str) {
        self.bar.set_message(console::ascii(text));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::jobs::JobState;
    use crate::store::testing;

    #[test]
    fn a_person_reads_which_file_and_how_long_it_still_takes() {
        let job = |id: i64, state: JobState| testing::job(id, state, 0.5);
        let (jobs, other) = ([job(1, JobState::Done), job(2, JobState::Running)], job(9, JobState::Running));
        let bar = Bar::new(Work::new([(1, 10), (2, 10)]), 2);
        let left = Some(Duration::from_secs(150));
        assert_eq!(bar.text(&jobs, Some(&jobs[1]), None, left), "file 2 of 2: 2.mp4, 3 min left");
        assert_eq!(bar.text(&jobs, Some(&other), None, None), "before that: 9.mp4");
        assert_eq!(bar.text(&jobs, None, None, None), "1 of 2 files done");
        let holder = Holder { pid: "7".into(), role: "run".into() };
        assert_eq!(
            bar.text(&jobs, Some(&jobs[1]), Some(&holder), left),
            "file 2 of 2: 2.mp4, 3 min left, by `run` (process 7)"
        );
    }
}
