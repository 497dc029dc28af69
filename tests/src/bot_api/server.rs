//! The HTTP side: paths, the token, faults on order, and the recording of every call.

use super::answer::{self, Answer, Refusal};
use super::faults::{Fault, Faults};
use super::methods;
use super::params::Params;
use super::updates::Queue;
use super::world::{Call, World};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::{any, get};
use futures_util::stream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Not an HTTP status: a waiting poll ended because a lasting fault began, which now decides about its answer.
const STRUCK: u16 = 0;

/// Everything that changes.
#[derive(Debug, Default)]
pub(crate) struct Changing {
    pub(crate) world: World,
    pub(crate) queue: Queue,
    pub(crate) faults: Faults,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) token: String,
    state: Mutex<Changing>,
    changes: watch::Sender<u64>,
}

/// The state, locked. Whoever lets it go has changed something, or might have: waiters look again.
pub(crate) struct Locked<'a> {
    guard: Option<MutexGuard<'a, Changing>>,
    changes: &'a watch::Sender<u64>,
}

impl std::ops::Deref for Locked<'_> {
    type Target = Changing;
    fn deref(&self) -> &Changing {
        self.guard.as_ref().expect("held until dropped")
    }
}

impl std::ops::DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Changing {
        self.guard.as_mut().expect("held until dropped")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.guard = None;
        self.changes.send_modify(|version| *version += 1);
    }
}

impl Shared {
    pub(crate) fn new(token: String) -> Self {
        Self { token, state: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// To change something.
    pub(crate) fn state(&self) -> Locked<'_> {
        let guard = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Locked { guard: Some(guard), changes: &self.changes }
    }

    /// Waits until `look` gives something, at most until `deadline`. Nothing is woken by looking.
    pub(crate) async fn wait<T>(&self, deadline: Instant, mut look: impl FnMut(&Changing) -> Option<T>) -> Option<T> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            {
                let state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if let Some(found) = look(&state) {
                    return Some(found);
                }
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                return None;
            }
        }
    }

    /// `getUpdates`. A fault without end also strikes a poll that already waits.
    pub(crate) async fn poll(&self, params: &Params) -> Answer {
        let poll = self.state().queue.begin(params)?;
        let deadline = Instant::now() + poll.timeout;
        let look = |state: &Changing| {
            if state.faults.lasting("getUpdates") {
                return Some(Err(Refusal::new(STRUCK, "a fault began while this waited")));
            }
            state.queue.look(&poll)
        };
        self.wait(deadline, look).await.unwrap_or_else(|| Ok(serde_json::json!([])))
    }
}

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/file/{bot}/{*path}", get(download))
        .route("/{bot}/{method}", any(method))
        .fallback(|| async { answer::response(&Err(Refusal::new(404, "Not Found"))) })
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

fn check_token(shared: &Shared, bot: &str) -> Result<(), Refusal> {
    match bot.strip_prefix("bot") {
        Some(token) if token == shared.token => Ok(()),
        Some(token) if token.contains(':') => Err(Refusal::new(401, "Unauthorized")),
        _ => Err(Refusal::new(404, "Not Found")),
    }
}

async fn method(
    State(shared): State<Arc<Shared>>,
    Path((bot, name)): Path<(String, String)>,
    request: Request,
) -> Response {
    let canonical = methods::canonical(&name);
    let recorded = canonical.map_or(name, str::to_owned);
    let allowed = check_token(&shared, &bot)
        .and_then(|()| canonical.ok_or_else(|| Refusal::new(404, "Not Found: method not found")));
    let method = match allowed {
        Ok(method) => method,
        Err(refusal) => return answered(&shared, &recorded, &Err(refusal)),
    };
    let mut fault = shared.state().faults.take(method);
    let params = match Params::read(request).await {
        Ok(params) => params,
        Err(refusal) => return answered(&shared, &recorded, &Err(refusal)),
    };
    if fault.is_none() {
        let answer = methods::call(&shared, method, &params).await;
        if !answer.as_ref().is_err_and(|refusal| refusal.code == STRUCK) {
            return answered(&shared, &recorded, &answer);
        }
        fault = shared.state().faults.take(method);
    }
    let refusal = match fault {
        None => Refusal::new(500, "Internal Server Error"),
        Some(Fault::Silence) => {
            unanswered(&shared, &recorded);
            std::future::pending::<()>().await;
            unreachable!("a pending future never ends");
        }
        Some(Fault::Cut) => {
            unanswered(&shared, &recorded);
            return cut(br#"{"ok":true,"resu"#);
        }
        Some(Fault::LostAnswer) => {
            let (_, text) = answer::body(&methods::call(&shared, method, &params).await);
            unanswered(&shared, &recorded);
            return cut(&text.as_bytes()[..text.len() / 2]);
        }
        Some(Fault::BadGateway) => {
            record(&shared, &recorded, 502, Some("Bad Gateway".to_owned()));
            return Response::builder()
                .status(StatusCode::BAD_GATEWAY)
                .header(header::CONTENT_TYPE, "text/html")
                .body(Body::from("<html><body><h1>502 Bad Gateway</h1></body></html>"))
                .expect("status and header are valid");
        }
        Some(Fault::TooManyRequests(seconds)) => Refusal::too_many_requests(seconds),
        Some(Fault::ServerError) => Refusal::new(500, "Internal Server Error"),
        Some(Fault::OtherPoller) => Refusal::other_poller(),
        Some(Fault::Unauthorized) => Refusal::new(401, "Unauthorized"),
        Some(Fault::Blocked) => Refusal::new(403, "Forbidden: bot was blocked by the user"),
    };
    answered(&shared, &recorded, &Err(refusal))
}

async fn download(State(shared): State<Arc<Shared>>, Path((bot, path)): Path<(String, String)>) -> Response {
    if let Err(refusal) = check_token(&shared, &bot) {
        return answer::response(&Err(refusal));
    }
    let bytes = shared.state().world.file_at(&path).map(|file| file.bytes.clone());
    match bytes.filter(|bytes| bytes.len() <= methods::MAX_DOWNLOAD_BYTES) {
        Some(bytes) => Response::new(Body::from(bytes)),
        None => answer::response(&Err(Refusal::new(404, "Not Found"))),
    }
}

fn record(shared: &Shared, method: &str, status: u16, refusal: Option<String>) {
    shared.state().world.calls.push(Call { method: method.to_owned(), status, refusal });
}

fn unanswered(shared: &Shared, method: &str) {
    record(shared, method, 0, None);
}

fn answered(shared: &Shared, method: &str, answer: &Answer) -> Response {
    let (status, _) = answer::body(answer);
    record(shared, method, status, answer.as_ref().err().map(|refusal| refusal.description.clone()));
    answer::response(answer)
}

/// An answer that promises more than it gives: the connection dies under the reader.
fn cut(half: &[u8]) -> Response {
    let half = Bytes::copy_from_slice(half);
    let promised = half.len() * 2 + 10;
    let pieces = stream::unfold(Some(half), |half| async move {
        if let Some(half) = half {
            return Some((Ok(half), None));
        }
        // The half is on its way before the connection goes.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)), None))
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, promised)
        .body(Body::from_stream(pieces))
        .expect("headers are valid")
}
