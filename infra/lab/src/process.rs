//! A process told from a later one with the same id: by when it started, and in which boot.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::error::LabError;

const TERM_DEADLINE: Duration = Duration::from_secs(5);
const KILL_DEADLINE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// Which process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    pid: i32,
    /// In clock ticks since the boot: field 22 of proc_pid_stat(5).
    started: u64,
    boot: String,
}

impl ProcessIdentity {
    /// Of a process that is there now.
    pub(crate) fn of(pid: i32) -> Option<ProcessIdentity> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; what follows the last one begins with field 3.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        // A zombie has ended; only its parent has not looked yet.
        (state != "Z").then_some(ProcessIdentity { pid, started, boot })
    }

    /// Whether that very process is there.
    pub(crate) fn is_alive(&self) -> bool {
        ProcessIdentity::of(self.pid).as_ref() == Some(self)
    }

    /// Ends it: SIGTERM, and SIGKILL where that is not enough. True where there was something to end.
    pub(crate) fn end(&self) -> Result<bool, LabError> {
        if !self.is_alive() {
            return Ok(false);
        }
        self.signal(Signal::SIGTERM)?;
        if !self.gone_within(TERM_DEADLINE) {
            self.signal(Signal::SIGKILL)?;
            if !self.gone_within(KILL_DEADLINE) {
                return Err(LabError::WillNotEnd { pid: self.pid, seconds: KILL_DEADLINE.as_secs() });
            }
        }
        Ok(true)
    }

    fn signal(&self, signal: Signal) -> Result<(), LabError> {
        match kill(Pid::from_raw(self.pid), signal) {
            // It ended by itself in between.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(LabError::Signal { pid: self.pid, errno }),
        }
    }

    fn gone_within(&self, deadline: Duration) -> bool {
        let start = Instant::now();
        while self.is_alive() {
            if start.elapsed() > deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_with_the_same_id_that_started_at_another_time_is_not_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let real = ProcessIdentity::of(pid).unwrap();
        let other = ProcessIdentity { started: real.started - 1, ..real.clone() };
        assert!(!other.end().unwrap());
        assert!(real.is_alive());
        assert!(real.end().unwrap());
        assert!(!real.is_alive());
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_ignores_sigterm_is_killed() {
        let script = "trap '' TERM; echo ready; while :; do read x; done";
        let mut child =
            Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        let identity = ProcessIdentity::of(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(identity.end().unwrap());
        child.wait().unwrap();
    }
}
