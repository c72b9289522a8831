//! The name of the estate's key. It can't be tagged: it is the estate's if it has the estate's name.

use serde::{Deserialize, Serialize};

use super::{
    Call, Context, Deleted, Discovered, KindError, Made, Observed, Operations, Practice, SOON, Wanted, When, deleted,
    only_id, properties,
};
use crate::cloud::{Cloud, Service};
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
    Call { when: When::Create, action: "kms:UpdateAlias", resources: &["*"] },
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

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let pages = cloud.kms.list_aliases().limit(100).into_paginator();
            let aliases: Vec<_> = cloud.call(Service::Kms, "ListAliases", pages.items().send().try_collect()).await?;
            let name = scope.alias_name();
            let mut all = Vec::new();
            for alias in aliases.into_iter().filter(|alias| alias.alias_name.as_deref() == Some(&name)) {
                let id = ResourceId::only(Kind::Alias);
                let properties = properties(&id, &Alias { key: alias.target_key_id.unwrap_or_default() })?;
                all.push(Observed::new(Kind::Alias, id, &name, properties));
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let alias: Alias<String> = wanted.parse()?;
            let name = &wanted.resource.name;
            let request = cx.cloud.kms.create_alias().alias_name(name).target_key_id(&alias.key);
            let call = || cx.cloud.call(Service::Kms, "CreateAlias", request.clone().send());
            match cx.cloud.patiently(SOON, &["NotFoundException"], call).await {
                Err(error) if error.is(&["AlreadyExistsException"]) => point(cx.cloud, name, &alias.key).await?,
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

async fn point(cloud: &Cloud, name: &str, key: &str) -> Result<(), KindError> {
    let request = cloud.kms.update_alias().alias_name(name).target_key_id(key).send();
    cloud.call(Service::Kms, "UpdateAlias", request).await?;
    Ok(())
}
