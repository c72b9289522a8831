//! What init writes to the result pipe, once, at its end: fixed fields, then the subject of a failed step.
//!
//! It is less than PIPE_BUF (4,096) bytes, so one write(2) is atomic and a reader sees all of it or nothing. Encoding
//! allocates nothing: init runs after clone3 and may not.
//!
//! ```text
//! 0 "HFR3" | 4 kind | 5 step | 6 flags | 7 zero | 8 errno i32 | 12 wait status i32
//! 16 wall µs u64 | 24 user µs u64 | 32 system µs u64
//! 40 memory before the program u64 | 48 init's own user µs u64 | 56 init's own system µs u64
//! 64 bytes read u64 | 72 bytes written u64 | 80 involuntary context switches u64 | 88 subject, to the end
//! ```
//!
//! A spawner, which alone can read the sandbox's cgroup, writes behind it: the cgroup's figures as JSON, their length
//! (u16), "HFG1". They are there too where init was killed, and wrote nothing.

use nix::sys::signal::Signal;

use crate::cgroup::Figures;
use crate::error::{Error, Result};
use crate::outcome::{EndedBy, LimitKind, Outcome, SetupFailure, Source};
use crate::policy::LimitsMode;
use crate::step::Step;

const MAGIC: &[u8; 4] = b"HFR3";
const FIGURES: &[u8; 4] = b"HFG1";
const FIXED: usize = 88;
/// The longest record, fixed fields and subject.
pub(crate) const MAX: usize = 2048;

const KIND_ENDED: u8 = 0;
const KIND_FAILED: u8 = 1;
const FLAG_WALL: u8 = 1;
const FLAG_CPU_TIME: u8 = 2;
const FLAG_OUTPUT: u8 = 4;
const FLAG_TRANSFER: u8 = 8;
const FLAG_DISK: u8 = 16;

/// The program ran and ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// As wait4(2) gives it.
    pub(crate) status: i32,
    /// Init ended it at the deadline.
    pub(crate) wall: bool,
    /// Its owner ended it for its output.
    pub(crate) output: bool,
    /// What it could write was full at its end.
    pub(crate) disk: bool,
    /// It reached RLIMIT_CPU.
    pub(crate) cpu_time: bool,
    pub(crate) wall_us: u64,
    pub(crate) user_us: u64,
    pub(crate) system_us: u64,
    /// What the sandbox's cgroup was charged for before the program started, in bytes.
    pub(crate) setup_memory: u64,
    pub(crate) init_user_us: u64,
    pub(crate) init_system_us: u64,
    /// Where the kernel counts it.
    pub(crate) transfer: Option<Transfer>,
    pub(crate) involuntary_switches: u64,
}

/// Bytes that reads and writes have moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) read: u64,
    pub(crate) written: u64,
}

/// A step failed. The subject is the bytes of a path or name, if the step was about one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed<'a> {
    pub(crate) step: Step,
    pub(crate) errno: i32,
    pub(crate) subject: &'a [u8],
}

impl<'a> Failed<'a> {
    /// A failure that is about nothing in particular.
    pub(crate) fn of(step: Step) -> impl Fn(nix::errno::Errno) -> Failed<'a> {
        move |errno| Failed { step, errno: errno as i32, subject: b"" }
    }

    /// A failure that is about a path or name.
    pub(crate) fn about(step: Step, subject: &'a [u8]) -> impl Fn(nix::errno::Errno) -> Failed<'a> {
        move |errno| Failed { step, errno: errno as i32, subject }
    }
}

/// A record's bytes.
pub(crate) struct Bytes {
    buffer: [u8; MAX],
    length: usize,
}

impl Bytes {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Ended {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Bytes { buffer: [0; MAX], length: FIXED };
        let flags = [
            (self.wall, FLAG_WALL),
            (self.cpu_time, FLAG_CPU_TIME),
            (self.output, FLAG_OUTPUT),
            (self.disk, FLAG_DISK),
            (self.transfer.is_some(), FLAG_TRANSFER),
        ];
        let flags = flags.into_iter().fold(0, |all, (is_set, flag)| if is_set { all | flag } else { all });
        bytes.buffer[..4].copy_from_slice(MAGIC);
        bytes.buffer[4..8].copy_from_slice(&[KIND_ENDED, 0, flags, 0]);
        bytes.buffer[12..16].copy_from_slice(&self.status.to_le_bytes());
        let times = [self.wall_us, self.user_us, self.system_us];
        let setup = [self.setup_memory, self.init_user_us, self.init_system_us];
        let Transfer { read, written } = self.transfer.unwrap_or_default();
        let more = [read, written, self.involuntary_switches];
        for (place, figure) in (16..).step_by(8).zip(times.into_iter().chain(setup).chain(more)) {
            bytes.buffer[place..place + 8].copy_from_slice(&figure.to_le_bytes());
        }
        bytes
    }
}

impl Failed<'_> {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Bytes { buffer: [0; MAX], length: FIXED };
        bytes.buffer[..4].copy_from_slice(MAGIC);
        bytes.buffer[4..8].copy_from_slice(&[KIND_FAILED, self.step as u8, 0, 0]);
        bytes.buffer[8..12].copy_from_slice(&self.errno.to_le_bytes());
        let length = self.subject.len().min(MAX - FIXED);
        bytes.buffer[FIXED..FIXED + length].copy_from_slice(&self.subject[..length]);
        bytes.length += length;
        bytes
    }
}

/// The figures of a cgroup, to be written behind init's record.
pub(crate) fn figures(figures: &Figures) -> Vec<u8> {
    // Numbers always encode.
    let mut bytes = serde_json::to_vec(figures).unwrap_or_default();
    let length = u16::try_from(bytes.len()).unwrap_or(0);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(FIGURES);
    bytes
}

/// Init's record and the figures behind it.
pub(crate) fn split(bytes: &[u8]) -> (&[u8], Option<Figures>) {
    let parts = || {
        let (rest, length) = bytes.strip_suffix(FIGURES)?.split_last_chunk::<2>()?;
        let (record, json) = rest.split_at_checked(rest.len().checked_sub(u16::from_le_bytes(*length).into())?)?;
        Some((record, serde_json::from_slice(json).ok()?))
    };
    parts().map_or((bytes, None), |(record, figures)| (record, Some(figures)))
}

/// The outcome that init's record and the figures of its cgroup stand for; no record says that init was killed.
pub(crate) fn decode(bytes: &[u8], limits: LimitsMode, figures: Option<Figures>) -> Result<Outcome> {
    let mut outcome = Outcome { limits, ..told(bytes, figures.as_ref())? };
    if let Some(figures) = figures {
        let killed = match outcome.ended_by {
            EndedBy::Killed => true,
            EndedBy::Signaled => outcome.signal == Some(Signal::SIGKILL as i32),
            _ => false,
        };
        if killed && figures.oom_kills > 0 {
            outcome.ended_by = EndedBy::Memory;
            outcome.signal = Some(Signal::SIGKILL as i32);
        }
        let hits = [(figures.oom + figures.oom_kills, LimitKind::Memory), (figures.forks_refused, LimitKind::Pids)];
        outcome.limits_hit.extend(hits.into_iter().filter_map(|(times, limit)| (times > 0).then_some(limit)));
    }
    Ok(outcome)
}

fn told(bytes: &[u8], figures: Option<&Figures>) -> Result<Outcome> {
    if bytes.is_empty() {
        return Ok(counted(Outcome::bare(EndedBy::Killed), figures, &Ended::default()));
    }
    let broken = || Error::Protocol(format!("a result record of {} bytes", bytes.len()));
    let (fixed, subject) = bytes.split_first_chunk::<FIXED>().ok_or_else(broken)?;
    if &fixed[..4] != MAGIC {
        return Err(broken());
    }
    let word = |at: usize| i32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let long = |at: usize| (0..8).rev().fold(0u64, |sum, byte| (sum << 8) | u64::from(fixed[at + byte]));
    match fixed[4] {
        KIND_FAILED => {
            let step = Step::from_byte(fixed[5]).ok_or_else(broken)?;
            let subject = (!subject.is_empty()).then(|| String::from_utf8_lossy(subject).into_owned());
            Ok(SetupFailure::new(step, word(8), subject).into())
        }
        KIND_ENDED => {
            let record = Ended {
                status: word(12),
                wall: fixed[6] & FLAG_WALL != 0,
                cpu_time: fixed[6] & FLAG_CPU_TIME != 0,
                output: fixed[6] & FLAG_OUTPUT != 0,
                disk: fixed[6] & FLAG_DISK != 0,
                wall_us: long(16),
                user_us: long(24),
                system_us: long(32),
                setup_memory: long(40),
                init_user_us: long(48),
                init_system_us: long(56),
                transfer: (fixed[6] & FLAG_TRANSFER != 0).then(|| Transfer { read: long(64), written: long(72) }),
                involuntary_switches: long(80),
            };
            Ok(counted(ended(&record), figures, &record))
        }
        _ => Err(broken()),
    }
}

fn ended(record: &Ended) -> Outcome {
    let signal = libc::WIFSIGNALED(record.status).then(|| libc::WTERMSIG(record.status));
    let ended_by = match signal {
        _ if record.wall => EndedBy::Wall,
        _ if record.output => EndedBy::Output,
        Some(_) if record.cpu_time => EndedBy::CpuTime,
        Some(number) if number == Signal::SIGSYS as i32 => EndedBy::Seccomp,
        Some(_) => EndedBy::Signaled,
        None => EndedBy::Exited,
    };
    let hits = [
        (record.wall, LimitKind::Wall),
        (record.cpu_time, LimitKind::CpuTime),
        (record.output, LimitKind::Output),
        (record.disk, LimitKind::Disk),
    ];
    Outcome {
        limits_hit: hits.into_iter().filter_map(|(hit, limit)| hit.then_some(limit)).collect(),
        code: libc::WIFEXITED(record.status).then(|| libc::WEXITSTATUS(record.status)),
        signal,
        wall_us: Some(record.wall_us),
        user_us: Some(record.user_us),
        system_us: Some(record.system_us),
        times_from: Some(Source::Rusage),
        read_bytes: record.transfer.map(|transfer| transfer.read),
        written_bytes: record.transfer.map(|transfer| transfer.written),
        involuntary_switches: Some(record.involuntary_switches),
        ..Outcome::bare(ended_by)
    }
}

/// With the cgroup's figures, less what init took.
fn counted(outcome: Outcome, figures: Option<&Figures>, record: &Ended) -> Outcome {
    let Some(figures) = figures else { return outcome };
    let times = figures.user_us.zip(figures.system_us);
    Outcome {
        user_us: times.map(|(user, _)| user.saturating_sub(record.init_user_us)).or(outcome.user_us),
        system_us: times.map(|(_, system)| system.saturating_sub(record.init_system_us)).or(outcome.system_us),
        times_from: times.map(|_| Source::Cgroup).or(outcome.times_from),
        peak_memory: figures.peak_memory.map(|bytes| bytes.saturating_sub(record.setup_memory)),
        peak_pids: figures.peak_pids.map(|pids| pids.saturating_sub(1)),
        ..outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(bytes: &[u8]) -> Result<Outcome> {
        decode(bytes, LimitsMode::RlimitOnly, None)
    }

    fn outcome(status: i32, wall: bool, cpu_time: bool) -> Outcome {
        decoded(Ended { status, wall, cpu_time, ..Ended::default() }.encode().as_slice()).unwrap()
    }

    #[test]
    fn each_end_has_its_name_and_its_exit_code() {
        for (status, wall, cpu_time, ended_by, code) in [
            (0, false, false, EndedBy::Exited, 0),
            (3 << 8, false, false, EndedBy::Exited, 3),
            (3 << 8, false, true, EndedBy::Exited, 3),
            (libc::SIGABRT, false, false, EndedBy::Signaled, 134),
            (libc::SIGSYS, false, false, EndedBy::Seccomp, 159),
            (libc::SIGXCPU, false, true, EndedBy::CpuTime, 124),
            (libc::SIGKILL, true, false, EndedBy::Wall, 124),
        ] {
            let outcome = outcome(status, wall, cpu_time);
            assert_eq!((outcome.ended_by, outcome.exit_code()), (ended_by, code), "status {status}");
        }
        assert_eq!(outcome(libc::SIGXCPU, false, true).limits_hit, [LimitKind::CpuTime]);
    }

    #[test]
    fn a_failed_step_keeps_its_subject_and_gets_its_hint() {
        let failed = Failed { step: Step::Exec, errno: libc::ENOENT, subject: b"nope" };
        let outcome = decoded(failed.encode().as_slice()).unwrap();
        assert_eq!(outcome.exit_code(), 127);
        let setup = outcome.setup.unwrap();
        assert_eq!(setup.subject.as_deref(), Some("nope"));
        assert!(setup.to_string().starts_with("exec (nope): ENOENT: No such file or directory; "), "{setup}");
        let denied = Failed { errno: libc::EACCES, ..failed };
        assert_eq!(decoded(denied.encode().as_slice()).unwrap().exit_code(), 126);
    }

    #[test]
    fn an_empty_pipe_means_that_init_was_killed() {
        let outcome = decoded(b"").unwrap();
        assert_eq!((outcome.ended_by, outcome.exit_code(), outcome.wall_us), (EndedBy::Killed, 137, None));
    }

    #[test]
    fn what_ran_out_of_memory_is_told_from_what_was_killed() {
        let record = Ended { status: libc::SIGKILL, ..Ended::default() }.encode();
        let killed = Figures { oom: 1, oom_kills: 3, peak_memory: Some(64 << 20), ..Figures::default() };
        for bytes in [&[][..], record.as_slice()] {
            let outcome = decode(bytes, LimitsMode::Required, Some(killed)).unwrap();
            assert_eq!((outcome.ended_by, outcome.exit_code()), (EndedBy::Memory, 137));
            assert_eq!((outcome.limits_hit, outcome.limits), (vec![LimitKind::Memory], LimitsMode::Required));
            let outcome = decode(bytes, LimitsMode::Required, Some(Figures::default())).unwrap();
            assert!(matches!(outcome.ended_by, EndedBy::Killed | EndedBy::Signaled), "{outcome:?}");
        }
        // Who lives on after a failed fork has hit the limit all the same.
        let exited = Ended::default().encode();
        let refused = Figures { forks_refused: 2, ..Figures::default() };
        let outcome = decode(exited.as_slice(), LimitsMode::Required, Some(refused)).unwrap();
        assert_eq!((outcome.ended_by, outcome.limits_hit), (EndedBy::Exited, vec![LimitKind::Pids]));
    }

    #[test]
    fn what_setup_took_is_taken_off() {
        let (setup_memory, init_user_us, init_system_us) = (1 << 20, 200, 3000);
        let record = Ended { user_us: 1, setup_memory, init_user_us, init_system_us, ..Ended::default() };
        let figures = Figures {
            peak_memory: Some(5 << 20),
            peak_pids: Some(4),
            user_us: Some(1200),
            system_us: Some(2000),
            ..Figures::default()
        };
        let outcome = decode(record.encode().as_slice(), LimitsMode::Required, Some(figures)).unwrap();
        assert_eq!((outcome.peak_memory, outcome.peak_pids), (Some(4 << 20), Some(3)));
        assert_eq!((outcome.user_us, outcome.system_us), (Some(1000), Some(0)));
        assert_eq!(outcome.times_from, Some(Source::Cgroup));
        let without = decode(record.encode().as_slice(), LimitsMode::RlimitOnly, None).unwrap();
        assert_eq!((without.user_us, without.times_from, without.peak_memory), (Some(1), Some(Source::Rusage), None));
    }

    #[test]
    fn figures_travel_behind_a_record_or_alone() {
        let sent = Figures { oom: 1, peak_memory: Some(u64::MAX), ..Figures::default() };
        for record in [&b""[..], b"a record"] {
            let bytes = [record, &figures(&sent)].concat();
            assert_eq!(split(&bytes), (record, Some(sent)));
            assert_eq!(split(record), (record, None));
        }
    }

    proptest! {
        #[test]
        fn figures_survive(status in any::<i32>(), wall_us in any::<u64>(), user_us in any::<u64>(), system_us in any::<u64>()) {
            let ended = Ended { status, wall_us, user_us, system_us, ..Ended::default() };
            let outcome = decoded(ended.encode().as_slice()).unwrap();
            prop_assert_eq!((outcome.wall_us, outcome.user_us, outcome.system_us),
                            (Some(wall_us), Some(user_us), Some(system_us)));
        }

        #[test]
        fn noise_is_an_error_and_no_panic(noise in proptest::collection::vec(any::<u8>(), 1..100)) {
            prop_assume!(!noise.starts_with(MAGIC));
            prop_assert!(decoded(&noise).is_err());
            let _ = split(&[noise.as_slice(), FIGURES].concat());
        }
    }
}
