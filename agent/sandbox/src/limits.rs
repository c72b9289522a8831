//! Resource limits (setrlimit(2)) of the program: its own, and sane ones for what the policy doesn't name.
//!
//! What each stops: RLIMIT_NPROC a fork bomb (it counts in the sandbox's own user namespace, and works because no
//! sandbox has the host's uid 0); RLIMIT_DATA a memory hog (RLIMIT_AS would break interpreters, which reserve far more
//! than they use); RLIMIT_CPU an endless loop; RLIMIT_FSIZE a full disk by one file; RLIMIT_CORE core
//! files and, at 1 and not at 0, the host's `core_pattern` helper, which would run outside, as root: for a helper the
//! kernel looks at no limit but that one value (`do_coredump` in fs/coredump.c; core(5) tells half of it). They bound each process and not the sandbox: memfds and the sum
//! over processes are not counted. So where the sandbox has a cgroup, memory and processes are its matter alone: a limit of each
//! process at the same number would be reached first, and nobody could tell that it was.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::thread::CpuSet;

use crate::outcome::SetupFailure;
use crate::policy::{Limits, LimitsMode};
use crate::step::Step;

/// Soft and hard limits to set, in order.
#[derive(Debug)]
pub(crate) struct Rlimits(Vec<(Resource, u64, u64)>);

/// What the policy doesn't name: soft and hard limit, each lowered to the caller's own hard limit.
const FIXED: &[(Resource, u64, u64)] = &[
    (Resource::RLIMIT_CORE, 1, 1),
    (Resource::RLIMIT_FSIZE, 4 << 30, 4 << 30),
    (Resource::RLIMIT_NOFILE, 1024, 16_384),
    (Resource::RLIMIT_STACK, 8 << 20, 64 << 20),
    (Resource::RLIMIT_MEMLOCK, 8 << 20, 8 << 20),
    (Resource::RLIMIT_SIGPENDING, 4096, 4096),
    (Resource::RLIMIT_MSGQUEUE, 819_200, 819_200),
    (Resource::RLIMIT_NICE, 0, 0),
    (Resource::RLIMIT_RTPRIO, 0, 0),
];

impl Rlimits {
    /// What to set for a policy.
    pub(crate) fn plan(limits: &Limits) -> Result<Rlimits, SetupFailure> {
        let cpu = cpu_seconds(limits);
        let both = |limit: Option<u64>| limit.map(|limit| (limit, limit));
        let alone = limits.mode == LimitsMode::RlimitOnly;
        let asked = [
            (Resource::RLIMIT_DATA, limits.memory.filter(|_| alone).map(|bytes| (bytes, bytes))),
            // Init has the program's uid, and is counted too.
            (
                Resource::RLIMIT_NPROC,
                limits.pids.filter(|_| alone).map(|pids| (u64::from(pids) + 1, u64::from(pids) + 1)),
            ),
            (Resource::RLIMIT_FSIZE, both(limits.file_size)),
            (Resource::RLIMIT_NOFILE, both(limits.open_files.map(u64::from))),
            (Resource::RLIMIT_STACK, both(limits.stack)),
            // SIGXCPU at the limit, which can be caught; SIGKILL a second later, which can't.
            (Resource::RLIMIT_CPU, cpu.map(|seconds| (seconds, seconds.saturating_add(1)))),
        ];
        let asked: Vec<_> =
            asked.into_iter().filter_map(|(resource, pair)| pair.map(|(soft, hard)| (resource, soft, hard))).collect();
        // A hard limit that was lowered can't be raised again.
        let fixed = FIXED.iter().copied().filter(|(resource, ..)| asked.iter().all(|(other, ..)| other != resource));
        let lowered = fixed.chain(asked.iter().copied()).map(|(resource, soft, hard)| {
            let (_, most) = getrlimit(resource)
                .map_err(|errno| SetupFailure::new(Step::Limits, errno as i32, Some(format!("{resource:?}"))))?;
            Ok((resource, soft.min(most), hard.min(most)))
        });
        Ok(Rlimits(lowered.collect::<Result<_, SetupFailure>>()?))
    }

    /// Sets them for this process.
    pub(crate) fn set(&self) -> Result<(), Errno> {
        self.0.iter().try_for_each(|&(resource, soft, hard)| setrlimit(resource, soft, hard))
    }

    /// Sets that of core files alone, which the program's filter keeps as it is.
    pub(crate) fn set_core(&self) -> Result<(), Errno> {
        let mut of_core = self.0.iter().filter(|(resource, ..)| *resource == Resource::RLIMIT_CORE);
        of_core.try_for_each(|&(resource, soft, hard)| setrlimit(resource, soft, hard))
    }
}

/// Raises this process's hard limit of core files to 1 where it is 0, which takes CAP_SYS_RESOURCE. Where that may not be
/// and a crash would reach something on the host (core(5): a helper, or a socket), nothing runs.
pub(crate) fn let_core_be_one() -> Result<(), SetupFailure> {
    let Ok((soft, 0)) = getrlimit(Resource::RLIMIT_CORE) else { return Ok(()) };
    let is_file = || {
        std::fs::read("/proc/sys/kernel/core_pattern").is_ok_and(|it| !it.starts_with(b"|") && !it.starts_with(b"@"))
    };
    match setrlimit(Resource::RLIMIT_CORE, soft, 1) {
        Err(_) if !is_file() => Err(SetupFailure::new(Step::Limits, 0, Some("core files".to_owned()))),
        _ => Ok(()),
    }
}

/// The CPUs that the program may run on, if not all.
pub(crate) fn cpus(limits: &Limits) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    for &cpu in &limits.cpus_allowed {
        set.set(usize::from(cpu));
    }
    (!limits.cpus_allowed.is_empty()).then_some(set)
}

/// RLIMIT_CPU counts whole seconds: rounded up, so that nobody gets less than asked for.
pub(crate) fn cpu_seconds(limits: &Limits) -> Option<u64> {
    limits.cpu_time.map(|time| time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn cpu_time_is_rounded_up() {
        let seconds =
            |millis| cpu_seconds(&Limits { cpu_time: Some(Duration::from_millis(millis)), ..Limits::default() });
        assert_eq!([seconds(1), seconds(1000), seconds(1001)], [Some(1), Some(1), Some(2)]);
    }

    #[test]
    fn no_limit_is_above_the_callers_own() {
        let Rlimits(planned) = Rlimits::plan(&Limits { memory: Some(u64::MAX), ..Limits::default() }).unwrap();
        for (resource, soft, hard) in planned {
            assert!(soft <= hard && hard <= getrlimit(resource).unwrap().1, "{resource:?}");
        }
    }
}
