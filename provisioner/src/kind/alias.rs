//! The name of the estate's key. It can't be tagged: it is the estate's if it has the estate's name and names a key of the
//! estate, or is younger than that.
//!
//! It is asked by its name which key it is of, and that key's own answer comes with it. Where that is another key than the
//! estate's, or one that the caller may not look at, KMS's list of names says the rest.

use aws_sdk_kms::types::{AliasListEntry, KeyMetadata};
use serde::{Deserialize, Serialize};

use super::{
    Call, Context, Deleted, Discovered, KindError, Made, Observed, Operations, Practice, SOON, Wanted, When, deleted,
    only_id, properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Ref, ResourceId, Scope};

/// An alias's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alias<L = Ref> {
    /// The key that it names.
    pub key: L,
}

pub(super) struct Aliases;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "kms:DescribeKey", resources: &["*"] },
    Call { when: When::Discover, action: "kms:ListAliases", resources: &["*"] },
    Call { when: When::Create, action: "kms:CreateAlias", resources: &["*"] },
    Call { when: When::Change, action: "kms:UpdateAlias", resources: &["*"] },
    Call { when: When::Delete, action: "kms:DeleteAlias", resources: &["*"] },
];

impl Operations for Aliases {
    fn practice(&self) -> Practice {
        Practice {
            what: "Gives the estate's key a name",
            why: "People and policies name a key by its alias, so a key can be replaced without them",
            source: "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    /// Nothing: the answer that has the name has its key, so [`Kind::Key`] finds them both.
    fn discover<'a>(&'a self, _cloud: &'a Cloud, _scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let alias: Alias<String> = wanted.parse()?;
            let name = &wanted.resource.name;
            let request = cx.cloud.kms.create_alias().alias_name(name).target_key_id(&alias.key);
            let call = || cx.cloud.call(Service::Kms, "CreateAlias", request.clone().send());
            match cx.cloud.patiently(SOON, &["NotFoundException"], call).await {
                // A crashed run's, if it names the estate's key.
                Err(error) if error.is(&["AlreadyExistsException"]) => {
                    let made = find(cx.cloud, name).await?.and_then(|alias| alias.target_key_id);
                    if made.as_ref() != Some(&alias.key) {
                        let (name, estate) = (name.clone(), cx.scope.estate.to_string());
                        return Err(KindError::Foreign { kind: Kind::Alias, name, estate });
                    }
                }
                answer => {
                    answer?;
                }
            }
            Ok(only_id(name))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(async move {
            let alias: Alias<String> = wanted.parse()?;
            point(cx.cloud, &current.physical, &alias.key).await?;
            Ok(current.attributes.clone())
        })
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let request = cx.cloud.kms.delete_alias().alias_name(&current.physical).send();
            deleted(cx.cloud.call(Service::Kms, "DeleteAlias", request).await, &["NotFoundException"])
        })
    }
}

/// What a name was found to be of.
pub(super) enum Target {
    /// A key, with all that KMS tells of it.
    Key(Box<KeyMetadata>),
    /// The id of a key that the caller may not look at.
    Hidden(String),
}

impl Target {
    /// The key's id.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Key(key) => &key.key_id,
            Self::Hidden(id) => id,
        }
    }
}

/// Which key has this name, if one has.
pub(super) async fn target(cloud: &Cloud, name: &str) -> Result<Option<Target>, CloudError> {
    let request = cloud.kms.describe_key().key_id(name).send();
    match found(cloud.call(Service::Kms, "DescribeKey", request).await, &["NotFoundException"]) {
        Err(error) if error.is(&["AccessDeniedException"]) => {
            Ok(find(cloud, name).await?.and_then(|alias| alias.target_key_id).map(Target::Hidden))
        }
        answer => Ok(answer?.and_then(|answer| answer.key_metadata).map(|key| Target::Key(Box::new(key)))),
    }
}

/// The name, as it was found, and when it was made where it isn't one of the estate's keys that it names.
pub(super) async fn observe(cloud: &Cloud, name: &str, key: &str, is_own: bool) -> Result<Observed, KindError> {
    let id = ResourceId::only(Kind::Alias);
    let properties = properties(&id, &Alias { key: key.to_owned() })?;
    let mut observed = Observed::new(Kind::Alias, id, name, properties);
    if !is_own {
        let created = find(cloud, name).await?.and_then(|alias| alias.creation_date);
        observed.created = created.map(|date| date.secs());
    }
    Ok(observed)
}

async fn find(cloud: &Cloud, name: &str) -> Result<Option<AliasListEntry>, CloudError> {
    let pages = cloud.kms.list_aliases().limit(100).into_paginator();
    let aliases: Vec<_> = cloud.call(Service::Kms, "ListAliases", pages.items().send().try_collect()).await?;
    Ok(aliases.into_iter().find(|alias| alias.alias_name.as_deref() == Some(name)))
}

async fn point(cloud: &Cloud, name: &str, key: &str) -> Result<(), KindError> {
    let request = cloud.kms.update_alias().alias_name(name).target_key_id(key).send();
    cloud.call(Service::Kms, "UpdateAlias", request).await?;
    Ok(())
}
