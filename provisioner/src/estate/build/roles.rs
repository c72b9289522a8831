//! Roles: what machines may do in AWS.

use holdfast_policies::{self as policies, TrailWriter};

use super::{BASTION, BuildError, Builder, Draft, HOSTS, id, policy};
use crate::estate::{Kind, Ref};
use crate::kind::instance_profile::InstanceProfile;
use crate::kind::role::Role;

impl Builder<'_> {
    pub(super) fn roles(&mut self) -> Result<(), BuildError> {
        let trail = self.trail()?;
        let rights = |policy: fn(&TrailWriter) -> policies::Policy| -> Result<_, BuildError> {
            let policies = trail.as_ref().map(|writer| self::policy(&policy(writer))).transpose()?;
            Ok(policies.into_iter().map(|policy| ("trail".to_owned(), policy)).collect())
        };
        for (part, policies, description) in [
            (BASTION, rights(policies::bastion_role)?, "What the bastion may do. Write its own audit records"),
            (HOSTS, rights(policies::host_role)?, "What hosts may do. Write their own audit records"),
        ] {
            let role = Role {
                description: description.to_owned(),
                trust: policy(&policies::host_trust())?,
                policies,
                attached: Vec::new(),
            };
            let (of, name) = (id(Kind::Role, part), self.scope.global_name(part));
            let draft = Draft { id: of.clone(), kind: Kind::Role, name: name.clone(), description, properties: role };
            self.add(draft, &[])?;
            let profile = InstanceProfile { role: Ref::id(&of) };
            let id = id(Kind::InstanceProfile, part);
            self.add(Draft { id, kind: Kind::InstanceProfile, name, description, properties: profile }, &[])?;
        }
        Ok(())
    }
}
