//! IAM roles, with their policies.
//!
//! Roles are found by their path, which has region and estate in it, so also those that the spec no longer names. Who
//! widens a role's rights behind Holdfast's back (a changed, an added or an attached policy) is found: all of a role's
//! policies are compared. They come in pages of whole roles, each with all its policies, instead of some calls for each.

use std::collections::BTreeMap;

use aws_sdk_iam::error::SdkError;
use aws_sdk_iam::operation::get_account_authorization_details::GetAccountAuthorizationDetailsError;
use aws_sdk_iam::types::{EntityType, RoleDetail, Tag};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attributes, Call, Context, Deleted, Discovered, KindError, Made, Observed, Operations, Practice, SOON, Wanted,
    When, deleted, json, properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Scope};

pub(super) const NOT_FOUND: &[&str] = &["NoSuchEntity", "NoSuchEntityException"];
pub(super) const EXISTS: &[&str] = &["EntityAlreadyExists", "EntityAlreadyExistsException"];
/// Most results of a page; IAM's default is 100.
const PAGE: i32 = 1000;

/// A role's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// What it is for.
    pub description: String,
    /// Who may assume it.
    pub trust: Value,
    /// Its inline policies, by name.
    pub policies: BTreeMap<String, Value>,
    /// The ARNs of managed policies attached to it.
    pub attached: Vec<String>,
}

pub(super) struct Roles;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "iam:ListRoles", resources: &["*"] },
    Call { when: When::Discover, action: "iam:GetAccountAuthorizationDetails", resources: &["*"] },
    Call { when: When::Create, action: "iam:CreateRole", resources: &["*"] },
    Call { when: When::Create, action: "iam:GetRole", resources: &["*"] },
    Call { when: When::Create, action: "iam:TagRole", resources: &["*"] },
    Call { when: When::Create, action: "iam:PutRolePolicy", resources: &["*"] },
    Call { when: When::Create, action: "iam:AttachRolePolicy", resources: &["*"] },
    Call { when: When::Change, action: "iam:UpdateRole", resources: &["*"] },
    Call { when: When::Change, action: "iam:UpdateAssumeRolePolicy", resources: &["*"] },
    Call { when: When::Change, action: "iam:PutRolePolicy", resources: &["*"] },
    Call { when: When::Change, action: "iam:DeleteRolePolicy", resources: &["*"] },
    Call { when: When::Change, action: "iam:AttachRolePolicy", resources: &["*"] },
    Call { when: When::Change, action: "iam:DetachRolePolicy", resources: &["*"] },
    Call { when: When::Change, action: "iam:TagRole", resources: &["*"] },
    Call { when: When::Delete, action: "iam:DeleteRolePolicy", resources: &["*"] },
    Call { when: When::Delete, action: "iam:DetachRolePolicy", resources: &["*"] },
    Call { when: When::Delete, action: "iam:DeleteRole", resources: &["*"] },
];

impl Operations for Roles {
    fn practice(&self) -> Practice {
        Practice {
            what: "What a group's hosts may do in AWS",
            why: "Least privilege: a role for each purpose, with its own trail, parameters and nothing else",
            source: "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("permissions boundary", "it can only narrow what the role may do"),
            ("longest session", "EC2 renews a host's credentials by itself"),
        ]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        &[Kind::InstanceProfile, Kind::BackupPlan]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let (descriptions, details) = tokio::try_join!(descriptions(cloud, scope), details(cloud, scope))?;
            let mut all = Vec::new();
            for detail in details {
                // What one answer has and the other hasn't was made or deleted between them.
                let Some(description) = detail.role_name.as_ref().and_then(|name| descriptions.get(name)) else {
                    continue;
                };
                all.extend(read(scope, detail, description.clone())?);
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let role: Role = wanted.parse()?;
            let name = &wanted.resource.name;
            let request = cx
                .cloud
                .iam
                .create_role()
                .role_name(name)
                .path(cx.scope.iam_path())
                .description(&role.description)
                .assume_role_policy_document(role.trust.to_string())
                .set_tags(Some(write_tags(&wanted.resource.tags)?));
            found(cx.cloud.call(Service::Iam, "CreateRole", request.send()).await, EXISTS)?;
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
            let (iam, name) = (&cx.cloud.iam, &current.name);
            let role: Role = current.parse()?;
            for policy in role.policies.keys() {
                delete_policy(cx.cloud, name, policy).await?;
            }
            for arn in &role.attached {
                detach(cx.cloud, name, arn).await?;
            }
            let request = iam.delete_role().role_name(name);
            let call = || cx.cloud.call(Service::Iam, "DeleteRole", request.clone().send());
            deleted(cx.cloud.patiently(SOON, &["DeleteConflict"], call).await, NOT_FOUND)
        })
    }
}

/// Reads a role that was just made, which IAM shows some seconds late. One that a crashed run made may have policies
/// already, which are set again.
async fn read_made(cx: &Context<'_>, name: &str) -> Result<Observed, KindError> {
    let there = || cx.cloud.call(Service::Iam, "GetRole", cx.cloud.iam.get_role().role_name(name).send());
    let role = cx.cloud.patiently(SOON, NOT_FOUND, there).await?.role;
    let role = role.ok_or_else(|| CloudError::incomplete(Service::Iam, "GetRole", "role"))?;
    let detail = RoleDetail::builder()
        .role_name(role.role_name)
        .path(role.path)
        .arn(role.arn)
        .set_assume_role_policy_document(role.assume_role_policy_document)
        .set_tags(role.tags)
        .build();
    read(cx.scope, detail, role.description.unwrap_or_default())?
        .ok_or_else(|| KindError::foreign(Kind::Role, name, cx.scope))
}

/// The descriptions of the roles below the estate's path, by name.
async fn descriptions(cloud: &Cloud, scope: &Scope) -> Result<BTreeMap<String, String>, CloudError> {
    let pages = cloud.iam.list_roles().path_prefix(scope.iam_path()).max_items(PAGE).into_paginator();
    let roles: Vec<_> = cloud.call(Service::Iam, "ListRoles", pages.items().send().try_collect()).await?;
    Ok(roles.into_iter().map(|role| (role.role_name, role.description.unwrap_or_default())).collect())
}

/// All else of them. The call knows no path, so all roles of the account pass by, a page at a time.
async fn details(cloud: &Cloud, scope: &Scope) -> Result<Vec<RoleDetail>, CloudError> {
    let request = cloud.iam.get_account_authorization_details().filter(EntityType::Role).max_items(PAGE);
    let mut pages = request.into_paginator().send();
    let path = scope.iam_path();
    let ours = async {
        let mut ours = Vec::new();
        while let Some(page) = pages.try_next().await? {
            let roles = page.role_detail_list.unwrap_or_default().into_iter();
            ours.extend(roles.filter(|role| role.path.as_deref() == Some(path.as_str())));
        }
        Ok::<_, SdkError<GetAccountAuthorizationDetailsError>>(ours)
    };
    cloud.call(Service::Iam, "GetAccountAuthorizationDetails", ours).await
}

/// Tags as IAM takes them.
pub(super) fn write_tags(tags: &BTreeMap<String, String>) -> Result<Vec<Tag>, KindError> {
    tags.iter()
        .map(|(key, value)| {
            let tag = Tag::builder().key(key).value(value).build();
            tag.map_err(|_| CloudError::incomplete(Service::Iam, "TagRole", "tag's key").into())
        })
        .collect()
}

/// Tags as IAM gives them.
pub(super) fn read_tags(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// A role, if it is the estate's.
fn read(scope: &Scope, role: RoleDetail, description: String) -> Result<Option<Observed>, KindError> {
    let tags = read_tags(role.tags);
    let (Some(name), Some(arn)) = (role.role_name, role.arn) else { return Ok(None) };
    let is_ours = role.path.as_deref() == Some(scope.iam_path().as_str());
    let Some(id) = scope.own_id(&tags).filter(|_| is_ours) else { return Ok(None) };

    let mut policies = BTreeMap::new();
    for policy in role.role_policy_list.unwrap_or_default() {
        let document = decode(&name, policy.policy_document.as_deref().unwrap_or_default())?;
        policies.insert(policy.policy_name.unwrap_or_default(), document);
    }
    let attached = role.attached_managed_policies.unwrap_or_default();
    let mut attached: Vec<_> = attached.into_iter().filter_map(|policy| policy.policy_arn).collect();
    attached.sort_unstable();

    let trust = decode(&name, role.assume_role_policy_document.as_deref().unwrap_or_default())?;
    let found = Role { description, trust, policies, attached };
    let mut observed = Observed::new(Kind::Role, id.clone(), &name, properties(&id, &found)?).attribute("arn", arn);
    observed.tags = tags;
    Ok(Some(observed))
}

/// IAM gives documents back with URL encoding (RFC 3986).
fn decode(role: &str, document: &str) -> Result<Value, KindError> {
    let text = percent_encoding::percent_decode_str(document).decode_utf8_lossy();
    json("a policy", role, &text)
}

async fn change(cloud: &Cloud, wanted: &Wanted<'_>, current: &Observed) -> Result<Attributes, KindError> {
    let (new, old): (Role, Role) = (wanted.parse()?, current.parse()?);
    let (iam, name) = (&cloud.iam, &current.name);
    if new.description != old.description {
        let request = iam.update_role().role_name(name).description(&new.description).send();
        cloud.call(Service::Iam, "UpdateRole", request).await?;
    }
    if new.trust != old.trust {
        let request = iam.update_assume_role_policy().role_name(name).policy_document(new.trust.to_string()).send();
        cloud.call(Service::Iam, "UpdateAssumeRolePolicy", request).await?;
    }
    for (policy, document) in
        new.policies.iter().filter(|(policy, document)| old.policies.get(*policy) != Some(*document))
    {
        let request = iam.put_role_policy().role_name(name).policy_name(policy).policy_document(document.to_string());
        let call = || cloud.call(Service::Iam, "PutRolePolicy", request.clone().send());
        cloud.patiently(SOON, NOT_FOUND, call).await?;
    }
    for policy in old.policies.keys().filter(|policy| !new.policies.contains_key(*policy)) {
        delete_policy(cloud, name, policy).await?;
    }
    for arn in old.attached.iter().filter(|arn| !new.attached.contains(arn)) {
        detach(cloud, name, arn).await?;
    }
    for arn in new.attached.iter().filter(|arn| !old.attached.contains(arn)) {
        let request = iam.attach_role_policy().role_name(name).policy_arn(arn).send();
        cloud.call(Service::Iam, "AttachRolePolicy", request).await?;
    }
    if !wanted.is_tagged(current) {
        let request = iam.tag_role().role_name(name).set_tags(Some(write_tags(&wanted.resource.tags)?)).send();
        cloud.call(Service::Iam, "TagRole", request).await?;
    }
    Ok(current.attributes.clone())
}

async fn delete_policy(cloud: &Cloud, role: &str, policy: &str) -> Result<(), KindError> {
    let request = cloud.iam.delete_role_policy().role_name(role).policy_name(policy).send();
    found(cloud.call(Service::Iam, "DeleteRolePolicy", request).await, NOT_FOUND)?;
    Ok(())
}

async fn detach(cloud: &Cloud, role: &str, arn: &str) -> Result<(), KindError> {
    let request = cloud.iam.detach_role_policy().role_name(role).policy_arn(arn).send();
    found(cloud.call(Service::Iam, "DetachRolePolicy", request).await, NOT_FOUND)?;
    Ok(())
}
