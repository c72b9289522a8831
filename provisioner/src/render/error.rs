//! Errors, rendered once at the top: what, where, and the next step.

use std::fmt::Write;

use owo_colors::OwoColorize;
use serde::Serialize;

use super::{Output, note, problem, text};
use crate::command::CommandError;
use crate::spec::Problems;

/// An error as JSON.
#[derive(Serialize)]
struct Failed<'a> {
    error: Failure<'a>,
}

#[derive(Serialize)]
struct Failure<'a> {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<&'a Problems>,
}

/// Prints an error: to stderr as text, and as JSON to stdout if results are JSON.
pub(crate) fn print(error: &CommandError, output: Output) {
    let problems = match error {
        CommandError::Spec(problems) => Some(problems),
        _ => None,
    };
    if output.is_json() {
        let failure = Failure { message: error.to_string(), help: error.help(), problems };
        // Where stdout is what failed, stderr still says so.
        let _ = output.json(&Failed { error: failure });
    }
    let mut shown = String::new();
    if let Some(problems) = problems {
        problem::write(&mut shown, problems);
    }
    write_error(&mut shown, error);
    note(&shown);
}

fn write_error(shown: &mut String, error: &CommandError) {
    // Writing to a string can't fail.
    let _ = writeln!(shown, "{}", text::labelled(&format!("{}", "error:".red().bold()), 7, &error.to_string()));
    if let Some(help) = error.help() {
        let _ = writeln!(shown, "{}", text::labelled(&format!("{}", " help:".cyan()), 7, &help));
    }
}
