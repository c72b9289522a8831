//! Instance profiles, by which an instance has its role.

use aws_sdk_iam::types::InstanceProfile as Profile;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::role::{EXISTS, NOT_FOUND, read_tags, write_tags};
use super::{
    Attributes, Call, Context, Deleted, Discovered, KindError, Made, Observed, Operations, Practice, SOON, Wanted,
    When, deleted, properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Ref, Scope};

/// An instance profile's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceProfile<L = Ref> {
    /// The name of the only role that it may have; empty where it has none.
    pub role: L,
}

pub(super) struct InstanceProfiles;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "iam:ListInstanceProfiles", resources: &["*"] },
    Call { when: When::Discover, action: "iam:GetInstanceProfile", resources: &["*"] },
    Call { when: When::Create, action: "iam:CreateInstanceProfile", resources: &["*"] },
    Call { when: When::Create, action: "iam:TagInstanceProfile", resources: &["*"] },
    Call { when: When::Create, action: "iam:AddRoleToInstanceProfile", resources: &["*"] },
    Call { when: When::Create, action: "iam:PassRole", resources: &["*"] },
    Call { when: When::Change, action: "iam:TagInstanceProfile", resources: &["*"] },
    Call { when: When::Change, action: "iam:AddRoleToInstanceProfile", resources: &["*"] },
    Call { when: When::Change, action: "iam:RemoveRoleFromInstanceProfile", resources: &["*"] },
    Call { when: When::Change, action: "iam:PassRole", resources: &["*"] },
    Call { when: When::Delete, action: "iam:RemoveRoleFromInstanceProfile", resources: &["*"] },
    Call { when: When::Delete, action: "iam:DeleteInstanceProfile", resources: &["*"] },
];

impl Operations for InstanceProfiles {
    fn practice(&self) -> Practice {
        Practice {
            what: "Hands a role to instances",
            why: "Instances get short-lived credentials of a role, never keys in a file",
            source: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-ec2_instance-profiles.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn deleted_after(&self) -> &'static [Kind] {
        &[Kind::Instances]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let pages = cloud.iam.list_instance_profiles().path_prefix(scope.iam_path()).into_paginator();
            let profiles: Vec<_> =
                cloud.call(Service::Iam, "ListInstanceProfiles", pages.items().send().try_collect()).await?;
            let read =
                profiles.iter().map(async |profile| match read(cloud, scope, &profile.instance_profile_name).await {
                    // Deleted between the list and the look at it.
                    Err(KindError::Cloud(error)) if error.is(NOT_FOUND) => Ok(None),
                    read => read,
                });
            Ok(try_join_all(read).await?.into_iter().flatten().collect())
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let name = &wanted.resource.name;
            let request = cx
                .cloud
                .iam
                .create_instance_profile()
                .instance_profile_name(name)
                .path(cx.scope.iam_path())
                .set_tags(Some(write_tags(&wanted.resource.tags)?));
            found(cx.cloud.call(Service::Iam, "CreateInstanceProfile", request.send()).await, EXISTS)?;
            cx.cloud.patiently(SOON, NOT_FOUND, || get(cx.cloud, name)).await?;
            // Read back under either answer: a name that is taken may be another's.
            let made = read(cx.cloud, cx.scope, name).await?;
            let made = made.ok_or_else(|| KindError::foreign(Kind::InstanceProfile, name, cx.scope))?;
            change(cx.cloud, wanted, &made).await
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(change(cx.cloud, wanted, current))
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let profile: InstanceProfile<String> = current.parse()?;
            remove_role(cx.cloud, &current.name, &profile.role).await?;
            let request = cx.cloud.iam.delete_instance_profile().instance_profile_name(&current.name);
            let call = || cx.cloud.call(Service::Iam, "DeleteInstanceProfile", request.clone().send());
            deleted(cx.cloud.patiently(SOON, &["DeleteConflict"], call).await, NOT_FOUND)
        })
    }
}

async fn get(cloud: &Cloud, name: &str) -> Result<Option<Profile>, CloudError> {
    let request = cloud.iam.get_instance_profile().instance_profile_name(name).send();
    Ok(cloud.call(Service::Iam, "GetInstanceProfile", request).await?.instance_profile)
}

/// The profile of this name, if it is the estate's.
async fn read(cloud: &Cloud, scope: &Scope, name: &str) -> Result<Option<Observed>, KindError> {
    let Some(profile) = get(cloud, name).await? else { return Ok(None) };
    let tags = read_tags(profile.tags);
    let is_ours = profile.path == scope.iam_path();
    let Some(id) = scope.own_id(&tags).filter(|_| is_ours) else { return Ok(None) };
    let role = profile.roles.into_iter().next().map(|role| role.role_name);
    let properties = properties(&id, &InstanceProfile { role: role.unwrap_or_default() })?;
    let mut observed = Observed::new(Kind::InstanceProfile, id, name, properties).attribute("arn", profile.arn);
    observed.tags = tags;
    Ok(Some(observed))
}

async fn change(cloud: &Cloud, wanted: &Wanted<'_>, current: &Observed) -> Result<Attributes, KindError> {
    let (new, old): (InstanceProfile<String>, InstanceProfile<String>) = (wanted.parse()?, current.parse()?);
    if new.role != old.role {
        remove_role(cloud, &current.name, &old.role).await?;
        let request =
            cloud.iam.add_role_to_instance_profile().instance_profile_name(&current.name).role_name(&new.role);
        let call = || cloud.call(Service::Iam, "AddRoleToInstanceProfile", request.clone().send());
        cloud.patiently(SOON, NOT_FOUND, call).await?;
    }
    if !wanted.is_tagged(current) {
        let request = cloud
            .iam
            .tag_instance_profile()
            .instance_profile_name(&current.name)
            .set_tags(Some(write_tags(&wanted.resource.tags)?))
            .send();
        cloud.call(Service::Iam, "TagInstanceProfile", request).await?;
    }
    Ok(current.attributes.clone())
}

async fn remove_role(cloud: &Cloud, profile: &str, role: &str) -> Result<(), KindError> {
    if role.is_empty() {
        return Ok(());
    }
    let request = cloud.iam.remove_role_from_instance_profile().instance_profile_name(profile).role_name(role).send();
    found(cloud.call(Service::Iam, "RemoveRoleFromInstanceProfile", request).await, NOT_FOUND)?;
    Ok(())
}
