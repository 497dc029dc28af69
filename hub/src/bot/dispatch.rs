//! From a message to an answer: who may ask, what was asked, and a task of its own for the answering.

use super::access::{Access, Verdict};
use super::command::{self, Asker};
use super::line::Line;
use super::trouble::Trouble;
use super::{reply, request, text};
use crate::store::Store;
use std::sync::Arc;
use std::time::{Duration, Instant};
use teloxide::types::{Message, User};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// Longest time for finding an answer, and again for delivering it.
const ANSWER: Duration = Duration::from_secs(60);
/// Telegram shows "typing" for five seconds.
const TYPING_EVERY: Duration = Duration::from_millis(4500);
/// Answers worked on at once; further messages are dropped, which people see and Telegram's queue does not.
const AT_ONCE: usize = 32;
/// Tries to deliver one message.
const TRIES: u32 = 4;

/// Everything that answering needs.
#[derive(Debug)]
pub(crate) struct Desk {
    line: Line,
    store: Store,
    access: Access,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// A message worth answering.
#[derive(Debug)]
struct Asked {
    asker: Asker,
    verdict: Verdict,
    /// Command and words; `None` when it was no command.
    request: Option<(String, Vec<String>)>,
}

impl Desk {
    pub(crate) fn new(line: Line, store: Store, access: Access, tasks: TaskTracker) -> Self {
        Self { line, store, access, room: Arc::new(Semaphore::new(AT_ONCE)), tasks }
    }

    /// Takes a message in. Never waits: the answer is a task of its own.
    pub(crate) fn receive(self: &Arc<Self>, username: &str, message: &Message) {
        let Some(asked) = self.read(username, message, Instant::now()) else { return };
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            tracing::warn!(user = asked.asker.user, "too many messages at once; one is dropped");
            return;
        };
        let desk = Arc::clone(self);
        self.tasks.spawn(async move {
            desk.answer(asked).await;
            drop(place);
        });
    }

    /// What a message asks, if it is for this bot and to be answered at all.
    fn read(&self, username: &str, message: &Message, now: Instant) -> Option<Asked> {
        let from = message.from.as_ref().filter(|user| !user.is_bot)?;
        let private = message.chat.is_private();
        let request = request::read(message.text().unwrap_or_default(), username);
        // In a group, talk is not for the bot, and an unknown command may be another bot's.
        let meant = private || request.as_ref().is_some_and(|r| r.named || command::is_known(&r.name));
        if !meant {
            return None;
        }
        let user = i64::try_from(from.id.0).ok()?;
        let verdict = self.access.knock(user, now);
        if matches!(verdict, Verdict::StillStranger | Verdict::StillTooFast) {
            return None;
        }
        let asker = Asker { user, chat: message.chat.id.0, private, name: full_name(from) };
        let request = request.map(|r| (r.name, r.words.into_iter().map(str::to_owned).collect()));
        Some(Asked { asker, verdict, request })
    }

    async fn answer(&self, asked: Asked) {
        let (user, chat) = (asked.asker.user, asked.asker.chat);
        let html = match asked.verdict {
            Verdict::Welcome => self.found(&asked).await,
            Verdict::TooFast => reply::TOO_FAST.to_owned(),
            _ => {
                self.note_stranger(&asked).await;
                reply::STRANGER.to_owned()
            }
        };
        match timeout(ANSWER, self.deliver(chat, &html)).await {
            Ok(Ok(())) => {}
            Ok(Err(trouble)) => tracing::warn!(user, chat, %trouble, "an answer did not arrive"),
            Err(_) => tracing::warn!(user, chat, "an answer did not arrive within a minute"),
        }
    }

    /// The answer to an admin, or a sentence with a reference that is also in the log.
    async fn found(&self, asked: &Asked) -> String {
        let (name, words) = match &asked.request {
            Some((name, words)) => (name.as_str(), words.as_slice()),
            None => return reply::NO_COMMAND.to_owned(),
        };
        let work = timeout(ANSWER, command::run(&self.store, &asked.asker, name, words));
        let result = tokio::select! {
            biased;
            result = work => result,
            never = self.keep_typing(asked.asker.chat) => match never {},
        };
        let why = match result {
            Ok(Ok(html)) => return html,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
        };
        let reference = Uuid::new_v4().simple().to_string()[..8].to_owned();
        tracing::error!(reference, command = name, user = asked.asker.user, why, "a bot command failed");
        reply::failed(&reference)
    }

    async fn keep_typing(&self, chat: i64) -> std::convert::Infallible {
        loop {
            if let Err(trouble) = self.line.typing(chat).await {
                tracing::debug!(chat, %trouble, "the typing indicator was not shown");
            }
            sleep(TYPING_EVERY).await;
        }
    }

    async fn note_stranger(&self, asked: &Asked) {
        let command = asked.request.as_ref().map_or("message", |(name, _)| name);
        tracing::info!(user = asked.asker.user, command, "a stranger was refused");
        if let Err(error) = command::audit_refusal(&self.store, &asked.asker, command).await {
            tracing::error!(user = asked.asker.user, %error, "the refusal of a stranger is not in the audit trail");
        }
    }

    /// Sends an answer in as many messages as it needs.
    async fn deliver(&self, chat: i64, html: &str) -> Result<(), Trouble> {
        for piece in text::split(html, text::MESSAGE_UNITS) {
            let mut tries = 0;
            loop {
                tries += 1;
                let trouble = match self.line.send_text(chat, &piece).await {
                    Ok(_) => break,
                    Err(trouble) => trouble,
                };
                match trouble {
                    Trouble::RetryAfter(wait) if tries < TRIES => sleep(wait).await,
                    Trouble::Transient(_) if tries < TRIES => sleep(Duration::from_secs(tries.into())).await,
                    other => return Err(other),
                }
            }
        }
        Ok(())
    }
}

fn full_name(user: &User) -> String {
    user.last_name.as_ref().map_or_else(|| user.first_name.clone(), |last| format!("{} {last}", user.first_name))
}
