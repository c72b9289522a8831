//! A spec's problems beside its text.

use miette::{GraphicalReportHandler, GraphicalTheme, ThemeCharacters, ThemeStyles};

use super::{WIDTH, note};
use crate::spec::Problems;

/// Prints problems to stderr.
pub(crate) fn print(problems: &Problems) {
    let mut shown = String::new();
    write(&mut shown, problems);
    note(&shown);
}

/// Writes problems, each with the lines around and a blank line after it.
pub(crate) fn write(shown: &mut String, problems: &Problems) {
    // ASCII looks the same in every terminal, log and mail.
    let theme = GraphicalTheme { characters: ThemeCharacters::ascii(), styles: ThemeStyles::ansi() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).without_syntax_highlighting();
    for diagnostic in problems.diagnostics() {
        // Writing to a string can't fail, and every span lies in its text.
        let _ = handler.render_report(shown, &diagnostic);
        shown.push('\n');
    }
}
