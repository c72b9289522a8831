//! Questions at a terminal: asked on stderr, so that stdout holds results alone.

use std::io::{self, BufRead, IsTerminal, Write};

use super::CommandError;

/// Somebody to ask.
pub(crate) struct Prompt<R, W> {
    input: R,
    output: W,
}

/// The terminal that the process was started at, if it was.
pub(crate) fn terminal() -> Option<Prompt<io::StdinLock<'static>, io::Stderr>> {
    let at_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    at_terminal.then(|| Prompt { input: io::stdin().lock(), output: io::stderr() })
}

impl<R: BufRead, W: Write> Prompt<R, W> {
    #[cfg(test)]
    pub(crate) fn new(input: R, output: W) -> Self {
        Self { input, output }
    }

    /// Asks until the answer parses; an empty answer is the default.
    pub(crate) fn ask<T, E: std::fmt::Display>(
        &mut self,
        question: &str,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, CommandError> {
        let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        loop {
            let line = self.answer_to(&format!("{question}{shown}: "))?;
            let line = line.ok_or_else(|| CommandError::Unanswered { question: question.to_owned() })?;
            let given = if line.is_empty() { default.unwrap_or_default() } else { &line };
            match parse(given) {
                Ok(value) => return Ok(value),
                Err(error) => writeln!(self.output, "  {error}").map_err(CommandError::Terminal)?,
            }
        }
    }

    /// Whether a question was answered with `yes`; anything else, and no answer, is a no.
    pub(crate) fn confirm(&mut self, question: &str, yes: &str) -> Result<bool, CommandError> {
        Ok(self.answer_to(question)?.is_some_and(|line| line.eq_ignore_ascii_case(yes)))
    }

    /// One line without its end; `None` where input has ended.
    fn answer_to(&mut self, question: &str) -> Result<Option<String>, CommandError> {
        write!(self.output, "{question}").and_then(|()| self.output.flush()).map_err(CommandError::Terminal)?;
        let mut line = String::new();
        let read = self.input.read_line(&mut line).map_err(CommandError::Terminal)?;
        Ok((read > 0).then(|| line.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(input: &str, default: Option<&str>) -> (Result<u32, CommandError>, String) {
        let mut shown = Vec::new();
        let answer = Prompt::new(input.as_bytes(), &mut shown).ask("How many", default, |text| text.parse::<u32>());
        (answer, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn a_wrong_answer_is_asked_again() {
        let (answer, shown) = ask("many\n\n 7 \n", None);
        assert_eq!(answer.unwrap(), 7);
        assert_eq!(shown.matches("How many: ").count(), 3);
        assert!(shown.contains("invalid digit"));
    }

    #[test]
    fn an_empty_answer_is_the_default() {
        let (answer, shown) = ask("\n", Some("2"));
        assert_eq!(answer.unwrap(), 2);
        assert_eq!(shown, "How many [2]: ");
    }

    #[test]
    fn the_end_of_input_is_no_answer() {
        assert!(matches!(ask("", Some("2")).0, Err(CommandError::Unanswered { .. })));
        let confirm = |input: &str| Prompt::new(input.as_bytes(), Vec::new()).confirm("Go on? ", "yes").unwrap();
        assert!(confirm("yes\n") && confirm("YES\n"));
        assert!(!confirm("") && !confirm("\n") && !confirm("y\n") && !confirm("no\n"));
    }
}
