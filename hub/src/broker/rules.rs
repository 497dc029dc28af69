//! Who is who at the broker, and who may say and hear what.
//!
//! A device speaks only for itself: it publishes under its own `state` and `up/`, and listens under its own `down/`.
//! Its last will counts as published by it. This hub's own clients may do everything; they prove themselves with a
//! password that exists only in this process.

use fieldeye_base::secret::Secret;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;
use thiserror::Error;
use uuid::Uuid;

/// Client ids that begin so belong to hubs alone: a device with such an id would drive a hub's client out.
const HUB_CLIENT_PREFIX: &str = "fieldeye-hub-";
/// The user name of this hub's own clients.
const HUB_USER: &str = "fieldeye-hub";
/// Largest state message, in bytes: the broker keeps one of each device in memory.
const MAX_STATE_BYTES: usize = 64 * 1024;
/// The version of MQTT that devices must speak, as it stands in their first packet.
const MQTT_5: u8 = 5;

/// How a client of this hub introduces itself.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    /// The user name.
    pub(crate) user: String,
    /// The password.
    pub(crate) password: Secret,
}

impl Login {
    /// A new password.
    pub(super) fn random() -> Self {
        let password = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        Self { user: HUB_USER.to_owned(), password: Secret::new(password) }
    }

    /// A client id for one more client of this hub.
    pub(crate) fn client_id() -> String {
        format!("{HUB_CLIENT_PREFIX}{}", Uuid::new_v4().simple())
    }

    fn fits(&self, user: Option<&str>, password: Option<&[u8]>) -> bool {
        // Digests are compared, so that the time it takes says nothing about the password.
        let same = password.is_some_and(|given| Digest::of(given) == Digest::of(self.password.expose().as_bytes()));
        same && user == Some(self.user.as_str())
    }
}

/// A client's first packet, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newcomer<'a> {
    pub(super) protocol: u8,
    pub(super) client_id: &'a str,
    pub(super) user: Option<&'a str>,
    pub(super) password: Option<&'a [u8]>,
    pub(super) will: Option<Message<'a>>,
}

/// A message to be published, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) topic: &'a str,
    pub(super) retain: bool,
    pub(super) bytes: usize,
}

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// One of this hub's own.
    Hub,
    /// A device.
    Device(DeviceId),
}

/// Why somebody is not let in, or not allowed something. The words go to the log, and to the client where MQTT
/// carries them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    #[error("it does not speak MQTT 5 (protocol level {0})")]
    Protocol(u8),
    #[error("only this hub's own clients may be named {HUB_CLIENT_PREFIX}..., and the password is not this hub's")]
    Password,
    #[error("its client id is not a device id: {0}")]
    ClientId(String),
    #[error("its last will: {0}")]
    Will(Box<Self>),
    #[error("the topic is not its own")]
    Topic,
    #[error("only a state may be retained")]
    Retained,
    #[error("a state may have at most {MAX_STATE_BYTES} bytes")]
    StateSize,
    #[error("a device may only subscribe to what is meant for it")]
    Filter,
}

/// Decides who a newcomer is, and whether it may come in.
pub(super) fn identify(newcomer: &Newcomer<'_>, login: &Login) -> Result<Identity, Refusal> {
    if newcomer.protocol != MQTT_5 {
        return Err(Refusal::Protocol(newcomer.protocol));
    }
    if newcomer.client_id.starts_with(HUB_CLIENT_PREFIX) {
        let ours = login.fits(newcomer.user, newcomer.password);
        return if ours { Ok(Identity::Hub) } else { Err(Refusal::Password) };
    }
    let device = DeviceId::parse(newcomer.client_id).map_err(|error| Refusal::ClientId(error.to_string()))?;
    if let Some(will) = newcomer.will {
        may_publish(device.as_str(), &will).map_err(|refusal| Refusal::Will(Box::new(refusal)))?;
    }
    Ok(Identity::Device(device))
}

/// Whether a device may publish a message.
pub(super) fn may_publish(device: &str, message: &Message<'_>) -> Result<(), Refusal> {
    let own = own_part(device, message.topic).ok_or(Refusal::Topic)?;
    if own == "state" {
        return if message.bytes <= MAX_STATE_BYTES { Ok(()) } else { Err(Refusal::StateSize) };
    }
    if own.strip_prefix("up/").is_none_or(str::is_empty) {
        return Err(Refusal::Topic);
    }
    if message.retain { Err(Refusal::Retained) } else { Ok(()) }
}

/// Whether a device may subscribe to a filter; `shared` when it wants to share it with others.
pub(super) fn may_subscribe(device: &str, filter: &str, shared: bool) -> Result<(), Refusal> {
    let down = own_part(device, filter).and_then(|own| own.strip_prefix("down/")).is_some_and(|rest| !rest.is_empty());
    if down && !shared { Ok(()) } else { Err(Refusal::Filter) }
}

/// What follows the levels that name a device, if they name this one.
fn own_part<'a>(device: &str, topic: &'a str) -> Option<&'a str> {
    topic.strip_prefix("fieldeye/v1/")?.strip_prefix(device)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(topic: &str) -> Message<'_> {
        Message { topic, retain: false, bytes: 10 }
    }

    fn newcomer(client_id: &str) -> Newcomer<'_> {
        Newcomer { protocol: 5, client_id, user: None, password: None, will: None }
    }

    #[test]
    fn own_topics_and_no_others() {
        for good in ["state", "up/records", "up/blob/00/5", "up/telemetry", "up/something-new"] {
            let topic = format!("fieldeye/v1/cam-7/{good}");
            assert_eq!(may_publish("cam-7", &message(&topic)), Ok(()), "{good}");
            assert_eq!(may_publish("cam-8", &message(&topic)), Err(Refusal::Topic), "{good}");
            assert_eq!(may_publish("cam", &message(&topic)), Err(Refusal::Topic), "{good}");
        }
        for bad in [
            "",
            "x",
            "fieldeye/v1/cam-7",
            "fieldeye/v1/cam-7/",
            "fieldeye/v1/cam-7/up",
            "fieldeye/v1/cam-7/up/",
            "fieldeye/v1/cam-7/down/ack",
            "fieldeye/v1/cam-7/state/x",
            "fieldeye/v1/cam-70/state",
            "/fieldeye/v1/cam-7/state",
            "fieldeye/v2/cam-7/state",
            "$SYS/x",
        ] {
            assert_eq!(may_publish("cam-7", &message(bad)), Err(Refusal::Topic), "{bad}");
        }
    }

    #[test]
    fn only_small_states_are_kept() {
        let kept = |topic, bytes| may_publish("cam-7", &Message { topic, retain: true, bytes });
        assert_eq!(kept("fieldeye/v1/cam-7/state", MAX_STATE_BYTES), Ok(()));
        assert_eq!(kept("fieldeye/v1/cam-7/state", MAX_STATE_BYTES + 1), Err(Refusal::StateSize));
        assert_eq!(kept("fieldeye/v1/cam-7/up/records", 1), Err(Refusal::Retained));
    }

    #[test]
    fn subscriptions_downward_only() {
        for good in ["fieldeye/v1/cam-7/down/#", "fieldeye/v1/cam-7/down/ack", "fieldeye/v1/cam-7/down/+"] {
            assert_eq!(may_subscribe("cam-7", good, false), Ok(()), "{good}");
            assert_eq!(may_subscribe("cam-7", good, true), Err(Refusal::Filter), "{good}");
        }
        for bad in ["#", "+/#", "fieldeye/v1/+/down/#", "fieldeye/v1/cam-8/down/#", "fieldeye/v1/cam-7/#", "$SYS/#"] {
            assert_eq!(may_subscribe("cam-7", bad, false), Err(Refusal::Filter), "{bad}");
        }
    }

    #[test]
    fn who_is_who() {
        let login = Login::random();
        let device = DeviceId::parse("cam-7").expect("valid");
        assert_eq!(identify(&newcomer("cam-7"), &login), Ok(Identity::Device(device)));
        assert_eq!(identify(&Newcomer { protocol: 4, ..newcomer("cam-7") }, &login), Err(Refusal::Protocol(4)));
        for bad in ["", "Cam-7", "cam+", "a/b", "#"] {
            assert!(matches!(identify(&newcomer(bad), &login), Err(Refusal::ClientId(_))), "{bad}");
        }
        let id = Login::client_id();
        let password = login.password.expose().as_bytes();
        let hub = Newcomer { user: Some(HUB_USER), password: Some(password), ..newcomer(&id) };
        assert_eq!(identify(&hub, &login), Ok(Identity::Hub));
        for wrong in [
            newcomer(&id),
            Newcomer { password: None, ..hub },
            Newcomer { user: None, ..hub },
            Newcomer { user: Some("admin"), ..hub },
            Newcomer { password: Some(b"guess"), ..hub },
        ] {
            assert_eq!(identify(&wrong, &login), Err(Refusal::Password), "{wrong:?}");
        }
        assert_eq!(identify(&hub, &Login::random()), Err(Refusal::Password), "another start, another password");
    }

    #[test]
    fn a_will_is_a_message_like_any_other() {
        let login = Login::random();
        let with = |topic, retain| {
            identify(&Newcomer { will: Some(Message { topic, retain, bytes: 9 }), ..newcomer("cam-7") }, &login)
        };
        assert!(with("fieldeye/v1/cam-7/state", true).is_ok());
        assert_eq!(with("fieldeye/v1/cam-8/state", true), Err(Refusal::Will(Box::new(Refusal::Topic))));
        assert_eq!(with("fieldeye/v1/cam-7/down/command", false), Err(Refusal::Will(Box::new(Refusal::Topic))));
        assert_eq!(with("fieldeye/v1/cam-7/up/records", true), Err(Refusal::Will(Box::new(Refusal::Retained))));
    }

    proptest! {
        #[test]
        fn what_is_allowed_is_its_own(topic in "(fieldeye/v1/)?[a-z0-9+#/-]{0,30}") {
            if may_publish("cam-7", &message(&topic)).is_ok() || may_subscribe("cam-7", &topic, false).is_ok() {
                prop_assert!(topic.starts_with("fieldeye/v1/cam-7/"));
            }
        }
    }
}
