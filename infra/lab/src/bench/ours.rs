//! `provision`'s own figures.

use std::fs;

use super::chain::{longest, under_way};
use super::report::Report;
use super::{Bench, Taken, spans};
use crate::control_plane::Account;
use crate::error::LabError;
use crate::layout::Layout;
use crate::programs::cargo;
use crate::run::run;

/// How often what is timed is repeated; the median counts.
const ROUNDS: usize = 5;

/// How long `--help` takes.
pub(super) fn help(bench: &Bench, report: &mut Report) -> Result<(), LabError> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS * 5 {
        times.push(bench.provision(&["--help"])?.wall_s * 1000.0);
    }
    report.at_most("provision --help", median(times), 10.0, " ms");
    Ok(())
}

/// What a plan of an unchanged estate takes, at 10 hosts and at 1,000.
pub(super) fn plans(bench: &Bench, report: &mut Report) -> Result<(), LabError> {
    let few = unchanged(bench, "few", 8)?;
    report.at_most("plan, unchanged, 10 hosts in two groups: calls", count(few.calls.len()), 40.0, "");
    ratio_of_plan(&few, "10 hosts", report);
    let many = unchanged(bench, "many", 998)?;
    let more = many.calls.len().saturating_sub(few.calls.len());
    report.at_most("plan, unchanged, 1,000 hosts: calls beyond those at 10", count(more), 5.0, "");
    ratio_of_plan(&many, "1,000 hosts", report);
    Ok(())
}

fn ratio_of_plan(taken: &Taken, hosts: &str, report: &mut Report) {
    let alone = under_way(&spans(&taken.calls)).as_secs_f64();
    let what = |of: &str| format!("plan, unchanged, {hosts}: {of}");
    report.say(what("wall"), format!("{:.0} ms", taken.wall_s * 1000.0));
    report.at_most(what("wall over its calls alone"), taken.wall_s / alone, 1.5, "");
    report.at_most(what("own processor time"), taken.cpu_s, 0.3, " s");
    report.at_most(what("most memory"), taken.memory_mib, 60.0, " MiB");
}

/// Makes an estate and plans it again: the median plan by wall time.
fn unchanged(bench: &Bench, estate: &str, workers: u32) -> Result<Taken, LabError> {
    let file = write_spec(bench, estate, workers)?;
    bench.provision(&["apply", "--yes", "--file", &file])?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(bench.provision(&["plan", "--file", &file, "--detailed-exitcode"])?);
    }
    bench.provision(&["destroy", "--yes", "--file", &file])?;
    rounds.sort_by(|a, b| a.wall_s.total_cmp(&b.wall_s));
    Ok(rounds.swap_remove(ROUNDS / 2))
}

/// What making 100 hosts takes.
pub(super) fn apply(bench: &Bench, report: &mut Report) -> Result<Taken, LabError> {
    let file = write_spec(bench, "hundred", 98)?;
    let taken = bench.provision(&["apply", "--yes", "--file", &file])?;
    let (chain, links) = longest(&spans(&taken.calls));
    report.say("apply, 100 hosts: calls", taken.calls.len().to_string());
    report.say("apply, 100 hosts: wall", format!("{:.2} s", taken.wall_s));
    report.say("apply, 100 hosts: longest chain of calls", format!("{:.2} s, {links} calls", chain.as_secs_f64()));
    report.at_most("apply, 100 hosts: wall over that chain", taken.wall_s / chain.as_secs_f64(), 1.3, "");
    bench.provision(&["destroy", "--yes", "--file", &file])?;
    Ok(taken)
}

/// How long the pure core of a plan takes over 10,000 hosts, by its own benchmark.
pub(super) fn plan_core(layout: &Layout, report: &mut Report) -> Result<(), LabError> {
    let output = run(&mut cargo(layout, &["bench", "--quiet", "--workspace", "--bench", "plan"]))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let time = text.lines().rev().find_map(|line| line.strip_suffix(" ms")?.rsplit(' ').next()?.parse().ok());
    let Some(time) = time else {
        return Err(LabError::Benchmark { what: "the benchmark of the plan says no time".to_owned(), evidence: text });
    };
    report.at_most("plan, pure core, 10,000 hosts", time, 100.0, " ms");
    Ok(())
}

/// An estate of two groups of hosts, two of them builders.
fn write_spec(bench: &Bench, estate: &str, workers: u32) -> Result<String, LabError> {
    let plane = bench.lab.control_plane();
    let text = format!(
        "name = {estate:?}\nregion = {:?}\naccount = {:?}\ndescription = \"Runs the programs of contestants\"\n\
         [tags]\nProject = \"contest\"\nDepartment = \"engineering\"\nEnvironment = \"Test\"\n\
         [bastion]\nallow = [\"203.0.113.0/24\"]\n\
         ssh_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJLd0Iv3JvZMIYhbrzJDeQJ1kmWQ3EYyY1L9Ry8XiYwU ops\"]\n\
         [image]\nid = {:?}\n[[hosts]]\nname = \"worker\"\ncount = {workers}\n\
         [[hosts]]\nname = \"builder\"\ncount = 2\n\
         [budget]\nmonthly_usd = 1000000\nalert = [\"ops@example.org\"]\n",
        plane.region(),
        plane.account_id(Account::Workloads),
        plane.stock_image(),
    );
    let name = format!("{estate}.toml");
    let path = bench.directory.join(&name);
    fs::write(&path, text).map_err(LabError::file("write", &path))?;
    Ok(name)
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
