//! The cloud in a box: a strict control plane on one machine.
//!
//! moto, made as strict as AWS where Holdfast's claims lean on strictness (the Python package `strict` beside this
//! crate), serves the APIs on loopback; this crate installs what that needs, starts it, and says how to reach it.
//!
//! * A person's lab: [`up`], [`current`], [`down`]; it goes on after the command that started it.
//! * A test's own: [`Lab::start`]; it ends with the value, or with the test's process.
//! * Either behind a proxy that throttles, refuses, cuts and kills by a script: [`Faults`].
//!
//! The lab holds no logic of the product, and the product knows no lab: variables of the environment are all that
//! stands between them.

#![forbid(unsafe_code)]

mod bench;
mod certificates;
mod checks;
mod control_plane;
mod demo;
mod error;
mod evaluator;
mod faults;
mod fuzz;
mod lab;
mod layout;
mod packages;
mod process;
mod programs;
mod run;
mod server;
mod shared;
mod shell;
mod switches;
mod trust;
mod venv;
mod vm;

pub use bench::{run_bench_provision, run_bench_sandbox};
pub use checks::{Deaths, run_checks};
pub use control_plane::{Account, ControlPlane, Credentials, Identity};
pub use demo::run_demo;
pub use error::LabError;
pub use faults::{Action, Call, Fault, Faults, Moment, Refusal, Times, run_faults};
pub use lab::Lab;
pub use layout::Layout;
pub use programs::{Programs, static_sandbox};
pub use server::prepare;
pub use shared::{Down, Up, current, down, up};
pub use shell::exports;
pub use switches::Quota;
pub use venv::judges;
pub use vm::{Vm, VmEnded, install_vm};
