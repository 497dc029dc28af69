//! Shared subscriptions: each message goes to one member of the group, in turn, and to one that is there if possible.
//!
//! The library routes them, but its own choice among the members is "nobody".

use async_trait::async_trait;
use rmqtt::context::ServerContext;
use rmqtt::subscribe::SharedSubscription;
use rmqtt::types::{
    ClientId, Id, IsOnline, NodeId, SharedGroup, SubscriptionIdentifier, SubscriptionOptions, TopicName,
};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A member of a group, as the library describes it; the last part says whether it is connected.
type Member = (NodeId, ClientId, SubscriptionOptions, Option<Vec<SubscriptionIdentifier>>, Option<IsOnline>);

#[derive(Default)]
pub(super) struct InTurn(AtomicUsize);

#[async_trait]
impl SharedSubscription for InTurn {
    fn is_supported(&self) -> bool {
        true
    }

    async fn choice(
        &self,
        _: &ServerContext,
        _: &SharedGroup,
        _: &Id,
        _: &TopicName,
        members: &[Member],
    ) -> Option<(usize, IsOnline)> {
        let online: Vec<bool> = members.iter().map(|member| member.4.unwrap_or(false)).collect();
        choose(self.0.fetch_add(1, Ordering::Relaxed), &online)
    }
}

/// The member whose turn it is among those who are there, or among all when nobody is.
fn choose(turn: usize, online: &[bool]) -> Option<(usize, IsOnline)> {
    let there: Vec<usize> = (0..online.len()).filter(|member| online[*member]).collect();
    if there.is_empty() {
        return turn.checked_rem(online.len()).map(|member| (member, false));
    }
    Some((there[turn % there.len()], true))
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn in_turn_and_present() {
        assert_eq!(choose(5, &[]), None);
        assert_eq!([0, 1, 2, 3].map(|turn| choose(turn, &[true, false, true]).expect("one").0), [0, 2, 0, 2]);
        assert_eq!(choose(1, &[false, false]), Some((1, false)));
    }
}
