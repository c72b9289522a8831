//! The estate's KMS key, which encrypts every volume.
//!
//! KMS has no filter by tag, so all keys of the account and region are listed and their tags read, a few at a time:
//! looking only behind the alias would never find a key that a crashed run made and didn't name.
//!
//! A key can't be deleted at once. `destroy` schedules it (30 days, so that whoever finds a backup that it encrypted
//! can still call it back), and `apply` of the same estate cancels that and enables it.

use std::collections::BTreeMap;

use aws_sdk_kms::config::Config;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, KeyState, Tag};
use futures::stream::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::alias::{self, Target};
use super::backup_vault;
use super::ec2::of_estate;
use super::{
    Attributes, Call, Context, Deleted, Discovered, KindError, Left, Made, Observed, Operations, Practice, Priced,
    SOON, Sku, Usage, Wanted, When, json, properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Scope};

/// How many keys' tags are read at once.
const AT_ONCE: usize = 8;
/// The longest that AWS offers, for a mistake is noticed late.
const PENDING_DAYS: i32 = 30;
const NOT_FOUND: &[&str] = &["NotFoundException"];
/// The only policy that a key has.
const POLICY: &str = "default";

/// A key's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// What it is for.
    pub description: String,
    /// Whether it can be used: false while it is disabled or pending deletion.
    pub enabled: bool,
    /// Whether AWS makes new key material every year.
    pub rotation: bool,
    /// Who may use and administer it.
    pub policy: Value,
}

pub(super) struct Keys;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "kms:ListKeys", resources: &["*"] },
    Call { when: When::Discover, action: "kms:ListResourceTags", resources: &["*"] },
    Call { when: When::Discover, action: "kms:DescribeKey", resources: &["*"] },
    Call { when: When::Discover, action: "kms:GetKeyPolicy", resources: &["*"] },
    Call { when: When::Discover, action: "kms:GetKeyRotationStatus", resources: &["*"] },
    Call { when: When::Create, action: "kms:CreateKey", resources: &["*"] },
    Call { when: When::Create, action: "kms:TagResource", resources: &["*"] },
    Call { when: When::Create, action: "kms:EnableKeyRotation", resources: &["*"] },
    Call { when: When::Create, action: "kms:CancelKeyDeletion", resources: &["*"] },
    Call { when: When::Create, action: "kms:EnableKey", resources: &["*"] },
    Call { when: When::Create, action: "kms:PutKeyPolicy", resources: &["*"] },
    Call { when: When::Create, action: "kms:UpdateKeyDescription", resources: &["*"] },
    Call { when: When::Change, action: "kms:CancelKeyDeletion", resources: &["*"] },
    Call { when: When::Change, action: "kms:EnableKey", resources: &["*"] },
    Call { when: When::Change, action: "kms:EnableKeyRotation", resources: &["*"] },
    Call { when: When::Change, action: "kms:PutKeyPolicy", resources: &["*"] },
    Call { when: When::Change, action: "kms:UpdateKeyDescription", resources: &["*"] },
    Call { when: When::Change, action: "kms:TagResource", resources: &["*"] },
    Call { when: When::Delete, action: "kms:ScheduleKeyDeletion", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DescribeVolumes", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DescribeSnapshots", resources: &["*"] },
    Call { when: When::Delete, action: "backup:ListBackupVaults", resources: &["*"] },
];

impl Operations for Keys {
    fn practice(&self) -> Practice {
        Practice {
            what: "Encrypts the estate's volumes and logs",
            why: "A customer-managed key can be audited, rotated and taken away; AWS's own can't",
            source: "https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#customer-cmk",
        }
    }

    fn usage(&self, _: &Priced<'_>) -> Vec<Usage> {
        vec![Usage::of(Sku::Key, 1u64)]
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[("grants", "EC2 makes one for each volume, and takes it back")]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        &[Kind::Instances, Kind::LaunchTemplate, Kind::BackupVault, Kind::Alias]
    }

    /// The keys, and with them the name of one, whose answer tells all of the key that it names.
    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let pages = cloud.kms.list_keys().limit(1000).into_paginator();
            let keys = cloud.call(Service::Kms, "ListKeys", pages.items().send().try_collect());
            let name = scope.alias_name();
            let (keys, named): (Vec<_>, _) = tokio::try_join!(keys, alias::target(cloud, &name))?;
            let ids = keys.into_iter().filter_map(|key| key.key_id);
            let ours: Vec<_> = futures::stream::iter(ids.map(|id| read_if_ours(cloud, scope, id, named.as_ref())))
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
            let mut all: Vec<_> = ours.into_iter().flatten().collect();
            if let Some(target) = &named {
                let is_own = all.iter().any(|key| key.physical == target.id());
                all.push(alias::observe(cloud, &name, target.id(), is_own).await?);
            }
            Ok(all)
        })
    }

    fn deletable(&self, observed: &Observed) -> bool {
        // One that is pending already is named among what is left.
        observed.state.is_none()
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let key: Key = wanted.parse()?;
            let request = cx
                .cloud
                .kms
                .create_key()
                .description(&key.description)
                .policy(key.policy.to_string())
                .set_tags(Some(write_tags(&wanted.resource.tags)?));
            // It has no ClientToken: a repeated call would make a second one, unless the first was refused unread.
            let once = || Config::builder().retry_config(RetryConfig::disabled());
            let send = || request.clone().customize().config_override(once()).send();
            let call = || cx.cloud.call(Service::Kms, "CreateKey", send());
            let made = cx.cloud.patiently(SOON, &["ThrottlingException"], call).await?.key_metadata;
            let made = made.ok_or_else(|| CloudError::incomplete(Service::Kms, "CreateKey", "metadata"))?;
            if key.rotation {
                enable_rotation(cx.cloud, &made.key_id).await?;
            }
            Ok(attributes(&made))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(change(cx.cloud, wanted, current))
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let needed = needed_by(cx.cloud, cx.scope, current).await?;
            if !needed.is_empty() {
                let why = format!("it encrypts {}, which stay; destroy again once they are gone", needed.join(", "));
                return Ok(Some(Left { what: format!("key {}", current.physical), why }));
            }
            let request =
                cx.cloud.kms.schedule_key_deletion().key_id(&current.physical).pending_window_in_days(PENDING_DAYS);
            let answer = cx.cloud.call(Service::Kms, "ScheduleKeyDeletion", request.send()).await;
            let Some(answer) = found(answer, NOT_FOUND)? else { return Ok(None) };
            let until = answer.deletion_date.map(|date| date.secs());
            Ok(Some(Left { what: format!("key {}", current.physical), why: pending(until) }))
        })
    }
}

/// What is said of a key that is going.
fn pending(until: Option<i64>) -> String {
    let date = until.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let date = date.map_or_else(|| "a date that KMS didn't name".to_owned(), |date| date.strftime("%F").to_string());
    format!("pending deletion until {date}; applying the estate again calls it back")
}

fn attributes(key: &KeyMetadata) -> Attributes {
    let arn = key.arn.clone().unwrap_or_default();
    Attributes::from([("id".to_owned(), key.key_id.clone()), ("arn".to_owned(), arn)])
}

async fn read_if_ours(
    cloud: &Cloud,
    scope: &Scope,
    id: String,
    named: Option<&Target>,
) -> Result<Option<Observed>, KindError> {
    let pages = cloud.kms.list_resource_tags().key_id(&id).into_paginator();
    let listed = cloud.call(Service::Kms, "ListResourceTags", pages.items().send().try_collect()).await;
    let listed = match listed {
        Ok(tags) => tags,
        // A key whose tags its own policy hides isn't ours, whose policy shows them; one may also just have gone.
        Err(error) if error.is(&["AccessDeniedException", "NotFoundException"]) => {
            tracing::debug!(key = id, code = error.code(), "not looked at");
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let tags: BTreeMap<_, _> = listed.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect();
    let Some(own) = scope.own_id(&tags) else { return Ok(None) };

    let key = match named {
        Some(Target::Key(key)) if key.key_id == id => Some((**key).clone()),
        _ => cloud.call(Service::Kms, "DescribeKey", cloud.kms.describe_key().key_id(&id).send()).await?.key_metadata,
    };
    let Some(key) = key.filter(|key| key.key_manager != Some(KeyManagerType::Aws)) else { return Ok(None) };
    let policy = cloud.kms.get_key_policy().key_id(&id).policy_name(POLICY).send();
    let policy = cloud.call(Service::Kms, "GetKeyPolicy", policy).await?.policy.unwrap_or_default();
    let going = key.key_state == Some(KeyState::PendingDeletion);
    // KMS tells the rotation of a key that is pending deletion only in some regions' answers, and it stops anyway.
    let rotation = !going && {
        let request = cloud.kms.get_key_rotation_status().key_id(&id).send();
        cloud.call(Service::Kms, "GetKeyRotationStatus", request).await?.key_rotation_enabled
    };
    let found = Key {
        description: key.description.clone().unwrap_or_default(),
        enabled: key.enabled,
        rotation,
        policy: json("the policy", &id, &policy)?,
    };
    let properties = properties(&own, &found)?;
    let mut observed = Observed::new(Kind::Key, own, &id, properties).created_at(key.creation_date);
    observed.attributes = attributes(&key);
    observed.name = tags.get("Name").cloned().unwrap_or_else(|| id.clone());
    observed.tags = tags;
    observed.state = going.then(|| pending(key.deletion_date.map(|date| date.secs())));
    Ok(Some(observed))
}

/// Tags as KMS takes them.
fn write_tags(tags: &BTreeMap<String, String>) -> Result<Vec<Tag>, KindError> {
    tags.iter()
        .map(|(key, value)| {
            let tag = Tag::builder().tag_key(key).tag_value(value).build();
            tag.map_err(|_| CloudError::incomplete(Service::Kms, "TagResource", "tag's key").into())
        })
        .collect()
}

async fn change(cloud: &Cloud, wanted: &Wanted<'_>, current: &Observed) -> Result<Attributes, KindError> {
    let (new, old): (Key, Key) = (wanted.parse()?, current.parse()?);
    let (kms, id) = (&cloud.kms, &current.physical);
    // Nothing else can be changed while a deletion is pending, and what was pending comes back disabled.
    if current.state.is_some() {
        cloud.call(Service::Kms, "CancelKeyDeletion", kms.cancel_key_deletion().key_id(id).send()).await?;
    }
    if new.enabled && !old.enabled {
        cloud.call(Service::Kms, "EnableKey", kms.enable_key().key_id(id).send()).await?;
    }
    if new.description != old.description {
        let request = kms.update_key_description().key_id(id).description(&new.description).send();
        cloud.call(Service::Kms, "UpdateKeyDescription", request).await?;
    }
    if new.policy != old.policy {
        let request = kms.put_key_policy().key_id(id).policy_name(POLICY).policy(new.policy.to_string()).send();
        cloud.call(Service::Kms, "PutKeyPolicy", request).await?;
    }
    if new.rotation && !old.rotation {
        enable_rotation(cloud, id).await?;
    }
    if !wanted.is_tagged(current) {
        let request = kms.tag_resource().key_id(id).set_tags(Some(write_tags(&wanted.resource.tags)?)).send();
        cloud.call(Service::Kms, "TagResource", request).await?;
    }
    Ok(current.attributes.clone())
}

/// Rotation is only ever switched on: nothing that Holdfast wants has it off, and the key's policy lets nobody do that.
async fn enable_rotation(cloud: &Cloud, id: &str) -> Result<(), KindError> {
    let request = cloud.kms.enable_key_rotation().key_id(id);
    cloud.patiently(SOON, NOT_FOUND, || cloud.call(Service::Kms, "EnableKeyRotation", request.clone().send())).await?;
    Ok(())
}

/// Volumes, snapshots and vaults that stay, and would be lost with their key.
async fn needed_by(cloud: &Cloud, scope: &Scope, key: &Observed) -> Result<Vec<String>, KindError> {
    let arn = key.attributes.get("arn").map(String::as_str);
    let volumes = cloud.ec2.describe_volumes().filters(of_estate(scope)).max_results(500).into_paginator();
    let volumes: Vec<_> = cloud.call(Service::Ec2, "DescribeVolumes", volumes.items().send().try_collect()).await?;
    let snapshots =
        cloud.ec2.describe_snapshots().owner_ids("self").filters(of_estate(scope)).max_results(500).into_paginator();
    let snapshots: Vec<_> =
        cloud.call(Service::Ec2, "DescribeSnapshots", snapshots.items().send().try_collect()).await?;
    let kept: Vec<String> = volumes
        .into_iter()
        .filter(|volume| volume.kms_key_id.as_deref() == arn)
        // A volume that goes with its instance is shown for some seconds more.
        .filter(|volume| volume.state != Some(aws_sdk_ec2::types::VolumeState::Deleting))
        .filter_map(|volume| volume.volume_id)
        .chain(snapshots.into_iter().filter(|one| one.kms_key_id.as_deref() == arn).filter_map(|one| one.snapshot_id))
        .chain(backup_vault::under_key(cloud, arn).await?)
        .collect();
    Ok(kept)
}
