//! The program that takes everything in.
//!
//! `cli` takes the arguments, `cmd` has one file per subcommand. `serve` puts the rooms together: devices speak MQTT to
//! the `broker`, `ingest` reads what they send, `store` and `blobs` keep it, `alerts` tells people through the `bot` or
//! on the console, `health` says how everything stands. All other commands work beside a running hub.

#![allow(dead_code, reason = "the rooms are being put together")]

mod broker;
mod config;
mod store;

fn main() {}
