//! A Bot API server for tests: real HTTP on a port of this machine, as strict as Telegram.
//!
//! A program is pointed at it with `telegram.api_url` and talks to it with whatever library it has. What Telegram
//! refuses is refused in Telegram's words ([`html`] for markup, limits of texts, captions, buttons, photos and
//! downloads, tokens, closed chats, a second poller), and any request can be made to fail on order ([`Fault`]). The
//! test plays the people: [`BotApi::user_says`], [`BotApi::user_presses`]; and reads what came out: [`BotApi::sent`].
//!
//! Only `parse_mode` HTML is known: the other modes are refused.

mod answer;
mod faults;
pub mod html;
mod methods;
mod params;
mod people;
mod picture;
mod send;
mod server;
#[cfg(test)]
mod strictness;
mod updates;
mod world;

pub use answer::Refusal;
pub use faults::Fault;
pub use methods::MAX_DOWNLOAD_BYTES;
pub use picture::MAX_PHOTO_BYTES;
pub use send::{MAX_CALLBACK_BYTES, MAX_CAPTION, MAX_TEXT};
pub use world::{BOT_USERNAME, Button, Call, MenuEntry, Sent};

use server::Shared;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct BotApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl BotApi {
    /// Starts a server on a free port of 127.0.0.1, with a token of its own.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let token = format!("{}:AA{}", world::BOT_ID, uuid::Uuid::new_v4().simple());
        let shared = Arc::new(Shared::new(token));
        let router = server::router(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("accepting on loopback goes on");
        });
        Self { address, shared, task }
    }

    /// For `telegram.api_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The one token that is right.
    pub fn token(&self) -> &str {
        &self.shared.token
    }

    /// Everything that the bot did and the server accepted, in order, typing indicators included.
    pub fn sent(&self) -> Vec<Sent> {
        self.shared.state().world.sent.clone()
    }

    /// The messages that people would see in a chat: texts and photos, in order.
    pub fn messages(&self, chat_id: i64) -> Vec<Sent> {
        let new = |sent: &Sent| sent.chat_id == chat_id && matches!(sent.method, "sendMessage" | "sendPhoto");
        self.shared.state().world.sent.iter().filter(|sent| new(sent)).cloned().collect()
    }

    /// Every request, also the refused ones.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().world.calls.clone()
    }

    /// The commands that the bot registered.
    pub fn menu(&self) -> Vec<MenuEntry> {
        self.shared.state().world.menu.clone()
    }

    /// How many updates the bot has not confirmed yet.
    pub fn unconfirmed(&self) -> usize {
        self.shared.state().queue.len()
    }

    /// Waits until something that the bot sent fits.
    ///
    /// # Panics
    /// With all that was sent and called, when nothing fits within `limit`.
    pub async fn wait_for(&self, wanted: impl Fn(&Sent) -> bool, limit: Duration) -> Sent {
        let found = self
            .shared
            .wait(Instant::now() + limit, |state| state.world.sent.iter().find(|sent| wanted(sent)).cloned())
            .await;
        found.unwrap_or_else(|| {
            panic!("not sent within {limit:?}\nsent: {:#?}\ncalls: {:#?}", self.sent(), self.calls())
        })
    }

    /// Waits until a list of calls fits, for example one that holds three refusals.
    ///
    /// # Panics
    /// With the calls, when they do not fit within `limit`.
    pub async fn wait_for_calls(&self, wanted: impl Fn(&[Call]) -> bool, limit: Duration) {
        let look = |state: &server::Changing| wanted(&state.world.calls).then_some(());
        let found = self.shared.wait(Instant::now() + limit, look).await;
        assert!(found.is_some(), "no such calls within {limit:?}: {:#?}", self.calls());
    }

    /// The next `times` requests of `method` (any, when `None`) fail. Orders for the same method queue up.
    pub fn fail_next(&self, fault: Fault, method: Option<&str>, times: usize) {
        self.shared.state().faults.order(fault, method, Some(times));
    }

    /// Everything fails (or one method) until [`Self::mend`]. A poll that waits is ended, too.
    pub fn fail_until_mended(&self, fault: Fault, method: Option<&str>) {
        self.shared.state().faults.order(fault, method, None);
    }

    /// No faults from now on.
    pub fn mend(&self) {
        self.shared.state().faults.mend();
    }
}

impl Drop for BotApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}
