//! How long the rest will take, from how long the work so far took. Files count by their size; what was analysed before
//! or can't be read takes no time and does not count.

use crate::store::jobs::{Job, JobState};
use std::collections::HashMap;
use std::time::Duration;

/// Before that much of the work is done, nobody knows.
const ENOUGH: f64 = 0.02;
/// Before so long nobody knows either.
const SOON: Duration = Duration::from_secs(3);

/// Sizes of the files, by the numbers of their jobs.
#[derive(Debug)]
pub(super) struct Work {
    bytes: HashMap<i64, u64>,
}

impl Work {
    /// Of jobs and the sizes of their files, in bytes.
    pub(super) fn new(files: impl IntoIterator<Item = (i64, u64)>) -> Self {
        Self { bytes: files.into_iter().collect() }
    }

    /// Size of a job's file; one whose size nobody knows counts a little.
    fn bytes(&self, job: &Job) -> f64 {
        self.bytes.get(&job.id).map_or(1.0, |bytes| (*bytes).max(1) as f64)
    }

    /// How much is done, 0 to 1.
    pub(super) fn share(&self, jobs: &[Job]) -> f64 {
        let all: f64 = jobs.iter().map(|job| self.bytes(job)).sum();
        let done = |job: &Job| if job.state.is_final() { 1.0 } else { job.progress };
        let done: f64 = jobs.iter().map(|job| self.bytes(job) * done(job)).sum();
        if all > 0.0 { done / all } else { 1.0 }
    }

    /// How long the rest takes, when what is done took `elapsed`; `None` while that can't be told, and at the end.
    pub(super) fn left(&self, jobs: &[Job], elapsed: Duration) -> Option<Duration> {
        let (mut done, mut rest) = (0.0, 0.0);
        for job in jobs {
            let bytes = self.bytes(job);
            match job.state {
                JobState::Done => done += bytes,
                JobState::Running => {
                    done += bytes * job.progress;
                    rest += bytes * (1.0 - job.progress);
                }
                JobState::Waiting => rest += bytes,
                JobState::Known | JobState::Unreadable | JobState::BadModel | JobState::Failed => {}
            }
        }
        let known = rest > 0.0 && done / (done + rest) > ENOUGH && elapsed >= SOON;
        known.then(|| Duration::try_from_secs_f64(elapsed.as_secs_f64() * rest / done).ok()).flatten()
    }
}

/// A time that is still to come, for a person.
pub(super) fn told(left: Duration) -> String {
    let seconds = left.as_secs();
    match seconds {
        0..90 => format!("{seconds} s left"),
        90..5400 => format!("{} min left", (seconds + 30) / 60),
        _ => format!("{} h {:02} min left", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::job;

    #[test]
    fn a_large_file_takes_longer_than_a_small_one() {
        use JobState::{Done, Known, Running, Waiting};
        let work = Work::new([(1, 1000), (2, 3000), (3, 6000), (4, 90_000)]);
        let elapsed = Duration::from_secs(10);
        let jobs =
            |second: JobState, progress: f64| [job(1, Done, 1.0), job(2, second, progress), job(3, Waiting, 0.0)];
        assert_eq!(work.left(&jobs(Waiting, 0.0), elapsed), Some(Duration::from_secs(90)));
        assert_eq!(work.left(&jobs(Running, 0.5), elapsed), Some(Duration::from_secs(30)));
        assert!((work.share(&jobs(Running, 0.5)) - 0.25).abs() < 1e-9);
        assert_eq!(work.left(&jobs(Done, 1.0), elapsed), Some(Duration::from_secs(15)));
        let known = [job(4, Known, 1.0), job(1, Done, 1.0), job(3, Waiting, 0.0)];
        assert_eq!(work.left(&known, elapsed), Some(Duration::from_mins(1)), "what was known took no time");
    }

    #[test]
    fn nobody_knows_at_the_beginning_and_nothing_is_left_at_the_end() {
        let work = Work::new([(1, 1000)]);
        assert_eq!(work.left(&[job(1, JobState::Running, 0.01)], Duration::from_secs(10)), None);
        assert_eq!(work.left(&[job(1, JobState::Running, 0.5)], Duration::from_secs(1)), None);
        assert_eq!(work.left(&[job(1, JobState::Done, 1.0)], Duration::from_secs(10)), None);
        assert_eq!(work.left(&[], Duration::from_secs(10)), None);
    }

    #[test]
    fn times_are_told_as_people_say_them() {
        let told = |seconds| super::told(Duration::from_secs(seconds));
        assert_eq!(
            [told(5), told(100), told(3000), told(7500)],
            ["5 s left", "2 min left", "50 min left", "2 h 05 min left"]
        );
    }
}
