//! `cargo lab bench provision`: what `provision` takes, counted and timed on one control plane in one run.
//!
//! Calls are counted by a proxy between the program and the control plane, which also notes when each was under way. So
//! a wall time is told beside what the same calls took by themselves: for a plan, the time during which any call was
//! under way; for an apply, the longest chain of calls of which each began after the one before had ended
//! ([`chain`]). Beside it, in the same run, Ansible's modules make the same estate.
//!
//! Two cores and a control plane in Python are noisy: the ratios and the counts are worth more than the times.
//!
//! The sandbox's benchmark needs no control plane: [`sandbox`].

mod ansible;
mod chain;
mod ours;
mod report;
mod sandbox;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use self::report::Report;
pub use self::sandbox::run_bench_sandbox;
use crate::control_plane::Account;
use crate::error::LabError;
use crate::faults::{Call, Faults};
use crate::lab::Lab;
use crate::layout::Layout;
use crate::run::run;
use crate::{programs, venv};

/// Runs the benchmark of `provision` and prints its figures.
pub fn run_bench_provision(layout: &Layout) -> Result<(), LabError> {
    let provision = programs::release_provision(layout)?;
    ansible::prepare()?;
    let directory = layout.lab().join("bench");
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(LabError::file("clear", &directory))?;
    }
    fs::create_dir_all(&directory).map_err(LabError::file("make", &directory))?;
    let lab = Lab::start(&directory.join("control-plane"))?;
    let proxy = Faults::start(lab.plain_endpoint())?;
    let bench = Bench {
        python: venv::python(layout)?,
        scripts: layout.sources().join("bench"),
        provision,
        proxy,
        lab,
        directory,
    };
    let mut report = Report::default();
    ours::help(&bench, &mut report)?;
    ours::plans(&bench, &mut report)?;
    let made = ours::apply(&bench, &mut report)?;
    ansible::apply(&bench, &made, &mut report)?;
    ours::plan_core(layout, &mut report)?;
    print!("{report}");
    Ok(())
}

/// What every part of it needs.
struct Bench {
    python: PathBuf,
    scripts: PathBuf,
    provision: PathBuf,
    proxy: Faults,
    lab: Lab,
    directory: PathBuf,
}

/// What one run of a program took.
#[derive(Debug, Clone, Deserialize)]
struct Taken {
    /// From start to end, in seconds.
    wall_s: f64,
    /// Processor time, its own and the kernel's for it, in seconds.
    cpu_s: f64,
    /// The most memory that it had, in MiB.
    memory_mib: f64,
    /// The calls that it made.
    #[serde(skip)]
    calls: Vec<Call>,
}

impl Bench {
    /// Runs a program to its end, which must be success, and says what it took.
    fn measure(&self, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Taken, LabError> {
        let result = self.directory.join("measured.json");
        let mut command = Command::new(&self.python);
        self.lab.point(&mut command, Account::Workloads)?;
        command
            .arg(self.scripts.join("measure.py"))
            .arg(&result)
            .arg(program)
            .args(arguments)
            .current_dir(&self.directory)
            .env("AWS_ENDPOINT_URL", self.proxy.endpoint())
            .env("XDG_STATE_HOME", self.directory.join("laptop"))
            .envs(environment.iter().copied());
        self.proxy.script(Vec::new());
        run(&mut command)?;
        let text = fs::read_to_string(&result).map_err(LabError::file("read", &result))?;
        let mut taken: Taken = serde_json::from_str(&text)
            .map_err(|error| LabError::Benchmark { what: format!("measure.py: {error}"), evidence: text })?;
        taken.calls = self.proxy.calls();
        Ok(taken)
    }

    /// Runs `provision` and says what it took.
    fn provision(&self, arguments: &[&str]) -> Result<Taken, LabError> {
        self.measure(&self.provision.to_string_lossy(), arguments, &[])
    }
}

/// When a call was under way, from the beginning of the run.
fn spans(calls: &[Call]) -> Vec<(Duration, Duration)> {
    calls.iter().filter_map(|call| Some((call.began, call.ended?))).collect()
}
