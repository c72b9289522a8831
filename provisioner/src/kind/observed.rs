//! What is found of an estate.

use std::collections::BTreeMap;

use aws_smithy_types::DateTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attributes, Kind, KindError, instances};
use crate::estate::{Properties, ResourceId, tags};

/// A resource as it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Its id inside the estate, from its tag or its name.
    pub id: ResourceId,
    /// What it is.
    pub kind: Kind,
    /// Its name in AWS.
    pub name: String,
    /// Its id in AWS.
    pub physical: String,
    /// What others may refer to: `id`, `arn`, ….
    pub attributes: Attributes,
    /// What it is like, in the form in which the same kind is desired.
    pub properties: Properties,
    /// All its tags.
    pub tags: BTreeMap<String, String>,
    /// What AWS says of it besides, such as `pending deletion until …`; not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// When it was made, in seconds since 1970, where AWS says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// The group's hosts, for [`Kind::Instances`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<instances::Host>,
}

impl Observed {
    /// What was found, with its AWS id as its only attribute.
    pub(crate) fn new(kind: Kind, id: ResourceId, physical: &str, properties: Properties) -> Self {
        Self {
            id,
            kind,
            name: physical.to_owned(),
            physical: physical.to_owned(),
            attributes: BTreeMap::from([("id".to_owned(), physical.to_owned())]),
            properties,
            tags: BTreeMap::new(),
            state: None,
            created: None,
            hosts: Vec::new(),
        }
    }

    /// The kind's struct of what was found.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, KindError> {
        self.properties.parse().map_err(|source| KindError::Properties { id: self.id.clone(), source })
    }

    /// Why destroying the estate leaves it, where the spec that it was made for keeps it.
    pub fn kept(&self) -> Option<&'static str> {
        let kept = self.tags.get(tags::KEEP).is_some_and(|keep| keep == "true");
        kept.then_some("the spec has `keep = true`; it goes with `keep = false`, an apply and another destroy")
    }

    /// When AWS says that it was made.
    pub(crate) fn created_at(mut self, time: Option<DateTime>) -> Self {
        self.created = time.map(|time| time.secs());
        self
    }

    pub(crate) fn attribute(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }
}

/// A document as JSON.
pub(crate) fn json(what: &'static str, physical: &str, text: &str) -> Result<Value, KindError> {
    serde_json::from_str(text).map_err(|source| KindError::Json { what, physical: physical.to_owned(), source })
}

/// Properties from a kind's struct.
pub(crate) fn properties(id: &ResourceId, value: &impl Serialize) -> Result<Properties, KindError> {
    Properties::of(value).map_err(|source| KindError::Properties { id: id.clone(), source })
}

/// The attributes of what has only an id.
pub(crate) fn only_id(id: &str) -> Attributes {
    BTreeMap::from([("id".to_owned(), id.to_owned())])
}
