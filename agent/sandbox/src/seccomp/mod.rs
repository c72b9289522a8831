//! The seccomp filter: which system calls the program, and init, may make.
//!
//! - [`table`](x86_64): numbers by name, one table for each architecture, as data.
//! - [`profile`]: what is allowed, by name, as data, with the attack that each refusal stops.
//! - [`mod@own`]: a caller's profile, which takes more away.
//! - [`compile`]: a profile and a table become a BPF program, a balanced tree over ranges of numbers. The kernel runs a
//!   filter once for every number when it is attached (to build its bitmap of always-allowed calls), so a linear
//!   chain of comparisons costs more at each start than all the other protections together.
//!
//! Answers: a call that is known and not allowed gives EPERM; an unknown one ENOSYS, as a kernel without it would, so
//! that programs fall back; a call by another architecture's or x32's entry, whose numbers mean other calls, kills.

mod aarch64;
mod compile;
mod own;
mod profile;
mod x86_64;

use nix::errno::Errno;

pub(crate) use compile::Program;
pub use own::{ArchitectureMap, Comparison, Conditions, SeccompAction, SeccompArgument, SeccompEntry, SeccompProfile};
use profile::Answers;

/// The architecture whose calls a filter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arch {
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "checked as data by the tests"))]
    X86_64,
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "checked as data by the tests"))]
    Aarch64,
}

/// What the kernel does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Allow,
    /// Says that it was done, and does nothing.
    Ignore,
    Errno(Errno),
    /// Does it, and notes it in the audit log.
    Log,
    /// SIGSYS, which the program can handle.
    Trap,
    Kill,
}

impl Arch {
    /// What this program was built for.
    #[cfg(target_arch = "x86_64")]
    pub(crate) const NATIVE: Arch = Arch::X86_64;
    /// What this program was built for.
    #[cfg(target_arch = "aarch64")]
    pub(crate) const NATIVE: Arch = Arch::Aarch64;

    /// `AUDIT_ARCH_*` of linux/audit.h: the ELF machine, 64 bits, little-endian.
    fn audit(self) -> u32 {
        match self {
            Arch::X86_64 => 0xc000_003e,
            Arch::Aarch64 => 0xc000_00b7,
        }
    }

    /// The name that libseccomp gives it.
    fn scmp_name(self) -> &'static str {
        match self {
            Arch::X86_64 => "SCMP_ARCH_X86_64",
            Arch::Aarch64 => "SCMP_ARCH_AARCH64",
        }
    }

    /// The name that Go gives it.
    fn go_name(self) -> &'static str {
        match self {
            Arch::X86_64 => "amd64",
            Arch::Aarch64 => "arm64",
        }
    }

    fn calls(self) -> &'static [(&'static str, u32)] {
        match self {
            Arch::X86_64 => x86_64::CALLS,
            Arch::Aarch64 => aarch64::CALLS,
        }
    }
}

/// What a policy changes in the program's filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Changes {
    /// It may trace its own processes.
    pub(crate) tracing: bool,
    /// It may not choose its CPUs.
    pub(crate) pinned: bool,
    /// It only computes.
    pub(crate) strict: bool,
    /// It may make namespaces and mounts.
    pub(crate) nested: bool,
    /// It may not empty a file by its path.
    pub(crate) untruncated: bool,
}

/// The filter of the program inside.
pub(crate) fn workload(changes: Changes) -> Program {
    compile::compile(Arch::NATIVE, &answers(changes))
}

fn answers(changes: Changes) -> Answers<'static> {
    let Changes { tracing, pinned, strict, nested, untruncated } = changes;
    let parts = [
        (tracing, profile::TRACING),
        (pinned, profile::PINNED),
        (strict, profile::STRICT),
        (nested, profile::NESTED),
        (untruncated, profile::UNTRUNCATED),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(asked, _)| *asked).map(|(_, part)| part).collect();
    profile::WORKLOAD.answers(&parts)
}

/// The filter of a caller's profile, which stands behind the program's other one.
pub(crate) fn own(profile: &SeccompProfile, changes: Changes) -> Result<Program, String> {
    profile.compile(Arch::NATIVE, &answers(changes))
}

/// The filter of init, which only waits, kills, measures and writes its record.
pub(crate) fn init() -> Program {
    compile::compile(Arch::NATIVE, &profile::INIT.answers(&[]))
}
