//! Small things in words: moments, spans, counts, names of defects.

use super::text::escape_short;
use crate::store::DefectRow;
use jiff::{SignedDuration, Timestamp};

/// Longest name that somebody else chose, in characters.
const NAME: usize = 60;

/// `2026-11-24 10:02 UTC`.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// When a defect was seen. In a video that was recorded earlier, that is its place in the inspection; its record is as
/// young as the analysis.
pub(crate) fn seen_at(defect: &DefectRow) -> Option<Timestamp> {
    let into = defect.first_s.and_then(|first| SignedDuration::try_from_secs_f64(first).ok());
    let place = defect.session_date.zip(into).and_then(|(begin, into)| begin.checked_add(into).ok());
    place.or(defect.observed_at)
}

/// `1 min 35 s`.
pub(crate) fn span(seconds: f64) -> String {
    let whole = if seconds.is_finite() { seconds.max(0.0).round() as u64 } else { 0 };
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// `1 pause`, `3 pauses`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// A name that somebody else chose: escaped, and not too long.
pub(crate) fn name(text: &str) -> String {
    escape_short(text, NAME)
}

/// A model's class name for people: `torque_stripe_missing` becomes `torque stripe missing`.
pub(crate) fn defect(class: &str) -> String {
    name(&class.replace('_', " "))
}

/// `91 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share.clamp(0.0, 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_has_the_time_of_its_video() {
        let analysed = crate::alerts::text::tests::due().defect;
        let date = "2026-11-23T08:00:00Z".parse().ok();
        let recorded = DefectRow { session_date: date, ..analysed.clone() };
        assert_eq!(seen_at(&recorded).map(moment).as_deref(), Some("2026-11-23 08:01 UTC"));
        for unknown in [
            DefectRow { session_date: None, ..analysed.clone() },
            DefectRow { first_s: Some(f64::MAX), ..recorded.clone() },
            DefectRow { first_s: None, ..recorded },
        ] {
            assert_eq!(seen_at(&unknown), analysed.observed_at);
        }
    }

    #[test]
    fn in_words() {
        let at: Timestamp = "2026-11-24T10:02:59Z".parse().expect("a time");
        assert_eq!(moment(at), "2026-11-24 10:02 UTC");
        assert_eq!([span(0.4), span(95.4), span(7260.0), span(f64::NAN)], ["0 s", "1 min 35 s", "2 h 1 min", "0 s"]);
        assert_eq!([counted(1, "pause", "pauses"), counted(0, "pause", "pauses")], ["1 pause", "0 pauses"]);
        assert_eq!(defect("bearing_<b>"), "bearing &lt;b&gt;");
        assert_eq!(name(&"x".repeat(70)).chars().count(), 60);
        assert_eq!([percent(0.912), percent(7.0)], ["91 %", "100 %"]);
    }
}
