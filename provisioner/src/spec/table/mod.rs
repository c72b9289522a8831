//! Reads a TOML table by its known keys, and notes every problem instead of stopping at the first.
//!
//! A setting that is wrong reads as `None` and leaves a [`Problem`] behind, so a spec exists exactly where no error
//! was noted. What a table doesn't know is compared with what it lacks: `acount` is one problem, not two. Bounds,
//! defaults and examples come from the table of settings, and only what is in it can be asked for.

mod finish;
mod item;
mod words;

use std::cell::RefCell;
use std::ops::Range;
use std::sync::LazyLock;

use toml::de::{DeTable, DeValue};
use words::indent;
pub(in crate::spec) use words::join;

use super::AcceptedRisk;
use super::problem::Problem;
use super::settings::{Bounds, Field, Length, Presence, Shape, TableShape, Written};
use crate::rule::Rule;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(in crate::spec) struct Placed<T> {
    pub(in crate::spec) value: T,
    pub(in crate::spec) span: Range<usize>,
}

pub(in crate::spec) type Table<'t> = Placed<&'t DeTable<'t>>;

/// Where problems are noted, and risks that were accepted.
#[derive(Debug, Default)]
pub(in crate::spec) struct Notes {
    problems: RefCell<Vec<Problem>>,
    accepted: RefCell<Vec<AcceptedRisk>>,
}

impl Notes {
    pub(in crate::spec) fn add(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(in crate::spec) fn accepted(&self) -> Vec<AcceptedRisk> {
        self.accepted.borrow().clone()
    }

    pub(in crate::spec) fn take_problems(&self) -> Vec<Problem> {
        self.problems.take()
    }
}

/// A default that a setting weakens: refused unless `accept_risk` beside it says why.
pub(in crate::spec) struct Risk {
    /// The setting, as [`AcceptedRisk`] names it.
    pub(in crate::spec) setting: String,
    /// The setting's own place.
    pub(in crate::spec) span: Range<usize>,
    /// What it weakens, as a sentence without a full stop.
    pub(in crate::spec) what: String,
    /// What belongs there instead.
    pub(in crate::spec) expected: String,
    /// The rule that it weakens.
    pub(in crate::spec) rule: &'static Rule,
}

/// A table while it is read.
pub(in crate::spec) struct Section<'t> {
    table: &'t DeTable<'t>,
    /// Its own place: the header, or all of an inline table.
    span: Range<usize>,
    /// Its path, such as `hosts[0]`; empty for the file itself.
    pub(in crate::spec) path: String,
    shape: &'static TableShape,
    pub(in crate::spec) notes: &'t Notes,
    missing: Vec<&'static str>,
    /// What was asked for, to hold the reader to the table of settings.
    asked: RefCell<Vec<&'static str>>,
}

impl<'t> Section<'t> {
    pub(in crate::spec) fn new(
        table: Table<'t>,
        path: impl Into<String>,
        shape: &'static TableShape,
        notes: &'t Notes,
    ) -> Self {
        let (missing, asked) = (Vec::new(), RefCell::default());
        Self { table: table.value, span: table.span, path: path.into(), shape, notes, missing, asked }
    }

    /// A setting that must be there, written as a string.
    pub(in crate::spec) fn required<T: Written>(&mut self, key: &'static str) -> Option<Placed<T>> {
        let value = self.need(key)?;
        self.parse(self.at(key), value)
    }

    /// A setting that may be left out, written as a string.
    pub(in crate::spec) fn optional<T: Written>(&self, key: &'static str) -> Option<Placed<T>> {
        self.parse(self.at(key), self.get(key)?)
    }

    /// A setting that may be left out: `None` where it is wrong, `Some(None)` where it isn't there.
    pub(in crate::spec) fn either<T: Written>(&self, key: &'static str) -> Option<Option<Placed<T>>> {
        match self.get(key) {
            Some(value) => self.parse(self.at(key), value).map(Some),
            None => Some(None),
        }
    }

    /// A setting that may be left out, and then is its default.
    pub(in crate::spec) fn defaulted<T: Written>(&self, key: &'static str) -> Option<Placed<T>> {
        match self.get(key) {
            Some(value) => self.parse(self.at(key), value),
            None => self.in_place_of(self.default(key).trim_matches('"').parse().ok()),
        }
    }

    /// Whether the setting is there, right or wrong.
    pub(in crate::spec) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the setting stands, or the table where it doesn't.
    pub(in crate::spec) fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span.clone(), toml::Spanned::span)
    }

    /// A whole number that must be there.
    pub(in crate::spec) fn required_number(&mut self, key: &'static str) -> Option<Placed<u32>> {
        let value = self.need(key)?;
        self.number(self.at(key), value, self.bounds(key))
    }

    /// A whole number that may be left out: `None` where it is wrong, `Some(None)` where it isn't there.
    pub(in crate::spec) fn optional_number(&self, key: &'static str) -> Option<Option<Placed<u32>>> {
        match self.get(key) {
            Some(value) => self.number(self.at(key), value, self.bounds(key)).map(Some),
            None => Some(None),
        }
    }

    /// A whole number that may be left out, and then is its default.
    pub(in crate::spec) fn defaulted_number(&self, key: &'static str) -> Option<Placed<u32>> {
        match self.get(key) {
            Some(value) => self.number(self.at(key), value, self.bounds(key)),
            None => self.in_place_of(self.default(key).parse().ok()),
        }
    }

    /// A list of whole numbers that may be left out, and then is its default.
    pub(in crate::spec) fn defaulted_numbers(&self, key: &'static str) -> Option<Vec<Placed<u32>>> {
        let Some(value) = self.get(key) else {
            let numbers = self.default(key).trim_matches(['[', ']']).split(", ");
            return numbers.map(|number| self.in_place_of(number.parse().ok())).collect();
        };
        self.items(key, &value, "a list of whole numbers", |path, item| self.number(path, item, self.bounds(key)))
    }

    /// `true` or `false`: `None` where it is wrong, `Some(None)` where it isn't there.
    pub(in crate::spec) fn optional_flag(&self, key: &'static str) -> Option<Option<Placed<bool>>> {
        let Some(value) = self.get(key) else { return Some(None) };
        match value.value {
            DeValue::Boolean(flag) => Some(Some(Placed { value: *flag, span: value.span })),
            _ => {
                self.wrong_type(&self.at(key), &value, "true or false", None);
                None
            }
        }
    }

    /// `true` or `false`; its default where it isn't there.
    pub(in crate::spec) fn defaulted_flag(&self, key: &'static str) -> Option<Placed<bool>> {
        match self.optional_flag(key)? {
            Some(flag) => Some(flag),
            None => self.in_place_of(Some(self.default(key) == "true")),
        }
    }

    /// A number that is one of a few; its default where it isn't there.
    pub(in crate::spec) fn defaulted_choice(&self, key: &'static str) -> Option<Placed<u32>> {
        let number = self.defaulted_number(key)?;
        let Shape::Choice(choices) = self.field(key)?.shape else { return Some(number) };
        if choices.contains(&number.value) {
            return Some(number);
        }
        let listed: Vec<String> = choices.iter().map(u32::to_string).collect();
        let expected = format!("one of {}", join(&listed, "and"));
        let near = choices.iter().copied().min_by_key(|choice| choice.abs_diff(number.value));
        let problem = Problem::new(&self.at(key), number.span, format!("AWS knows no {}", number.value), expected);
        self.notes.add(match near {
            Some(near) => problem.help(format!("the nearest is {near}")),
            None => problem,
        });
        None
    }

    /// A number, or a list of strings, which may be left out and then is the default number.
    pub(in crate::spec) fn number_or_list<T: Written>(&self, key: &'static str) -> Option<NumberOrList<T>> {
        match self.get(key) {
            Some(Placed { value: DeValue::Array(_), .. }) => self.list(key).map(NumberOrList::List),
            Some(Placed { value: DeValue::String(text), span }) => {
                let message = "this is a string, not a number or a list of strings";
                let problem = Problem::new(&self.at(key), span, message, "a number, or a list of strings");
                self.notes.add(problem.help(match text.parse::<u32>() {
                    Ok(_) => "write it without quotes".to_owned(),
                    Err(_) => format!("put it in brackets: {key} = [\"…\"]"),
                }));
                None
            }
            _ => self.defaulted_number(key).map(NumberOrList::Number),
        }
    }

    /// A list of strings that must be there; what is wrong in it is noted and left out.
    pub(in crate::spec) fn required_list<T: Written>(&mut self, key: &'static str) -> Option<Vec<Placed<T>>> {
        self.need(key)?;
        self.list(key)
    }

    /// A list of strings that may be left out, and then is empty.
    pub(in crate::spec) fn list<T: Written>(&self, key: &'static str) -> Option<Vec<Placed<T>>> {
        let Some(list) = self.get(key) else { return Some(Vec::new()) };
        self.items(key, &list, "a list of strings", |path, item| self.parse(path, item))
    }

    /// Keys and values that the owner chooses; none where it is left out.
    pub(in crate::spec) fn map<K: Written, V: Written>(
        &self,
        key: &'static str,
    ) -> Option<Vec<(Placed<K>, Placed<V>)>> {
        let Some(value) = self.get(key) else { return Some(Vec::new()) };
        let table = self.as_table(key, value)?;
        if let Some(Shape::Map { most, .. }) = self.field(key).map(|field| field.shape) {
            self.note_length(key, &table.span, table.value.len(), Length { least: 0, most });
        }
        let pairs = table.value.iter().map(|(name, value)| {
            let path = format!("{}.{}", self.at(key), name.get_ref());
            let parsed = name.get_ref().parse::<K>();
            let parsed = parsed.map_err(|refusal| self.notes.add(Problem::refused(&path, name.span(), refusal)));
            let value = self.parse(path, placed(value));
            Some((Placed { value: parsed.ok()?, span: name.span() }, value?))
        });
        // All are looked at, so that each that is wrong is noted.
        pairs.collect::<Vec<_>>().into_iter().collect()
    }

    /// A table that must be there.
    pub(in crate::spec) fn required_section(&mut self, key: &'static str) -> Option<Section<'t>> {
        let value = self.need(key)?;
        self.section(key, value)
    }

    /// A table that may be left out: `None` where it is no table, `Some(None)` where it isn't there.
    pub(in crate::spec) fn optional_section(&self, key: &'static str) -> Option<Option<Section<'t>>> {
        match self.get(key) {
            Some(value) => self.section(key, value).map(Some),
            None => Some(None),
        }
    }

    /// A table that may be left out, and then is empty.
    pub(in crate::spec) fn defaulted_section(&self, key: &'static str) -> Option<Section<'t>> {
        static EMPTY: LazyLock<DeTable<'static>> = LazyLock::new(DeTable::new);
        match self.get(key) {
            Some(value) => self.section(key, value),
            None => Some(self.inside(key, self.at(key), Placed { value: &*EMPTY, span: self.span.clone() })),
        }
    }

    /// A list of tables that must be there.
    pub(in crate::spec) fn required_sections(&mut self, key: &'static str) -> Option<Vec<Section<'t>>> {
        self.need(key)?;
        self.sections(key)
    }

    /// A list of tables that may be left out, and then is empty.
    pub(in crate::spec) fn sections(&self, key: &'static str) -> Option<Vec<Section<'t>>> {
        let Some(list) = self.get(key) else { return Some(Vec::new()) };
        let path = self.at(key);
        let DeValue::Array(items) = list.value else {
            let hint =
                list.value.is_table().then(|| format!("write [[{key}]], with two brackets: there may be several"));
            self.wrong_type(&path, &list, "a list of tables", hint);
            return None;
        };
        if !self.note_length(key, &list.span, items.len(), self.length(key)) {
            return None;
        }
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match item.get_ref() {
                DeValue::Table(table) => {
                    sections.push(self.inside(key, path, Placed { value: table, span: item.span() }))
                }
                _ => self.wrong_type(&path, &placed(item), "a table", None),
            }
        }
        Some(sections)
    }

    /// The table itself, for who reads it otherwise.
    pub(in crate::spec) fn into_table(self) -> Table<'t> {
        Placed { value: self.table, span: self.span }
    }

    /// Counts settings as read that are of no use where another stands.
    pub(in crate::spec) fn skip(&self, keys: &[&'static str]) {
        self.asked.borrow_mut().extend(keys);
    }

    fn get(&self, key: &'static str) -> Option<Placed<&'t DeValue<'t>>> {
        debug_assert!(self.shape.field(key).is_some(), "`{key}` isn't in the table of settings");
        self.asked.borrow_mut().push(key);
        self.table.get(key).map(placed)
    }

    fn need(&mut self, key: &'static str) -> Option<Placed<&'t DeValue<'t>>> {
        let value = self.get(key);
        if value.is_none() {
            self.missing.push(key);
        }
        value
    }

    fn field(&self, key: &str) -> Option<&'static Field> {
        self.shape.field(key)
    }

    /// What the table of settings says that a setting is where it isn't there.
    fn default(&self, key: &str) -> &'static str {
        match self.field(key).map(|field| field.presence) {
            Some(Presence::Default(literal)) => literal,
            _ => "",
        }
    }

    /// A default, which stands where the table does.
    fn in_place_of<T>(&self, default: Option<T>) -> Option<Placed<T>> {
        debug_assert!(default.is_some(), "a default of {:?} isn't what its setting takes", self.path);
        Some(Placed { value: default?, span: self.span.clone() })
    }

    fn bounds(&self, key: &str) -> Bounds {
        match self.field(key).map(|field| field.shape) {
            Some(Shape::Number(bounds) | Shape::Numbers(bounds, _) | Shape::NumberOrTexts(bounds, ..)) => bounds,
            _ => Bounds { least: 0, most: u32::MAX },
        }
    }

    fn length(&self, key: &str) -> Length {
        match self.field(key).map(|field| field.shape) {
            Some(
                Shape::Texts(_, length)
                | Shape::Numbers(_, length)
                | Shape::NumberOrTexts(.., length)
                | Shape::Tables(_, length),
            ) => length,
            _ => Length { least: 0, most: usize::MAX },
        }
    }

    /// Notes a list that is too short or too long; false where it is too short to use.
    fn note_length(&self, key: &str, span: &Range<usize>, entries: usize, length: Length) -> bool {
        if entries < length.least {
            let problem = Problem::new(&self.at(key), span.clone(), "the list is empty", "at least one");
            self.notes.add(problem.help(format!("such as\n{}", indent(self.example(key)))));
            return false;
        }
        if entries > length.most {
            let message = format!("there are {entries} entries, and at most {} are possible", length.most);
            self.notes.add(Problem::new(&self.at(key), span.clone(), message, format!("at most {}", length.most)));
        }
        true
    }

    fn example(&self, key: &str) -> &'static str {
        self.field(key).map_or("", |field| field.example)
    }

    /// The path of a setting of this table.
    pub(in crate::spec) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// What [`Section::number_or_list`] reads.
pub(in crate::spec) enum NumberOrList<T> {
    Number(Placed<u32>),
    List(Vec<Placed<T>>),
}

fn placed<'t>(value: &'t toml::Spanned<DeValue<'t>>) -> Placed<&'t DeValue<'t>> {
    Placed { value: value.get_ref(), span: value.span() }
}
