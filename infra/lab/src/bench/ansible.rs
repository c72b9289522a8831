//! The peer: the same estate by Ansible's modules, from Debian's package.

use std::process::Command;

use super::report::Report;
use super::{Bench, Taken};
use crate::error::LabError;
use crate::packages;
use crate::run::succeeds;

/// Sees to it that Ansible is there.
pub(super) fn prepare() -> Result<(), LabError> {
    if succeeds(Command::new("ansible-playbook").arg("--version")) {
        return Ok(());
    }
    packages::install("the benchmark's peer", &["ansible", "python3-boto3"])
}

/// Makes 100 hosts and what they need, and compares with what `provision` took for it.
pub(super) fn apply(bench: &Bench, ours: &Taken, report: &mut Report) -> Result<(), LabError> {
    let playbook = bench.scripts.join("estate.yml");
    let image = format!("image={}", bench.lab.stock_image());
    let endpoint = format!("endpoint={}", bench.proxy.endpoint());
    let arguments = [
        "--inventory",
        "localhost,",
        "--extra-vars",
        // Debian's interpreter has the modules' boto3.
        "ansible_python_interpreter=/usr/bin/python3 machines=100",
        "--extra-vars",
        &image,
        "--extra-vars",
        &endpoint,
        &playbook.to_string_lossy(),
    ];
    let theirs = bench.measure("ansible-playbook", &arguments, &[("ANSIBLE_DEPRECATION_WARNINGS", "0")])?;
    report.say("Ansible, 100 hosts: calls", theirs.calls.len().to_string());
    report.say("Ansible, 100 hosts: wall", format!("{:.2} s", theirs.wall_s));
    let calls = |taken: &Taken| f64::from(u32::try_from(taken.calls.len()).unwrap_or(u32::MAX));
    report.at_most("apply: calls over Ansible's", calls(ours) / calls(&theirs), 1.0, "");
    report.say("apply: wall over Ansible's", format!("{:.2}", ours.wall_s / theirs.wall_s));
    Ok(())
}
