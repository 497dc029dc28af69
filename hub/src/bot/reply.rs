//! Sentences of the bot that belong to no command.

/// To somebody who is not on the list.
pub(crate) const STRANGER: &str =
    "Hello! This bot serves one team only, and you are not on its list. Please ask its operator to add you.";
/// To an admin who writes faster than allowed.
pub(crate) const TOO_FAST: &str = "That was more than 10 messages in a minute. Please try again shortly.";
/// To talk.
pub(crate) const NO_COMMAND: &str = "I only understand commands. /help shows them.";
/// To a command that is none.
pub(crate) const UNKNOWN: &str = "I don't know this command. /help shows those I know.";

/// When something broke.
pub(crate) fn failed(reference: &str) -> String {
    format!("Sorry, that did not work. The hub's log says why, under <code>{reference}</code>.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences() {
        insta::assert_snapshot!(STRANGER, @"Hello! This bot serves one team only, and you are not on its list. Please ask its operator to add you.");
        insta::assert_snapshot!(TOO_FAST, @"That was more than 10 messages in a minute. Please try again shortly.");
        insta::assert_snapshot!(NO_COMMAND, @"I only understand commands. /help shows them.");
        insta::assert_snapshot!(UNKNOWN, @"I don't know this command. /help shows those I know.");
        insta::assert_snapshot!(failed("0a1b2c3d"), @"Sorry, that did not work. The hub's log says why, under <code>0a1b2c3d</code>.");
    }
}
