//! Reads a TOML table by its known keys, and notes every problem instead of stopping at the first.
//!
//! A setting that is wrong reads as `None` and leaves a [`Problem`] behind, so a spec exists exactly where no error
//! was noted. What a table doesn't know is compared with what it lacks: `acount` is one problem, not two.

use std::cell::RefCell;
use std::ops::Range;
use std::str::FromStr;

use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::secret;
use super::suggest::nearest;
use super::value::Refusal;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// Where problems are noted.
#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<Vec<Problem>>);

impl Notes {
    pub(super) fn add(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    pub(super) fn into_inner(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// A key that a table knows, and how it is written, for who left it out.
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) example: &'static str,
}

/// A table while it is read.
pub(super) struct Section<'t> {
    table: &'t DeTable<'t>,
    /// Its own place: the header, or all of an inline table.
    span: Range<usize>,
    /// Its path, such as `hosts[0]`; empty for the file itself.
    path: String,
    fields: &'static [Field],
    notes: &'t Notes,
    missing: Vec<&'static str>,
}

impl<'t> Section<'t> {
    pub(super) fn new(
        table: Placed<&'t DeTable<'t>>,
        path: impl Into<String>,
        fields: &'static [Field],
        notes: &'t Notes,
    ) -> Self {
        Self { table: table.value, span: table.span, path: path.into(), fields, notes, missing: Vec::new() }
    }

    /// A setting that must be there, written as a string.
    pub(super) fn required<T: FromStr<Err = Refusal>>(&mut self, key: &'static str) -> Option<Placed<T>> {
        let value = self.need(key)?;
        self.parse(self.at(key), value)
    }

    /// A setting that may be left out, written as a string.
    pub(super) fn optional<T: FromStr<Err = Refusal>>(&self, key: &'static str) -> Option<Placed<T>> {
        self.parse(self.at(key), self.get(key)?)
    }

    /// A setting that may be left out, and then is `default`.
    pub(super) fn optional_or<T: FromStr<Err = Refusal>>(&self, key: &'static str, default: T) -> Option<Placed<T>> {
        if self.has(key) { self.optional(key) } else { Some(Placed { value: default, span: self.span.clone() }) }
    }

    /// Whether the setting is there, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A whole number that must be there.
    pub(super) fn required_number(&mut self, key: &'static str, range: Range<u32>) -> Option<Placed<u32>> {
        let value = self.need(key)?;
        self.number(key, value, range)
    }

    /// A whole number that may be left out: `None` where it is wrong, `Some(None)` where it isn't there.
    pub(super) fn optional_number(&self, key: &'static str, range: Range<u32>) -> Option<Option<u32>> {
        match self.get(key) {
            Some(value) => self.number(key, value, range).map(|number| Some(number.value)),
            None => Some(None),
        }
    }

    /// A list of one to `most` strings; what is wrong in it is noted and left out.
    pub(super) fn required_list<T: FromStr<Err = Refusal>>(
        &mut self,
        key: &'static str,
        most: usize,
    ) -> Option<Vec<Placed<T>>> {
        let list = self.need(key)?;
        let DeValue::Array(items) = list.value else {
            self.wrong_type(&self.at(key), &list, "a list of strings", wrap_hint(key, &list));
            return None;
        };
        if items.is_empty() {
            let problem = Problem::new(&self.at(key), list.span, "the list is empty", "at least one");
            self.notes.add(problem.help(format!("such as {}", self.example(key))));
            return None;
        }
        if items.len() > most {
            let message = format!("the list has {} entries, and AWS takes {most}", items.len());
            self.notes.add(Problem::new(&self.at(key), list.span, message, format!("at most {most}")));
        }
        let parse = |(index, item): (usize, &'t toml::Spanned<DeValue<'t>>)| {
            self.parse(format!("{}[{index}]", self.at(key)), placed(item))
        };
        Some(items.iter().enumerate().filter_map(parse).collect())
    }

    /// A table that must be there.
    pub(super) fn required_table(&mut self, key: &'static str) -> Option<Placed<&'t DeTable<'t>>> {
        let value = self.need(key)?;
        self.table(key, value)
    }

    /// A table that may be left out.
    pub(super) fn optional_table(&self, key: &'static str) -> Option<Placed<&'t DeTable<'t>>> {
        self.table(key, self.get(key)?)
    }

    /// A list of tables that must be there and not be empty.
    pub(super) fn required_tables(&mut self, key: &'static str) -> Option<Placed<Vec<Placed<&'t DeTable<'t>>>>> {
        let list = self.need(key)?;
        let path = self.at(key);
        let DeValue::Array(items) = list.value else {
            let hint =
                list.value.is_table().then(|| format!("write [[{key}]], with two brackets: there may be several"));
            self.wrong_type(&path, &list, "a list of tables", hint);
            return None;
        };
        if items.is_empty() {
            let problem = Problem::new(&path, list.span, "the list is empty", "at least one");
            self.notes.add(problem.help(format!("add\n{}", indent(self.example(key)))));
            return None;
        }
        let mut tables = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(table) => tables.push(Placed { value: table, span: item.span() }),
                _ => self.wrong_type(&format!("{path}[{index}]"), &placed(item), "a table", None),
            }
        }
        Some(Placed { value: tables, span: list.span })
    }

    /// Notes what the table lacks and what it doesn't know. Called once all its settings were read.
    pub(super) fn finish(self) {
        let known: Vec<&'static str> = self.fields.iter().map(|field| field.key).collect();
        let mut meant = Vec::new();
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let near = nearest(name, &known);
            meant.extend(near);
            let expected = near.map_or_else(|| "a setting that there is".to_owned(), |near| format!("`{near}`"));
            let problem = Problem::new(&self.at(name), key.span(), "there is no such setting", expected);
            self.notes.add(match near {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None if secret::is_secret_name(name) => problem.help("take it out: a spec is no place for secrets"),
                None => problem.help(format!("take it out; here there may be {}", join(&quoted(&known), "and"))),
            });
        }
        let missing: Vec<&str> = self.missing.iter().copied().filter(|key| !meant.contains(key)).collect();
        if missing.is_empty() {
            return;
        }
        let names = quoted(&missing);
        let lacks = format!("{} {} missing", join(&names, "and"), if names.len() == 1 { "is" } else { "are" });
        let mut examples = String::new();
        for example in missing.iter().map(|key| self.example(key)) {
            // A table's header stands off from what is before it.
            examples.push_str(if example.starts_with('[') && !examples.is_empty() { "\n" } else { "" });
            examples.push_str(example);
            examples.push('\n');
        }
        self.notes.add(
            Problem::new(&self.path, self.span.clone(), lacks, join(&names, "and"))
                .help(format!("add\n{}", indent(&examples))),
        );
    }

    fn get(&self, key: &str) -> Option<Placed<&'t DeValue<'t>>> {
        self.table.get(key).map(placed)
    }

    fn need(&mut self, key: &'static str) -> Option<Placed<&'t DeValue<'t>>> {
        let value = self.get(key);
        if value.is_none() {
            self.missing.push(key);
        }
        value
    }

    fn parse<T: FromStr<Err = Refusal>>(&self, path: String, value: Placed<&'t DeValue<'t>>) -> Option<Placed<T>> {
        let DeValue::String(text) = value.value else {
            let quoted = matches!(value.value, DeValue::Integer(_)).then(|| "write it in quotes".to_owned());
            self.wrong_type(&path, &value, "a string", quoted);
            return None;
        };
        match text.parse() {
            Ok(parsed) => Some(Placed { value: parsed, span: value.span }),
            Err(refusal) => {
                self.notes.add(Problem::refused(&path, value.span, refusal));
                None
            }
        }
    }

    fn number(&self, key: &str, value: Placed<&'t DeValue<'t>>, range: Range<u32>) -> Option<Placed<u32>> {
        let path = self.at(key);
        let expected = format!("a whole number from {} to {}", range.start, range.end - 1);
        let DeValue::Integer(digits) = value.value else {
            let hint = match value.value {
                DeValue::String(text) if text.parse::<u32>().is_ok() => Some("write it without quotes".to_owned()),
                DeValue::Float(float) => float
                    .as_str()
                    .parse::<f64>()
                    .ok()
                    .filter(|number| (0.0..1e9).contains(number))
                    .map(|number| format!("such as {number:.0}")),
                _ => None,
            };
            self.wrong_type(&path, &value, &expected, hint);
            return None;
        };
        match i64::from_str_radix(digits.as_str(), digits.radix()).ok().and_then(|number| u32::try_from(number).ok()) {
            Some(number) if range.contains(&number) => Some(Placed { value: number, span: value.span }),
            _ => {
                self.notes.add(Problem::new(&path, value.span, format!("{digits} is out of bounds"), expected));
                None
            }
        }
    }

    fn table(&self, key: &'static str, value: Placed<&'t DeValue<'t>>) -> Option<Placed<&'t DeTable<'t>>> {
        match value.value {
            DeValue::Table(table) => Some(Placed { value: table, span: value.span }),
            DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                let hint = format!("write [{key}], with one bracket: there is only one");
                self.wrong_type(&self.at(key), &value, "one table", Some(hint));
                None
            }
            _ => {
                self.wrong_type(
                    &self.at(key),
                    &value,
                    "a table",
                    Some(format!("such as\n{}", indent(self.example(key)))),
                );
                None
            }
        }
    }

    fn wrong_type(&self, path: &str, value: &Placed<&DeValue<'_>>, expected: &str, help: Option<String>) {
        let message = format!("this is {}, not {expected}", with_article(value.value.type_str()));
        let problem = Problem::new(path, value.span.clone(), message, expected);
        self.notes.add(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }

    fn example(&self, key: &str) -> &'static str {
        self.fields.iter().find(|field| field.key == key).map_or("", |field| field.example)
    }

    /// The path of a setting of this table.
    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn placed<'t>(value: &'t toml::Spanned<DeValue<'t>>) -> Placed<&'t DeValue<'t>> {
    Placed { value: value.get_ref(), span: value.span() }
}

fn wrap_hint(key: &str, value: &Placed<&DeValue<'_>>) -> Option<String> {
    value.value.is_str().then(|| format!("put it in brackets: {key} = [\"…\"]"))
}

fn quoted(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| format!("`{word}`")).collect()
}

/// `a, b and c`.
fn join(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., end] => format!("{} {last} {end}", init.join(", ")),
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("    {line}") })
        .collect::<Vec<_>>()
        .join("\n")
}
