//! Environments: a file may describe Prod, Dev and Test at once, as one tree and what differs in each.
//!
//! `[environment.Prod]` is laid over the rest of the file before anything is read, so every rule holds for what comes
//! out, and every value keeps the place where it was written. All environments are read whichever is chosen: a file
//! that is broken for one of them is broken.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::read::read_spec;
use super::settings::{ROOT, Shape, TableShape};
use super::table::{Notes, Placed, Section, Table};
use super::{Environment, Spec};

const ALL: [Environment; 3] = [Environment::Prod, Environment::Dev, Environment::Test];

/// What a file says for each of its environments.
pub(super) struct Readings {
    /// The specs that are right.
    pub(super) specs: Vec<Spec>,
    /// Where none is chosen, the environment that the file is for.
    pub(super) own: Option<Environment>,
    /// The environments that there are; none where the file doesn't say for which it is.
    pub(super) environments: Vec<Environment>,
    pub(super) problems: Vec<Problem>,
}

/// Reads a file for each environment that it describes.
pub(super) fn read_all(root: &DeTable<'_>, span: std::ops::Range<usize>) -> Readings {
    let notes = Notes::default();
    let overlays = read_overlays(Placed { value: root, span: span.clone() }, &notes);
    let mut problems = notes.take_problems();

    let mut base = root.clone();
    base.remove("environment");
    let base_environment = own_environment(&base);
    let environments: Vec<_> = ALL
        .into_iter()
        .filter(|environment| overlays.contains_key(environment) || base_environment == Some(*environment))
        .collect();
    let own = base_environment.or(match environments.as_slice() {
        [only] => Some(*only),
        _ => None,
    });

    let mut found: Vec<(Problem, Vec<Environment>)> = Vec::new();
    let mut specs = Vec::new();
    let read: Vec<Option<Environment>> = match environments.is_empty() {
        true => vec![None],
        false => environments.iter().copied().map(Some).collect(),
    };
    for environment in read {
        let overlay = environment.and_then(|environment| overlays.get(&environment));
        let table = overlay.map_or_else(|| base.clone(), |overlay| merged(&base, overlay.value, &ROOT));
        let notes = Notes::default();
        specs.extend(read_spec(Placed { value: &table, span: span.clone() }, environment, &notes));
        for problem in notes.take_problems() {
            match found.iter_mut().find(|(known, _)| *known == problem) {
                Some((_, of)) => of.extend(environment),
                None => found.push((problem, environment.into_iter().collect())),
            }
        }
    }
    // What is wrong everywhere is wrong in the part that all share.
    problems.extend(found.into_iter().map(|(problem, of)| match of.len() == environments.len() {
        true => problem,
        false => Problem { environments: of, ..problem },
    }));
    note_same_estate(&specs, &overlays, &span, &mut problems);
    Readings { specs, own, environments, problems }
}

/// The tables of `[environment]`, by the environment.
fn read_overlays<'t>(root: Table<'t>, notes: &'t Notes) -> BTreeMap<Environment, Table<'t>> {
    let mut overlays = BTreeMap::new();
    let section = Section::new(root, "", &ROOT, notes);
    let Some(Some(section)) = section.optional_section("environment") else { return overlays };
    for environment in ALL {
        let Some(Some(overlay)) = section.optional_section(environment.as_str()) else { continue };
        let (path, overlay) = (overlay.path.clone(), overlay.into_table());
        if let Some((key, _)) = overlay.value.get_key_value("environment") {
            let message = "an environment has no environments of its own";
            notes.add(Problem::new(&format!("{path}.environment"), key.span(), message, "no such setting"));
        }
        if let Some(DeValue::Table(tags)) = overlay.value.get("tags").map(Spanned::get_ref)
            && let Some((key, _)) = tags.get_key_value("Environment")
        {
            let message = format!("in [{path}] the tag is {environment} already");
            notes.add(
                Problem::new(&format!("{path}.tags.Environment"), key.span(), message, "no such setting")
                    .help("take it out: the tag follows from the environment that is chosen"),
            );
        }
        overlays.insert(environment, overlay);
    }
    section.finish();
    overlays
}

/// What the file itself says in `tags.Environment`, if that is right.
fn own_environment(base: &DeTable<'_>) -> Option<Environment> {
    let DeValue::Table(tags) = base.get("tags")?.get_ref() else { return None };
    tags.get("Environment")?.get_ref().as_str()?.parse().ok()
}

/// Two environments of one name, account and region would be one estate, which each apply turns into the other.
fn note_same_estate(
    specs: &[Spec],
    overlays: &BTreeMap<Environment, Table<'_>>,
    span: &std::ops::Range<usize>,
    problems: &mut Vec<Problem>,
) {
    for (index, spec) in specs.iter().enumerate() {
        let same =
            |other: &&Spec| (&other.name, &other.account, &other.region) == (&spec.name, &spec.account, &spec.region);
        let Some(other) = specs[..index].iter().find(same) else { continue };
        let (environment, other) = (spec.tags.environment, other.tags.environment);
        // The file itself may be one of the two.
        let overlay = overlays.get(&environment).or_else(|| overlays.get(&other));
        let place = overlay.map_or_else(|| span.clone(), |overlay| overlay.span.clone());
        let message =
            format!("{other} and {environment} are the same estate: {} in account {}", spec.name, spec.account);
        problems.push(
            Problem::new("environment", place, message, "a `name`, `account` or `region` of its own")
                .help("each apply of one would turn it into the other; an account for each environment is best"),
        );
    }
}

/// `base` with `overlay` laid over it: tables are joined key by key, lists of named tables by name, and all else is
/// replaced. Where an overlay uses one of several alternatives, it has chosen against the others.
fn merged<'i>(base: &DeTable<'i>, overlay: &DeTable<'i>, shape: &TableShape) -> DeTable<'i> {
    let mut result = base.clone();
    for chosen in shape.alternatives.iter().filter(|keys| keys.iter().any(|key| overlay.contains_key(*key))) {
        let others = shape.alternatives.iter().filter(|keys| *keys != chosen);
        for key in others.copied().flatten() {
            result.remove(*key);
        }
    }
    for (key, value) in overlay {
        let name = key.get_ref().as_ref();
        if name == "environment" && std::ptr::eq(shape, &raw const ROOT) {
            continue;
        }
        let (before, field) = (result.get(name).cloned(), shape.field(name));
        let joined = match (before, value.get_ref(), field.map(|field| field.shape)) {
            (Some(before), DeValue::Table(after), Some(Shape::Table(inner))) => match before.get_ref() {
                DeValue::Table(table) => Spanned::new(before.span(), DeValue::Table(merged(table, after, inner))),
                _ => value.clone(),
            },
            (Some(before), DeValue::Table(after), Some(Shape::Map { .. })) => match before.get_ref() {
                DeValue::Table(table) => {
                    let mut table = table.clone();
                    for (key, value) in after {
                        replace(&mut table, key, value.clone());
                    }
                    Spanned::new(before.span(), DeValue::Table(table))
                }
                _ => value.clone(),
            },
            (Some(before), DeValue::Array(after), Some(Shape::Tables(inner, _))) if inner.field("name").is_some() => {
                match before.get_ref() {
                    DeValue::Array(items) => {
                        let items = merged_by_name(items, after, inner);
                        Spanned::new(before.span(), DeValue::Array(items.into_iter().collect()))
                    }
                    _ => value.clone(),
                }
            }
            _ => value.clone(),
        };
        replace(&mut result, key, joined);
    }
    result
}

/// Items of both: those of one name joined in the place of the first, and new ones after.
fn merged_by_name<'i>(
    base: &[Spanned<DeValue<'i>>],
    overlay: &[Spanned<DeValue<'i>>],
    shape: &TableShape,
) -> Vec<Spanned<DeValue<'i>>> {
    let name = |item: &Spanned<DeValue<'i>>| match item.get_ref() {
        DeValue::Table(table) => table.get("name").and_then(|name| name.get_ref().as_str().map(str::to_owned)),
        _ => None,
    };
    let mut result = base.to_vec();
    for item in overlay {
        let known = name(item).and_then(|wanted| base.iter().position(|other| name(other).as_deref() == Some(&wanted)));
        match (known, item.get_ref()) {
            (Some(index), DeValue::Table(after)) => {
                if let DeValue::Table(before) = base[index].get_ref() {
                    result[index] = Spanned::new(base[index].span(), DeValue::Table(merged(before, after, shape)));
                }
            }
            _ => result.push(item.clone()),
        }
    }
    result
}

/// A map keeps the key that it has, and with it the place of what was replaced.
fn replace<'i>(table: &mut DeTable<'i>, key: &Spanned<std::borrow::Cow<'i, str>>, value: Spanned<DeValue<'i>>) {
    table.remove(key.get_ref().as_ref());
    table.insert(key.clone(), value);
}
