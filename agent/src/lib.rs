//! The agent: runs workloads in sandboxes on a host, and records what it does.
//!
//! ```text
//!  holdfast-agent run ──HTTP/JSON, UNIX socket──▶ api ─▶ supervisor ─▶ spawner (static holdfast-sandbox) ─▶ sandbox
//!                                                  └──────── trail ◀──────┘
//!                                                              └─▶ spool ─▶ the store in the audit account
//! ```
//!
//! - [`api`]: HTTP on the socket, the peer's credentials, the streams of an attached job.
//! - `supervisor`: jobs from request to end, the spawner, logs.
//! - `trail`: what is recorded, as whom, and its shipping.
//! - [`serve`]: the daemon from start to stop. [`cli`]: the commands; all but `serve` use the API and nothing else.
//!
//! Trust: the agent is root and its callers are not, so each request is judged by the kernel's word on who sent it
//! (`api::peer`) and by what root configured ([`config`]); what runs is the sandbox's matter.

#![deny(unsafe_code)]

pub mod api;
pub mod cli;
pub mod config;
pub mod quantity;
pub mod serve;
pub(crate) mod supervisor;
mod sys;
pub(crate) mod trail;
