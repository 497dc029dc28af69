//! Pixels to meaning.
//!
//! This crate owns what happens between a decoded frame and the words "pause" and "defect": global motion and pauses
//! on the luma plane, the tensor that a model sees, the model itself, the boxes that come out of it, and which boxes
//! are one and the same physical thing.
//!
//! It refuses to know where frames come from, and any file other than a model package, databases and the network.
//!
//! - [`luma`], [`motion`], [`pause`]: from luma planes to pauses
//! - [`picture`]: a decoded frame with its pixel layout and orientation
//! - [`package`]: a model package (`model.toml` and what it names)
//! - [`detect`]: picture → tensor → ONNX → boxes
//! - [`learn`]: good pictures → a package that finds what is unlike them
//! - [`track`]: boxes over time → physical defects
//! - [`verify`]: whether a model says what it should

pub mod detect;
pub mod learn;
pub mod luma;
pub mod motion;
pub mod package;
pub mod pause;
pub mod picture;
pub mod track;
pub mod verify;
