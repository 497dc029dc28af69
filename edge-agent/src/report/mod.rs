//! An inspection for people and programs.
//!
//! Findings are collected into an [`Inspection`], which is also what `inspect --json` prints. [`folder`] keeps it with its
//! pictures in a folder that a person may pass on; [`page`] makes the self-contained `report.html` in it.

mod collect;
mod folder;
mod inspection;
mod page;

pub(crate) use collect::Collector;
pub(crate) use folder::Folder;
pub(crate) use inspection::{Inspection, Model, Skim};
