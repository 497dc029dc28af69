//! What is analysed, when, and what becomes of it.
//!
//! Whoever wants a file analysed writes a job into the store; the one program that holds the data directory works
//! them off, one at a time ([`worker`]). A watched folder asks too ([`sources`]). Files that a camera split off one
//! recording are looked at as one ([`chapters`]). A recording is known by its content ([`content`]): one that was looked at
//! to the end is not looked at again. Findings come in from `analysis` on a thread of its own and go to the store as records
//! ([`recorder`]), each durable before the analysis goes on.

pub(crate) mod chapters;
pub(crate) mod content;
pub(crate) mod date;
pub(crate) mod eye;
pub(crate) mod facts;
pub(crate) mod pulse;
pub(crate) mod recorder;
pub(crate) mod scan;
pub(crate) mod sources;
pub(crate) mod worker;

pub(crate) use worker::looked_with;
