//! Properties as people read them: JSON without its punctuation, long documents cut to their size.

use serde_json::{Map, Value};

use super::text::count;

/// A longer text is shown by its size: user data says nothing at a glance.
const LONGEST: usize = 80;

/// A property's value in a line.
pub(crate) fn short(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) if text.chars().count() > LONGEST || text.contains('\n') => size(text),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(short).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => object(map),
    }
}

fn object(map: &Map<String, Value>) -> String {
    if let Some(reference) = map.get("ref").and_then(Value::as_str) {
        // Another resource's id or ARN, which isn't known before that is made.
        return format!("({reference})");
    }
    if let Some(Value::Array(statements)) = map.get("Statement") {
        return format!("(policy of {})", count(statements.len() as u64, "statement"));
    }
    format!("{{{}}}", map.iter().map(|(key, value)| format!("{key} {}", short(value))).collect::<Vec<_>>().join(", "))
}

fn size(text: &str) -> String {
    format!("({})", count(text.len() as u64, "byte"))
}

/// Old and new value of a property.
pub(crate) fn change(old: &Value, new: &Value) -> String {
    match (short(old), short(new)) {
        // Two long texts look alike.
        (old, new) if old == new => format!("{old} -> another {new}"),
        (old, new) => format!("{old} -> {new}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_as_words() {
        for (value, shown) in [
            (json!(null), "(none)"),
            (json!(true), "yes"),
            (json!("10.0.0.0/16"), "10.0.0.0/16"),
            (json!(["a", 1]), "[a, 1]"),
            (json!({"ref": "vpc", "attribute": "id"}), "(vpc)"),
            (json!({"port": 22}), "{port 22}"),
            (json!("x".repeat(90)), "(90 bytes)"),
            (json!({"Version": "2012-10-17", "Statement": [{}, {}]}), "(policy of 2 statements)"),
            (json!("two\nlines"), "(9 bytes)"),
        ] {
            assert_eq!(short(&value), shown);
        }
    }

    #[test]
    fn a_change_shows_both_sides() {
        assert_eq!(change(&json!("200"), &json!("300")), "200 -> 300");
        assert_eq!(change(&json!("x".repeat(90)), &json!("y".repeat(90))), "(90 bytes) -> another (90 bytes)");
    }
}
