//! What init writes to the result pipe, once, at its end: fixed fields, then the subject of a failed step.
//!
//! It is less than PIPE_BUF (4,096) bytes, so one write(2) is atomic and a reader sees all of it or nothing. Encoding
//! allocates nothing: init runs after clone3 and may not.
//!
//! ```text
//! 0 "HFR1" | 4 kind | 5 step | 6 flags | 7 zero | 8 errno i32 | 12 wait status i32
//! 16 wall µs u64 | 24 user µs u64 | 32 system µs u64 | 40 subject, to the end
//! ```

use nix::sys::signal::Signal;

use crate::error::{Error, Result};
use crate::outcome::{EndedBy, LimitKind, Outcome, SetupFailure};
use crate::step::Step;

const MAGIC: &[u8; 4] = b"HFR1";
const FIXED: usize = 40;
/// The longest record, fixed fields and subject.
pub(crate) const MAX: usize = 2048;

const KIND_ENDED: u8 = 0;
const KIND_FAILED: u8 = 1;
const FLAG_WALL: u8 = 1;
const FLAG_CPU_TIME: u8 = 2;
const FLAG_OUTPUT: u8 = 4;

/// The program ran and ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// As wait4(2) gives it.
    pub(crate) status: i32,
    /// Init ended it at the deadline.
    pub(crate) wall: bool,
    /// Its owner ended it for its output.
    pub(crate) output: bool,
    /// It reached RLIMIT_CPU.
    pub(crate) cpu_time: bool,
    pub(crate) wall_us: u64,
    pub(crate) user_us: u64,
    pub(crate) system_us: u64,
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
        let flags = [(self.wall, FLAG_WALL), (self.cpu_time, FLAG_CPU_TIME), (self.output, FLAG_OUTPUT)];
        let flags = flags.into_iter().fold(0, |all, (is_set, flag)| if is_set { all | flag } else { all });
        bytes.buffer[..4].copy_from_slice(MAGIC);
        bytes.buffer[4..8].copy_from_slice(&[KIND_ENDED, 0, flags, 0]);
        bytes.buffer[12..16].copy_from_slice(&self.status.to_le_bytes());
        for (place, figure) in [(16, self.wall_us), (24, self.user_us), (32, self.system_us)] {
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

/// The outcome that a result pipe's whole content stands for; an empty one says that init was killed.
pub(crate) fn decode(bytes: &[u8]) -> Result<Outcome> {
    if bytes.is_empty() {
        return Ok(Outcome::bare(EndedBy::Killed));
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
        KIND_ENDED => Ok(ended(&Ended {
            status: word(12),
            wall: fixed[6] & FLAG_WALL != 0,
            cpu_time: fixed[6] & FLAG_CPU_TIME != 0,
            output: fixed[6] & FLAG_OUTPUT != 0,
            wall_us: long(16),
            user_us: long(24),
            system_us: long(32),
        })),
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
    let hits =
        [(record.wall, LimitKind::Wall), (record.cpu_time, LimitKind::CpuTime), (record.output, LimitKind::Output)];
    Outcome {
        limits_hit: hits.into_iter().filter_map(|(hit, limit)| hit.then_some(limit)).collect(),
        code: libc::WIFEXITED(record.status).then(|| libc::WEXITSTATUS(record.status)),
        signal,
        wall_us: Some(record.wall_us),
        user_us: Some(record.user_us),
        system_us: Some(record.system_us),
        ..Outcome::bare(ended_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outcome(status: i32, wall: bool, cpu_time: bool) -> Outcome {
        decode(Ended { status, wall, cpu_time, ..Ended::default() }.encode().as_slice()).unwrap()
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
        let outcome = decode(failed.encode().as_slice()).unwrap();
        assert_eq!(outcome.exit_code(), 127);
        let setup = outcome.setup.unwrap();
        assert_eq!(setup.subject.as_deref(), Some("nope"));
        assert!(setup.to_string().starts_with("exec (nope): ENOENT: No such file or directory; "), "{setup}");
        let denied = Failed { errno: libc::EACCES, ..failed };
        assert_eq!(decode(denied.encode().as_slice()).unwrap().exit_code(), 126);
    }

    #[test]
    fn an_empty_pipe_means_that_init_was_killed() {
        let outcome = decode(b"").unwrap();
        assert_eq!((outcome.ended_by, outcome.exit_code(), outcome.wall_us), (EndedBy::Killed, 137, None));
    }

    proptest! {
        #[test]
        fn figures_survive(status in any::<i32>(), wall_us in any::<u64>(), user_us in any::<u64>(), system_us in any::<u64>()) {
            let ended = Ended { status, wall_us, user_us, system_us, ..Ended::default() };
            let outcome = decode(ended.encode().as_slice()).unwrap();
            prop_assert_eq!((outcome.wall_us, outcome.user_us, outcome.system_us),
                            (Some(wall_us), Some(user_us), Some(system_us)));
        }

        #[test]
        fn noise_is_an_error_and_no_panic(noise in proptest::collection::vec(any::<u8>(), 1..100)) {
            prop_assume!(!noise.starts_with(MAGIC));
            prop_assert!(decode(&noise).is_err());
        }
    }
}
