//! A caller's own profile, in the form that container runtimes take (`linux.seccomp` of the OCI runtime specification; the
//! files of docker and podman, with their conditions on capabilities, architectures and kernels).
//!
//! It is a filter behind the default one, and the kernel takes the stricter answer of the two: such a profile takes calls
//! away and never gives any, so a docker profile that lets `ptrace` through opens nothing. Where both refuse, the error is
//! the default's (ENOSYS for `clone3`, from which libraries fall back).
//!
//! <https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp>

use std::collections::BTreeMap;

use nix::errno::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compile::{Program, compile};
use super::profile::{Answers, ByName, Case, Check, Is, Rule, WORKLOAD};
use super::{Action, Arch, aarch64, x86_64};

/// A profile of system calls, by OCI's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeccompProfile {
    /// The answer to a call that no entry is about.
    pub default_action: SeccompAction,
    /// The error number of that answer, if it is one; EPERM where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// For which architectures it is, `SCMP_ARCH_X86_64` and so on; empty is for all. Entries of other architectures are
    /// refused to every program, whatever is named here.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<String>>")]
    pub architectures: Vec<String>,
    /// Docker's form of the same.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<ArchitectureMap>>")]
    pub arch_map: Vec<ArchitectureMap>,
    /// What is answered to which calls.
    #[serde(default, deserialize_with = "or_null")]
    #[schemars(with = "Option<Vec<SeccompEntry>>")]
    pub syscalls: Vec<SeccompEntry>,
}

/// An architecture with those whose programs it runs too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchitectureMap {
    /// Its name.
    pub architecture: String,
    /// The others.
    #[serde(default, deserialize_with = "or_null")]
    #[schemars(with = "Option<Vec<String>>")]
    pub sub_architectures: Vec<String>,
}

/// What is done with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = name_aliases)]
pub enum SeccompAction {
    /// It is made, if the default filter allows it too.
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    /// It is made, and noted in the kernel's audit log.
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    /// It fails.
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    /// The program gets SIGSYS, and may go on.
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    /// The program is killed by SIGSYS, as a whole.
    #[serde(rename = "SCMP_ACT_KILL", alias = "SCMP_ACT_KILL_PROCESS", alias = "SCMP_ACT_KILL_THREAD")]
    Kill,
}

/// The answer to some calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeccompEntry {
    /// The calls.
    pub names: Vec<String>,
    /// The answer.
    pub action: SeccompAction,
    /// Its error number; EPERM where it isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// What must all hold of the call's arguments. Several about one argument are alternatives, as runc takes them.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<SeccompArgument>>")]
    pub args: Vec<SeccompArgument>,
    /// Why. Not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Where alone the entry counts.
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    pub includes: Conditions,
    /// Where it doesn't count.
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    pub excludes: Conditions,
}

/// A comparison of one argument, 64 bits without a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeccompArgument {
    /// Which, from 0 to 5.
    pub index: u8,
    /// With what; the mask, for `SCMP_CMP_MASKED_EQ`.
    pub value: u64,
    /// What is left under the mask.
    #[serde(default)]
    pub value_two: u64,
    /// How.
    pub op: Comparison,
}

/// How an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Comparison {
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    #[serde(rename = "SCMP_CMP_LT")]
    Less,
    #[serde(rename = "SCMP_CMP_LE")]
    AtMost,
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_GE")]
    AtLeast,
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}

/// Docker's conditions of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Conditions {
    /// Capabilities that the program has; here it has none.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<String>>")]
    pub caps: Vec<String>,
    /// Architectures, by Go's names.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<String>>")]
    pub arches: Vec<String>,
    /// The oldest kernel, such as `4.8`. Every kernel that Holdfast runs on is younger than those that profiles name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_kernel: Option<String>,
}

/// The other names of [`SeccompAction::Kill`], which serde's schema leaves out.
fn name_aliases(schema: &mut schemars::Schema) {
    if let Some(serde_json::Value::Array(names)) = schema.get_mut("oneOf") {
        names
            .extend(["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD"].map(|name| serde_json::json!({ "const": name })));
    }
}

/// Docker writes an empty list as null.
fn or_null<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Conditions {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn names(&self, arch: Arch) -> bool {
        self.arches.iter().any(|name| name == arch.go_name())
    }
}

impl SeccompEntry {
    fn counts(&self, arch: Arch) -> bool {
        let includes = self.includes.caps.is_empty() && (self.includes.arches.is_empty() || self.includes.names(arch));
        // Without a capability no entry is excluded for one; for a kernel's age each is that says so, since all are younger.
        includes && !self.excludes.names(arch) && self.excludes.min_kernel.is_none()
    }
}

impl SeccompAction {
    fn with(self, errno: Option<u32>) -> Result<Action, String> {
        if errno.is_some() && self != SeccompAction::Errno {
            return Err("has an error number for an action that gives none".to_owned());
        }
        Ok(match self {
            SeccompAction::Allow => Action::Allow,
            SeccompAction::Log => Action::Log,
            SeccompAction::Trap => Action::Trap,
            SeccompAction::Kill => Action::Kill,
            SeccompAction::Errno => {
                let number = errno.map_or(Ok(libc::EPERM), i32::try_from).unwrap_or_default();
                match Errno::from_raw(number) {
                    _ if number == 0 && errno.is_some() => Action::Ignore,
                    Errno::UnknownErrno => return Err(format!("has an error number that is none: {number}")),
                    errno => Action::Errno(errno),
                }
            }
        })
    }

    fn refuses(self) -> bool {
        !matches!(self, SeccompAction::Allow | SeccompAction::Log)
    }
}

impl SeccompArgument {
    /// Alternatives, of each of which all checks must hold.
    fn checks(self) -> Vec<Vec<Check>> {
        let word = |half: u8, is, value: u64| {
            let value = (value >> (32 * half)) as u32;
            Check { word: 2 * self.index + half, mask: u32::MAX, is, value }
        };
        let (low, high) = (|is| word(0, is, self.value), |is| word(1, is, self.value));
        let equal = vec![high(Is::Equal), low(Is::Equal)];
        let above = match ((self.value >> 32) as u32).checked_add(1) {
            Some(above) => vec![vec![Check { value: above, ..high(Is::AtLeast) }]],
            None => Vec::new(),
        };
        let below = vec![vec![high(Is::Below)], vec![high(Is::Equal), low(Is::Below)]];
        match self.op {
            Comparison::Equal => vec![equal],
            Comparison::NotEqual => vec![vec![high(Is::NotEqual)], vec![low(Is::NotEqual)]],
            Comparison::AtLeast => above.into_iter().chain([vec![high(Is::Equal), low(Is::AtLeast)]]).collect(),
            Comparison::Greater => match (self.value as u32).checked_add(1) {
                Some(value) => {
                    let next = Check { value, ..low(Is::AtLeast) };
                    above.into_iter().chain([vec![high(Is::Equal), next]]).collect()
                }
                None => above,
            },
            Comparison::Less => below,
            Comparison::AtMost => below.into_iter().chain([equal]).collect(),
            Comparison::MaskedEqual => {
                let masked =
                    |half| Check { mask: (self.value >> (32 * half)) as u32, ..word(half, Is::Equal, self.value_two) };
                vec![vec![masked(1), masked(0)]]
            }
        }
    }
}

/// Checks of one case, and what then happens.
type Owned = (Vec<Check>, Action);

/// All ways in which an entry's arguments can fit.
fn alternatives(args: &[SeccompArgument]) -> Vec<Vec<Check>> {
    let mut of: BTreeMap<u8, Vec<Vec<Check>>> = BTreeMap::new();
    for arg in args {
        of.entry(arg.index).or_default().extend(arg.checks());
    }
    let several = args.iter().any(|arg| args.iter().filter(|other| other.index == arg.index).count() > 1);
    if several {
        return of.into_values().flatten().collect();
    }
    of.into_values().fold(vec![Vec::new()], |all, ways| {
        all.iter().flat_map(|so_far| ways.iter().map(|way| [so_far.as_slice(), way].concat())).collect()
    })
}

impl SeccompProfile {
    /// Refuses what this kernel's filters can't do, or what names nothing.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.compile(Arch::NATIVE, &WORKLOAD.answers(&[])).map(drop)
    }

    /// The filter to be put behind one that gives the answers `before`.
    pub(super) fn compile(&self, arch: Arch, before: &Answers<'_>) -> Result<Program, String> {
        self.check_architecture(arch)?;
        let otherwise = self.default_action.with(self.default_errno_ret)?;
        // What the filter before refuses always, it refuses in words that say more: ENOSYS makes a library fall back.
        let softened = |name: &str, action: Action| {
            let rule = before.named.get(name).unwrap_or(&before.otherwise);
            let refuses = rule.cases.is_empty() && matches!(rule.otherwise, Action::Errno(_) | Action::Kill);
            if refuses && matches!(action, Action::Errno(_)) { Action::Allow } else { action }
        };
        let mut cases: BTreeMap<&str, (Vec<Owned>, Option<Action>)> = BTreeMap::new();
        for entry in self.syscalls.iter().filter(|entry| entry.counts(arch)) {
            let action =
                entry.action.with(entry.errno_ret).map_err(|why| format!("{} {why}", entry.names.join(", ")))?;
            if let Some(arg) = entry.args.iter().find(|arg| arg.index > 5) {
                return Err(format!("{} has no argument {}: they are 0 to 5", entry.names.join(", "), arg.index));
            }
            for name in &entry.names {
                check_name(name, entry.action)?;
                let (of, always) = cases.entry(name).or_default();
                if always.is_some() {
                    continue;
                }
                let action = softened(name, action);
                match entry.args.is_empty() {
                    true => *always = Some(action),
                    false => of.extend(alternatives(&entry.args).into_iter().map(|checks| (checks, action))),
                }
            }
        }
        let borrowed: BTreeMap<&str, Vec<Case<'_>>> = cases
            .iter()
            .map(|(name, (of, _))| (*name, of.iter().map(|(checks, then)| Case { checks, then: *then }).collect()))
            .collect();
        let mut named: ByName<'_> = arch
            .calls()
            .iter()
            .map(|(name, _)| (*name, Rule { cases: &[], otherwise: softened(name, otherwise) }))
            .collect();
        for (name, (_, always)) in &cases {
            // A name that this architecture hasn't is nobody's.
            if let Some(rule) = named.get_mut(name) {
                let otherwise = always.unwrap_or_else(|| softened(name, otherwise));
                *rule = Rule { cases: &borrowed[name], otherwise };
            }
        }
        // What is no call, and other architectures' entries, the default filter answers.
        let allow = Rule { cases: &[], otherwise: Action::Allow };
        let answers = Answers { named, otherwise: allow, no_call: Action::Allow, foreign: Action::Allow };
        let program = compile(arch, &answers);
        match program.instructions().len() {
            0..=MOST => Ok(program),
            length => Err(format!("comes to {length} instructions, and the kernel takes {MOST}: name fewer arguments")),
        }
    }

    fn check_architecture(&self, arch: Arch) -> Result<(), String> {
        let maps = self.arch_map.iter().map(|map| &map.architecture);
        let mut all = self.architectures.iter().chain(maps).peekable();
        match all.peek().is_none() || all.any(|name| name == arch.scmp_name()) {
            true => Ok(()),
            false => Err(format!("is for other architectures than {}: add it", arch.scmp_name())),
        }
    }
}

/// BPF_MAXINSNS of linux/bpf_common.h.
const MOST: usize = 4096;

/// An unknown name in an entry that allows opens nothing; in one that refuses, a protection would be missing.
fn check_name(name: &str, action: SeccompAction) -> Result<(), String> {
    let is_known = [x86_64::CALLS, aarch64::CALLS].iter().any(|calls| calls.iter().any(|(known, _)| *known == name));
    match is_known || !action.refuses() || OF_32_BITS.contains(&name) {
        true => Ok(()),
        false => Err(format!("refuses {name}, which is no system call here: take it out, or write it right")),
    }
}

/// Calls of 32-bit architectures that profiles name, and that no program inside can make.
const OF_32_BITS: &[&str] = &["socketcall", "ipc", "_llseek", "stime", "nice", "mmap2", "vm86", "vm86old", "bdflush"];

#[cfg(test)]
#[path = "own_tests.rs"]
mod tests;
