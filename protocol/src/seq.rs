//! Sets of outbox sequence numbers as inclusive ranges: `[[101,179],[181,181]]`.

use crate::ProtocolError;
use serde::{Deserialize, Serialize};

/// Ordered, inclusive ranges of sequence numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeqRanges(Vec<[u64; 2]>);

impl SeqRanges {
    /// How many numbers the set holds; `None` when a range is reversed or the sum is absurd.
    pub fn count(&self) -> Option<u64> {
        self.0.iter().try_fold(0u64, |sum, [first, last]| {
            let length = last.checked_sub(*first)?.checked_add(1)?;
            sum.checked_add(length)
        })
    }

    /// Numbers one by one, in the order of the ranges. At most `limit` of them, so a hostile range costs nothing.
    pub fn expand(&self, limit: usize) -> Result<Vec<u64>, ProtocolError> {
        let count = self.count().ok_or_else(|| ProtocolError::Sequence("a range is reversed".to_owned()))?;
        if count > limit as u64 {
            return Err(ProtocolError::Sequence(format!("{count} numbers, at most {limit} are possible here")));
        }
        Ok(self.0.iter().flat_map(|[first, last]| *first..=*last).collect())
    }

    /// Whether the set holds `seq`.
    pub fn contains(&self, seq: u64) -> bool {
        self.0.iter().any(|[first, last]| (*first..=*last).contains(&seq))
    }

    /// The ranges themselves.
    pub fn as_slice(&self) -> &[[u64; 2]] {
        &self.0
    }

    /// Whether there is no range.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Collects numbers, which must come in rising order to be merged into ranges.
impl FromIterator<u64> for SeqRanges {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut ranges: Vec<[u64; 2]> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some([_, last]) if last.checked_add(1) == Some(number) => *last = number,
                _ => ranges.push([number, number]),
            }
        }
        Self(ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn merges_neighbours() {
        let set: SeqRanges = [101, 102, 103, 180].into_iter().collect();
        assert_eq!(set.as_slice(), &[[101, 103], [180, 180]]);
        assert!(set.contains(102) && !set.contains(104));
    }

    #[test]
    fn a_hostile_range_is_refused_without_expanding() {
        let set: SeqRanges = serde_json::from_str("[[0,18446744073709551615]]").expect("parses");
        assert!(set.expand(10).is_err());
        let reversed: SeqRanges = serde_json::from_str("[[5,1]]").expect("parses");
        assert!(reversed.expand(10).is_err());
    }

    proptest! {
        #[test]
        fn expanding_gives_back_what_went_in(mut numbers in proptest::collection::vec(0u64..10_000, 0..200)) {
            numbers.sort_unstable();
            numbers.dedup();
            let set: SeqRanges = numbers.iter().copied().collect();
            prop_assert_eq!(set.expand(1000).expect("fits"), numbers);
        }
    }
}
