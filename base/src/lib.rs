//! The ground that both programs stand on.
//!
//! Agent and hub never import each other; what they must do alike lives here: configuration in layers, logs that
//! rotate, exit codes, one instance per data directory, consoles that may not know Unicode, SQLite opened the durable
//! way, the clock, and a clean stop.
//!
//! It refuses to know what either program is for: no records, no MQTT, no video.

pub mod backoff;
pub mod clock;
pub mod config;
pub mod console;
pub mod database;
pub mod disk;
pub mod exit;
pub mod instance;
pub mod logs;
pub mod memory;
pub mod secret;
pub mod service;
pub mod sqlite;
pub mod stop;
