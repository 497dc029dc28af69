//! /fieldeye_defects [n]: the last defects.

use crate::bot::{request, words};
use crate::store::{DefectRow, Store, StoreError};
use jiff::Timestamp;

/// What a person wants to know of a defect.
#[derive(Debug, Clone)]
struct Seen {
    class: String,
    severity: String,
    confidence: f64,
    verified: bool,
    at: Option<Timestamp>,
    vehicle: Option<String>,
    technician: Option<String>,
    device: Option<String>,
}

impl From<DefectRow> for Seen {
    fn from(row: DefectRow) -> Self {
        Self {
            at: words::seen_at(&row),
            class: row.defect_type,
            severity: row.severity,
            confidence: row.confidence,
            verified: row.human_verified,
            vehicle: row.vehicle_id,
            technician: row.technician_id,
            device: row.device_id,
        }
    }
}

pub(super) async fn run(store: &Store, given: &[&str]) -> Result<String, StoreError> {
    let n = match request::count(given, 10, 50, "fieldeye_defects") {
        Ok(n) => n,
        Err(sentence) => return Ok(sentence),
    };
    let rows = store.defects(n).await?;
    let seen: Vec<Seen> = rows.into_iter().map(Seen::from).collect();
    Ok(text(&seen))
}

fn text(defects: &[Seen]) -> String {
    let heading = match defects.len() {
        0 => return "No defects yet.".to_owned(),
        1 => "<b>The last defect</b>".to_owned(),
        n => format!("<b>The last {n} defects</b>"),
    };
    let blocks = defects.iter().map(block);
    std::iter::once(heading).chain(blocks).collect::<Vec<_>>().join("\n\n")
}

fn block(defect: &Seen) -> String {
    let verified = if defect.verified { ", verified" } else { "" };
    let when = defect.at.map_or_else(|| "time unknown".to_owned(), words::moment);
    let where_and_who = [&defect.vehicle, &defect.technician, &defect.device];
    let place: Vec<String> = where_and_who.into_iter().flatten().map(|text| words::name(text)).collect();
    let mut lines = vec![
        format!(
            "<b>{}</b>\n{}, {} sure{verified}",
            words::defect(&defect.class),
            words::name(&defect.severity),
            words::percent(defect.confidence)
        ),
        when,
    ];
    if !place.is_empty() {
        lines.push(place.join(", "));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        Seen {
            class: "torque_stripe_missing".to_owned(),
            severity: "critical".to_owned(),
            confidence: 0.912,
            verified: false,
            at: Some("2026-11-24T10:02:59Z".parse().expect("a time")),
            vehicle: Some("train-3".to_owned()),
            technician: Some("anna".to_owned()),
            device: Some("cam-7".to_owned()),
        }
    }

    #[test]
    fn none() {
        insta::assert_snapshot!(text(&[]), @"No defects yet.");
    }

    #[test]
    fn one_with_everything() {
        insta::assert_snapshot!(text(&[seen()]), @"
        <b>The last defect</b>

        <b>torque stripe missing</b>
        critical, 91 % sure
        2026-11-24 10:02 UTC
        train-3, anna, cam-7
        ");
    }

    #[test]
    fn two_one_verified_and_odd() {
        let odd = Seen {
            class: "<i>rust_&_dust".to_owned(),
            severity: "info".to_owned(),
            confidence: 1.0,
            verified: true,
            at: None,
            vehicle: None,
            technician: None,
            device: None,
        };
        insta::assert_snapshot!(text(&[seen(), odd]), @"
        <b>The last 2 defects</b>

        <b>torque stripe missing</b>
        critical, 91 % sure
        2026-11-24 10:02 UTC
        train-3, anna, cam-7

        <b>&lt;i&gt;rust &amp; dust</b>
        info, 100 % sure, verified
        time unknown
        ");
    }
}
