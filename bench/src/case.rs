//! One line of a result.

use serde::Serialize;

/// A figure of ours beside the peer's, and beside what is possible at all. Ratios are better above 1.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Case {
    pub(crate) bench: &'static str,
    pub(crate) case: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) peer: Option<f64>,
    pub(crate) limit: Option<f64>,
    pub(crate) ratio_peer: Option<f64>,
    pub(crate) ratio_limit: Option<f64>,
    pub(crate) runs: usize,
    /// What stands beside ours.
    #[serde(skip)]
    pub(crate) about: &'static str,
}

/// Whether more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

impl Case {
    pub(crate) fn new(
        (bench, case): (&'static str, impl Into<String>),
        (unit, better): (&'static str, Better),
        ours: f64,
        (peer, limit): (Option<f64>, Option<f64>),
        runs: usize,
        about: &'static str,
    ) -> Self {
        let ratio = |other: f64| if better == Better::More { ours / other } else { other / ours };
        let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
        Self {
            bench,
            case: case.into(),
            unit,
            ours: rounded(ours),
            peer: peer.map(rounded),
            limit: limit.map(rounded),
            ratio_peer: peer.map(ratio).map(rounded),
            ratio_limit: limit.map(ratio).map(rounded),
            runs,
            about,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_better_above_one() {
        let speed = Case::new(("b", "c"), ("frames/s", Better::More), 300.0, (Some(150.0), Some(400.0)), 7, "");
        assert_eq!((speed.ratio_peer, speed.ratio_limit), (Some(2.0), Some(0.75)));
        let cost = Case::new(("b", "c"), ("ms", Better::Less), 2.0, (Some(5.0), None), 7, "");
        assert_eq!((cost.ratio_peer, cost.ratio_limit), (Some(2.5), None));
    }
}
