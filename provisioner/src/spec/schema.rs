//! The JSON Schema of a spec, from the table of settings: what an editor completes, explains and underlines.
//!
//! Draft 7, which every editor's TOML and YAML support reads. It refuses no spec that the reader takes; the reader
//! refuses more, since a schema knows nothing of addresses, names' lengths together, or what AWS has.

use serde_json::{Map, Value, json};

use super::settings::{Bounds, Field, Form, Length, Presence, ROOT, Shape, TableShape};

/// Where tables are told which settings must be there. A file that describes environments may leave each of them to
/// the environments, so this holds only for one that doesn't.
const REQUIRED: &str = "required";
/// The whole tree, of which an environment may leave out everything.
const OVERLAY: &str = "environment";

/// The schema, as `provision schema` prints it.
pub fn schema() -> Value {
    let mut schema = object(&ROOT);
    let mut overlay = object(&ROOT);
    if let Some(Value::Object(properties)) = overlay.get_mut("properties") {
        properties.remove("environment");
    }
    schema.extend([
        ("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#")),
        ("title".to_owned(), json!("Holdfast estate")),
        ("description".to_owned(), json!("What an estate of isolation hosts shall be: the spec of `provision`.")),
        ("if".to_owned(), json!({ "required": ["environment"] })),
        ("then".to_owned(), json!(true)),
        ("else".to_owned(), json!({ "$ref": format!("#/definitions/{REQUIRED}") })),
        ("definitions".to_owned(), json!({ REQUIRED: required(&ROOT), OVERLAY: overlay })),
    ]);
    Value::Object(schema)
}

/// What may be in a table, of which everything may be left out but the name that tells it from others.
fn object(shape: &TableShape) -> Map<String, Value> {
    let properties: Map<_, _> = shape.fields.iter().map(|field| (field.key.to_owned(), property(field))).collect();
    let mut schema = Map::from_iter([
        ("type".to_owned(), json!("object")),
        ("additionalProperties".to_owned(), json!(false)),
        ("properties".to_owned(), Value::Object(properties)),
    ]);
    let pairs: Vec<Value> =
        exclusions(shape).into_iter().map(|(one, other)| json!({ "required": [one, other] })).collect();
    if !pairs.is_empty() {
        schema.insert("not".to_owned(), json!({ "anyOf": pairs }));
    }
    schema
}

/// Pairs of settings that can't stand beside each other.
fn exclusions(shape: &TableShape) -> Vec<(&'static str, &'static str)> {
    let mut pairs = Vec::new();
    for (index, keys) in shape.alternatives.iter().enumerate() {
        for others in &shape.alternatives[index + 1..] {
            pairs.extend(keys.iter().flat_map(|key| others.iter().map(|other| (*key, *other))));
        }
    }
    pairs
}

fn property(field: &Field) -> Value {
    let mut schema = match &field.shape {
        Shape::Text(form) => text(form),
        Shape::Number(bounds) => number(bounds),
        Shape::Choice(choices) => json!({ "enum": choices }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Texts(form, length) => list(text(form), length),
        Shape::Numbers(bounds, length) => list(number(bounds), length),
        Shape::NumberOrTexts(bounds, form, length) => json!({ "anyOf": [number(bounds), list(text(form), length)] }),
        Shape::Map { keys, values, most } => json!({
            "type": "object", "propertyNames": text(keys), "additionalProperties": text(values), "maxProperties": most,
        }),
        Shape::Table(shape) => Value::Object(object(shape)),
        Shape::Tables(shape, length) => {
            let mut items = object(shape);
            if shape.field("name").is_some() {
                items.insert("required".to_owned(), json!(["name"]));
            }
            list(Value::Object(items), length)
        }
        Shape::Overlay => json!({ "$ref": format!("#/definitions/{OVERLAY}") }),
    };
    if let Some(schema) = schema.as_object_mut() {
        let about = match field.presence {
            Presence::Required => field.about.to_owned(),
            Presence::Optional(absent) => format!("{} Left out, {absent}.", field.about),
            Presence::Default(literal) => format!("{} Left out, it is {literal}.", field.about),
        };
        schema.insert("description".to_owned(), json!(about));
        if let Presence::Default(literal) = field.presence
            && let Some(default) = value("x", &format!("x = {literal}"))
        {
            schema.insert("default".to_owned(), default);
        }
        // A table's example is its settings'; one with an ellipsis is for people.
        let is_leaf = !matches!(field.shape, Shape::Table(_) | Shape::Tables(..) | Shape::Overlay);
        if let Some(example) = value(field.key, field.example).filter(|_| is_leaf && !field.example.contains('…')) {
            schema.insert("examples".to_owned(), json!([example]));
        }
    }
    schema
}

fn text(form: &Form) -> Value {
    match form.words {
        [] => json!({ "type": "string", "pattern": form.pattern }),
        words => json!({ "type": "string", "enum": words }),
    }
}

fn number(Bounds { least, most }: &Bounds) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

fn list(items: Value, Length { least, most }: &Length) -> Value {
    json!({ "type": "array", "items": items, "minItems": least, "maxItems": most })
}

/// The settings of a whole spec that must be there, table by table.
fn required(shape: &TableShape) -> Value {
    let must = |field: &&Field| matches!(field.presence, Presence::Required);
    let keys: Vec<&str> = shape.fields.iter().filter(must).map(|field| field.key).collect();
    let inner = shape.fields.iter().filter_map(|field| match &field.shape {
        Shape::Table(inner) if field.key != "environment" => Some((field.key.to_owned(), required(inner))),
        Shape::Tables(inner, _) => Some((field.key.to_owned(), json!({ "items": required(inner) }))),
        _ => None,
    });
    json!({ "required": keys, "properties": inner.collect::<Map<_, _>>() })
}

/// The value of a key in a piece of TOML.
fn value(key: &str, text: &str) -> Option<Value> {
    let table: toml::Table = text.parse().ok()?;
    serde_json::to_value(table.get(key)?).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::spec::parse_all;

    const FULL: &str = include_str!("../../../infra/examples/estate.toml");

    /// Every table of a schema: where it stands, and its keys.
    fn tables(schema: &Value, path: &[&str], found: &mut Vec<(Vec<String>, BTreeSet<String>)>) {
        if let Some(items) = schema.get("items") {
            return tables(items, path, found);
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        found.push((path.iter().map(ToString::to_string).collect(), properties.keys().cloned().collect()));
        for (key, inner) in properties {
            tables(inner, &[path, &[key]].concat(), found);
        }
    }

    /// The table of the full example at a path; the first where there are several, an empty one where there is none.
    fn at<'t>(table: &'t mut toml::Table, path: &[String]) -> &'t mut toml::Table {
        let Some((key, rest)) = path.split_first() else { return table };
        let inner = table.entry(key).or_insert_with(|| toml::Table::new().into());
        let inner = match inner {
            toml::Value::Array(items) => &mut items[0],
            inner => inner,
        };
        at(inner.as_table_mut().unwrap(), rest)
    }

    /// The reader is held to the table of settings whenever it reads, and says of an unknown key which there are.
    #[test]
    fn the_reader_knows_the_keys_of_the_schema_and_no_others() {
        let mut found = Vec::new();
        tables(&schema(), &[], &mut found);
        assert!(found.len() >= 15, "{found:?}");
        for (path, keys) in found {
            let mut spec: toml::Table = FULL.parse().unwrap();
            at(&mut spec, &path).insert("qqqq".to_owned(), 1.into());
            let problems = parse_all(toml::to_string(&spec).unwrap().as_bytes(), "estate.toml").unwrap_err();
            let unknown = problems.iter().find(|problem| problem.setting.ends_with("qqqq")).unwrap();
            let known = unknown.help.as_deref().unwrap().split('`').skip(1).step_by(2);
            assert_eq!(known.map(str::to_owned).collect::<BTreeSet<_>>(), keys, "{path:?}");
        }
    }
}
