//! /fieldeye_stats: everything in numbers.

use crate::bot::words;
use crate::store::{Stats, Store, StoreError};

pub(super) async fn run(store: &Store) -> Result<String, StoreError> {
    Ok(text(&store.stats().await?))
}

fn text(stats: &Stats) -> String {
    let latest = stats.latest_session.map_or_else(|| "none yet".to_owned(), words::moment);
    format!(
        "<b>Field Eye in numbers</b>\n\nInspections: {}\nLatest: {latest}\nPauses per inspection: {:.1}\nFrames: {} \
         ({} labelled)\nDefects: {}\nActive kits: {}",
        stats.total_sessions,
        stats.avg_pauses_per_session,
        stats.total_frames,
        stats.labeled_frames,
        stats.total_defects,
        stats.active_kits,
    )
}
