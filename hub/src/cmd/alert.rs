//! `fieldeye-hub alert list`: what was told to whom, and what still waits.

use super::show;
use crate::cli::Global;
use crate::store::AlertRow;
use clap::Args;
use fieldeye_base::console;

/// Arguments of `alert list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How many, at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

/// Prints the last alerts.
pub(crate) fn list(global: &Global, args: &ListArgs) -> anyhow::Result<()> {
    let limit = args.limit;
    let alerts = super::ask(global, |store| async move { store.alerts(limit).await })?;
    if args.json {
        return console::say_json(&alerts);
    }
    let header = ["alert", "what", "severity", "reader", "made", "sent", "tries", "trouble", "defect"];
    let rows: Vec<Vec<String>> = alerts.iter().map(row).collect();
    console::say_table(&header, &rows, "no alerts yet");
    Ok(())
}

fn row(alert: &AlertRow) -> Vec<String> {
    let sent = match (alert.sent_at, alert.dropped_at) {
        (Some(at), _) => show::moment(Some(at)),
        (None, Some(_)) => "given up".to_owned(),
        (None, None) => "waiting".to_owned(),
    };
    vec![
        alert.id.to_string(),
        show::text(alert.defect_type.as_deref()),
        show::text(alert.severity.as_deref()),
        alert.target.clone(),
        show::moment(Some(alert.created_at)),
        sent,
        alert.tries.to_string(),
        show::text(alert.trouble.as_deref()),
        alert.defect_id.to_string(),
    ]
}
