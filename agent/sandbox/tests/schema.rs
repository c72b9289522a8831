//! What the schema of policies takes, the reader takes, and the other way round.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::process::Command;

use holdfast_sandbox::Policy;
use serde_json::{Value, json};

/// Whether a value is as a schema says, of whose words those are known that ours has.
fn takes(root: &Value, schema: &Value, value: &Value) -> bool {
    let of_type = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        other => panic!("a type {other}"),
    };
    let takes_in = |schema: &Value, value: &Value| takes(root, schema, value);
    schema.as_object().unwrap().iter().all(|(word, meant)| match word.as_str() {
        "$ref" => takes_in(root.pointer(meant.as_str().unwrap().trim_start_matches('#')).unwrap(), value),
        "type" => meant
            .as_str()
            .map_or_else(|| meant.as_array().unwrap().iter().any(|it| of_type(it.as_str().unwrap())), of_type),
        "const" => value == meant,
        "enum" => meant.as_array().unwrap().contains(value),
        "allOf" => meant.as_array().unwrap().iter().all(|it| takes_in(it, value)),
        "oneOf" => meant.as_array().unwrap().iter().filter(|it| takes_in(it, value)).count() == 1,
        "minimum" => value.as_i64().is_none_or(|it| it >= meant.as_i64().unwrap()),
        "maximum" => value.as_u64().is_none_or(|it| it <= meant.as_u64().unwrap()),
        "items" => value.as_array().is_none_or(|all| all.iter().all(|it| takes_in(meant, it))),
        "required" => value
            .as_object()
            .is_none_or(|it| meant.as_array().unwrap().iter().all(|key| it.contains_key(key.as_str().unwrap()))),
        "properties" => value
            .as_object()
            .is_none_or(|it| it.iter().all(|(key, value)| meant.get(key).is_none_or(|meant| takes_in(meant, value)))),
        "additionalProperties" => value.as_object().is_none_or(|it| {
            let known = |key: &String| schema.get("properties").is_some_and(|known| known.get(key).is_some());
            it.iter()
                .filter(|(key, _)| !known(key))
                .all(|(_, value)| meant.as_bool().unwrap_or_else(|| takes_in(meant, value)))
        }),
        "$schema" | "title" | "description" | "default" | "definitions" | "format" => true,
        other => panic!("the schema says {other}, which this test does not know"),
    })
}

/// What the command prints.
fn schema() -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast-sandbox")).arg("schema").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_schema_takes_what_the_reader_takes_and_nothing_else() {
    let schema = schema();
    let profile = json!({ "defaultAction": "SCMP_ACT_ALLOW", "archMap": null, "syscalls": [
        { "names": ["fork"], "action": "SCMP_ACT_KILL_PROCESS", "args": [{ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" }] }] });
    for (policy, is_one) in [
        (serde_json::to_value(Policy::default()).unwrap(), true),
        (json!({}), true),
        (json!({ "limits": { "memory": null, "wall_ms": 5, "mode": "rlimit-only" } }), true),
        (json!({ "mounts": [{ "source": "/a", "target": "/a", "mode": "rw" }], "env": { "A": "B" } }), true),
        (json!({ "seccomp": "strict", "allow": ["ptrace"], "landlock": "off", "net": "none" }), true),
        (json!({ "seccomp": { "profile": profile } }), true),
        (json!({ "seccomp": { "profile": {} } }), false),
        (json!({ "seccomp": "loose" }), false),
        (json!({ "mount": [] }), false),
        (json!({ "limits": { "wall": 5 } }), false),
        (json!({ "limits": { "wall_ms": -5 } }), false),
        (json!({ "limits": { "pids": "16" } }), false),
        (json!({ "limits": { "cpu_weight": 70000 } }), false),
        (json!({ "mounts": [{ "source": "/a" }] }), false),
        (json!({ "env": { "A": 1 } }), false),
        (json!({ "nested": "yes" }), false),
    ] {
        let read = serde_json::from_value::<Policy>(policy.clone()).is_ok();
        assert_eq!((takes(&schema, &schema, &policy), read), (is_one, is_one), "{policy}");
    }
}

#[test]
fn the_example_is_a_policy() {
    let text = include_str!("../../../infra/examples/sandbox-policy.toml");
    let policy: Policy = toml::from_str(text).unwrap();
    assert_eq!(policy.check(), Ok(()));
    let value: toml::Table = toml::from_str(text).unwrap();
    let schema = schema();
    assert!(takes(&schema, &schema, &serde_json::to_value(value).unwrap()));
}

/// Descriptions are read by people who have no link to follow.
#[test]
fn every_setting_is_described_without_links() {
    let schema = schema();
    let types = schema["definitions"].as_object().unwrap().values().chain([&schema]);
    for (name, setting) in types.flat_map(|of| of.get("properties").and_then(Value::as_object)).flatten() {
        let text = setting.get("description").and_then(Value::as_str).or_else(|| setting.get("$ref")?.as_str());
        assert!(text.is_some_and(|text| !text.is_empty() && !text.contains("[`")), "{name}: {setting}");
    }
}
