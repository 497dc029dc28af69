//! `fieldeye-hub alert list`: what was told to whom, in which words, and what still waits.

use super::show;
use crate::alerts::text;
use crate::cli::Global;
use crate::store::{AlertRow, Store, StoreError};
use clap::Args;
use fieldeye_base::console;
use serde::Serialize;

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

/// An alert's row, and what it says.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    row: AlertRow,
    /// `None` when the defect was withdrawn since.
    text: Option<String>,
}

/// Prints the last alerts.
pub(crate) fn list(global: &Global, args: &ListArgs) -> anyhow::Result<()> {
    let limit = args.limit;
    let alerts = super::ask(global, |store| async move { told(&store, limit).await })?;
    if args.json {
        return console::say_json(&alerts);
    }
    if alerts.is_empty() {
        console::say("no alerts yet");
    }
    for alert in &alerts {
        console::say(&standing(&alert.row));
        console::say(&format!("  {}", alert.text.as_deref().unwrap_or("(the defect was withdrawn)")));
    }
    Ok(())
}

async fn told(store: &Store, limit: u32) -> Result<Vec<Told>, StoreError> {
    let mut alerts = Vec::new();
    for row in store.alerts(limit).await? {
        let text = store.defect(row.defect_id).await?.map(|defect| text::line(&defect));
        alerts.push(Told { row, text });
    }
    Ok(alerts)
}

/// To whom, and how far that is.
fn standing(alert: &AlertRow) -> String {
    let (id, reader) = (alert.id, &alert.target);
    let trouble = alert.trouble.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
    match (alert.sent_at, alert.dropped_at) {
        (Some(at), _) => format!("alert {id}, told to {reader} {}", show::moment(Some(at))),
        (None, Some(at)) => format!("alert {id} to {reader}, given up {}{trouble}", show::moment(Some(at))),
        (None, None) => {
            let made = show::moment(Some(alert.created_at));
            format!("alert {id} to {reader}, waiting since {made}, {} tries{trouble}", alert.tries)
        }
    }
}
