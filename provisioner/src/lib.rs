//! Makes, changes and ends an AWS estate of isolation hosts, and reads its audit trail.
//!
//! ```text
//! estate.toml ─ spec ─▶ Spec ─ estate ─▶ desired graph ─┐
//!                                                       ├─ plan ─▶ Plan ─ apply ─▶ AWS
//!                       AWS ─ cloud, kind ─▶ observed ──┘                  └─ trail
//! ```
//!
//! There is no state file: tags on the resources themselves say what belongs to an estate, so every command reads
//! the world anew. `spec`, `estate` and `plan` are functions of values; only `cloud` and what it hands out talk to AWS.

#![forbid(unsafe_code)]

pub mod access;
pub mod apply;
pub mod cli;
pub mod cloud;
mod command;
pub mod estate;
pub mod explain;
pub mod kind;
pub mod permission;
pub mod plan;
pub mod price;
mod render;
pub mod rule;
pub mod spec;
pub mod trail;
