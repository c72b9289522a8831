//! Log groups of CloudWatch Logs: encrypted with the estate's key, kept for as long as the spec says.
//!
//! Groups can't be listed by tag, so they are found by the estate's prefix, and theirs are those that its tags say.
//! They go with their estate; what shall outlast it is exported before (CloudWatch Logs User Guide, "Exporting log data
//! to Amazon S3"). The key is scheduled for deletion only after them, so no log is left that nobody can read.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_cloudwatchlogs::types::LogGroup as Group;
use serde::{Deserialize, Serialize};

use super::{
    Attributes, Call, Context, Deleted, Discovered, KindError, Made, Observed, Operations, Practice, SOON, Wanted,
    When, deleted, properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Link, Scope};

/// A log group's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogGroup<L = Link> {
    /// The ARN of the key that encrypts it.
    pub key: L,
    /// After how many days an event is deleted; 0 keeps all for ever.
    pub retention_days: i32,
}

pub(super) struct LogGroups;

const GONE: &[&str] = &["ResourceNotFoundException"];
const EXISTS: &[&str] = &["ResourceAlreadyExistsException"];
/// A key that was just made or just given its policy isn't usable everywhere yet; Logs has no code of its own for it.
const KEY_NOT_YET: &str = "InvalidParameterException.KmsKey";
/// Another call for the same group is under way, or its key isn't usable yet.
const BUSY: &[&str] = &["OperationAbortedException", KEY_NOT_YET];

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "logs:DescribeLogGroups", resources: &["*"] },
    Call { when: When::Discover, action: "logs:ListTagsForResource", resources: &[OWN] },
    Call { when: When::Create, action: "logs:CreateLogGroup", resources: &[OWN] },
    Call { when: When::Create, action: "logs:TagResource", resources: &[OWN] },
    Call { when: When::Create, action: "logs:PutRetentionPolicy", resources: &[OWN] },
    Call { when: When::Change, action: "logs:AssociateKmsKey", resources: &[OWN] },
    Call { when: When::Change, action: "logs:PutRetentionPolicy", resources: &[OWN] },
    Call { when: When::Change, action: "logs:TagResource", resources: &[OWN] },
    Call { when: When::Delete, action: "logs:DeleteLogGroup", resources: &[OWN] },
];
const OWN: &str = "arn:aws:logs:{region}:{account}:log-group:/holdfast/{estate}/*";

impl Operations for LogGroups {
    fn practice(&self) -> Practice {
        Practice {
            what: "Where the network's flow logs are kept",
            why: "Encrypted with the estate's own key, and kept for as long as an incident may take to be noticed",
            source: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[("filters and subscriptions", "others may read along"), ("class and index policies", "left as Logs has them")]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        &[Kind::FlowLog]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let request = cloud.logs.describe_log_groups().log_group_name_prefix(scope.log_group_name(""));
            let pages = request.limit(50).into_paginator().items().send().try_collect();
            let groups: Vec<_> = cloud.call(Service::Logs, "DescribeLogGroups", pages).await?;
            let mut all = Vec::new();
            for group in groups {
                all.extend(read(cloud, scope, group).await?);
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let group: LogGroup<String> = wanted.parse()?;
            let name = &wanted.resource.name;
            let request = cx
                .cloud
                .logs
                .create_log_group()
                .log_group_name(name)
                .kms_key_id(&group.key)
                .set_tags(Some(write_tags(&wanted.resource.tags)));
            let call = async || {
                cx.cloud.call(Service::Logs, "CreateLogGroup", request.clone().send()).await.map_err(key_not_yet)
            };
            found(cx.cloud.patiently(SOON, BUSY, call).await, EXISTS)?;
            // Read back under either answer: a name that is taken may be another's.
            let made = read_made(cx, name).await?;
            change(cx.cloud, wanted, &made).await
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(change(cx.cloud, wanted, current))
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let request = cx.cloud.logs.delete_log_group().log_group_name(&current.physical);
            let call = || cx.cloud.call(Service::Logs, "DeleteLogGroup", request.clone().send());
            deleted(cx.cloud.patiently(SOON, BUSY, call).await, GONE)
        })
    }
}

/// The group, if it is the estate's.
async fn read(cloud: &Cloud, scope: &Scope, group: Group) -> Result<Option<Observed>, KindError> {
    let (Some(name), Some(arn)) = (group.log_group_name, group.log_group_arn.or(group.arn)) else { return Ok(None) };
    // Calls about tags and policies take the ARN without the wildcard for its streams.
    let arn = arn.trim_end_matches(":*").to_owned();
    let request = cloud.logs.list_tags_for_resource().resource_arn(&arn).send();
    let answer = found(cloud.call(Service::Logs, "ListTagsForResource", request).await, GONE)?;
    let Some(answer) = answer else { return Ok(None) };
    let tags: BTreeMap<_, _> = answer.tags.unwrap_or_default().into_iter().collect();
    let Some(id) = scope.own_id(&tags) else { return Ok(None) };
    let retention_days = group.retention_in_days.unwrap_or(0);
    let properties = properties(&id, &LogGroup { key: group.kms_key_id.unwrap_or_default(), retention_days })?;
    let mut observed = Observed::new(Kind::LogGroup, id, &name, properties).attribute("arn", arn);
    observed.created = group.creation_time.map(|milliseconds| milliseconds / 1000);
    observed.tags = tags;
    Ok(Some(observed))
}

/// Reads a group that was just made.
async fn read_made(cx: &Context<'_>, name: &str) -> Result<Observed, KindError> {
    const OPERATION: &str = "DescribeLogGroups";
    let look = || async {
        let request = cx.cloud.logs.describe_log_groups().log_group_name_prefix(name).send();
        let groups = cx.cloud.call(Service::Logs, OPERATION, request).await?.log_groups.unwrap_or_default();
        let own = groups.into_iter().find(|group| group.log_group_name.as_deref() == Some(name));
        own.ok_or_else(|| CloudError::coded(Service::Logs, OPERATION, "ResourceNotFoundException", name))
    };
    let group = cx.cloud.patiently(SOON, GONE, look).await?;
    read(cx.cloud, cx.scope, group).await?.ok_or_else(|| KindError::foreign(Kind::LogGroup, name, cx.scope))
}

async fn change(cloud: &Cloud, wanted: &Wanted<'_>, current: &Observed) -> Result<Attributes, KindError> {
    let (new, old): (LogGroup<String>, LogGroup<String>) = (wanted.parse()?, current.parse()?);
    let (logs, name) = (&cloud.logs, &current.physical);
    if new.key != old.key {
        let request = logs.associate_kms_key().log_group_name(name).kms_key_id(&new.key);
        let call =
            async || cloud.call(Service::Logs, "AssociateKmsKey", request.clone().send()).await.map_err(key_not_yet);
        cloud.patiently(SOON, BUSY, call).await?;
    }
    if new.retention_days != old.retention_days {
        let request = logs.put_retention_policy().log_group_name(name).retention_in_days(new.retention_days);
        let call = || cloud.call(Service::Logs, "PutRetentionPolicy", request.clone().send());
        cloud.patiently(SOON, BUSY, call).await?;
    }
    if !wanted.is_tagged(current) {
        let arn = current.attributes.get("arn").cloned().unwrap_or_default();
        let request = logs.tag_resource().resource_arn(arn).set_tags(Some(write_tags(&wanted.resource.tags))).send();
        cloud.call(Service::Logs, "TagResource", request).await?;
    }
    Ok(current.attributes.clone())
}

/// Tells a key that isn't usable yet from other parameters that aren't right.
fn key_not_yet(error: CloudError) -> CloudError {
    let key = error.is(&["InvalidParameterException"]) && error.message().contains("KMS");
    if key { error.with_code(KEY_NOT_YET) } else { error }
}

/// Tags as Logs takes them.
fn write_tags(tags: &BTreeMap<String, String>) -> HashMap<String, String> {
    tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}
