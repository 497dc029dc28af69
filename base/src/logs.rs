//! Logs: short lines on standard error, everything in a file that rotates by size (10 MB, five files).

use crate::console;
use crate::exit::{Exit, Failure};
use file_rotate::{ContentLimit, FileRotate, compression::Compression, suffix::AppendCount};
use std::io::{self, Write};
use std::path::Path;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

/// A log file is rotated at this size, in bytes.
pub const FILE_BYTES: usize = 10 * 1024 * 1024;
/// How many files are kept, the current one included.
pub const FILES: usize = 5;
/// The environment variable with the filter, for example `debug` or `fieldeye_hub=debug`.
pub const FILTER_VARIABLE: &str = "FIELDEYE_LOG";

/// Keeps the writer's thread alive; what is buffered is written when this is dropped.
#[must_use = "logs stop when the guard is dropped"]
#[derive(Debug)]
pub struct Guard(#[expect(dead_code, reason = "held for its Drop")] Option<WorkerGuard>);

/// Standard error, forced to ASCII.
struct AsciiStderr;

impl Write for AsciiStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A whole event arrives in one call; what is not UTF-8 or ASCII is escaped.
        io::stderr().lock().write_all(console::ascii(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Starts logging for a command that runs and ends: warnings on standard error.
pub fn for_command() -> Guard {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new("warn"));
    let console = fmt::layer().with_writer(|| AsciiStderr).with_ansi(false).without_time().with_filter(filter);
    let _ = tracing_subscriber::registry().with(console).try_init();
    Guard(None)
}

/// Starts logging for a program that stays: standard error and `<data_dir>/logs/<program>.log`.
pub fn for_service(data_dir: &Path, program: &str) -> Result<Guard, Failure> {
    let folder = data_dir.join("logs");
    crate::sqlite::private_dir(&folder)?;
    let path = folder.join(format!("{program}.log"));
    // The writer opens lazily and panics on a folder it can't write: find that out here, with a message.
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|error| Failure::new(Exit::Failed, format!("can't write the log {}: {error}", path.display())))?;
    let rotating = rotating(&path, FILE_BYTES);
    // A slow disk must not stop the program: lines beyond 128,000 waiting ones are dropped and counted.
    let (writer, guard) = NonBlockingBuilder::default().lossy(true).finish(rotating);
    let filter = || EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info,rmqtt=warn"));
    let console = fmt::layer().with_writer(|| AsciiStderr).with_ansi(false).with_filter(filter());
    let file = fmt::layer().with_writer(writer).with_ansi(false).with_filter(filter());
    let _ = tracing_subscriber::registry().with(console).with(file).try_init();
    Ok(Guard(Some(guard)))
}

fn rotating(path: &Path, bytes: usize) -> FileRotate<AppendCount> {
    FileRotate::new(path, AppendCount::new(FILES - 1), ContentLimit::BytesSurpassed(bytes), Compression::None, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_never_grow_past_their_share() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("x.log");
        let mut log = rotating(&path, 1000);
        for _ in 0..1000 {
            writeln!(log, "{}", "y".repeat(99)).expect("written");
        }
        drop(log);
        let files: Vec<u64> = std::fs::read_dir(dir.path())
            .expect("listed")
            .map(|entry| entry.expect("entry").metadata().expect("metadata").len())
            .collect();
        assert_eq!(files.len(), FILES);
        assert!(files.iter().sum::<u64>() <= 5 * 1100, "{files:?}");
    }
}
