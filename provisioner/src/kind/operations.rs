//! What a kind can do, and what it is given to do it with.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Call, Kind, KindError, Observed, Practice, Priced, Usage};
use crate::cloud::{Cloud, CloudError, found};
use crate::estate::{Properties, Resource, Scope};

/// One property that isn't as it shall be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Which property; tags are `tags.<key>`.
    pub property: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub old: Value,
    /// What it shall be.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub new: Value,
}

/// How a resource differs from what is desired.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// All differences, by property.
    pub differences: Vec<Difference>,
    /// Why it must be deleted and made anew, if it must.
    pub replace: Option<String>,
    /// Why some of its members are replaced while it stays, if they are.
    pub renew: Option<String>,
}

/// In which order a resource is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The new one is made, what used the old one moves, the old one ends.
    NewFirst,
    /// AWS doesn't allow both at once, and says why: whatever uses it is interrupted.
    OldFirst(&'static str),
    /// The resource stays, and its members move a batch at a time.
    ByMembers,
}

/// What was found of what stays behind on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// What it is, such as `key arn:aws:kms:…`.
    pub what: String,
    /// Why it stays, and until when.
    pub why: String,
}

/// What `create`, `change` and `delete` work with.
pub struct Context<'a> {
    /// The clients.
    pub cloud: &'a Cloud,
    /// The estate.
    pub scope: &'a Scope,
    /// Says what is being waited for.
    pub waiting: &'a (dyn Fn(String) + Sync),
}

/// A resource about to be made or changed, its references resolved.
pub struct Wanted<'a> {
    /// As the estate wants it; [`Resource::properties`] still has references.
    pub resource: &'a Resource,
    /// The same without references.
    pub properties: Properties,
}

impl Wanted<'_> {
    /// Whether what was found has all the tags that it shall have.
    pub(crate) fn is_tagged(&self, current: &Observed) -> bool {
        self.resource.tags.iter().all(|(key, value)| current.tags.get(key) == Some(value))
    }

    /// The kind's struct.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, KindError> {
        self.properties.parse().map_err(|source| KindError::Properties { id: self.resource.id.clone(), source })
    }
}

/// What others may refer to of a resource: its `id`, its `arn`, ….
pub type Attributes = BTreeMap<String, String>;
/// All resources of a kind, once they are found.
pub type Discovered<'a> = BoxFuture<'a, Result<Vec<Observed>, KindError>>;
/// A resource's attributes, once it is made or changed.
pub type Made<'a> = BoxFuture<'a, Result<Attributes, KindError>>;
/// What is left of a resource, once it is deleted.
pub type Deleted<'a> = BoxFuture<'a, Result<Option<Left>, KindError>>;

/// A deletion of what is all gone by it, or was gone already.
pub(crate) fn deleted<T>(answer: Result<T, CloudError>, gone: &[&str]) -> Result<Option<Left>, KindError> {
    found(answer, gone)?;
    Ok(None)
}

/// What a kind can do. The estate's graph decides when.
pub trait Operations: Sync {
    /// What one is for and why an estate has it as it is.
    fn practice(&self) -> Practice;

    /// What one is charged for.
    fn usage(&self, priced: &Priced<'_>) -> Vec<Usage> {
        let _ = priced;
        Vec::new()
    }

    /// The calls that it is discovered, made, changed and deleted by.
    fn calls(&self) -> &'static [Call];

    /// Properties that AWS can't change in a resource, and why.
    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// How one is replaced that has these differences and can't be changed.
    fn replaced(&self, differences: &[Difference]) -> Replaced {
        let _ = differences;
        Replaced::NewFirst
    }

    /// Properties of AWS's that aren't compared, and why: what `drift` can't see.
    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Kinds of which all must be deleted before one of this is, beyond those that refer to it.
    fn deleted_after(&self) -> &'static [Kind] {
        &[]
    }

    /// All of the estate's resources of this kind.
    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a>;

    /// How what is there differs from what is desired; pure.
    fn compare(&self, wanted: &Resource, resolved: &Properties, observed: &Observed) -> Comparison {
        crate::plan::compare(self.fixed(), wanted, resolved, observed)
    }

    /// What a change with these differences doesn't reach, for the plan to say.
    fn unreached(&self, differences: &[Difference]) -> Option<&'static str> {
        let _ = differences;
        None
    }

    /// Attributes that a change with these differences gives another value.
    fn renews(&self, differences: &[Difference]) -> &'static [&'static str] {
        let _ = differences;
        &[]
    }

    /// Whether having none is right for these properties.
    fn is_nothing(&self, properties: &Properties) -> bool {
        let _ = properties;
        false
    }

    /// Whether destroying the estate has something to do with what was found.
    fn deletable(&self, observed: &Observed) -> bool {
        let _ = observed;
        true
    }

    /// Makes one, and returns its attributes.
    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a>;

    /// Changes one in place, and returns its attributes.
    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a>;

    /// Deletes one, and says what of it is left.
    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a>;
}
