//! /help: the commands, from the menu itself.

use super::MENU;
use crate::bot::text::escape;

/// The whole list.
pub(super) fn text() -> String {
    let lines = MENU.iter().map(|(command, words)| format!("/{command}\n{}", escape(words)));
    format!("<b>What you can ask</b>\n\n{}", lines.collect::<Vec<_>>().join("\n\n"))
}
