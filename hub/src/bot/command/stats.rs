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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let stats = Stats {
            total_sessions: 12,
            total_frames: 240,
            total_defects: 9,
            labeled_frames: 12,
            active_kits: 2,
            latest_session: Some("2026-11-24T10:02:59Z".parse().expect("a time")),
            avg_pauses_per_session: 4.25,
        };
        insta::assert_snapshot!(text(&stats), @"
        <b>Field Eye in numbers</b>

        Inspections: 12
        Latest: 2026-11-24 10:02 UTC
        Pauses per inspection: 4.2
        Frames: 240 (12 labelled)
        Defects: 9
        Active kits: 2
        ");
        let empty = Stats {
            total_sessions: 0,
            total_frames: 0,
            total_defects: 0,
            labeled_frames: 0,
            active_kits: 0,
            latest_session: None,
            avg_pauses_per_session: 0.0,
        };
        assert!(text(&empty).contains("Latest: none yet"));
    }
}
