//! Security groups, without their rules, which refer to groups and so are resources of their own.
//!
//! The VPC's default group can't be made or deleted, so it is adopted: tagged, and its rules emptied, so that what is
//! started without a group reaches nothing and is reached by nothing.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::ResourceType;
use serde::{Deserialize, Serialize};

use super::ec2::{NOT_YET, PAGE, USED, filter, id_of, observed, of_estate, put_tags, read_tags, retag, tagged};
use super::{
    Attributes, Call, Comparison, Context, Deleted, Discovered, IN_USE, KindError, Made, Observed, Operations,
    Practice, SOON, Wanted, When, deleted, only_id, security_group_rules,
};
use crate::cloud::{Cloud, CloudError, Service};
use crate::estate::{Kind, Link, Properties, Resource, Scope};

/// The name of the group that every VPC comes with.
pub const DEFAULT: &str = "default";

/// A security group's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroup<L = Link> {
    /// The VPC that it is in.
    pub vpc: L,
    /// Its name, unique in the VPC.
    pub group_name: String,
    /// What it is for. It can't be changed, and isn't compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

pub(super) struct SecurityGroups;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeSecurityGroups", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateSecurityGroup", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DeleteSecurityGroup", resources: &["*"] },
];

impl Operations for SecurityGroups {
    fn practice(&self) -> Practice {
        Practice {
            what: "Whom machines of one purpose may talk to",
            why: "A group for each purpose; the default group allows nothing",
            source: "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[("description", "it can't be changed")]
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[("vpc", "a group stays in its VPC"), ("group_name", "a group's name can't be changed")]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        // Interfaces first, then whatever rule of another group names this one.
        &[Kind::Instances, Kind::SecurityGroupRules]
    }

    /// The groups, and with them their rules, which the same answer has.
    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let mut all = Vec::new();
            for group in describe(cloud, scope).await? {
                all.extend(security_group_rules::of(&group)?);
                let found = SecurityGroup {
                    vpc: group.vpc_id.unwrap_or_default(),
                    group_name: group.group_name.unwrap_or_default(),
                    description: None,
                };
                all.extend(observed(Kind::SecurityGroup, group.tags, group.group_id, &found)?);
            }
            Ok(all)
        })
    }

    fn compare(&self, wanted: &Resource, resolved: &Properties, observed: &Observed) -> Comparison {
        let mut compared = resolved.clone();
        compared.0.remove("description");
        crate::plan::compare(self.fixed(), wanted, &compared, observed)
    }

    fn deletable(&self, observed: &Observed) -> bool {
        observed.properties.0.get("group_name").and_then(serde_json::Value::as_str) != Some(DEFAULT)
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let group: SecurityGroup<String> = wanted.parse()?;
            if group.group_name == DEFAULT {
                return adopt(cx, wanted, &group).await;
            }
            let request = cx
                .cloud
                .ec2
                .create_security_group()
                .vpc_id(&group.vpc)
                .group_name(&group.group_name)
                .set_description(group.description.clone())
                .tag_specifications(tagged(ResourceType::SecurityGroup, &wanted.resource.tags));
            let call = || cx.cloud.call(Service::Ec2, "CreateSecurityGroup", request.clone().send());
            match cx.cloud.patiently(SOON, NOT_YET, call).await {
                Ok(made) => {
                    let id = made.group_id;
                    Ok(only_id(&id.ok_or_else(|| CloudError::incomplete(Service::Ec2, "CreateSecurityGroup", "id"))?))
                }
                // A crashed run made it, and discovery didn't see it yet; or the name is somebody else's.
                Err(error) if error.is(&["InvalidGroup.Duplicate"]) => match by_name(cx.cloud, &group).await? {
                    Some((id, tags)) if id_of(&tags).as_ref() == Some(&wanted.resource.id) => Ok(only_id(&id)),
                    _ => Err(KindError::foreign(Kind::SecurityGroup, &group.group_name, cx.scope)),
                },
                Err(error) => Err(error.into()),
            }
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(retag(cx.cloud, wanted, current))
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            if !self.deletable(current) {
                // It goes with its VPC.
                return Ok(None);
            }
            let request = cx.cloud.ec2.delete_security_group().group_id(&current.physical);
            let call = || cx.cloud.call(Service::Ec2, "DeleteSecurityGroup", request.clone().send());
            deleted(cx.cloud.patiently(IN_USE, USED, call).await, NOT_YET)
        })
    }
}

/// The estate's groups.
async fn describe(cloud: &Cloud, scope: &Scope) -> Result<Vec<aws_sdk_ec2::types::SecurityGroup>, KindError> {
    let pages = cloud.ec2.describe_security_groups().filters(of_estate(scope)).max_results(PAGE).into_paginator();
    Ok(cloud.call(Service::Ec2, "DescribeSecurityGroups", pages.items().send().try_collect()).await?)
}

async fn by_name(
    cloud: &Cloud,
    group: &SecurityGroup<String>,
) -> Result<Option<(String, BTreeMap<String, String>)>, KindError> {
    let request = cloud
        .ec2
        .describe_security_groups()
        .filters(filter("vpc-id", &group.vpc))
        .filters(filter("group-name", &group.group_name));
    let answer = cloud.call(Service::Ec2, "DescribeSecurityGroups", request.send()).await?;
    let found = answer.security_groups.unwrap_or_default().into_iter().next();
    Ok(found.and_then(|found| Some((found.group_id?, read_tags(found.tags)))))
}

async fn adopt(cx: &Context<'_>, wanted: &Wanted<'_>, group: &SecurityGroup<String>) -> Result<Attributes, KindError> {
    let default = by_name(cx.cloud, group).await?;
    let (id, _) =
        default.ok_or_else(|| CloudError::incomplete(Service::Ec2, "DescribeSecurityGroups", "default group"))?;
    put_tags(cx.cloud, std::slice::from_ref(&id), &wanted.resource.tags).await?;
    Ok(only_id(&id))
}
