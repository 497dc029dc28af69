//! Tests of the whole system with the real programs, and what they need: servers that play the outside world.
//!
//! Nothing here knows private functions of the programs: they are started, spoken to and killed as in the field.

pub mod bot_api;
pub mod http;
