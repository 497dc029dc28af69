//! From frames to findings.
//!
//! Decoded frames come in from `capture`; pauses, defects and gaps go out as [`findings::Finding`] to a sink that the
//! caller gives. Motion and pauses run on the caller's thread, inference on one worker thread behind a bounded
//! channel. This room knows neither the store nor the network.

pub mod findings;
