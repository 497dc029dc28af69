//! Results for people: a table, and `bench/RESULTS.md`.

use crate::case::Case;
use std::fmt::Write as _;
use std::path::Path;

/// The table in Markdown.
fn markdown(cases: &[Case]) -> String {
    let mut text = "| case | unit | ours | peer | ratio | limit | ratio | runs | peer is |\n|---|---|---|---|---|---|---|---|---|\n".to_owned();
    let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
    for case in cases {
        let Case { bench, case: name, unit, ours, peer, limit, ratio_peer, ratio_limit, runs, about } = case;
        let (peer, by_peer, limit, by_limit) =
            (number(*peer), number(*ratio_peer), number(*limit), number(*ratio_limit));
        let _ = writeln!(
            text,
            "| `{bench}` {name} | {unit} | {ours:.2} | {peer} | {by_peer} | {limit} | {by_limit} | {runs} | {about} |"
        );
    }
    text
}

/// The table for a terminal.
pub(crate) fn plain(cases: &[Case]) -> String {
    let mut text = String::new();
    for case in cases {
        let ratio =
            |name: &str, value: Option<f64>| value.map_or(String::new(), |value| format!("  {name} x{value:.2}"));
        let _ = writeln!(
            text,
            "{:<8}{:<36}{:>10.2} {:<9}{}{}",
            case.bench,
            case.case,
            case.ours,
            case.unit,
            ratio("peer", case.ratio_peer),
            ratio("limit", case.ratio_limit)
        );
    }
    text
}

/// Rewrites the file of results.
pub(crate) fn write(path: &Path, cases: &[Case], machine: &str) -> std::io::Result<()> {
    let text = format!(
        "# Results\n\nWritten by `make bench`; nothing here is edited by hand. Each figure is the median of its runs, ours and the peers' taken\n\
         in turn. Ratios above 1 mean that ours is better.\n\n{machine}\n\n{}",
        markdown(cases)
    );
    std::fs::write(path, text)
}
