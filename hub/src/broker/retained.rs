//! The last state of each device, kept in memory: a hub that connects again learns who is there.
//!
//! The library's own storage works, but is switched off in its interface; this one also has a limit.

use async_trait::async_trait;
use rmqtt::retain::{DefaultRetainStorage, RetainStorage};
use rmqtt::types::{Retain, TopicFilter, TopicName};
use std::time::Duration;

/// So many devices can be known at once; each state is small (see the rules).
const MOST: isize = 20_000;

#[derive(Default)]
pub(super) struct States(DefaultRetainStorage);

#[async_trait]
impl RetainStorage for States {
    fn enable(&self) -> bool {
        true
    }

    async fn set(&self, topic: &TopicName, retain: Retain, expiry: Option<Duration>) -> rmqtt::Result<()> {
        if self.0.count().await >= MOST {
            self.0.remove_expired_messages().await;
        }
        if self.0.count().await >= MOST && self.0.get_message(topic).await?.is_empty() {
            tracing::warn!(topic = %topic, most = MOST, "too many devices: the state of this one is not kept");
            return Ok(());
        }
        // The library says "never" as "after no time at all".
        self.0.set_with_timeout(topic, retain, expiry.filter(|expiry| !expiry.is_zero())).await
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        self.0.get_message(filter).await
    }

    async fn count(&self) -> isize {
        self.0.count().await
    }

    async fn max(&self) -> isize {
        self.0.max().await
    }
}
