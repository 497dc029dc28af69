//! An alert in words: for a chat, and for a console.

use crate::bot::text::escape;
use crate::bot::words;
use crate::store::DefectRow;

/// What happened, how sure that is, where, who and when; as HTML for Telegram, escaped.
pub(crate) fn html(defect: &DefectRow) -> String {
    let mut lines = vec![
        format!("<b>{}</b>", words::defect(&defect.defect_type)),
        format!("{}, {} sure", words::name(&defect.severity), words::percent(defect.confidence)),
    ];
    let place: Vec<String> =
        [&defect.vehicle_id, &defect.equipment_type].into_iter().flatten().map(|text| words::name(text)).collect();
    if !place.is_empty() {
        lines.push(place.join(", "));
    }
    let who = [known_technician(defect).map(str::to_owned), defect.device_id.as_ref().map(|id| format!("with {id}"))];
    let who: Vec<String> = who.iter().flatten().map(|text| words::name(text)).collect();
    if !who.is_empty() {
        lines.push(who.join(" "));
    }
    lines.push(when(defect));
    if let Some(session) = defect.session_id {
        lines.push(format!("Inspection <code>{}</code>", escape(&session.to_string())));
    }
    lines.join("\n")
}

/// The same in one line.
pub(crate) fn line(defect: &DefectRow) -> String {
    let mut parts = vec![
        format!("ALERT {}: {}", defect.severity, defect.defect_type.replace('_', " ")),
        format!("{} sure", words::percent(defect.confidence)),
    ];
    parts.extend(defect.vehicle_id.clone());
    parts.extend(defect.equipment_type.clone());
    parts.extend(known_technician(defect).map(str::to_owned));
    parts.extend(defect.device_id.as_ref().map(|id| format!("with {id}")));
    parts.push(when(defect));
    parts.extend(defect.session_id.map(|session| format!("inspection {session}")));
    parts.join(", ")
}

fn known_technician(defect: &DefectRow) -> Option<&str> {
    defect.technician_id.as_deref().filter(|name| *name != "unknown")
}

fn when(defect: &DefectRow) -> String {
    let at = words::seen_at(defect).map_or_else(|| "time unknown".to_owned(), words::moment);
    match defect.first_s {
        Some(first) => format!("{at}, {} into the video", words::span(first)),
        None => at,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::store::{AlertTarget, DueAlert};
    use uuid::Uuid;

    /// A due alert with everything in it.
    pub(crate) fn due() -> DueAlert {
        let at = "2026-11-24T10:02:59Z".parse().expect("a time");
        let defect = DefectRow {
            id: Uuid::from_u128(1),
            session_id: Some(Uuid::from_u128(2)),
            frame_id: Some(Uuid::from_u128(3)),
            pause_id: None,
            device_id: Some("cam-7".to_owned()),
            defect_type: "torque_stripe_missing".to_owned(),
            severity: "critical".to_owned(),
            confidence: 0.912,
            bounding_box: None,
            first_s: Some(63.2),
            last_s: Some(66.3),
            model_name: None,
            model_version: None,
            model_sha256: None,
            auto_detected: true,
            human_verified: false,
            notes: None,
            sensor_data: None,
            observed_at: Some(at),
            time_quality: None,
            rev: 1,
            received_at: at,
            created_at: at,
            technician_id: Some("anna".to_owned()),
            vehicle_id: Some("train-3".to_owned()),
            equipment_type: Some("coaster".to_owned()),
            session_date: "2026-11-24T10:01:56Z".parse().ok(),
            frame_path: None,
        };
        DueAlert { id: 1, target: AlertTarget::Chat(7), tries: 0, defect, picture: None }
    }

    #[test]
    fn with_everything() {
        insta::assert_snapshot!(html(&due().defect), @"
        <b>torque stripe missing</b>
        critical, 91 % sure
        train-3, coaster
        anna with cam-7
        2026-11-24 10:02 UTC, 1 min 3 s into the video
        Inspection <code>00000000-0000-0000-0000-000000000002</code>
        ");
        insta::assert_snapshot!(line(&due().defect), @"ALERT critical: torque stripe missing, 91 % sure, train-3, coaster, anna, with cam-7, 2026-11-24 10:02 UTC, 1 min 3 s into the video, inspection 00000000-0000-0000-0000-000000000002");
    }

    #[test]
    fn with_little_and_odd_names() {
        let defect = DefectRow {
            session_id: None,
            session_date: None,
            device_id: None,
            defect_type: "<b>crack".to_owned(),
            first_s: None,
            observed_at: None,
            technician_id: Some("unknown".to_owned()),
            vehicle_id: None,
            equipment_type: Some("pump & motor".to_owned()),
            ..due().defect
        };
        insta::assert_snapshot!(html(&defect), @"
        <b>&lt;b&gt;crack</b>
        critical, 91 % sure
        pump &amp; motor
        time unknown
        ");
    }
}
