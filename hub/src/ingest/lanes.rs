//! One lane for each device: its messages are worked off one after the other, those of different devices side by side.

use fieldeye_protocol::device::DeviceId;
use std::collections::{HashMap, VecDeque};

/// Messages that wait for the one before them. A device without messages has no lane.
#[derive(Debug)]
pub(super) struct Lanes<M> {
    waiting: HashMap<DeviceId, VecDeque<M>>,
    count: usize,
}

impl<M> Lanes<M> {
    pub(super) fn new() -> Self {
        Self { waiting: HashMap::new(), count: 0 }
    }

    /// Messages that are here, the ones under way included.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Takes a message in. Gives it back when it is its turn at once.
    pub(super) fn enter(&mut self, device: &DeviceId, message: M) -> Option<M> {
        self.count += 1;
        if let Some(lane) = self.waiting.get_mut(device) {
            lane.push_back(message);
            return None;
        }
        self.waiting.insert(device.clone(), VecDeque::new());
        Some(message)
    }

    /// The message of this device that was under way is done. Gives the next one.
    pub(super) fn leave(&mut self, device: &DeviceId) -> Option<M> {
        self.count = self.count.saturating_sub(1);
        let next = self.waiting.get_mut(device).and_then(VecDeque::pop_front);
        if next.is_none() {
            self.waiting.remove(device);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::device;

    #[test]
    fn in_order_for_each_side_by_side_for_all() {
        let mut lanes = Lanes::new();
        let (one, other) = (device("cam-1"), device("cam-2"));
        assert_eq!(lanes.enter(&one, 1), Some(1));
        assert_eq!(lanes.enter(&one, 2), None);
        assert_eq!(lanes.enter(&other, 3), Some(3));
        assert_eq!(lanes.enter(&one, 4), None);
        assert_eq!(lanes.len(), 4);
        assert_eq!(lanes.leave(&one), Some(2));
        assert_eq!(lanes.leave(&other), None);
        assert_eq!(lanes.leave(&one), Some(4));
        assert_eq!(lanes.leave(&one), None);
        assert_eq!((lanes.len(), lanes.waiting.len()), (0, 0), "nothing is left of a device that is done");
        assert_eq!(lanes.enter(&one, 5), Some(5));
    }
}
