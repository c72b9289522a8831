//! `schema`, and that a validator which others wrote judges specs by it as the reader does.

use std::io::Write as _;
use std::process::{Command, Stdio};

use holdfast_lab::{Layout, judges};
use provision::spec;
use serde_json::{Value, json};

use crate::{run, shown};

const MINIMAL: &str = include_str!("../../../infra/examples/minimal.toml");
const FULL: &str = include_str!("../../../infra/examples/estate.toml");
const ENVIRONMENTS: &str = include_str!("../../../infra/examples/environments.toml");

/// Reads a schema and specs, and prints for each spec what is wrong with it.
const JUDGE: &str = r#"
import json, sys
from jsonschema import Draft7Validator
schema, specs = json.load(sys.stdin)
Draft7Validator.check_schema(schema)
judge = Draft7Validator(schema)
json.dump([[f"{list(error.absolute_path)}: {error.message}" for error in judge.iter_errors(spec)] for spec in specs], sys.stdout)
"#;

/// What the validator says of each spec.
fn judged(specs: &[Value]) -> Vec<Vec<String>> {
    let python = judges(&Layout::of_this_workspace()).unwrap();
    let mut command = Command::new(python);
    command.args(["-c", JUDGE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut judge = command.spawn().unwrap();
    let input = json!([spec::schema(), specs]).to_string();
    judge.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn as_json(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap();
    serde_json::to_value(table).unwrap()
}

/// Where every setting of the full example stands, as a JSON pointer; those of lists by their first entry.
fn settings(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(table) => {
            for (key, inner) in table {
                let path = format!("{path}/{key}");
                settings(inner, &path, found);
                found.push(path);
            }
        }
        Value::Array(items) if items.first().is_some_and(Value::is_object) => {
            settings(&items[0], &format!("{path}/0"), found);
        }
        _ => {}
    }
}

#[test]
fn the_examples_are_valid_and_what_is_wrong_is_not() {
    let wrong = [
        ("count = 2", "conut = 2"),
        ("count = 2", "count = \"2\""),
        ("name = \"judge\"\n", ""),
        ("\"Test\"", "\"Live\""),
        ("\"ami-0123456789abcdef0\"", "\"ami-1\""),
        ("id = \"ami-0123456789abcdef0\"", "id = \"ami-0123456789abcdef0\"\nname = \"host\""),
        ("Environment = \"Test\"\n", ""),
    ];
    let mut specs: Vec<Value> = [MINIMAL, FULL, ENVIRONMENTS].map(as_json).into();
    specs.extend(wrong.map(|(from, to)| as_json(&MINIMAL.replacen(from, to, 1))));
    let errors = judged(&specs);
    assert!(errors[..3].iter().all(Vec::is_empty), "{errors:?}");
    for (index, (from, to)) in wrong.into_iter().enumerate() {
        assert!(!errors[3 + index].is_empty(), "{from} → {to}");
    }
}

/// The schema refuses nothing that the reader takes, and each value whose type the reader refuses.
#[test]
fn schema_and_reader_agree_on_every_setting() {
    let full = as_json(FULL);
    let mut paths = Vec::new();
    settings(&full, "", &mut paths);
    assert!(paths.len() > 60, "{paths:?}");
    let values = [json!(1), json!("x"), json!(true), json!([]), json!([1]), json!(["x"]), json!({}), json!([{}])];
    let mut cases = Vec::new();
    for path in &paths {
        for value in &values {
            let mut changed = full.clone();
            *changed.pointer_mut(path).unwrap() = value.clone();
            cases.push((path, value, changed));
        }
    }
    let errors = judged(&cases.iter().map(|(_, _, spec)| spec.clone()).collect::<Vec<_>>());
    for ((path, value, spec), errors) in cases.into_iter().zip(errors) {
        let text = toml::to_string(&spec).unwrap();
        match spec::parse_all(text.as_bytes(), "estate.toml") {
            Ok(_) => {
                assert!(errors.is_empty(), "{path} = {value}: the reader takes it, and the schema says {errors:?}")
            }
            Err(problems) => {
                let wrong_type = problems.iter().find(|problem| problem.message.starts_with("this is a"));
                if let Some(problem) = wrong_type {
                    assert!(
                        !errors.is_empty(),
                        "{path} = {value}: the schema takes it, and the reader says {problem:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn both_forms_are_printed() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["schema"]);
    assert!(output.status.success() && output.stderr.is_empty());
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), spec::schema());
    let output = run(directory.path(), &["schema", "--markdown"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), include_str!("../../SPEC.md"));
    let output = run(directory.path(), &["schema", "--markdown", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
}
