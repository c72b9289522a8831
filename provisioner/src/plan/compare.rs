//! Property by property: what is, against what shall be.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::estate::{Properties, Resource, tags};
use crate::kind::{Comparison, Difference, Observed};

/// Compares properties and tags. Properties that aren't desired, and tags under others' keys, aren't looked at.
pub fn compare(
    fixed: &[(&'static str, &'static str)],
    wanted: &Resource,
    resolved: &Properties,
    observed: &Observed,
) -> Comparison {
    let found = normal(&observed.properties);
    let mut comparison = Comparison::default();
    for (property, new) in &normal(resolved).0 {
        let old = found.0.get(property).cloned().unwrap_or_default();
        if old == *new {
            continue;
        }
        comparison.differences.push(Difference { property: property.clone(), old, new: new.clone() });
        if let Some((_, why)) = fixed.iter().find(|(name, _)| name == property) {
            comparison.replace.get_or_insert_with(|| (*why).to_owned());
        }
    }
    comparison.add_tags(&wanted.tags, &observed.tags);
    comparison
}

impl Comparison {
    /// Adds the tags that aren't as they shall be. A digest follows what it is of, so it is worth a line only if
    /// nothing else differs.
    pub(crate) fn add_tags(&mut self, wanted: &BTreeMap<String, String>, found: &BTreeMap<String, String>) {
        let mut changed: Vec<_> = wanted.iter().filter(|(key, value)| found.get(*key) != Some(*value)).collect();
        if !self.differences.is_empty() || changed.len() > 1 {
            changed.retain(|(key, _)| ![tags::SPEC, tags::RULES].contains(&key.as_str()));
        }
        self.differences.extend(changed.into_iter().map(|(key, value)| Difference {
            property: format!("tags.{key}"),
            old: found.get(key).map_or(Value::Null, |old| Value::String(old.clone())),
            new: Value::String(value.clone()),
        }));
    }
}

/// Properties with every list in sorted order: each is a set, and AWS gives them back in an order of its own.
pub fn normal(properties: &Properties) -> Properties {
    Properties(properties.0.iter().map(|(name, value)| (name.clone(), sorted(value))).collect())
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(list) => {
            let mut list: Vec<_> = list.iter().map(sorted).collect();
            list.sort_by_cached_key(ToString::to_string);
            Value::Array(list)
        }
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect()),
        other => other.clone(),
    }
}
