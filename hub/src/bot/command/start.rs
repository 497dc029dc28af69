//! /start: remembers the chat, so that alerts reach it.

use super::Asker;
use crate::bot::words;
use crate::store::{Store, StoreError};

pub(super) async fn run(store: &Store, asker: &Asker) -> Result<String, StoreError> {
    if !asker.private {
        return Ok(group());
    }
    store.remember_user(asker.user, asker.chat, &asker.name).await?;
    Ok(greeting(&asker.name))
}

fn greeting(name: &str) -> String {
    format!(
        "Hello {}! This is Field Eye: it keeps what your cameras find.\n\nAlerts about critical defects come to this \
         chat from now on. /help shows what you can ask.",
        words::name(name)
    )
}

/// Others read in a group: what an admin may see is not for them without being asked.
fn group() -> String {
    "Alerts go to private chats only: write /start to me there. /help shows what you can ask here.".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings() {
        insta::assert_snapshot!(greeting("Anna <admin>"), @"
        Hello Anna &lt;admin&gt;! This is Field Eye: it keeps what your cameras find.

        Alerts about critical defects come to this chat from now on. /help shows what you can ask.
        ");
        insta::assert_snapshot!(group(), @"Alerts go to private chats only: write /start to me there. /help shows what you can ask here.");
    }
}
