//! What a person at a terminal sees meanwhile. Nothing where standard error is not a terminal.

use crate::cmd::bar_style;
use crate::store::jobs::Job;
use crate::store::outbox::Depth;
use fieldeye_base::console;
use fieldeye_base::instance::Holder;
use indicatif::ProgressBar;
use std::path::Path;

/// Steps of the bar for each file.
const STEPS: f64 = 1000.0;

/// The progress bar.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
    files: usize,
}

impl Bar {
    /// Begins with `files` files.
    pub(super) fn new(files: usize) -> Self {
        let bar = ProgressBar::new(files as u64 * STEPS as u64);
        bar.set_style(bar_style("[{bar:30}] {percent:>3}%  {msg}"));
        Self { bar, files }
    }

    /// Shows how the files stand. `running` is what is worked on now, which may be somebody else's file.
    pub(super) fn show(&self, jobs: &[Job], running: Option<&Job>, holder: Option<&Holder>) {
        let share: f64 = jobs.iter().map(|job| if job.state.is_final() { 1.0 } else { job.progress }).sum();
        self.bar.set_position((share * STEPS) as u64);
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
        if let Some(holder) = holder {
            text += &format!(", by `{}` (process {})", holder.role, holder.pid);
        } else if share > 0.02 && done < self.files {
            text += &format!(", {} s left", self.bar.eta().as_secs());
        }
        self.say(&text);
    }

    /// Shows that the files are done and the hub is waited for.
    pub(super) fn wait_for_hub(&self, waiting: &Depth) {
        self.bar.set_position(self.files as u64 * STEPS as u64);
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
