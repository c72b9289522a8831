//! One value of a table, by the type that it must have.

use toml::de::DeValue;

use super::words::{indent, with_article};
use super::{Placed, Section, Table, placed};
use crate::spec::problem::Problem;
use crate::spec::settings::{Bounds, ROOT, Shape, Written};

impl<'t> Section<'t> {
    /// The items of a list that are right.
    pub(super) fn items<T>(
        &self,
        key: &str,
        list: &Placed<&'t DeValue<'t>>,
        what: &str,
        read: impl Fn(String, Placed<&'t DeValue<'t>>) -> Option<Placed<T>>,
    ) -> Option<Vec<Placed<T>>> {
        let DeValue::Array(items) = list.value else {
            self.wrong_type(&self.at(key), list, what, wrap_hint(key, list));
            return None;
        };
        if !self.note_length(key, &list.span, items.len(), self.length(key)) {
            return None;
        }
        let read = |(index, item)| read(format!("{}[{index}]", self.at(key)), placed(item));
        Some(items.iter().enumerate().filter_map(read).collect())
    }

    pub(super) fn parse<T: Written>(&self, path: String, value: Placed<&'t DeValue<'t>>) -> Option<Placed<T>> {
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

    pub(super) fn number(
        &self,
        path: String,
        value: Placed<&'t DeValue<'t>>,
        Bounds { least, most }: Bounds,
    ) -> Option<Placed<u32>> {
        let expected = match most {
            u32::MAX => "a whole number".to_owned(),
            _ => format!("a whole number from {least} to {most}"),
        };
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
            Some(number) if (least..=most).contains(&number) => Some(Placed { value: number, span: value.span }),
            _ => {
                self.notes.add(Problem::new(&path, value.span, format!("{digits} is out of bounds"), expected));
                None
            }
        }
    }

    pub(super) fn section(&self, key: &'static str, value: Placed<&'t DeValue<'t>>) -> Option<Section<'t>> {
        Some(self.inside(key, self.at(key), self.as_table(key, value)?))
    }

    pub(super) fn inside(&self, key: &str, path: String, table: Table<'t>) -> Section<'t> {
        let shape = match self.field(key).map(|field| field.shape) {
            Some(Shape::Table(shape) | Shape::Tables(shape, _)) => shape,
            // An environment has the whole tree.
            _ => &ROOT,
        };
        Section::new(table, path, shape, self.notes)
    }

    pub(super) fn as_table(&self, key: &'static str, value: Placed<&'t DeValue<'t>>) -> Option<Table<'t>> {
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

    pub(super) fn wrong_type(&self, path: &str, value: &Placed<&DeValue<'_>>, expected: &str, help: Option<String>) {
        let message = format!("this is {}, not {expected}", with_article(value.value.type_str()));
        let problem = Problem::new(path, value.span.clone(), message, expected);
        self.notes.add(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
}

fn wrap_hint(key: &str, value: &Placed<&DeValue<'_>>) -> Option<String> {
    value.value.is_str().then(|| format!("put it in brackets: {key} = [\"…\"]"))
}
