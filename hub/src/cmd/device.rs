//! `fieldeye-hub device list`: who was ever heard, and how they stand.

use super::show;
use crate::cli::Global;
use crate::store::DeviceRow;
use clap::Args;
use fieldeye_base::console;

/// Arguments of `device list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How many, at most
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: u32,
}

/// Prints the devices.
pub(crate) fn list(global: &Global, args: &ListArgs) -> anyhow::Result<()> {
    let mut devices = super::ask(global, |store| async move { store.devices().await })?;
    devices.truncate(args.limit as usize);
    if args.json {
        return console::say_json(&devices);
    }
    let header = ["device", "presence", "last heard", "agent", "model", "waiting there", "rejected", "inspections"];
    let rows: Vec<Vec<String>> = devices.iter().map(row).collect();
    console::say_table(&header, &rows, "no device was heard yet");
    Ok(())
}

fn row(device: &DeviceRow) -> Vec<String> {
    let model = device.model_name.as_deref().map(|name| {
        let version = device.model_version.as_deref().unwrap_or_default();
        format!("{name} {version}").trim().to_owned()
    });
    vec![
        device.id.clone(),
        device.presence.clone(),
        show::moment(Some(device.last_seen_at)),
        show::text(device.agent_version.as_deref()),
        show::text(model.as_deref()),
        format!("{} records, {} pictures", device.queue_records, device.queue_blobs),
        device.rejected_total.to_string(),
        device.session_count.to_string(),
    ]
}
