//! Exit codes, the same in both programs, and the one line that goes with them.

use std::fmt;
use std::process::ExitCode;

/// Why a program ended. The numbers are fixed: scripts depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 1: it was tried and did not work.
    Failed = 1,
    /// 2: bad usage or configuration.
    Usage = 2,
    /// 3: an input can't be read.
    Unreadable = 3,
    /// 4: a model package is not usable.
    BadModel = 4,
    /// 5: another program already works on this data directory.
    AlreadyRunning = 5,
    /// 6: hub or broker can't be reached.
    Unreachable = 6,
}

/// An error for the person at the console: what happened, on what, and what to do next.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// One line: what happened, on what.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Bad usage or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for Failure {}

/// Turns the result of a command into an exit code and prints the error as one ASCII line on standard error.
///
/// A [`Failure`] anywhere in the chain decides code and text; anything else is exit 1 with its chain of causes.
pub fn finish(program: &str, result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
    let (code, text) = match failure {
        Some(failure) => (failure.exit as u8, failure.to_string()),
        None => (Exit::Failed as u8, format!("{error:#}")),
    };
    crate::console::complain(&format!("{program}: {}", text.replace('\n', " ")));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn the_failure_in_the_chain_decides() {
        let failure: anyhow::Result<()> = Err(Failure::new(Exit::BadModel, "broken").hint("mend it").into());
        let code = finish("test", failure.context("while loading"));
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(4)));
        assert_eq!(format!("{:?}", finish("test", Err(anyhow::anyhow!("x")))), format!("{:?}", ExitCode::from(1)));
        assert_eq!(format!("{:?}", finish("test", Ok(()))), format!("{:?}", ExitCode::SUCCESS));
    }
}
