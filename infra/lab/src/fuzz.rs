//! The sandbox's fuzz targets, a minute each, beside a check that takes longer: at the lowest priority, one after the other, in
//! a directory of their own for what is built, since cargo locks it.

use std::ffi::OsStr;
use std::process::Command;
use std::thread::JoinHandle;

use crate::error::LabError;
use crate::layout::Layout;
use crate::run::run;

const TARGETS: [&str; 3] = ["policy", "options", "messages"];
const DIRECTORY: &str = "agent/sandbox/fuzz";

/// Fuzzing that goes on.
pub(crate) struct Fuzzing(JoinHandle<Result<Vec<String>, LabError>>);

impl Fuzzing {
    /// Begins it; `path` is a `PATH` with cargo-fuzz in it.
    pub(crate) fn start(layout: &Layout, path: &OsStr) -> Fuzzing {
        let cargo = |arguments: &[&str]| {
            let mut command = Command::new("nice");
            command.args(["-n", "19", "cargo"]).args(arguments).current_dir(layout.workspace());
            command.env("PATH", path).env("CARGO_TARGET_DIR", layout.target().join("fuzz"));
            command
        };
        let manifest = format!("{DIRECTORY}/Cargo.toml");
        let mut commands = vec![
            cargo(&["fetch", "--quiet", "--locked", "--manifest-path", &manifest]),
            cargo(&["fuzz", "build", "--fuzz-dir", DIRECTORY, "--sanitizer", "none"]),
        ];
        for target in TARGETS {
            let mut fuzz = cargo(&["fuzz", "run", "--fuzz-dir", DIRECTORY, "--sanitizer", "none", target]);
            // What is found is kept, and begun with the next time; the seeds are only read.
            let corpus = layout.lab().join("fuzz").join(target);
            fuzz.arg(&corpus).arg(format!("{DIRECTORY}/seeds/{target}"));
            fuzz.args(["--", "-max_total_time=60", "-timeout=20", "-print_final_stats=1", "-verbosity=0"]);
            commands.push(fuzz);
        }
        let corpora: Vec<_> = TARGETS.iter().map(|target| layout.lab().join("fuzz").join(target)).collect();
        Fuzzing(std::thread::spawn(move || {
            for corpus in corpora {
                std::fs::create_dir_all(&corpus).map_err(LabError::file("make", &corpus))?;
            }
            let outputs = commands.iter_mut().map(run).collect::<Result<Vec<_>, _>>()?;
            Ok(outputs.iter().filter_map(|output| executions(&String::from_utf8_lossy(&output.stderr))).collect())
        }))
    }

    /// Waits for its end, and says how much was tried; a failure has the end of what the target printed.
    pub(crate) fn finish(self) -> Result<(), LabError> {
        // A thread that panicked has said so itself, and what it was to try is not tried.
        let tried = self.0.join().unwrap_or_else(|_| Ok(Vec::new()))?;
        let missing = tried.len() != TARGETS.len();
        for (target, tried) in TARGETS.iter().zip(&tried) {
            eprintln!("fuzzing of {target}: {tried} executions");
        }
        if missing { Err(LabError::NotFuzzed { tried: tried.len() }) } else { Ok(()) }
    }
}

/// How many inputs libFuzzer says that it tried.
fn executions(printed: &str) -> Option<String> {
    let count =
        |line: &str| line.strip_prefix("stat::number_of_executed_units:").map(|number| number.trim().to_owned());
    printed.lines().find_map(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_executions_is_read() {
        let printed = "Done 12 runs in 1 second(s)\nstat::number_of_executed_units: 12\nstat::peak_rss_mb: 30\n";
        assert_eq!(executions(printed).as_deref(), Some("12"));
        assert_eq!(executions("Done"), None);
    }

    #[test]
    fn every_target_of_the_fuzz_crate_is_run() {
        let manifest = Layout::of_this_workspace().workspace().join(DIRECTORY).join("Cargo.toml");
        let text = std::fs::read_to_string(manifest).unwrap();
        let named: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("path = \"targets/")).collect();
        assert_eq!(named, TARGETS.map(|target| format!("{target}.rs\"")));
    }
}
