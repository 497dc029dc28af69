//! `fieldeye-agent session start|pause|resume|stop|mark|list`: says to the program that runs what a technician wants.

use crate::cli::Global;
use crate::cmd::FactsArgs;
use crate::store::orders::{self, Order};
use crate::store::sessions;
use crate::store::{self, Opening, Store};
use clap::{Args, Subcommand};
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_base::stop::{self, Stop};
use fieldeye_base::{clock, console, sqlite};
use jiff::Timestamp;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Arguments of `session`.
#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Begin a session with the next picture
    Start(StartArgs),
    /// Neither look nor record for a while; a gap says so
    Pause(CameraArgs),
    /// Go on after a pause
    Resume(CameraArgs),
    /// End the session that goes on
    Stop(CameraArgs),
    /// Remember this moment of the session that goes on
    Mark(MarkArgs),
    /// List the sessions of this device, the newest first
    List(ListArgs),
}

#[derive(Debug, Args)]
struct CameraArgs {
    /// Number of the camera, from 1 (default: all)
    #[arg(long, value_name = "N")]
    camera: Option<usize>,
}

#[derive(Debug, Args)]
struct StartArgs {
    #[command(flatten)]
    camera: CameraArgs,
    #[command(flatten)]
    facts: FactsArgs,
}

#[derive(Debug, Args)]
struct MarkArgs {
    #[command(flatten)]
    camera: CameraArgs,
    /// What there is to see
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Most sessions
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The program that runs answers within this time.
const ANSWER: Duration = Duration::from_secs(5);
const PERIOD: Duration = Duration::from_millis(50);

/// Does what is said.
pub(crate) fn run(global: &Global, args: &SessionArgs) -> anyhow::Result<()> {
    match &args.what {
        What::Start(start) => ask(global, Order::Start, start.camera.camera, start.facts.facts().to_json()),
        What::Pause(pause) => ask(global, Order::Pause, pause.camera, "{}".to_owned()),
        What::Resume(resume) => ask(global, Order::Resume, resume.camera, "{}".to_owned()),
        What::Stop(stop) => ask(global, Order::Stop, stop.camera, "{}".to_owned()),
        What::Mark(mark) => {
            ask(global, Order::Mark, mark.camera.camera, serde_json::json!({"note": mark.note}).to_string())
        }
        What::List(list) => show(global, list),
    }
}

fn ask(global: &Global, what: Order, camera: Option<usize>, said: String) -> anyhow::Result<()> {
    let config = global.load(&[])?.value;
    let store = Store::open(&config.data_dir, None, Opening::Beside)?;
    let now_ms = clock::now_ms();
    let id = store.write_blocking("ask", move |tx| orders::ask(tx, what, camera, &said, now_ms))?;
    let until = Instant::now() + ANSWER;
    loop {
        if let Some(answer) = store.read_blocking("read the answer", move |db| orders::answer_to(db, id))? {
            if answer.done {
                console::say(&answer.text);
                return Ok(());
            }
            return Err(Failure::new(Exit::Failed, answer.text).into());
        }
        if Instant::now() > until && store.write_blocking("take back", move |tx| orders::take_back(tx, id))? {
            let failure = Failure::new(Exit::Failed, "no program with a camera runs on this data directory");
            return Err(failure.hint("start one: `fieldeye-agent run v4l2:/dev/video0`").into());
        }
        stop::rest(&Stop::new(), PERIOD);
    }
}

/// A session in the list.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    source: String,
    status: sessions::Status,
    pauses: u64,
    defects: u64,
    began: Option<Timestamp>,
}

fn show(global: &Global, args: &ListArgs) -> anyhow::Result<()> {
    let config = global.load(&[])?.value;
    let db = sqlite::open_beside(&store::database_path(&config.data_dir))?;
    let rows: Vec<Row> = sessions::newest(&db, args.limit)?
        .into_iter()
        .map(|newest| Row {
            id: newest.id,
            source: newest.source,
            status: newest.status,
            pauses: newest.pauses,
            defects: newest.defects,
            began: Timestamp::from_millisecond(newest.created_ms).ok(),
        })
        .collect();
    if args.json {
        return console::say_json(&rows);
    }
    let table: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let began = row.began.map_or_else(String::new, |began| format!("{began:.0}"));
            let status = format!("{:?}", row.status).to_lowercase();
            vec![row.id.clone(), began, status, row.pauses.to_string(), row.defects.to_string(), row.source.clone()]
        })
        .collect();
    console::say_table(&["session", "began", "status", "pauses", "defects", "source"], &table, "no sessions yet");
    Ok(())
}
