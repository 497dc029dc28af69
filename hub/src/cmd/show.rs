//! Cells of tables, for people.

use jiff::Timestamp;
use uuid::Uuid;

/// What stands in an empty cell.
const NOTHING: &str = "-";

/// `2026-11-24 10:02:59Z`.
pub(super) fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NOTHING.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// A text that may be missing.
pub(super) fn text(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or(NOTHING).to_owned()
}

/// An id that may be missing.
pub(super) fn id(id: Option<Uuid>) -> String {
    id.map_or_else(|| NOTHING.to_owned(), |id| id.to_string())
}

/// A number with one digit behind the point.
pub(super) fn number(number: Option<f64>) -> String {
    number.map_or_else(|| NOTHING.to_owned(), |number| format!("{number:.1}"))
}

/// A whole number that may be missing.
pub(super) fn count(count: Option<impl std::fmt::Display>) -> String {
    count.map_or_else(|| NOTHING.to_owned(), |count| count.to_string())
}

/// `91 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share.clamp(0.0, 1.0) * 100.0)
}

/// From and to.
pub(super) fn span(from: Option<f64>, to: Option<f64>) -> String {
    format!("{} to {}", number(from), number(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        let at = "2026-11-24T10:02:59.5Z".parse().expect("a time");
        assert_eq!([moment(Some(at)), moment(None)], ["2026-11-24 10:02:59Z", "-"]);
        assert_eq!([text(Some("")), number(Some(3.06)), count(Some(7)), percent(0.912)], ["-", "3.1", "7", "91 %"]);
        assert_eq!(span(Some(1.0), None), "1.0 to -");
    }
}
