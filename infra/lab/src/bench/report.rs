//! The figures, each beside its bound.

use std::fmt;

/// A figure.
struct Line {
    what: String,
    figure: String,
    /// What it shall be at most, and whether it is.
    bound: Option<(String, bool)>,
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
            line.bound = Some((format!("{bound}{unit}"), value <= bound));
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|line| line.what.chars().count()).max().unwrap_or_default();
        for Line { what, figure, bound } in &self.0 {
            write!(formatter, "{what:<width$}  {figure:>12}")?;
            match bound {
                Some((bound, true)) => writeln!(formatter, "   within {bound}")?,
                Some((bound, false)) => writeln!(formatter, "   OVER {bound}")?,
                None => writeln!(formatter)?,
            }
        }
        Ok(())
    }
}
