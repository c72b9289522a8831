//! A caller's profile against OCI's words, read argument by argument.

use proptest::prelude::*;

use super::super::compile::tests::{ARCHES, interpret};
use super::super::compile::value;
use super::*;

fn parse(json: &str) -> SeccompProfile {
    serde_json::from_str(json).unwrap()
}

fn answer(profile: &SeccompProfile, arch: Arch, name: &str, args: [u64; 6]) -> u32 {
    let number = arch.calls().iter().find(|(of, _)| *of == name).unwrap().1;
    interpret(&profile.compile(arch, &WORKLOAD.answers(&[])).unwrap(), arch.audit(), number, args)
}

/// What the specification says of an argument.
fn holds(arg: &SeccompArgument, is: u64) -> bool {
    match arg.op {
        Comparison::NotEqual => is != arg.value,
        Comparison::Less => is < arg.value,
        Comparison::AtMost => is <= arg.value,
        Comparison::Equal => is == arg.value,
        Comparison::AtLeast => is >= arg.value,
        Comparison::Greater => is > arg.value,
        Comparison::MaskedEqual => is & arg.value == arg.value_two,
    }
}

const DOCKER: &str = r#"{
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
                {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": null}],
    "syscalls": [
        {"names": ["read", "write", "_llseek", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "args": null, "comment": "", "includes": {"minKernel": "4.8"}, "excludes": {}},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}],
         "excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390"]}},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["chmod"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390"]}},
        {"names": ["exit"], "action": "SCMP_ACT_KILL_PROCESS"},
        {"names": ["unlink"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30}
    ]}"#;

#[test]
fn a_profile_of_dockers_form_means_what_docker_means() {
    let profile = parse(DOCKER);
    let (allow, eperm) = (value(Action::Allow), value(Action::Errno(Errno::EPERM)));
    for arch in ARCHES {
        for (name, args, expected) in [
            ("read", [0; 6], allow),
            ("lseek", [0; 6], eperm),
            ("socket", [1, 0, 0, 0, 0, 0], allow),
            ("socket", [40, 0, 0, 0, 0, 0], eperm),
            ("clone", [0x11, 0, 0, 0, 0, 0], allow),
            ("clone", [0x1000_0000, 0, 0, 0, 0, 0], eperm),
            ("fchmod", [0; 6], eperm),
            ("exit", [0; 6], value(Action::Kill)),
            // The default filter refuses it in words that a library understands.
            ("clone3", [0; 6], allow),
            ("mount", [0; 6], allow),
        ] {
            assert_eq!(answer(&profile, arch, name, args), expected, "{arch:?} {name} {args:?}");
        }
    }
    assert_eq!(answer(&profile, Arch::X86_64, "unlink", [0; 6]), value(Action::Errno(Errno::EROFS)));
    assert_eq!(answer(&profile, Arch::X86_64, "chmod", [0; 6]), eperm);
    let text = serde_json::to_string(&profile).unwrap();
    assert_eq!(parse(&text), profile);
}

#[test]
fn what_would_not_be_done_is_refused() {
    for (json, why) in [
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mont"], "action": "SCMP_ACT_ERRNO"}]}"#,
            "mont",
        ),
        (r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_S390X"]}"#, "other architectures"),
        (r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}"#, "gives none"),
        (r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}"#, "4096"),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO",
                "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}]}"#,
            "argument 6",
        ),
    ] {
        let error = parse(json).check().unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    for json in [
        r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#,
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/x"}"#,
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscall": []}"#,
    ] {
        assert!(serde_json::from_str::<SeccompProfile>(json).is_err(), "{json}");
    }
}

#[test]
fn a_profile_that_is_longer_than_the_kernel_takes_is_refused() {
    // What is the same for many is there once, so each call has values of its own.
    let entry = |(name, number): &(&str, u32)| SeccompEntry {
        names: vec![(*name).to_owned()],
        action: SeccompAction::Errno,
        errno_ret: None,
        args: (0..6)
            .map(|index| SeccompArgument {
                index,
                value: u64::from(*number) + 1,
                value_two: 0,
                op: Comparison::NotEqual,
            })
            .collect(),
        comment: None,
        includes: Conditions::default(),
        excludes: Conditions::default(),
    };
    let syscalls = x86_64::CALLS.iter().filter(|(name, _)| *name != "clone3").map(entry).collect();
    let profile = parse(r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}"#);
    let error = SeccompProfile { syscalls, ..profile }.check().unwrap_err();
    assert!(error.contains("4096"), "{error}");
}

fn argument() -> impl Strategy<Value = SeccompArgument> {
    let op = prop_oneof![
        Just(Comparison::NotEqual),
        Just(Comparison::Less),
        Just(Comparison::AtMost),
        Just(Comparison::Equal),
        Just(Comparison::AtLeast),
        Just(Comparison::Greater),
        Just(Comparison::MaskedEqual),
    ];
    (0u8..3, number(), number(), op).prop_map(|(index, value, value_two, op)| SeccompArgument {
        index,
        value,
        value_two: if op == Comparison::MaskedEqual { value_two & value } else { 0 },
        op,
    })
}

/// Numbers that lie near each other, in both halves.
fn number() -> impl Strategy<Value = u64> {
    let half = || prop_oneof![0u32..3, Just(u32::MAX), Just(u32::MAX - 1), any::<u32>()];
    (half(), half()).prop_map(|(high, low)| u64::from(high) << 32 | u64::from(low))
}

proptest! {
    #[test]
    fn arguments_are_compared_as_the_specification_says(args in proptest::collection::vec(argument(), 1..4),
                                                        is in proptest::array::uniform6(number())) {
        let mut profile = parse(r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_KILL"}]}"#);
        profile.syscalls[0].args.clone_from(&args);
        let of = |index: u8| args.iter().filter(move |arg| arg.index == index);
        let several = (0..6).any(|index| of(index).count() > 1);
        let mut each = args.iter().map(|arg| holds(arg, is[usize::from(arg.index)]));
        let fits = if several { each.any(|one| one) } else { each.all(|one| one) };
        let expected = value(if fits { Action::Kill } else { Action::Allow });
        for arch in ARCHES {
            prop_assert_eq!(answer(&profile, arch, "read", is), expected);
        }
    }

    #[test]
    fn noise_is_no_profile_and_no_panic(text in "\\PC*") {
        let _ = serde_json::from_str::<SeccompProfile>(&text).map(|profile| profile.check());
    }
}
