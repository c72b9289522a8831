//! What can go wrong while a lab is made, asked or ended.

use std::io;
use std::path::{Path, PathBuf};

/// Each message says what failed, where, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A file or directory of the lab.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried, as in "write".
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program that could not be started.
    #[error("start {program}: {source}; is it installed?")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program that ran and failed.
    #[error("`{command}` failed ({status}):\n{output}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it printed.
        output: String,
    },
    /// A package of the system that isn't there and can't be installed without asking.
    #[error(
        "{need} needs the system's {packages}: install with `sudo apt-get install {packages}`, then run this again"
    )]
    SystemPackages {
        /// What needs them.
        need: &'static str,
        /// Their names in Debian and Ubuntu.
        packages: String,
    },
    /// A package that this system's lists don't have.
    #[error("{need} needs the package {package}, which apt doesn't know here: Debian's lists have it")]
    NoPackage {
        /// What needs it.
        need: &'static str,
        /// Its name.
        package: &'static str,
    },
    /// Fuzz targets that did not end by themselves.
    #[error("only {tried} fuzz targets said how much they tried")]
    NotFuzzed {
        /// How many did.
        tried: usize,
    },
    /// The virtual machine did not boot, or its program did not end.
    #[error("the virtual machine: {reason}; the end of its console:\n{console}")]
    Vm {
        /// What was seen instead.
        reason: String,
        /// The console's last lines, and what QEMU itself said.
        console: String,
    },
    /// The certificate authority.
    #[error("make the lab's certificates: {0}")]
    Certificates(#[from] rcgen::Error),
    /// The control plane ended, or said nothing in time.
    #[error("the control plane did not start: {reason}; the end of its log, {}:\n{tail}", log.display())]
    ControlPlane {
        /// What was seen instead of its announcement.
        reason: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A call to the control plane.
    #[error("ask the control plane at {url}: {reason}")]
    Call {
        /// The call's address.
        url: String,
        /// Why it failed.
        reason: String,
    },
    /// A port for the faults' proxy.
    #[error("listen on a port of 127.0.0.1: {source}")]
    Listen {
        /// What the system said.
        source: io::Error,
    },
    /// A script of faults that says what can't be done.
    #[error("the script of faults: {0}`cargo lab faults --help` says what it may hold")]
    Script(Box<toml::de::Error>),
    /// No lab, or no longer.
    #[error("no lab is up: run `cargo lab up`")]
    NotUp,
    /// A state file that another version wrote, or that was damaged.
    #[error("{} can't be read ({source}): run `cargo lab down`, then `cargo lab up`", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Every command ended as it should, and yet the demo doesn't show what it is to show.
    #[error("the demo failed: {what}:\n{evidence}")]
    Story {
        /// What went wrong.
        what: String,
        /// Where it shows.
        evidence: String,
    },
    /// A benchmark that says something else than it should.
    #[error("the benchmark: {what}:\n{evidence}")]
    Benchmark {
        /// What is wrong.
        what: String,
        /// Where it shows.
        evidence: String,
    },
    /// A process that may not be signalled.
    #[error("end the control plane, process {pid}: {errno}")]
    Signal {
        /// Its id.
        pid: i32,
        /// What the kernel said.
        errno: nix::errno::Errno,
    },
    /// A process that would not end.
    #[error("the control plane, process {pid}, is still there {seconds} s after SIGKILL")]
    WillNotEnd {
        /// Its id.
        pid: i32,
        /// How long it was waited for.
        seconds: u64,
    },
}

impl LabError {
    /// For `map_err` on a file operation.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LabError {
        let path = path.to_owned();
        move |source| LabError::File { action, path, source }
    }
}
