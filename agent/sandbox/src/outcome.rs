//! How a sandbox ended: what is known, and nothing that isn't.
//!
//! Init writes one record (`record.rs`) of fixed size to the result pipe, whose descriptor only it holds: the workload has no
//! way to write there, so it can't forge a verdict. A pipe that ends without a record says that init was killed.
//! With limits by cgroup, the parent adds what the cgroup counted; figures that rlimits can't give (peak memory, peak
//! processes of the whole sandbox) are absent without.

use serde::{Deserialize, Serialize};

use crate::policy::LimitsMode;
use crate::step::{Step, hint};

/// The result of one run, and the JSON that `--result` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What ended the run.
    pub ended_by: EndedBy,
    /// The limits that are known to have been reached, whether or not they ended the run.
    pub limits_hit: Vec<LimitKind>,
    /// The program's exit code, where it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The step that failed; then nothing of the program ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<SetupFailure>,
    /// Microseconds from the program's start to its end (CLOCK_MONOTONIC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_us: Option<u64>,
    /// Microseconds of user time: from the cgroup, of all that ran inside, less what init took; from rusage
    /// (getrusage(2)), of all processes that somebody inside waited for. After an end by memory init's share,
    /// some milliseconds, is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_us: Option<u64>,
    /// The same for system time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_us: Option<u64>,
    /// Where both times come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times_from: Option<Source>,
    /// The most memory that was in use at once, in bytes, less what was before the program started (after an end by
    /// memory, that too). From the cgroup: files in `/tmp`, memfds and caches are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// The most processes and threads at once. From the cgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_pids: Option<u64>,
    /// The bytes that read(2) and its kin gave to all processes inside, from whatever file, pipe or device (`rchar` of
    /// proc_pid_io(5)). Absent where the kernel doesn't count them (CONFIG_TASK_IO_ACCOUNTING).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<u64>,
    /// The bytes that write(2) and its kin took from them (`wchar`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_bytes: Option<u64>,
    /// How often one of them lost its processor to another process: a busy machine makes times longer. From rusage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub involuntary_switches: Option<u64>,
    /// How limits were enforced: under `rlimit-only` they bound each process, not the sandbox as a whole.
    pub limits: LimitsMode,
}

/// Where a figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The sandbox's cgroup, which counts all that ran in it.
    Cgroup,
    /// getrusage(2), which counts who was waited for.
    Rusage,
}

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndedBy {
    /// The program exited by itself.
    Exited,
    /// A signal ended the program.
    Signaled,
    /// The wall clock ran out, and everything inside got SIGKILL.
    Wall,
    /// The program used up its CPU time (RLIMIT_CPU).
    CpuTime,
    /// It wrote more than its limit of output, and its owner ended it.
    Output,
    /// The sandbox reached [`crate::Limits::memory`], and the kernel killed all that was in it; also where the limit was
    /// too small to make the sandbox.
    Memory,
    /// SIGSYS: the seccomp filter killed the program.
    Seccomp,
    /// The sandbox could not be made, or the program not be started ([`Outcome::setup`]).
    SetupFailed,
    /// The sandbox's init was killed from outside (by its owner, or with its spawner): nothing more is known.
    Killed,
}

/// A limit that can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LimitKind {
    /// [`crate::Limits::wall`].
    Wall,
    /// [`crate::Limits::cpu_time`].
    CpuTime,
    /// [`crate::Limits::output`].
    Output,
    /// [`crate::Limits::memory`]: an allocation failed, or processes were killed for it. Known with cgroup limits only.
    Memory,
    /// [`crate::Limits::disk`]: all of `/tmp` (and of a root that can be written to) was in use when the program ended, bytes
    /// or files. Of one that filled it and made room again nobody knows, and not of a box: its file system refuses a write
    /// while blocks are left, and counts no refusals.
    Disk,
    /// [`crate::Limits::pids`]: a process or thread was refused. Known with cgroup limits only.
    Pids,
}

/// The step that failed, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{step}{}: {}; {hint}", .subject.as_ref().map(|it| format!(" ({it})")).unwrap_or_default(), Errno(*.errno))]
pub struct SetupFailure {
    /// The step's name, as in the documentation of [`Step`].
    pub step: Step,
    /// The system's error number (errno(3)); 0 where no system call failed.
    pub errno: i32,
    /// The path or the program that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What to look at next.
    pub hint: String,
}

/// An error number with its name and text: `EPERM: Operation not permitted`.
struct Errno(i32);

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => f.write_str("refused"),
            number => {
                let errno = nix::errno::Errno::from_raw(number);
                write!(f, "{errno}")
            }
        }
    }
}

impl SetupFailure {
    /// With the hint that the table of steps has for this step and error.
    #[must_use]
    pub fn new(step: Step, errno: i32, subject: Option<String>) -> Self {
        SetupFailure { step, errno, subject, hint: hint(step, errno).to_owned() }
    }

    /// The exit code of a shell for this: 127 not found, 126 not executable, else 125.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.step, self.errno) {
            (Step::Exec, libc::ENOENT | libc::ENOTDIR) => 127,
            (Step::Exec, _) => 126,
            _ => 125,
        }
    }
}

impl From<SetupFailure> for Outcome {
    fn from(failure: SetupFailure) -> Self {
        Outcome { setup: Some(failure), ..Outcome::bare(EndedBy::SetupFailed) }
    }
}

impl Outcome {
    /// The exit code for a shell: the program's own, 128 + signal, 124 where time ended it, 125 where the sandbox
    /// could not be made, 126 not executable, 127 not found; 137, as after SIGKILL, where memory ended it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.ended_by {
            EndedBy::Wall | EndedBy::CpuTime => 124,
            EndedBy::SetupFailed => self.setup.as_ref().map_or(125, SetupFailure::exit_code),
            EndedBy::Killed | EndedBy::Memory => 128 + libc::SIGKILL as u8,
            EndedBy::Exited | EndedBy::Signaled | EndedBy::Seccomp | EndedBy::Output => {
                match (self.signal, self.code) {
                    (Some(signal), _) => 128u8.saturating_add(u8::try_from(signal).unwrap_or(u8::MAX)),
                    (None, code) => code.and_then(|code| u8::try_from(code).ok()).unwrap_or(125),
                }
            }
        }
    }

    /// An outcome without figures.
    pub(crate) fn bare(ended_by: EndedBy) -> Self {
        Outcome {
            ended_by,
            limits_hit: Vec::new(),
            code: None,
            signal: None,
            setup: None,
            wall_us: None,
            user_us: None,
            system_us: None,
            times_from: None,
            peak_memory: None,
            peak_pids: None,
            read_bytes: None,
            written_bytes: None,
            involuntary_switches: None,
            limits: LimitsMode::RlimitOnly,
        }
    }
}
