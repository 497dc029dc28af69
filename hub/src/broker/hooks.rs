//! Where the broker's library asks, and this room's rules answer.

use super::rules::{self, Identity, Login, Message, Newcomer, Refusal};
use async_trait::async_trait;
use rmqtt::codec::v5::SubscribeAckReason;
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::types::{AuthResult, ConnectInfo, LastWill, PublishAclResult, Reason, SubscribeAclResult};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Dropped messages are told in the log once, and then once per so many.
const TELL_DROPPED_EVERY: u64 = 1000;

/// Puts the rules in force.
pub(super) async fn register(context: &ServerContext, login: &Login, dropped: &Arc<AtomicU64>) {
    let register = context.extends.hook_mgr().register();
    for moment in
        [Type::ClientAuthenticate, Type::MessagePublishCheckAcl, Type::ClientSubscribeCheckAcl, Type::MessageDropped]
    {
        register.add(moment, Box::new(Door { login: login.clone(), dropped: Arc::clone(dropped) })).await;
    }
    register.start().await;
}

struct Door {
    login: Login,
    dropped: Arc<AtomicU64>,
}

#[async_trait]
impl Handler for Door {
    #[expect(elided_lifetimes_in_paths, reason = "the trait leaves the lifetime out, so it can't be named here")]
    async fn hook(&self, asked: &Parameter, before: Option<HookResult>) -> ReturnType {
        match asked {
            Parameter::ClientAuthenticate(connect) => (false, Some(HookResult::AuthResult(self.authenticate(connect)))),
            // The hub's own clients never get here: the library asks nothing of a superuser.
            Parameter::MessagePublishCheckAcl(session, publish) => {
                let message = Message { topic: &publish.topic, retain: publish.retain, bytes: publish.payload.len() };
                let device: &str = &session.id.client_id;
                let answer = match rules::may_publish(device, &message) {
                    Ok(()) => PublishAclResult::allow(),
                    Err(refusal) => {
                        tracing::warn!(device, topic = short(message.topic), %refusal, "a message was refused");
                        PublishAclResult::rejected(false, Some(refusal.to_string().into()))
                    }
                };
                (false, Some(HookResult::PublishAclResult(answer)))
            }
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                let device: &str = &session.id.client_id;
                let filter: &str = &subscribe.topic_filter;
                let answer = match rules::may_subscribe(device, filter, subscribe.opts.has_shared_group()) {
                    Ok(()) => SubscribeAclResult::new_success(subscribe.opts.qos(), None),
                    Err(refusal) => {
                        tracing::warn!(device, filter = short(filter), %refusal, "a subscription was refused");
                        SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized)
                    }
                };
                (false, Some(HookResult::SubscribeAclResult(answer)))
            }
            Parameter::MessageDropped(to, _, publish, reason) => {
                self.count_dropped(to.as_ref().map(|to| to.client_id.to_string()), &publish.topic, reason);
                (true, before)
            }
            _ => (true, before),
        }
    }
}

impl Door {
    fn authenticate(&self, connect: &ConnectInfo) -> AuthResult {
        let will = connect.last_will();
        let newcomer = Newcomer {
            protocol: connect.proto_ver(),
            client_id: connect.client_id(),
            user: connect.username().map(|user| &**user),
            password: connect.password().map(|password| &**password),
            will: will.as_ref().map(|will| match will {
                LastWill::V3(will) => Message { topic: &will.topic, retain: will.retain, bytes: will.message.len() },
                LastWill::V5(will) => Message { topic: &will.topic, retain: will.retain, bytes: will.message.len() },
            }),
        };
        match rules::identify(&newcomer, &self.login) {
            Ok(Identity::Hub) => AuthResult::Allow(true, None),
            Ok(Identity::Device(_)) => AuthResult::Allow(false, None),
            Err(refusal) => {
                let from = connect.ipaddress().map(|address| address.to_string()).unwrap_or_default();
                tracing::warn!(client_id = short(newcomer.client_id), from, %refusal, "a client was refused");
                match refusal {
                    Refusal::Password => AuthResult::BadUsernameOrPassword,
                    _ => AuthResult::NotAuthorized,
                }
            }
        }
    }

    fn count_dropped(&self, to: Option<String>, topic: &str, reason: &Reason) {
        // What our own rules refuse is "dropped", too; that has been told already.
        if !matches!(reason, Reason::MessageQueueFull | Reason::InflightWindowFull) {
            return;
        }
        let before = self.dropped.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(TELL_DROPPED_EVERY) {
            let to = to.unwrap_or_default();
            tracing::warn!(
                to,
                topic = short(topic),
                dropped = before + 1,
                "a receiver is too slow, messages are dropped"
            );
        }
    }
}

/// What a client chose, cut to what a log line can bear.
fn short(text: &str) -> String {
    text.chars().take(120).collect()
}
