//! What the demo shows: commands as a person would type them, and what they printed.
//!
//! A screen holds less than the commands print, so a step may show a part; how many lines were left out is said, and
//! the whole lies in the demo's directory. A command that doesn't end as the story wants ends the demo, with all of its
//! output.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use owo_colors::OwoColorize;

use crate::error::LabError;

/// Which lines of a command's output are shown.
#[derive(Clone, Copy)]
pub(super) enum Show {
    /// Every line.
    All,
    /// The last ones.
    Last(usize),
    /// The lines that have one of these words.
    With(&'static [&'static str]),
    /// All but the paragraph that begins with this line.
    Without(&'static str),
    /// Of what it told on the way, the lines that have one of these words.
    Told(&'static [&'static str]),
}

/// A step: a command, how it is written on the screen, how it must end, what is shown.
pub(super) struct Step<'a> {
    /// The command as a person would type it.
    pub(super) typed: &'a str,
    /// The command.
    pub(super) command: &'a mut Command,
    /// The exit code that the story wants.
    pub(super) code: i32,
    /// What of its output is shown.
    pub(super) show: Show,
}

/// The screen, and the directory that whole outputs go to.
pub(super) struct Stage {
    directory: PathBuf,
    steps: usize,
}

impl Stage {
    pub(super) fn new(directory: PathBuf) -> Stage {
        Stage { directory, steps: 0 }
    }

    /// A part of the story begins.
    pub(super) fn chapter(&self, title: &str) {
        anstream::println!("\n{}", title.bold());
    }

    /// A line of the story's own.
    pub(super) fn say(&self, line: &str) {
        anstream::println!("  {line}");
    }

    /// Runs a step and shows it; returns its standard output.
    pub(super) fn run(&mut self, step: Step<'_>) -> Result<String, LabError> {
        anstream::println!("{} {}", "$".dimmed(), step.typed.cyan());
        let output = step.command.stdin(Stdio::null()).output().map_err(|source| LabError::Start {
            program: step.command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        self.keep(step.typed, &stdout, &stderr)?;
        if output.status.code() != Some(step.code) {
            return Err(unexpected(&step, output.status, &format!("{stdout}{stderr}")));
        }
        // A refusal speaks on standard error; whatever succeeds has its result on standard output.
        let told = stdout.trim().is_empty() || matches!(step.show, Show::Told(_));
        self.show(if told { &stderr } else { &stdout }, step.show);
        Ok(stdout)
    }

    fn show(&self, text: &str, show: Show) {
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let shown: Vec<&str> = match show {
            Show::All => lines.clone(),
            Show::Last(count) => lines[lines.len().saturating_sub(count)..].to_vec(),
            Show::Without(paragraph) => without(text, paragraph),
            Show::With(words) | Show::Told(words) => {
                lines.iter().copied().filter(|line| words.iter().any(|word| line.contains(word))).collect()
            }
        };
        for line in &shown {
            anstream::println!("  {line}");
        }
        let left_out = lines.len() - shown.len();
        if left_out > 0 {
            anstream::println!("  {}", format!("({left_out} more lines)").dimmed());
        }
    }

    fn keep(&mut self, typed: &str, stdout: &str, stderr: &str) -> Result<(), LabError> {
        self.steps += 1;
        let path = self.directory.join(format!("{:02}.txt", self.steps));
        let text = format!("$ {typed}\n{stdout}{stderr}");
        fs::write(&path, text).map_err(LabError::file("write", &path))
    }
}

/// The lines of a text without a paragraph and without empty ones.
fn without<'a>(text: &'a str, paragraph: &str) -> Vec<&'a str> {
    let mut within = false;
    let kept = text.lines().filter(|line| {
        within = (within || line.starts_with(paragraph)) && !line.trim().is_empty();
        !within && !line.trim().is_empty()
    });
    kept.collect()
}

fn unexpected(step: &Step<'_>, status: ExitStatus, output: &str) -> LabError {
    let command = format!("{} (it should end with {})", step.typed, step.code);
    LabError::Failed { command, status, output: output.trim_end().to_owned() }
}
