//! The settings that there are: one table, from which the file is read, completed by editors, and documented.
//!
//! [`ROOT`] is the whole tree. A reader (`read`) takes bounds, defaults and examples from it and may ask only for keys
//! that are in it; the JSON Schema (`schema`) and the reference (`reference`) are printed from it. So a setting that is
//! read is documented, and one that is documented is read.

mod estate;
mod form;
mod hosts;
mod refused;

pub(super) use estate::ROOT;
pub(super) use form::{Form, Written};
pub(super) use refused::{REFUSED, refused};

/// A table of settings.
pub(super) struct TableShape {
    /// What it is for; empty for the file itself, whose own words the reference begins with.
    pub(super) about: &'static str,
    /// Its settings, in the order in which they are documented.
    pub(super) fields: &'static [Field],
    /// Groups of keys of which only one group may be used.
    pub(super) alternatives: &'static [&'static [&'static str]],
}

/// A setting.
pub(super) struct Field {
    pub(super) key: &'static str,
    /// What it says, as one or two sentences.
    pub(super) about: &'static str,
    pub(super) shape: Shape,
    pub(super) presence: Presence,
    /// How it is written, for who left it out.
    pub(super) example: &'static str,
}

/// Whether a setting may be left out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Presence {
    Required,
    /// It may be left out, which then means this.
    Optional(&'static str),
    /// It may be left out, and then is this, as TOML.
    Default(&'static str),
}

/// What may be written as a setting.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Text(&'static Form),
    Number(Bounds),
    /// One of these numbers.
    Choice(&'static [u32]),
    Flag,
    Texts(&'static Form, Length),
    Numbers(Bounds, Length),
    /// A number, or a list of text.
    NumberOrTexts(Bounds, &'static Form, Length),
    /// Keys and values that the owner chooses.
    Map {
        keys: &'static Form,
        values: &'static Form,
        most: usize,
    },
    Table(&'static TableShape),
    /// A list of tables; those with a name are told apart by it.
    Tables(&'static TableShape, Length),
    /// The whole tree once more, of which everything may be left out: what differs in an environment.
    Overlay,
}

/// The least and the most that a number may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) least: u32,
    pub(super) most: u32,
}

/// The least and the most entries that a list may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    pub(super) least: usize,
    pub(super) most: usize,
}

impl TableShape {
    /// The setting of this key.
    pub(super) fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// Its keys.
    pub(super) fn keys(&self) -> Vec<&'static str> {
        self.fields.iter().map(|field| field.key).collect()
    }
}

const fn text<T: Written>() -> Shape {
    Shape::Text(T::FORM)
}

const fn texts<T: Written>(least: usize, most: usize) -> Shape {
    Shape::Texts(T::FORM, Length { least, most })
}

const fn number(least: u32, most: u32) -> Shape {
    Shape::Number(Bounds { least, most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::value::Environment;

    fn each(table: &'static TableShape, path: &str, look: &mut impl FnMut(&str, &'static TableShape, &'static Field)) {
        for field in table.fields {
            let path = format!("{path}{}", field.key);
            look(&path, table, field);
            if let Shape::Table(inner) | Shape::Tables(inner, _) = field.shape {
                each(inner, &format!("{path}."), look);
            }
        }
    }

    #[test]
    fn every_setting_is_documented_once_and_its_example_is_toml() {
        each(&ROOT, "", &mut |path, table, field| {
            assert!(field.about.ends_with('.'), "{path}: {}", field.about);
            assert!(field.about.len() > 10, "{path}");
            assert_eq!(table.fields.iter().filter(|other| other.key == field.key).count(), 1, "{path}");
            let example: toml::Table = field.example.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
            // An environment's example has the header that it has in a file.
            assert!(example.contains_key(path.split('.').next().unwrap()) || example.contains_key(field.key), "{path}");
            if let Presence::Default(literal) = field.presence {
                let default: toml::Table = format!("x = {literal}").parse().unwrap();
                assert!(default.contains_key("x"), "{path}");
            }
        });
    }

    #[test]
    fn alternatives_name_settings_that_there_are() {
        each(&ROOT, "", &mut |path, table, _| {
            for key in table.alternatives.iter().copied().flatten() {
                assert!(table.field(key).is_some(), "{path}: {key}");
            }
        });
    }

    #[test]
    fn environments_are_the_tags_values() {
        let keys = match ROOT.field("environment").unwrap().shape {
            Shape::Table(table) => table.keys(),
            _ => panic!("`environment` is a table"),
        };
        assert_eq!(keys, Environment::NAMES);
    }
}
