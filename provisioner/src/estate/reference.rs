//! Properties, and the references in them that only the cloud can fill in.
//!
//! A property is JSON, so that one diff, one digest and one printer serve every kind; each kind reads and writes its
//! own through a struct (`kind::subnet::Subnet`, …). Such a struct is generic over what a link is: [`Ref`] or [`Link`] in what
//! is desired, text in what was observed or is about to be made. [`resolve`] leads from the one to the other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::ResourceId;

/// A value that another resource will have: its AWS id, unless another attribute is named.
///
/// In JSON `{"ref": "subnet/private", "attribute": "id"}`; no kind has a property with the key `ref`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ref {
    /// Whose value it is.
    #[serde(rename = "ref")]
    pub id: ResourceId,
    /// Which value.
    pub attribute: String,
}

impl Ref {
    /// The AWS id of a resource.
    pub fn id(id: &ResourceId) -> Self {
        Self::attribute(id, "id")
    }

    /// Another value of a resource.
    pub fn attribute(id: &ResourceId, attribute: &str) -> Self {
        Self { id: id.clone(), attribute: attribute.to_owned() }
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_object().filter(|map| map.contains_key("ref"))?;
        serde_json::from_value(value.clone()).ok()
    }
}

impl std::fmt::Display for Ref {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.id, self.attribute)
    }
}

/// A value that another resource will have, or one that is known from the start: the id of something that is there
/// and isn't the estate's.
///
/// In JSON a [`Ref`], or text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Link {
    /// Another resource's value.
    To(Ref),
    /// The value itself.
    Is(String),
}

impl From<Ref> for Link {
    fn from(reference: Ref) -> Self {
        Self::To(reference)
    }
}

/// What a resource is like, by property. A property that is absent isn't compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Properties(pub BTreeMap<String, Value>);

impl Properties {
    /// The properties that a kind's struct holds.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(value)?)
    }

    /// The kind's struct again.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(Value::Object(self.0.clone().into_iter().collect()))
    }

    /// Calls `visit` with each reference.
    pub fn each_ref(&self, visit: &mut dyn FnMut(Ref)) {
        for value in self.0.values() {
            walk(value, visit);
        }
    }
}

fn walk(value: &Value, visit: &mut dyn FnMut(Ref)) {
    match value {
        Value::Object(map) => match Ref::read(value) {
            Some(reference) => visit(reference),
            None => map.values().for_each(|value| walk(value, visit)),
        },
        Value::Array(list) => list.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

/// The attributes of the resources that are there, by id.
#[derive(Clone, Debug, Default)]
pub struct Known(BTreeMap<ResourceId, BTreeMap<String, String>>);

impl Known {
    /// Notes a resource's attributes, over what was known of it.
    pub fn learn(&mut self, id: &ResourceId, attributes: BTreeMap<String, String>) {
        self.0.entry(id.clone()).or_default().extend(attributes);
    }

    /// What a reference stands for, if that is known yet.
    pub fn get(&self, reference: &Ref) -> Option<&str> {
        self.0.get(&reference.id)?.get(&reference.attribute).map(String::as_str)
    }
}

/// References that nothing known stands behind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not known yet: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
pub struct Unresolved(pub Vec<Ref>);

/// Puts what is known in the place of references; those that aren't known stay, and are also returned.
pub fn resolve(properties: &Properties, known: &Known) -> (Properties, Result<(), Unresolved>) {
    let mut missing = Vec::new();
    let resolved = properties.0.iter().map(|(name, value)| (name.clone(), fill(value, known, &mut missing))).collect();
    (Properties(resolved), if missing.is_empty() { Ok(()) } else { Err(Unresolved(missing)) })
}

fn fill(value: &Value, known: &Known, missing: &mut Vec<Ref>) -> Value {
    if let Some(reference) = Ref::read(value) {
        return match known.get(&reference) {
            Some(text) => Value::String(text.to_owned()),
            None => {
                missing.push(reference);
                value.clone()
            }
        };
    }
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), fill(value, known, missing))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(|value| fill(value, known, missing)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Sample<L = Ref> {
        vpc: L,
        list: Vec<L>,
        #[serde(skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
    }

    #[test]
    fn a_value_that_is_known_from_the_start_stays_what_it_is() {
        let links = [Link::Is("vpc-1".into()), Ref::id(&ResourceId::only(Kind::Vpc)).into()];
        let properties = Properties(BTreeMap::from([("vpcs".into(), serde_json::to_value(&links).unwrap())]));
        let mut referred = Vec::new();
        properties.each_ref(&mut |reference| referred.push(reference));
        assert_eq!(referred, [Ref::id(&ResourceId::only(Kind::Vpc))]);
        assert_eq!(serde_json::from_value::<[Link; 2]>(properties.0["vpcs"].clone()).unwrap(), links);
    }

    #[test]
    fn a_reference_becomes_text_once_it_is_known() {
        let vpc = ResourceId::only(Kind::Vpc);
        let subnet = ResourceId::named(Kind::Subnet, "private");
        let sample = Sample { vpc: Ref::id(&vpc), list: vec![Ref::attribute(&subnet, "arn")], zone: None };
        let properties = Properties::of(&sample).unwrap();
        let mut known = Known::default();
        known.learn(&vpc, BTreeMap::from([("id".into(), "vpc-1".into())]));
        let (_, missing) = resolve(&properties, &known);
        assert_eq!(missing, Err(Unresolved(vec![Ref::attribute(&subnet, "arn")])));
        known.learn(&subnet, BTreeMap::from([("arn".into(), "arn:x".into())]));
        let (resolved, missing) = resolve(&properties, &known);
        assert_eq!(missing, Ok(()));
        let sample: Sample<String> = resolved.parse().unwrap();
        assert_eq!((sample.vpc.as_str(), sample.list), ("vpc-1", vec!["arn:x".to_owned()]));
    }
}
