//! The vault that the estate's backups are kept in, under the estate's key.
//!
//! Vaults are found by name, which is unique in an account and region, and are the estate's if their tag says so. One
//! that holds backups stays when the estate goes: AWS refuses to delete it, and so would whoever needs them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_backup::types::BackupVaultListMember;
use serde::{Deserialize, Serialize};

use super::{
    Attributes, Call, Context, Deleted, Discovered, KindError, Left, Made, Observed, Operations, Practice, SOON,
    Wanted, When, deleted, properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Link, Scope};

const NOT_FOUND: &[&str] = &["ResourceNotFoundException"];
const EXISTS: &[&str] = &["AlreadyExistsException"];
const LIST: &str = "ListBackupVaults";
/// What Backup says of a vault that still holds backups.
const HOLDS_BACKUPS: &[&str] = &["InvalidRequestException"];
/// A key that was just made isn't usable everywhere at once.
const KEY_NOT_YET: &[&str] = &["InvalidParameterValueException"];

/// A vault's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackupVault<L = Link> {
    /// The ARN of the key that encrypts what AWS Backup itself stores; snapshots stay under their volume's.
    pub key: L,
}

pub(super) struct BackupVaults;

const VAULT: &[&str] = &["arn:{partition}:backup:{region}:{account}:backup-vault:holdfast-{estate}"];

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "backup:ListBackupVaults", resources: &["*"] },
    Call { when: When::Discover, action: "backup:ListTags", resources: VAULT },
    Call { when: When::Create, action: "backup:CreateBackupVault", resources: VAULT },
    // What holds a vault's backups is a service of its own, whose actions know no resources.
    Call { when: When::Create, action: "backup-storage:MountCapsule", resources: &["*"] },
    Call { when: When::Create, action: "backup:TagResource", resources: VAULT },
    Call { when: When::Change, action: "backup:TagResource", resources: VAULT },
    Call { when: When::Delete, action: "backup:DeleteBackupVault", resources: VAULT },
];

impl Operations for BackupVaults {
    fn practice(&self) -> Practice {
        Practice {
            what: "Keeps the backups of the estate's volumes",
            why: "Backups are apart from what they are of, under a key of the estate's, and nothing deletes them early",
            source: "https://docs.aws.amazon.com/aws-backup/latest/devguide/vaults.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("access policy", "the estate sets none, and an owner's own may be narrower"),
            ("vault lock", "an owner's own, which can't be taken back"),
        ]
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[("key", "AWS can't give a vault another key")]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        &[Kind::BackupPlan]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let name = scope.vault_name();
            let mut all = Vec::new();
            for vault in vaults(cloud).await?.iter().filter(|vault| vault.backup_vault_name.as_deref() == Some(&name)) {
                all.extend(read(cloud, scope, vault).await?);
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let vault: BackupVault<String> = wanted.parse()?;
            let name = &wanted.resource.name;
            let request = cx
                .cloud
                .backup
                .create_backup_vault()
                .backup_vault_name(name)
                .encryption_key_arn(&vault.key)
                .creator_request_id(wanted.token(cx.scope, "", 0))
                .set_backup_vault_tags(Some(write_tags(&wanted.resource.tags)));
            let call = || cx.cloud.call(Service::Backup, "CreateBackupVault", request.clone().send());
            found(cx.cloud.patiently(SOON, KEY_NOT_YET, call).await, EXISTS)?;
            // Read back under either answer: a name that is taken may be another's.
            let look = || async {
                let named =
                    vaults(cx.cloud).await?.into_iter().find(|vault| vault.backup_vault_name.as_ref() == Some(name));
                named.ok_or_else(|| CloudError::coded(Service::Backup, LIST, "ResourceNotFoundException", name))
            };
            let vault = cx.cloud.patiently(SOON, NOT_FOUND, look).await?;
            let ours = read(cx.cloud, cx.scope, &vault).await?;
            Ok(ours.ok_or_else(|| KindError::foreign(Kind::BackupVault, name, cx.scope))?.attributes)
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(retag(cx.cloud, wanted, current))
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let request = cx.cloud.backup.delete_backup_vault().backup_vault_name(&current.name).send();
            match cx.cloud.call(Service::Backup, "DeleteBackupVault", request).await {
                Err(error) if error.is(HOLDS_BACKUPS) => {
                    let what = format!("{} {}", Kind::BackupVault, current.name);
                    let why =
                        "it holds backups, which AWS deletes when they are as old as the spec says; destroy again \
                               then, or delete them by hand"
                            .to_owned();
                    Ok(Some(Left { what, why }))
                }
                answer => deleted(answer, NOT_FOUND),
            }
        })
    }
}

/// All vaults of the account and region: Backup has no filter by name.
async fn vaults(cloud: &Cloud) -> Result<Vec<BackupVaultListMember>, CloudError> {
    let pages = cloud.backup.list_backup_vaults().max_results(1000).into_paginator();
    cloud.call(Service::Backup, LIST, pages.items().send().try_collect()).await
}

/// The names of vaults that a key encrypts.
pub(super) async fn under_key(cloud: &Cloud, key: Option<&str>) -> Result<Vec<String>, CloudError> {
    let under = vaults(cloud).await?.into_iter().filter(|vault| vault.encryption_key_arn.as_deref() == key);
    Ok(under.filter_map(|vault| vault.backup_vault_name).collect())
}

/// A vault, if it is the estate's.
async fn read(cloud: &Cloud, scope: &Scope, vault: &BackupVaultListMember) -> Result<Option<Observed>, KindError> {
    let (Some(name), Some(arn)) = (&vault.backup_vault_name, &vault.backup_vault_arn) else {
        return Err(CloudError::incomplete(Service::Backup, LIST, "vault's name or ARN").into());
    };
    let Some(tags) = read_tags(cloud, arn).await? else { return Ok(None) };
    let Some(id) = scope.own_id(&tags) else { return Ok(None) };
    let key = vault.encryption_key_arn.clone().unwrap_or_default();
    let properties = properties(&id, &BackupVault { key })?;
    let observed = Observed::new(Kind::BackupVault, id, name, properties).attribute("arn", arn.as_str());
    let mut observed = observed.created_at(vault.creation_date);
    observed.tags = tags;
    Ok(Some(observed))
}

/// The tags of a vault or plan; none where it has just gone.
pub(super) async fn read_tags(cloud: &Cloud, arn: &str) -> Result<Option<BTreeMap<String, String>>, CloudError> {
    let pages = cloud.backup.list_tags().resource_arn(arn).into_paginator();
    let pages: Result<Vec<_>, _> = cloud.call(Service::Backup, "ListTags", pages.send().try_collect()).await;
    let pages = found(pages, NOT_FOUND)?;
    Ok(pages.map(|pages| pages.into_iter().flat_map(|page| page.tags.unwrap_or_default()).collect()))
}

/// Tags as Backup takes them.
pub(super) fn write_tags(tags: &BTreeMap<String, String>) -> HashMap<String, String> {
    tags.clone().into_iter().collect()
}

/// Puts the tags of a vault or plan right, if they aren't, which changes none of its attributes.
pub(super) async fn retag(cloud: &Cloud, wanted: &Wanted<'_>, current: &Observed) -> Result<Attributes, KindError> {
    if !wanted.is_tagged(current) {
        let arn = current.attributes.get("arn").map(String::as_str).unwrap_or_default();
        let tags = write_tags(&wanted.resource.tags);
        let request = cloud.backup.tag_resource().resource_arn(arn).set_tags(Some(tags)).send();
        cloud.call(Service::Backup, "TagResource", request).await?;
    }
    Ok(current.attributes.clone())
}
