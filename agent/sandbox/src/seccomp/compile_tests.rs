//! The compiled program against a reference: the profile read word by word, without ranges, trees and jumps.

use nix::errno::Errno;
use proptest::prelude::*;

use super::super::profile::{INIT, NESTED, PINNED, STRICT, TRACING, UNTRUNCATED, WORKLOAD};
use super::*;

pub(in super::super) const ARCHES: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

/// All that are made.
fn all() -> [Answers<'static>; 4] {
    [
        WORKLOAD.answers(&[]),
        WORKLOAD.answers(&[TRACING, PINNED]),
        WORKLOAD.answers(&[PINNED, STRICT]),
        INIT.answers(&[]),
    ]
}

/// What the answers say about a call.
fn reference(arch: Arch, answers: &Answers<'_>, audit: u32, number: u32, args: [u64; 6]) -> u32 {
    if audit != arch.audit() {
        return value(answers.foreign);
    }
    let Some((name, _)) = arch.calls().iter().find(|(_, known)| *known == number) else {
        let x32 = arch == Arch::X86_64 && (0x4000_0000..0x8000_0000).contains(&number);
        return value(if x32 { answers.foreign } else { answers.no_call });
    };
    let rule = answers.named.get(name).copied().unwrap_or(answers.otherwise);
    for case in rule.cases {
        let holds = |check: &super::super::profile::Check| {
            let word = (args[usize::from(check.word / 2)] >> (32 * (check.word % 2))) as u32 & check.mask;
            match check.is {
                Is::Equal => word == check.value,
                Is::NotEqual => word != check.value,
                Is::AtLeast => word >= check.value,
                Is::Below => word < check.value,
            }
        };
        if case.checks.iter().all(holds) {
            return value(case.then);
        }
    }
    value(rule.otherwise)
}

/// Classic BPF, as far as the compiler uses it; a program that runs off its end, or that jumps back, panics.
pub(in super::super) fn interpret(program: &Program, audit: u32, number: u32, args: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_le_bytes());
    data.extend(audit.to_le_bytes());
    data.extend(0u64.to_le_bytes());
    args.iter().for_each(|arg| data.extend(arg.to_le_bytes()));
    let (mut accumulator, mut at) = (0u32, 0usize);
    loop {
        let Instruction { code, jump_true, jump_false, k } = program.instructions[at];
        at += 1;
        match code {
            LOAD => accumulator = u32::from_le_bytes(data[k as usize..k as usize + 4].try_into().unwrap()),
            AND => accumulator &= k,
            JUMP => at += k as usize,
            JUMP_EQUAL => at += usize::from(if accumulator == k { jump_true } else { jump_false }),
            JUMP_NOT_BELOW => at += usize::from(if accumulator >= k { jump_true } else { jump_false }),
            RETURN => return k,
            other => panic!("operation {other:#x} at {}", at - 1),
        }
    }
}

fn call(arch: Arch, name: &str, args: [u64; 6]) -> u32 {
    let number = arch.calls().iter().find(|(of, _)| *of == name).unwrap().1;
    interpret(&compile(arch, &WORKLOAD.answers(&[])), arch.audit(), number, args)
}

fn errno(errno: Errno) -> u32 {
    value(Action::Errno(errno))
}

#[test]
fn every_number_gets_what_the_profile_says() {
    for arch in ARCHES {
        for answers in &all() {
            let program = compile(arch, answers);
            let edges = [X32_BIT - 1, X32_BIT, X32_BIT + 59, 0x7fff_ffff, 0x8000_0000, u32::MAX];
            for number in (0..1024).chain(edges) {
                let expected = reference(arch, answers, arch.audit(), number, [0; 6]);
                assert_eq!(interpret(&program, arch.audit(), number, [0; 6]), expected, "{arch:?} call {number}");
            }
        }
    }
}

#[test]
fn every_name_of_the_profiles_is_a_call_somewhere_and_has_one_answer() {
    let allowed = [&WORKLOAD, &INIT].map(|profile| (profile.allowed, profile.rules));
    for (allowed, rules) in allowed.into_iter().chain([TRACING, PINNED, STRICT].map(|changes| (&[][..], changes))) {
        let names: Vec<_> = allowed.iter().chain(rules.iter().map(|(name, _)| name)).collect();
        for name in &names {
            assert!(ARCHES.iter().any(|arch| arch.calls().iter().any(|(of, _)| of == *name)), "{name} is no call");
            assert_eq!(names.iter().filter(|other| other == &name).count(), 1, "{name} is there twice");
        }
    }
}

#[test]
fn strict_only_takes_away() {
    let default = WORKLOAD.answers(&[]).named;
    for (name, rule) in STRICT {
        let before = default.get(name).copied();
        assert!(rule.otherwise != Action::Allow, "{name} is allowed by default");
        assert!(before.is_some() || TRACING.iter().any(|(traced, _)| traced == name), "{name} is refused anyhow");
    }
}

/// Init may have the program's filter before its own.
#[test]
fn all_that_init_may_the_program_may() {
    for changes in [&[][..], &[TRACING], &[NESTED], &[UNTRUNCATED], &[TRACING, NESTED, UNTRUNCATED]] {
        let (init, program) = (INIT.answers(&[]), WORKLOAD.answers(changes));
        for (name, rule) in init.named {
            assert_eq!(program.named.get(name), Some(&rule), "{name}");
        }
    }
}

/// A sandbox made ahead has the filter before its program's process does what is left: what is refused it fails at, but
/// what is ignored it would go without. The limit of core files is set before.
#[test]
fn nothing_but_the_limit_of_core_files_is_ignored() {
    let answers = WORKLOAD.answers(&[TRACING, PINNED, NESTED, STRICT, UNTRUNCATED]);
    let ignores = |rule: &Rule<'_>| {
        let cases: Vec<_> = rule.cases.iter().filter(|case| case.then == Action::Ignore).collect();
        assert!(cases.iter().all(|case| case.checks.iter().any(|check| check.value == libc::RLIMIT_CORE)));
        rule.otherwise == Action::Ignore || !cases.is_empty()
    };
    let mut named: Vec<_> = answers.named.iter().filter(|(_, rule)| ignores(rule)).map(|(name, _)| *name).collect();
    named.sort_unstable();
    assert_eq!(named, ["prlimit64", "setrlimit"]);
}

#[test]
fn tables_are_sorted_and_agree_with_the_c_library() {
    for arch in ARCHES {
        assert!(arch.calls().windows(2).all(|pair| pair[0].1 < pair[1].1), "{arch:?}");
    }
    let native = |name| i64::from(Arch::NATIVE.calls().iter().find(|(of, _)| *of == name).unwrap().1);
    assert_eq!(native("execve"), libc::SYS_execve);
    assert_eq!(native("clone3"), libc::SYS_clone3);
    assert_eq!(native("mount_setattr"), libc::SYS_mount_setattr);
}

#[test]
fn the_attacks_of_the_profile_are_refused_also_with_bit_32_set() {
    const BIT_32: u64 = 1 << 32;
    for arch in ARCHES {
        for name in
            ["ptrace", "mount", "unshare", "setns", "bpf", "keyctl", "io_uring_setup", "userfaultfd", "perf_event_open"]
        {
            assert_eq!(call(arch, name, [0; 6]), errno(Errno::EPERM), "{name}");
        }
        assert_eq!(call(arch, "clone3", [0; 6]), errno(Errno::ENOSYS));
        for high in [0, BIT_32] {
            assert_eq!(call(arch, "ioctl", [0, high | 0x5412, 0, 0, 0, 0]), errno(Errno::EPERM));
            assert_eq!(call(arch, "clone", [high | 0x1000_0000, 0, 0, 0, 0, 0]), errno(Errno::EPERM));
            assert_eq!(call(arch, "socket", [high | 40, 1, 0, 0, 0, 0]), errno(Errno::EAFNOSUPPORT));
            assert_eq!(call(arch, "socket", [high | 16, 3, 0, 0, 0, 0]), value(Action::Allow));
            assert_eq!(call(arch, "socket", [16, 3, high | 9, 0, 0, 0]), errno(Errno::EAFNOSUPPORT));
            assert_eq!(call(arch, "personality", [high | 0x0004_0000, 0, 0, 0, 0, 0]), errno(Errno::EPERM));
            assert_eq!(call(arch, "prlimit64", [high | 1, 0, 0, 0, 0, 0]), errno(Errno::EPERM));
        }
    }
}

#[test]
fn the_tree_is_shallow_and_small() {
    let program = compile(Arch::X86_64, &WORKLOAD.answers(&[]));
    assert!(program.instructions.len() < 200, "{} instructions", program.instructions.len());
}

/// A decision by the number, and nothing else.
fn alone<'a>(decision: impl FnOnce(&mut Code<'a>) -> Label) -> Program {
    let mut code = Code::default();
    let begin = decision(&mut code);
    code.run_into(begin);
    code.push(operation(LOAD, NUMBER));
    code.program()
}

proptest! {
    #[test]
    fn the_tree_answers_as_the_profile(arch in prop_oneof![Just(Arch::X86_64), Just(Arch::Aarch64)],
                                       number in prop_oneof![0u32..600, any::<u32>()],
                                       low in proptest::array::uniform6(prop_oneof![0u32..64, any::<u32>(), Just(0x5412), Just(u32::MAX)]),
                                       high in proptest::array::uniform6(0u32..3),
                                       foreign in proptest::bool::weighted(0.05)) {
        let args = std::array::from_fn(|at| u64::from(high[at]) << 32 | u64::from(low[at]));
        let audit = if foreign { 0x4000_0003 } else { arch.audit() };
        for answers in &all() {
            let program = compile(arch, answers);
            prop_assert_eq!(interpret(&program, audit, number, args), reference(arch, answers, audit, number, args));
        }
    }

    #[test]
    fn a_tree_over_many_long_leaves_still_finds_its_range(firsts in proptest::collection::btree_set(1u32..100_000, 1..400), probe in 0u32..100_000) {
        let rules = WORKLOAD.rules;
        let mut ranges = vec![Range { first: 0, rule: Rule { cases: &[], otherwise: Action::Errno(Errno::ENOSYS) } }];
        ranges.extend(firsts.iter().enumerate().map(|(at, &first)| {
            let action = Action::Errno(Errno::from_raw(1 + (at % 100) as i32));
            let rule = if at % 3 == 0 { rules[at % rules.len()].1 } else { Rule { cases: &[], otherwise: action } };
            Range { first, rule }
        }));
        let all = alone(|code| code.tree(&ranges));
        let found = ranges.iter().rev().find(|range| range.first <= probe).unwrap().rule;
        let found = alone(|code| code.rule(&found));
        let args = [0; 6];
        prop_assert_eq!(interpret(&all, 0, probe, args), interpret(&found, 0, probe, args));
    }
}
