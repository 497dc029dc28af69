//! `fieldeye-hub defect list`: what looked wrong.

use super::show;
use crate::bot::words;
use crate::cli::Global;
use crate::store::DefectRow;
use clap::Args;
use fieldeye_base::console;

/// Arguments of `defect list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How many, at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

/// Prints the last defects.
pub(crate) fn list(global: &Global, args: &ListArgs) -> anyhow::Result<()> {
    let limit = args.limit;
    let defects = super::ask(global, |store| async move { store.defects(limit).await })?;
    if args.json {
        return console::say_json(&defects);
    }
    let header = ["id", "what", "severity", "sure", "when", "vehicle", "technician", "device", "inspection"];
    let rows: Vec<Vec<String>> = defects.iter().map(row).collect();
    console::say_table(&header, &rows, "no defects yet");
    Ok(())
}

fn row(defect: &DefectRow) -> Vec<String> {
    vec![
        defect.id.to_string(),
        defect.defect_type.clone(),
        defect.severity.clone(),
        show::percent(defect.confidence),
        show::moment(words::seen_at(defect)),
        show::text(defect.vehicle_id.as_deref()),
        show::text(defect.technician_id.as_deref()),
        show::text(defect.device_id.as_deref()),
        show::id(defect.session_id),
    ]
}

/// The header over [`in_session`].
pub(super) const IN_SESSION: [&str; 6] = ["id", "what", "severity", "sure", "seconds", "picture"];

/// A defect among those of its inspection.
pub(super) fn in_session(defect: &DefectRow) -> Vec<String> {
    vec![
        defect.id.to_string(),
        defect.defect_type.clone(),
        defect.severity.clone(),
        show::percent(defect.confidence),
        show::span(defect.first_s, defect.last_s),
        defect.frame_path.as_deref().unwrap_or("not here yet").to_owned(),
    ]
}
