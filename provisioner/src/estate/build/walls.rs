//! Security groups: who may talk to whom.

use super::{BASTION, BuildError, Builder, Draft, HOSTS, HTTPS, SSH, id};
use crate::estate::{Kind, Ref};
use crate::kind::security_group::{self, SecurityGroup};
use crate::kind::security_group_rules::{Peer, Rule, Rules};
use crate::spec::Place;

impl Builder<'_> {
    pub(super) fn groups(&mut self) -> Result<(), BuildError> {
        let group = |name| Ref::id(&id(Kind::SecurityGroup, name));
        let to_s3 = || Rule::tcp(HTTPS, Peer::PrefixList(self.facts.s3_prefix_list.clone()), "Audit trail in S3");
        let allowed = self.spec.bastion.allow.iter();
        let into_bastion =
            allowed.map(|range| Rule::tcp(SSH, Peer::Cidr(range.to_string()), "SSH from an allowed range")).collect();
        let onto_hosts = Rule::tcp(SSH, Peer::Group(group(HOSTS)), "SSH to the hosts");
        let from_bastion = Rule::tcp(SSH, Peer::Group(group(BASTION)), "SSH from the bastion");
        let mut all = vec![
            (
                BASTION,
                "The bastion. SSH from the allowed ranges and on to the hosts",
                into_bastion,
                vec![onto_hosts, to_s3()],
            ),
            (HOSTS, "The hosts. SSH from the bastion only", vec![from_bastion], vec![to_s3()]),
        ];
        // The default group of a network that isn't the estate's is somebody else's.
        if matches!(self.spec.network.place, Place::Made { .. }) {
            all.push((security_group::DEFAULT, "What nobody gave a group. Reaches nothing", vec![], vec![]));
        }
        // All groups before any rules, which name groups.
        for (part, description, ..) in &all {
            let name = self.group_name(part);
            let (vpc, description) = (self.in_vpc(), *description);
            let group = SecurityGroup { vpc, group_name: name.clone(), description: Some(description.to_owned()) };
            let id = id(Kind::SecurityGroup, part);
            self.add(Draft { id, kind: Kind::SecurityGroup, name, description, properties: group }, &[])?;
        }
        for (part, _, ingress, egress) in all {
            let rules = Rules { group: group(part), ingress, egress };
            let (id, name) = (id(Kind::SecurityGroupRules, part), self.group_name(part));
            self.add(Draft { id, kind: Kind::SecurityGroupRules, name, description: "", properties: rules }, &[])?;
        }
        Ok(())
    }

    fn group_name(&self, part: &str) -> String {
        if part == security_group::DEFAULT { part.to_owned() } else { self.scope.name(part) }
    }
}
