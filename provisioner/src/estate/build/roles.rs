//! Roles: what machines may do in AWS. One for each group of hosts and one for the bastion, so that who takes a host has
//! the rights of its group alone.

use std::collections::BTreeMap;

use holdfast_policies::{self as policies, Machine};
use serde_json::{Value, json};

use super::{BASTION, BuildError, Builder, Draft, id, policy};
use crate::estate::{Kind, Ref};
use crate::kind::instance_profile::InstanceProfile;
use crate::kind::role::Role;
use crate::spec::Permission;

/// IAM's limit for a role's name (IAM User Guide, "IAM and AWS STS quotas").
const ROLE_NAME: usize = 64;
/// The inline policy with what every machine of the estate may do.
const MACHINE: &str = "machine";
/// The inline policy with what the spec lets a group's hosts do beyond that.
const PERMISSIONS: &str = "permissions";

impl Builder<'_> {
    pub(super) fn roles(&mut self) -> Result<(), BuildError> {
        self.role(BASTION, "What the bastion may do", &[])?;
        for group in &self.spec.hosts {
            self.role(group.name.as_str(), &format!("What hosts of group {} may do", group.name), &group.permissions)?;
        }
        Ok(())
    }

    fn role(&mut self, group: &str, description: &str, permissions: &[Permission]) -> Result<(), BuildError> {
        let name = self.scope.global_name(group);
        if name.len() > ROLE_NAME {
            return Err(BuildError::RoleName { group: group.to_owned(), over: name.len() - ROLE_NAME, name });
        }
        let machine = Machine {
            account: self.account()?,
            region: self.region()?,
            estate: self.scope.estate.as_str().parse().map_err(BuildError::Policy)?,
            group: group.parse().map_err(BuildError::Policy)?,
            trail: self.trail()?,
        };
        let mut policies = BTreeMap::from([(MACHINE.to_owned(), policy(&policies::machine_role(&machine))?)]);
        if !permissions.is_empty() {
            policies.insert(PERMISSIONS.to_owned(), own_policy(permissions));
        }
        let size = policies.values().map(|policy| policy.to_string().len()).sum::<usize>();
        let limit = policies::Kind::Inline.limit();
        if size > limit {
            return Err(BuildError::Permissions { group: group.to_owned(), size, limit });
        }
        let role = Role {
            description: description.to_owned(),
            trust: policy(&policies::host_trust())?,
            policies,
            attached: Vec::new(),
        };
        let of = id(Kind::Role, group);
        let draft = Draft { id: of.clone(), kind: Kind::Role, name: name.clone(), description, properties: role };
        self.add(draft, &[])?;
        let profile = InstanceProfile { role: Ref::id(&of) };
        let id = id(Kind::InstanceProfile, group);
        self.add(Draft { id, kind: Kind::InstanceProfile, name, description, properties: profile }, &[])
    }
}

/// A group's own permissions as a policy: a statement each, in the spec's order.
fn own_policy(permissions: &[Permission]) -> Value {
    let statements: Vec<_> = permissions
        .iter()
        .map(|permission| json!({ "Effect": "Allow", "Action": permission.actions, "Resource": permission.resources }))
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}
