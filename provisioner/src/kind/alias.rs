//! The name of the estate's key. It can't be tagged: it is the estate's if it has the estate's name and names a key of the
//! estate, or is younger than that.

use std::collections::BTreeMap;

use aws_sdk_kms::types::AliasListEntry;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Call, Context, KindError, Left, Observed, Operations, Practice, SOON, Wanted, When, only_id, properties};
use crate::cloud::{Cloud, Service, found};
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

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<Observed>, KindError>> {
        Box::pin(async move {
            let name = scope.alias_name();
            let mut all = Vec::new();
            if let Some(alias) = find(cloud, &name).await? {
                let id = ResourceId::only(Kind::Alias);
                let properties = properties(&id, &Alias { key: alias.target_key_id.unwrap_or_default() })?;
                let mut observed = Observed::new(Kind::Alias, id, &name, properties);
                observed.created = alias.creation_date.map(|date| date.secs());
                all.push(observed);
            }
            Ok(all)
        })
    }

    fn create<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
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

    fn change<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
        Box::pin(async move {
            let alias: Alias<String> = wanted.parse()?;
            point(cx.cloud, &current.physical, &alias.key).await?;
            Ok(current.attributes.clone())
        })
    }

    fn delete<'a>(
        &'a self,
        cx: &'a Context<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<Option<Left>, KindError>> {
        Box::pin(async move {
            let request = cx.cloud.kms.delete_alias().alias_name(&current.physical).send();
            found(cx.cloud.call(Service::Kms, "DeleteAlias", request).await, &["NotFoundException"])?;
            Ok(None)
        })
    }
}

async fn find(cloud: &Cloud, name: &str) -> Result<Option<AliasListEntry>, KindError> {
    let pages = cloud.kms.list_aliases().limit(100).into_paginator();
    let aliases: Vec<_> = cloud.call(Service::Kms, "ListAliases", pages.items().send().try_collect()).await?;
    Ok(aliases.into_iter().find(|alias| alias.alias_name.as_deref() == Some(name)))
}

async fn point(cloud: &Cloud, name: &str, key: &str) -> Result<(), KindError> {
    let request = cloud.kms.update_alias().alias_name(name).target_key_id(key).send();
    cloud.call(Service::Kms, "UpdateAlias", request).await?;
    Ok(())
}
