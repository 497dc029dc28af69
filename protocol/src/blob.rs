//! Blobs: pictures and videos, named by their content and moved in chunks.
//!
//! A record names a blob with its exact size. The hub answers what it wants; chunks go up at any offset, in any
//! order, again after any crash. An **empty chunk at offset 0** is a question: the hub answers with what it has.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Usual size of a chunk, in bytes.
pub const CHUNK_BYTES: u64 = 256 * 1024;
/// Largest chunk that a hub takes, in bytes.
pub const MAX_CHUNK_BYTES: u64 = 1024 * 1024;
/// Largest blob that a hub takes, in bytes.
pub const MAX_BLOB_BYTES: u64 = 8 * 1024 * 1024 * 1024;

/// How a record names a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// Digest of the content.
    pub sha256: Digest,
    /// Exact size in bytes.
    pub size: u64,
    /// Media type, for example `image/jpeg`.
    pub content_type: String,
}

/// What the hub says of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobState {
    /// Named by a record, nothing there yet: send it.
    Wanted,
    /// Partly there: `ranges` says which bytes.
    Have,
    /// Complete, verified and durable: the device may forget it.
    Stored,
    /// Never to be sent again; `reason` says why.
    Refused,
}

/// The hub's answer about a blob, on `down/ack`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobAck {
    /// Protocol version.
    pub v: u32,
    /// Which blob.
    pub blob: Digest,
    /// How it stands.
    pub state: BlobState,
    /// Byte ranges that the hub has: start inclusive, end exclusive, rising.
    #[serde(default)]
    pub ranges: Vec<[u64; 2]>,
    /// Why, when refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which hub store answers.
    pub store: Uuid,
    /// How often that store was restored from a backup. Answers of an older generation are ignored.
    pub generation: u64,
}

/// Merges byte ranges (start inclusive, end exclusive) into rising, disjoint ones.
pub fn merge_ranges(mut ranges: Vec<[u64; 2]>) -> Vec<[u64; 2]> {
    ranges.retain(|[start, end]| end > start);
    ranges.sort_unstable();
    let mut merged: Vec<[u64; 2]> = Vec::with_capacity(ranges.len());
    for [start, end] in ranges {
        match merged.last_mut() {
            Some([_, last]) if start <= *last => *last = (*last).max(end),
            _ => merged.push([start, end]),
        }
    }
    merged
}

/// The bytes of `0..size` that `have` (any order) leaves open, cut into chunks of at most `chunk` bytes.
pub fn missing_chunks(have: &[[u64; 2]], size: u64, chunk: u64) -> Vec<[u64; 2]> {
    let chunk = chunk.max(1);
    let mut missing = Vec::new();
    let mut at = 0;
    for [start, end] in merge_ranges(have.to_vec()).into_iter().chain([[size, size]]) {
        let stop = start.min(size);
        while at < stop {
            let next = (at + chunk).min(stop);
            missing.push([at, next]);
            at = next;
        }
        at = at.max(end);
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn merging_and_missing() {
        assert_eq!(merge_ranges(vec![[5, 9], [0, 3], [3, 5], [20, 20]]), vec![[0, 9]]);
        assert_eq!(missing_chunks(&[[4, 6]], 10, 3), vec![[0, 3], [3, 4], [6, 9], [9, 10]]);
        assert_eq!(missing_chunks(&[[0, 10]], 10, 3), Vec::<[u64; 2]>::new());
        assert_eq!(missing_chunks(&[], 0, 3), Vec::<[u64; 2]>::new());
    }

    proptest! {
        #[test]
        fn what_is_there_and_what_is_missing_make_the_whole(
            have in proptest::collection::vec((0u64..500, 0u64..500), 0..20), size in 0u64..500, chunk in 1u64..100,
        ) {
            let have: Vec<[u64; 2]> = have.into_iter().map(|(a, b)| [a.min(b), a.max(b)]).collect();
            let missing = missing_chunks(&have, size, chunk);
            for byte in 0..size {
                let there = have.iter().any(|[a, b]| (*a..*b).contains(&byte));
                let asked = missing.iter().filter(|[a, b]| (*a..*b).contains(&byte)).count();
                prop_assert_eq!(asked, usize::from(!there));
            }
            prop_assert!(missing.iter().all(|[a, b]| b - a <= chunk && *b <= size));
        }
    }
}
