//! What is wrong with a spec, all of it at once, each with its place in the text.
//!
//! Stops the leak of a secret by the very message that complains of it: the text that a diagnostic quotes is a copy
//! in which every secret's bytes are asterisks, and messages are put through the same blotting.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};
use serde::{Serialize, Serializer};

use super::value::{Environment, Refusal};
use crate::rule::Rule;

/// One thing that is wrong, or odd, in a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// An error keeps the spec from being used, a warning doesn't.
    pub severity: Severity,
    /// The setting, such as `bastion.allow[1]`; empty where the file as a whole is meant.
    pub setting: String,
    /// What is wrong.
    pub message: String,
    /// What belongs there instead.
    pub expected: String,
    /// The next step.
    pub help: Option<String>,
    /// The rule that it follows from, where it is more than a slip.
    pub rule: Option<&'static Rule>,
    /// Where it is, in bytes of the text.
    pub span: Range<usize>,
    /// The environments in which it is wrong; empty where it is wrong whichever is chosen.
    pub environments: Vec<Environment>,
}

impl Problem {
    pub(super) fn new(
        setting: &str,
        span: Range<usize>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            setting: setting.to_owned(),
            message: message.into(),
            expected: expected.into(),
            help: None,
            rule: None,
            span,
            environments: Vec::new(),
        }
    }

    pub(super) fn refused(setting: &str, span: Range<usize>, refusal: Refusal) -> Self {
        Self { help: refusal.help, rule: refusal.rule, ..Self::new(setting, span, refusal.problem, refusal.expected) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn under(mut self, rule: &'static Rule) -> Self {
        self.rule = Some(rule);
        self
    }

    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

/// All that was found in one text, in the order of the text.
#[derive(Clone, Debug)]
pub struct Problems {
    source: Arc<NamedSource<String>>,
    list: Vec<Problem>,
}

impl Problems {
    /// `text` must already be without secrets, and every span lie in it.
    pub(super) fn new(file: &str, text: String, mut list: Vec<Problem>) -> Self {
        list.sort_by(|a, b| (a.span.start, a.span.end, &a.message).cmp(&(b.span.start, b.span.end, &b.message)));
        list.dedup();
        Self { source: Arc::new(NamedSource::new(file, text).with_language("TOML")), list }
    }

    /// The problems, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// The file that the text came from.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// The problems as `miette` shows them, with the lines around.
    pub fn diagnostics(&self) -> impl Iterator<Item = ProblemInSource<'_>> {
        self.list.iter().map(|problem| ProblemInSource { problem, source: &self.source })
    }

    /// Line and column, from 1, of a byte of the text; columns are characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let text = self.source.inner();
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors() {
            0 => write!(f, "{} has nothing wrong", self.file()),
            1 => write!(f, "{} has one error", self.file()),
            errors => write!(f, "{} has {errors} errors", self.file()),
        }
    }
}

impl std::error::Error for Problems {}

/// As `validate --json` prints them.
impl Serialize for Problems {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Place<'a> {
            severity: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            rule: Option<&'static str>,
            setting: &'a str,
            message: &'a str,
            expected: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            help: Option<&'a str>,
            #[serde(skip_serializing_if = "<[Environment]>::is_empty")]
            environments: &'a [Environment],
            file: &'a str,
            line: usize,
            column: usize,
            end_line: usize,
            end_column: usize,
        }
        serializer.collect_seq(self.list.iter().map(|problem| {
            let ((line, column), (end_line, end_column)) =
                (self.position(problem.span.start), self.position(problem.span.end));
            Place {
                severity: if problem.severity == Severity::Error { "error" } else { "warning" },
                rule: problem.rule.map(|rule| rule.name),
                setting: &problem.setting,
                message: &problem.message,
                expected: &problem.expected,
                help: problem.help.as_deref(),
                environments: &problem.environments,
                file: self.file(),
                line,
                column,
                end_line,
                end_column,
            }
        }))
    }
}

/// A problem beside the text that it is in.
#[derive(Debug)]
pub struct ProblemInSource<'a> {
    problem: &'a Problem,
    source: &'a NamedSource<String>,
}

impl fmt::Display for ProblemInSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.problem.setting.is_empty() {
            write!(f, "{}: ", self.problem.setting)?;
        }
        f.write_str(&self.problem.message)?;
        match self.problem.environments.as_slice() {
            [] => Ok(()),
            [one] => write!(f, " (in {one})"),
            [first, others @ ..] => {
                write!(f, " (in {first}")?;
                others.iter().try_for_each(|other| write!(f, " and {other}"))?;
                f.write_str(")")
            }
        }
    }
}

impl std::error::Error for ProblemInSource<'_> {}

impl Diagnostic for ProblemInSource<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(self.problem.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let more = self.problem.rule.map(|rule| format!("`provision explain {}` says why", rule.name));
        let help: Vec<_> = self.problem.help.iter().cloned().chain(more).collect();
        (!help.is_empty()).then(|| Box::new(help.join("\n")) as Box<dyn fmt::Display + 'a>)
    }

    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let severity = if self.problem.severity == Severity::Error { "error" } else { "warning" };
        let rule = self.problem.rule?;
        Some(Box::new(format!("{severity}[{}]", rule.name)))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(
            Some(format!("expected {}", self.problem.expected)),
            (self.problem.span.start, self.problem.span.len()),
        );
        Some(Box::new(std::iter::once(label)))
    }
}
