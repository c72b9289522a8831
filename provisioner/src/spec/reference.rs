//! The reference of a spec as Markdown, from the table of settings: `provisioner/SPEC.md`.

use super::settings::{Bounds, Field, Form, Length, Presence, REFUSED, ROOT, Shape, TableShape};

const INTRODUCTION: &str = "\
# The spec

What `estate.toml` may say: every setting, what it takes, and what it is where it is left out. `provision validate`
says all that is wrong with one, each with its place, reason and next step; `provision schema` prints the JSON Schema by
which editors complete it. Printed by `provision schema --markdown`.

`infra/examples` has a smallest spec (`minimal.toml`), one with every setting (`estate.toml`), and one for several
environments (`environments.toml`).
";

const RISKS: &str = "\
## Accepted risks

A default that makes an estate safer is weakened only with a reason beside it: `accept_risk = \"…\"`, in the table of the
setting that weakens it. Plans, tags and the audit trail show the reason. Without it, the setting is refused; without
such a setting, the reason is.
";

const REFUSALS: &str = "\
## What there is no setting for

Some weaknesses have no setting at all, and `provision validate` says why:
";

/// The reference, as `provision schema --markdown` prints it.
pub fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut risks = Vec::new();
    table(&mut text, "", false, &ROOT, &mut risks);
    text.push('\n');
    text.push_str(RISKS);
    text.push_str("\n| Table | What needs a reason |\n|---|---|\n");
    for (name, about) in risks {
        text.push_str(&format!("| {name} | {about} |\n"));
    }
    text.push('\n');
    text.push_str(REFUSALS);
    for refused in REFUSED {
        let keys: Vec<String> = refused.keys.iter().map(|key| format!("`{key}`")).collect();
        text.push_str(&format!("\n- {}: {}. {}.", keys.join(", "), refused.why, capital(refused.instead)));
    }
    text.push('\n');
    text
}

/// A table, and after it the tables in it.
fn table(
    text: &mut String,
    path: &str,
    is_list: bool,
    shape: &'static TableShape,
    risks: &mut Vec<(String, &'static str)>,
) {
    let name = match (path, is_list) {
        ("", _) => "The file itself".to_owned(),
        (path, false) => format!("`[{path}]`"),
        (path, true) => format!("`[[{path}]]`"),
    };
    text.push_str(&format!("\n## {name}\n"));
    if !shape.about.is_empty() {
        text.push_str(&format!("\n{}\n", shape.about));
    }
    text.push_str("\n| Setting | What it takes | Left out | Meaning |\n|---|---|---|---|\n");
    for field in shape.fields {
        text.push_str(&row(field));
        if field.key == "accept_risk" {
            risks.push((name.clone(), field.about));
        }
    }
    for field in shape.fields {
        let path = if path.is_empty() { field.key.to_owned() } else { format!("{path}.{}", field.key) };
        match field.shape {
            Shape::Table(inner) => table(text, &path, false, inner, risks),
            Shape::Tables(inner, _) => table(text, &path, true, inner, risks),
            _ => {}
        }
    }
}

fn row(field: &Field) -> String {
    let absent = match field.presence {
        Presence::Required => "must be there".to_owned(),
        Presence::Optional(absent) => absent.to_owned(),
        Presence::Default(literal) => format!("`{literal}`"),
    };
    let cells = [format!("`{}`", field.key), takes(&field.shape), absent, field.about.to_owned()];
    // A bar would end the cell.
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

/// What may be written as a setting, in words.
fn takes(shape: &Shape) -> String {
    match shape {
        Shape::Text(form) => one(form),
        Shape::Number(bounds) => numbers(bounds),
        Shape::Choice(choices) => {
            format!("one of {}", choices.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))
        }
        Shape::Flag => "`true` or `false`".to_owned(),
        Shape::Texts(form, length) => format!("a list: {}, {}", one(form), entries(length)),
        Shape::Numbers(bounds, length) => format!("a list: {}, {}", numbers(bounds), entries(length)),
        Shape::NumberOrTexts(bounds, form, length) => {
            format!("{}; or a list: {}, {}", numbers(bounds), one(form), entries(length))
        }
        Shape::Map { keys, values, most } => {
            format!("a table: {} and {} for each, at most {most}", keys.what, values.what)
        }
        Shape::Table(_) => "a table".to_owned(),
        Shape::Tables(_, length) => format!("tables, {}", entries(length)),
        Shape::Overlay => "a table: the whole spec, of which anything may be left out".to_owned(),
    }
}

fn one(form: &Form) -> String {
    match form.words {
        [] => form.what.to_owned(),
        words => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(" or "),
    }
}

fn numbers(Bounds { least, most }: &Bounds) -> String {
    format!("{least} to {most}")
}

fn entries(Length { least, most }: &Length) -> String {
    match least {
        0 => format!("at most {most}"),
        least => format!("{least} to {most}"),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_the_repository_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SPEC.md");
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == reference(), "`provision schema --markdown > provisioner/SPEC.md` renews it");
    }
}
