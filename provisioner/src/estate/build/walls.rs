//! Security groups: who may talk to whom.

use super::{BASTION, BuildError, Builder, Draft, ENDPOINTS, EVERYWHERE, HOSTS, HTTPS, SSH, id};
use crate::estate::{Kind, Ref};
use crate::kind::security_group::{self, SecurityGroup};
use crate::kind::security_group_rules::{Peer, Rule, Rules};
use crate::spec::{Egress, Place};

/// A group: its part of the estate, what it is for, and its rules in and out.
type Wall = (&'static str, &'static str, Vec<Rule>, Vec<Rule>);

fn group(part: &str) -> Ref {
    Ref::id(&id(Kind::SecurityGroup, part))
}

impl Builder<'_> {
    pub(super) fn groups(&mut self) -> Result<(), BuildError> {
        let all = self.walls()?;
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

    /// The groups, each with what it is for and its rules in and out.
    fn walls(&self) -> Result<Vec<Wall>, BuildError> {
        let allowed = self.spec.bastion.allow.iter();
        let into_bastion =
            allowed.map(|range| Rule::tcp(SSH, Peer::Cidr(range.to_string()), "SSH from an allowed range")).collect();
        let onto_hosts = Rule::tcp(SSH, Peer::Group(group(HOSTS)), "SSH to the hosts");
        let from_bastion = Rule::tcp(SSH, Peer::Group(group(BASTION)), "SSH from the bastion");
        let to_s3 = || Rule::tcp(HTTPS, Peer::PrefixList(self.facts.s3_prefix_list.clone()), "Audit trail in S3");
        let mut of_bastion = vec![onto_hosts, to_s3()];
        let mut of_hosts = vec![to_s3()];
        let mut all = Vec::new();
        let is_made = matches!(self.spec.network.place, Place::Made { .. });
        match self.spec.network.egress {
            Egress::None => {}
            Egress::Endpoints if is_made => {
                let to_endpoints = || Rule::tcp(HTTPS, Peer::Group(group(ENDPOINTS)), "Services of AWS");
                of_bastion.push(to_endpoints());
                of_hosts.push(to_endpoints());
                let from = |part| Rule::tcp(HTTPS, Peer::Group(group(part)), "Services of AWS");
                let ingress = vec![from(BASTION), from(HOSTS)];
                all.push((ENDPOINTS, "Endpoints of services. HTTPS from bastion and hosts", ingress, vec![]));
            }
            // Endpoints that are somebody else's are somewhere in the network.
            Egress::Endpoints => {
                let network = self.facts.network.as_ref();
                let network = network.ok_or_else(|| BuildError::NotLookedUp("the network".to_owned()))?;
                let ranges = network.ranges.iter();
                of_hosts.extend(ranges.map(|range| Rule::tcp(HTTPS, Peer::Cidr(range.clone()), "Services of AWS")));
            }
            Egress::Nat => of_hosts.push(Rule::tcp(HTTPS, Peer::Cidr(EVERYWHERE.to_owned()), "HTTPS to anywhere")),
        }
        let description = "The bastion. SSH from the allowed ranges and on to the hosts";
        all.push((BASTION, description, into_bastion, of_bastion));
        all.push((HOSTS, "The hosts. SSH from the bastion only", vec![from_bastion], of_hosts));
        // The default group of a network that isn't the estate's is somebody else's.
        if is_made {
            all.push((security_group::DEFAULT, "What nobody gave a group. Reaches nothing", vec![], vec![]));
        }
        Ok(all)
    }

    fn group_name(&self, part: &str) -> String {
        if part == security_group::DEFAULT { part.to_owned() } else { self.scope.name(part) }
    }
}
