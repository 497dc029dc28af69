//! `fieldeye-hub session list | show`: inspections.

use super::show;
use crate::cli::Global;
use crate::store::{SessionDetail, SessionRow, Store, StoreError};
use clap::Args;
use fieldeye_base::console;
use fieldeye_base::exit::{Exit, Failure};
use uuid::Uuid;

/// A beginning of an id is looked for among so many inspections.
const SEARCHED: u32 = 100_000;
/// Shortest beginning of an id.
const SHORTEST: usize = 4;

/// Arguments of `session list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How many, at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

/// Arguments of `session show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The inspection's id, or its beginning
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the last inspections.
pub(crate) fn list(global: &Global, args: &ListArgs) -> anyhow::Result<()> {
    let limit = args.limit;
    let sessions = super::ask(global, |store| async move { store.sessions(limit).await })?;
    if args.json {
        return console::say_json(&sessions);
    }
    let header =
        ["id", "date", "technician", "vehicle", "equipment", "device", "seconds", "pauses", "defects", "status"];
    let rows: Vec<Vec<String>> = sessions.iter().map(row).collect();
    console::say_table(&header, &rows, "no inspections yet");
    Ok(())
}

fn row(session: &SessionRow) -> Vec<String> {
    vec![
        session.id.to_string(),
        show::moment(session.date),
        session.technician_id.clone(),
        show::text(session.vehicle_id.as_deref()),
        show::text(session.equipment_type.as_deref()),
        show::text(session.device_id.as_deref()),
        show::count(session.duration_sec),
        session.pause_count.to_string(),
        session.defect_count.to_string(),
        session.status.clone(),
    ]
}

/// Prints one inspection with everything in it.
pub(crate) fn show(global: &Global, args: &ShowArgs) -> anyhow::Result<()> {
    let id = args.id.trim().to_ascii_lowercase();
    let valid = id.len() >= SHORTEST && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if !valid {
        let message = format!("{:?} is not an inspection's id, nor its beginning", args.id);
        return Err(Failure::usage(message).hint("`fieldeye-hub session list` shows the ids").into());
    }
    let beginning = id.clone();
    let found = super::ask(global, |store| async move { find(&store, &beginning).await })?;
    let detail = match found {
        Found::One(detail) => detail,
        Found::None => {
            return Err(Failure::new(Exit::Failed, format!("there is no inspection {id}"))
                .hint("`fieldeye-hub session list` shows the ids")
                .into());
        }
        Found::Several(n) => {
            return Err(Failure::usage(format!("{n} inspections begin with {id}")).hint("write more of the id").into());
        }
    };
    if args.json {
        return console::say_json(&*detail);
    }
    print(&detail);
    Ok(())
}

enum Found {
    One(Box<SessionDetail>),
    None,
    Several(usize),
}

async fn find(store: &Store, beginning: &str) -> Result<Found, StoreError> {
    let id = match Uuid::parse_str(beginning) {
        Ok(id) => id,
        Err(_) => {
            let sessions = store.sessions(SEARCHED).await?;
            let mut ids = sessions.iter().map(|session| session.id).filter(|id| id.to_string().starts_with(beginning));
            match (ids.next(), ids.count()) {
                (None, _) => return Ok(Found::None),
                (Some(id), 0) => id,
                (Some(_), more) => return Ok(Found::Several(more + 1)),
            }
        }
    };
    Ok(store.session(id).await?.map_or(Found::None, |detail| Found::One(Box::new(detail))))
}

fn print(detail: &SessionDetail) {
    let session = &detail.session;
    let camera = [&session.camera_model, &session.mount_type].into_iter().flatten().cloned().collect::<Vec<_>>();
    let facts = [
        ("inspection", session.id.to_string()),
        ("status", session.status.clone()),
        ("date", show::moment(session.date)),
        ("time", show::text(session.time_quality.as_deref())),
        ("technician", session.technician_id.clone()),
        ("vehicle", show::text(session.vehicle_id.as_deref())),
        ("equipment", show::text(session.equipment_type.as_deref())),
        ("device", show::text(session.device_id.as_deref())),
        ("camera", show::text(Some(&camera.join(", ")))),
        ("video", show::text(session.video_path.as_deref())),
        ("seconds", show::count(session.duration_sec)),
        ("frames", show::count(session.total_frames)),
    ];
    for (name, value) in facts {
        console::say(&format!("{name:<12} {value}"));
    }
    heading("Pauses");
    let rows: Vec<Vec<String>> = detail
        .pauses
        .iter()
        .map(|pause| {
            let sure = pause.confidence.map_or_else(|| "-".to_owned(), show::percent);
            vec![pause.id.to_string(), show::span(pause.start_s, pause.end_s), sure, show::number(pause.keyframe_s)]
        })
        .collect();
    console::say_table(&["id", "seconds", "sure", "keyframe at"], &rows, "none");
    heading("Defects");
    let rows: Vec<Vec<String>> = detail.defects.iter().map(super::defect::in_session).collect();
    console::say_table(&super::defect::IN_SESSION, &rows, "none");
    heading("Frames");
    let rows: Vec<Vec<String>> = detail
        .frames
        .iter()
        .map(|frame| {
            let at = show::number(frame.timestamp_sec);
            let picture = frame.frame_path.as_deref().unwrap_or("not here yet").to_owned();
            vec![frame.id.to_string(), at, show::count(frame.frame_number), picture]
        })
        .collect();
    console::say_table(&["id", "second", "number", "picture"], &rows, "none");
    if !detail.gaps.is_empty() {
        heading("What is missing");
        let rows: Vec<Vec<String>> = detail
            .gaps
            .iter()
            .map(|gap| {
                let (what, reason) = (show::text(gap.what.as_deref()), show::text(gap.reason.as_deref()));
                vec![show::span(gap.start_s, gap.end_s), what, reason]
            })
            .collect();
        console::say_table(&["seconds", "what", "why"], &rows, "nothing");
    }
}

fn heading(text: &str) {
    console::say("");
    console::say(text);
}
