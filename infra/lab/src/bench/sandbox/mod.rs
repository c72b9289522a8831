//! `cargo lab bench sandbox`: what a sandbox takes, beside the kernel's own floor and its peers from Debian, in one run.
//!
//! `agent/sandbox/benches/sandbox` measures, for it needs the library; here is prepared what it compares ([`peers`]), and
//! its figures are judged. The floor is what the kernel takes for the same namespaces, a bind mount, a proc mount,
//! `pivot_root` and exec, and nothing else (`floor.c`); a ratio to it says what all protections cost together. Whether
//! a bound on time is met is told; a bound that is a promise (nothing leaks, everything runs) fails the bench.
//!
//! It wants root and an idle machine: who waits for a processor measures the others.

mod peers;
mod table;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use self::table::Table;
use super::report::Report;
use crate::error::LabError;
use crate::layout::Layout;
use crate::programs;
use crate::run::show;

/// Runs the benchmark of `holdfast-sandbox` and prints its figures.
pub fn run_bench_sandbox(layout: &Layout) -> Result<(), LabError> {
    let setting = peers::prepare(layout, &programs::release_static_sandbox(layout)?)?;
    show(bench(layout, &["--no-run"]).stdout(std::io::stderr()))?;
    let figures = Figures::measure(layout, &setting)?;
    let mut report = Report::default();
    starts(&figures, &mut report)?;
    throughput(&figures, &mut report)?;
    memory(&figures, &mut report)?;
    flat(&figures, &mut report)?;
    print!("{}\n{report}", Table::of(&figures)?);
    report.judge()
}

/// From start to end of `/bin/true`.
fn starts(figures: &Figures, report: &mut Report) -> Result<(), LabError> {
    let mut ratio = |what: &str, of: &str, to: &str, bound| -> Result<(), LabError> {
        report.at_most(what, figures.value(of)? / figures.value(to)?, bound, "");
        Ok(())
    };
    ratio("from the warm spawner, over the floor from a warm process", "warm: ours", "warm: floor", 1.35)?;
    ratio("made ahead, over the floor from a warm process", "warm: prepared", "warm: floor", 0.8)?;
    ratio("as a whole process, over the floor as one", "whole: ours", "whole: floor", 1.3)?;
    ratio("as a whole process, over bwrap", "whole: ours", "whole: bwrap", 0.5)?;
    ratio("as a whole process, over crun", "whole: ours", "whole: crun", 0.33)
}

/// With all processors at it.
fn throughput(figures: &Figures, report: &mut Report) -> Result<(), LabError> {
    for name in ["warm floor", "warm ours", "whole floor", "whole ours", "whole bwrap"] {
        let latency = figures.get(&format!("under load: {name}"))?;
        let (median, p99) = (latency.value, latency.p99.unwrap_or_default());
        let rate = figures.value(&format!("runs a second: {name}"))?;
        report.say(
            format!("runs a second on all cores: {name}"),
            format!("{rate:.0} (p50 {median:.1} ms, p99 {p99:.1} ms)"),
        );
    }
    let bwrap = figures.value("runs a second: whole bwrap")?;
    let mut of_ours = |what: &str, name: &str| -> Result<(), LabError> {
        report.at_most(what, bwrap / figures.value(&format!("runs a second: {name}"))?, 0.5, "");
        Ok(())
    };
    of_ours("runs a second: bwrap's over ours from warm spawners", "warm ours")?;
    of_ours("runs a second: bwrap's over ours as whole processes", "whole ours")
}

/// What programs lose inside, and what sandboxes keep while they run.
fn memory(figures: &Figures, report: &mut Report) -> Result<(), LabError> {
    for (what, bound) in [
        ("inside over outside: computing", 1.01),
        ("inside over outside: calling", 1.10),
        ("spawner: resident, KiB", 5.0 * 1024.0),
        ("live: private beside each program, KiB", 150.0),
    ] {
        report.at_most(what, figures.value(what)?, bound, "");
    }
    // What no filter can be below.
    let any_filter = "a filter of one instruction over none: calling";
    report.say(any_filter, format!("{:.2}", figures.value(any_filter)?));
    for what in [
        "live: init's private, KiB",
        "live: spawner resident, KiB",
        "live: kernel memory of each, KiB",
        "live: started in, s",
        "live: gone in, s",
    ] {
        report.say(what, format!("{:.1}", figures.value(what)?));
    }
    Ok(())
}

/// What grows with runs. Some counters are of the whole machine, where others live too; what leaked once in a run would
/// grow by as much as there were runs.
fn flat(figures: &Figures, report: &mut Report) -> Result<(), LabError> {
    let runs = figures.value("runs of one spawner")?;
    report.say("runs of one spawner", format!("{runs:.0}"));
    for (what, bound) in [
        ("spawner's memory, KiB", 256.0),
        ("spawner's descriptors", 0.0),
        ("spawner's locks on ids", 0.0),
        ("spawner's children", 0.0),
        ("mounts seen outside", 0.0),
        ("mounts in the kernel", runs / 50.0),
        ("network namespaces", runs / 50.0),
        ("cgroups", 0.0),
        ("dentries in use", runs / 10.0),
        ("kernel memory, KiB", runs / 5.0),
    ] {
        let growth = format!("growth: {what}");
        let value = figures.value(&growth)?;
        report.promise(growth, value, bound, "");
    }
    let slower = |name: &str| -> Result<f64, LabError> {
        Ok(figures.value(&format!("last: {name}"))? / figures.value(&format!("first: {name}"))?)
    };
    // What the machine does in between happens to the floor too.
    let ratio = slower("ours")? / slower("floor")?;
    report.at_most("last 1,000 runs over the first, each over the floor's of then", ratio, 1.1, "");
    Ok(())
}

/// Cargo, with the bench of the sandbox; what follows is its.
fn bench(layout: &Layout, arguments: &[&str]) -> Command {
    let mut command = programs::cargo(layout, &["bench", "--quiet", "--package", "holdfast-sandbox"]);
    command.args(["--bench", "sandbox"]).args(arguments);
    command
}

/// A figure, as the bench tells it.
#[derive(Debug, Deserialize)]
struct Figure {
    what: String,
    value: f64,
    p10: Option<f64>,
    p99: Option<f64>,
}

/// All that the bench has told, by name.
#[derive(Debug, Default)]
struct Figures(BTreeMap<String, Figure>);

impl Figures {
    /// Runs the bench to its end, which must be success.
    fn measure(layout: &Layout, setting: &Path) -> Result<Figures, LabError> {
        let bench = bench(layout, &["--", &setting.to_string_lossy()]);
        let mut child = peers::with_cgroup_v2(&bench)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| LabError::Start { program: "the benchmark".to_owned(), source })?;
        let mut figures = Figures::default();
        for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines().map_while(Result::ok)) {
            eprintln!("{line}");
            let figure: Figure = serde_json::from_str(&line).map_err(|error| LabError::Benchmark {
                what: format!("the benchmark says: {error}"),
                evidence: line,
            })?;
            figures.0.insert(figure.what.clone(), figure);
        }
        let status = child.wait().map_err(|source| LabError::Start { program: "the benchmark".to_owned(), source })?;
        if status.success() {
            return Ok(figures);
        }
        let output = "what it printed is above".to_owned();
        Err(LabError::Failed { command: "the benchmark of the sandbox".to_owned(), status, output })
    }

    fn get(&self, what: &str) -> Result<&Figure, LabError> {
        self.0.get(what).ok_or_else(|| LabError::Benchmark {
            what: format!("the benchmark says nothing of {what:?}"),
            evidence: self.0.keys().cloned().collect::<Vec<_>>().join("\n"),
        })
    }

    fn value(&self, what: &str) -> Result<f64, LabError> {
        Ok(self.get(what)?.value)
    }
}
