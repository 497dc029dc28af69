//! /help: the commands, from the menu itself.

use super::MENU;
use crate::bot::text::escape;

/// The whole list.
pub(super) fn text() -> String {
    let lines = MENU.iter().map(|(command, words)| format!("/{command}\n{}", escape(words)));
    format!("<b>What you can ask</b>\n\n{}", lines.collect::<Vec<_>>().join("\n\n"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_is_listed() {
        insta::assert_snapshot!(super::text(), @"
        <b>What you can ask</b>

        /start
        Begin, and get alerts in this chat

        /help
        What you can ask

        /fieldeye_stats
        Everything in numbers

        /fieldeye_sessions
        The last inspections; add a number up to 20

        /fieldeye_defects
        The last defects; add a number up to 50
        ");
    }
}
