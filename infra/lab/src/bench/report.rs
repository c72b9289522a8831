//! The figures, each beside its bound.

use std::fmt;

use crate::error::LabError;

/// A figure.
struct Line {
    what: String,
    figure: String,
    bound: Option<Bound>,
}

/// What a figure shall be at most.
struct Bound {
    text: String,
    is_met: bool,
    /// Whether a run in which it isn't met has failed.
    is_promise: bool,
}

/// All figures of a run.
#[derive(Default)]
pub(super) struct Report(Vec<Line>);

impl Report {
    /// Adds a figure that has no bound.
    pub(super) fn say(&mut self, what: impl Into<String>, figure: impl Into<String>) {
        let line = Line { what: what.into(), figure: figure.into(), bound: None };
        eprintln!("{}: {}", line.what, line.figure);
        self.0.push(line);
    }

    /// Adds a figure that shall be at most `bound`.
    pub(super) fn at_most(&mut self, what: impl Into<String>, value: f64, bound: f64, unit: &str) {
        let digits = if value.fract() == 0.0 { 0 } else { 2 };
        self.say(what, format!("{value:.digits$}{unit}"));
        if let Some(line) = self.0.last_mut() {
            line.bound = Some(Bound { text: format!("{bound}{unit}"), is_met: value <= bound, is_promise: false });
        }
    }

    /// The same where it is a promise: [`Report::judge`] fails a run in which it isn't kept.
    pub(super) fn promise(&mut self, what: impl Into<String>, value: f64, bound: f64, unit: &str) {
        self.at_most(what, value, bound, unit);
        if let Some(Line { bound: Some(bound), .. }) = self.0.last_mut() {
            bound.is_promise = true;
        }
    }

    /// Whether every promise is kept.
    pub(super) fn judge(&self) -> Result<(), LabError> {
        let is_broken = |line: &&Line| line.bound.as_ref().is_some_and(|bound| bound.is_promise && !bound.is_met);
        let broken: Vec<_> = self.0.iter().filter(is_broken).map(|line| line.what.as_str()).collect();
        if broken.is_empty() {
            return Ok(());
        }
        Err(LabError::Benchmark { what: "not as promised".to_owned(), evidence: broken.join("\n") })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|line| line.what.chars().count()).max().unwrap_or_default();
        for Line { what, figure, bound } in &self.0 {
            write!(formatter, "{what:<width$}  {figure:>12}")?;
            match bound {
                Some(Bound { text, is_met: true, .. }) => writeln!(formatter, "   within {text}")?,
                Some(Bound { text, is_met: false, .. }) => writeln!(formatter, "   OVER {text}")?,
                None => writeln!(formatter)?,
            }
        }
        Ok(())
    }
}
