//! Tests of the whole system with the real programs, and what they need: servers that play the outside world,
//! devices that are not the agent, and programs that run.
//!
//! Nothing here knows private functions of the programs: they are started, spoken to and killed as in the field.

#[cfg(unix)]
pub mod agent;
pub mod bot_api;
pub mod chance;
pub mod device;
pub mod http;
#[cfg(unix)]
pub mod inspect;
pub mod ledger;
pub mod network_camera;
pub mod programs;
pub mod running;
#[cfg(target_os = "linux")]
pub mod small_disk;
pub mod workspace;
