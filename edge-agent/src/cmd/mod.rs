//! One file per subcommand: arguments, what is done, what a person reads. Everything else is in the rooms.

pub(crate) mod status;
