//! One file per subcommand: arguments, what is done, what a person reads. Everything else is in the rooms.

pub(crate) mod detect;
pub(crate) mod doctor;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod model;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod why;
