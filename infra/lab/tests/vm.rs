//! The virtual machine: what goes in comes out, and a program that doesn't end is no test that doesn't.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::Path;
use std::time::Duration;

use holdfast_lab::{LabError, Layout, Vm, VmEnded};

fn shell(script: &str, files: &[&str]) -> Vm {
    let mut vm = Vm::of_command(Path::new("/bin/sh"), vec!["-c".into(), script.into()]).unwrap();
    vm.files.extend(files.iter().map(Into::into));
    vm
}

#[test]
fn a_program_runs_as_root_with_cgroup_v2_and_its_output_and_exit_code_come_back() {
    let script = "id -u; cat /sys/fs/cgroup/cgroup.controllers; printf 'a\\tb\\r\\n'; exit 137";
    let (ended, printed) =
        shell(script, &["/usr/bin/id", "/usr/bin/cat"]).output(&Layout::of_this_workspace()).unwrap();
    assert_eq!(ended, VmEnded::Exited(137), "{printed}");
    let lines: Vec<&str> = printed.split('\n').collect();
    assert_eq!((lines[0], lines[2]), ("0", "a\tb\r"), "{printed}");
    for controller in ["cpu", "memory", "pids"] {
        assert!(lines[1].split(' ').any(|it| it == controller), "{printed}");
    }
}

#[test]
fn a_program_that_does_not_end_is_an_error_with_what_it_printed() {
    let mut vm = shell("echo so far; while :; do sleep 1000; done", &["/usr/bin/sleep"]);
    vm.limit = Some(Duration::from_secs(2));
    match vm.output(&Layout::of_this_workspace()) {
        Err(error @ LabError::Vm { .. }) => {
            let said = error.to_string();
            assert!(said.contains("took longer than 2 s") && said.contains("so far"), "{said}");
        }
        other => panic!("{other:?}"),
    }
}
