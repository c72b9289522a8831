//! From the bytes of a file to a [`Spec`], or to everything that is wrong with them.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::overlay::{Readings, read_all};
use super::problem::{Problem, Problems};
use super::secret::{self, Secret};
use super::table::join;
use super::{Environment, Spec};
use crate::rule;

/// A spec is a page; what is larger was named by mistake.
const LARGEST: usize = 1 << 20;

/// A spec that can be used, and what is odd in it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The spec.
    pub spec: Spec,
    /// Warnings only.
    pub warnings: Problems,
}

/// The specs of all environments that a file describes, and what is odd in them.
#[derive(Clone, Debug)]
pub struct AllChecked {
    /// A spec for each environment.
    pub specs: Vec<Spec>,
    /// Warnings only.
    pub warnings: Problems,
}

/// Reads a spec that is for one environment only.
///
/// # Errors
///
/// Those of [`parse_for`].
pub fn parse(bytes: &[u8], file: &str) -> Result<Checked, Problems> {
    parse_for(bytes, file, None)
}

/// Reads a spec from the bytes of `file`, whose name is for messages only, for the environment that was chosen. Where
/// none was, that is the one in `tags.Environment`, or the only one that there is.
///
/// # Errors
///
/// Those of [`parse_all`], and an environment that the file doesn't describe.
pub fn parse_for(bytes: &[u8], file: &str, chosen: Option<Environment>) -> Result<Checked, Problems> {
    let (text, readings, secrets) = read(bytes, file)?;
    let problems = Problems::new(file, secret::blot(text, &secrets), readings.problems);
    if problems.errors() > 0 {
        return Err(problems);
    }
    let wanted = chosen.or(readings.own);
    match readings.specs.into_iter().find(|spec| Some(spec.tags.environment) == wanted) {
        Some(spec) => Ok(Checked { spec, warnings: problems }),
        None => {
            let problem = not_described(chosen, &readings.environments, first_setting(text));
            Err(Problems::new(file, secret::blot(text, &secrets), vec![problem]))
        }
    }
}

/// Reads a spec for every environment that it describes.
///
/// # Errors
///
/// Every problem of the text, in its order, in whichever environment. Where the text isn't TOML, those are its syntax
/// errors and secrets: a setting after a missing bracket or quote may read as something else.
pub fn parse_all(bytes: &[u8], file: &str) -> Result<AllChecked, Problems> {
    let (text, readings, secrets) = read(bytes, file)?;
    let problems = Problems::new(file, secret::blot(text, &secrets), readings.problems);
    match problems.errors() {
        0 => Ok(AllChecked { specs: readings.specs, warnings: problems }),
        _ => Err(problems),
    }
}

fn read<'b>(bytes: &'b [u8], file: &str) -> Result<(&'b str, Readings, Vec<Secret>), Problems> {
    if bytes.len() > LARGEST {
        let message = format!("the file has {} bytes, more than any spec", bytes.len());
        let problem = Problem::new("", 0..0, message, format!("at most {LARGEST} bytes"));
        return Err(Problems::new(file, String::new(), vec![problem.help("name the estate's own file with -f")]));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(not_utf8(bytes, error.valid_up_to(), file)),
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut secrets = secret::find(text);
    find_in_table(document.get_ref(), &mut secrets);
    let secrets = secret::merge(secrets);

    let mut readings = read_all(document.get_ref(), first_setting(text));
    if !errors.is_empty() {
        readings.problems = errors.iter().map(|error| syntax(error, text)).collect();
    }
    // A message about a secret's place may quote it: that it is one is all that is said.
    readings.problems.retain(|problem| !secrets.iter().any(|secret| overlap(&secret.span, &problem.span)));
    readings.problems.extend(secrets.iter().map(must_not_be_here));
    Ok((text, readings, secrets))
}

/// There is no spec for what was chosen, or nothing was chosen of several.
fn not_described(chosen: Option<Environment>, described: &[Environment], place: Range<usize>) -> Problem {
    let flags: Vec<String> = described.iter().map(|environment| format!("-e {environment}")).collect();
    let names: Vec<String> = described.iter().map(ToString::to_string).collect();
    let names = join(&names, "and");
    let message = match chosen {
        Some(chosen) => format!("the spec is for {names}, and {chosen} was chosen"),
        None => format!("the spec is for {names}, and none was chosen"),
    };
    let problem = Problem::new("environment", place, message, join(&flags, "or"));
    match chosen {
        Some(chosen) => problem.help(format!("[environment.{chosen}] would say what differs there")),
        None => problem.help("choose one, or write `tags.Environment` for the one that is meant without -e"),
    }
}

/// Looks into decoded strings, whose escapes may spell what the raw text doesn't show.
fn find_in_table(table: &DeTable<'_>, secrets: &mut Vec<Secret>) {
    for (key, value) in table {
        if let Some(found) = secret::find(key.get_ref()).first() {
            secrets.push(Secret { kind: found.kind, span: key.span() });
        }
        find_in_value(value, secrets);
    }
}

fn find_in_value(value: &toml::Spanned<DeValue<'_>>, secrets: &mut Vec<Secret>) {
    match value.get_ref() {
        DeValue::String(text) => {
            if let Some(found) = secret::find(text).first() {
                secrets.push(Secret { kind: found.kind, span: value.span() });
            }
        }
        DeValue::Array(items) => items.iter().for_each(|item| find_in_value(item, secrets)),
        DeValue::Table(table) => find_in_table(table, secrets),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

fn must_not_be_here(secret: &Secret) -> Problem {
    Problem::new("", secret.span.clone(), format!("this looks like {}", secret.kind), "no secret in a spec")
        .under(&rule::SECRETS)
        .help("take it out, and replace it where it is used: a spec is a file to share, and this was in it")
}

fn not_utf8(bytes: &[u8], valid_up_to: usize, file: &str) -> Problems {
    // Up to the first wrong byte, lossy text and bytes agree.
    let text = String::from_utf8_lossy(bytes);
    let secrets = secret::find(&text);
    let wrong = valid_up_to..valid_up_to + char::REPLACEMENT_CHARACTER.len_utf8();
    let mut problems: Vec<Problem> = secrets.iter().map(must_not_be_here).collect();
    problems.push(
        Problem::new("", wrong, "the file isn't UTF-8", "UTF-8, which TOML is written in")
            .help("save it as UTF-8; `iconv -f latin1 -t utf-8` turns the older encoding into it"),
    );
    Problems::new(file, secret::blot(&text, &secrets), problems)
}

fn syntax(error: &toml::de::Error, text: &str) -> Problem {
    if error.message() == "duplicate key" {
        let span = error.span().unwrap_or_default();
        return Problem::new("", visible(span, text), "this key is there already", "each key once")
            .help("join the two, or take one out");
    }
    // "invalid string, expected `\"`": the parser's own words, of which the second half is the label.
    let (message, expected) =
        error.message().split_once(", expected ").unwrap_or((error.message(), "what TOML allows here"));
    let span = error.span().unwrap_or(text.len()..text.len());
    Problem::new("", visible(span, text), format!("this isn't TOML: {message}"), expected)
}

/// A span with something in it to point at: one past the text, or an empty one, points at what is before it.
fn visible(span: Range<usize>, text: &str) -> Range<usize> {
    let end = text.floor_char_boundary(span.end.min(text.len()));
    let start = text.floor_char_boundary(span.start.min(end));
    if start < end {
        return start..end;
    }
    match text[start..].chars().next() {
        Some(next) if next != '\n' && next != '\r' => start..start + next.len_utf8(),
        _ => start..start,
    }
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// Where what the file as a whole lacks is pointed at: its first line that isn't a comment.
fn first_setting(text: &str) -> Range<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let shown = line.trim();
        if !shown.is_empty() && !shown.starts_with('#') {
            let start = start + line.len() - line.trim_start().len();
            return start..start + shown.len();
        }
        start += line.len();
    }
    0..0
}
