//! The network: its parts, and the ways between them. Where one that is there is used, nothing of it is made or changed:
//! how its hosts reach S3 and what else they need is its owner's to see to.

use std::collections::BTreeMap;

use holdfast_policies::{self as policies, S3Endpoint};

use super::{BASTION, BuildError, Builder, Draft, ENDPOINTS, EVERYWHERE, PRIVATE, PUBLIC, id, policy, vpc};
use crate::estate::{Kind, Link, Ref, ResourceId};
use crate::kind::address::Address;
use crate::kind::internet_gateway::InternetGateway;
use crate::kind::nat_gateway::NatGateway;
use crate::kind::network_acl::{Entry, NetworkAcl};
use crate::kind::route_table::{MAIN, RouteTable};
use crate::kind::subnet::Subnet;
use crate::kind::vpc::Vpc;
use crate::kind::vpc_endpoint::{VpcEndpoint, Way};
use crate::spec::{Egress, NetworkRange, Place};

/// The services that a private host needs: Systems Manager's three, the key, its own metadata, its role, its logs.
const SERVICES: [&str; 7] = ["ssm", "ssmmessages", "ec2messages", "kms", "ec2", "sts", "logs"];

impl Builder<'_> {
    pub(super) fn network(&mut self) -> Result<(), BuildError> {
        let Place::Made { cidr: range, .. } = &self.spec.network.place else { return Ok(()) };
        let range = *range;
        let vpc = Vpc { cidr: range.to_string(), dns_support: true, dns_hostnames: true };
        let (id, name) = (ResourceId::only(Kind::Vpc), self.scope.name("vpc"));
        let description = self.spec.description.as_str();
        self.add(Draft { id, kind: Kind::Vpc, name, description, properties: vpc }, &[])?;

        let all_pass = || vec![Entry::all_pass()];
        let acl = NetworkAcl { vpc: self::vpc(), ingress: all_pass(), egress: all_pass() };
        let (id, name) = (ResourceId::only(Kind::NetworkAcl), self.scope.name("default"));
        let description = "Lets all pass. Security groups are the walls";
        self.add(Draft { id, kind: Kind::NetworkAcl, name, description, properties: acl }, &[])?;

        let gateway = InternetGateway { vpc: self::vpc() };
        let (id, name) = (ResourceId::only(Kind::InternetGateway), self.scope.name("internet"));
        let description = "The way of the bastion to and from the internet";
        self.add(Draft { id, kind: Kind::InternetGateway, name, description, properties: gateway }, &[])?;
        self.subnets(range)?;
        if self.spec.network.egress == Egress::Nat {
            self.nat_gateways()?;
        }
        self.route_tables()
    }

    /// The bastion's address, which stays when the bastion is replaced.
    pub(super) fn bastion_address(&mut self) -> Result<(), BuildError> {
        self.address(BASTION, "Where the bastion is reached", None)
    }

    fn address(&mut self, part: &str, description: &str, vpc: Option<Ref>) -> Result<(), BuildError> {
        let (id, name) = (id(Kind::Address, part), self.scope.name(part));
        self.add(Draft { id, kind: Kind::Address, name, description, properties: Address { vpc } }, &[])
    }

    /// In each zone a gateway with an address of its own, in the public subnet.
    fn nat_gateways(&mut self) -> Result<(), BuildError> {
        for zone in self.zones.clone() {
            let part = format!("nat-{}", zone.name);
            self.address(&part, "Where traffic of hosts of one zone comes from", Some(vpc()))?;
            let gateway = NatGateway {
                vpc: vpc(),
                subnet: Ref::id(&id(Kind::Subnet, &format!("{PUBLIC}-{}", zone.name))),
                address: Ref::id(&id(Kind::Address, &part)),
            };
            let (id, name) = (id(Kind::NatGateway, &zone.name), self.scope.name(&part));
            let description = "The way of hosts of one zone to the internet";
            let draft = Draft { id, kind: Kind::NatGateway, name, description, properties: gateway };
            // AWS makes none in a VPC without a way to the internet.
            self.add(draft, &[ResourceId::only(Kind::InternetGateway)])?;
        }
        Ok(())
    }

    /// A public and a private subnet in each zone.
    fn subnets(&mut self, range: NetworkRange) -> Result<(), BuildError> {
        for zone in self.zones.clone() {
            for (part, cidr, description) in [
                (PUBLIC, range.public_subnet(zone.place), "Where the bastion is"),
                (PRIVATE, range.private_subnet(zone.place), "Where hosts are. No way from the internet"),
            ] {
                let part = format!("{part}-{}", zone.name);
                let subnet =
                    Subnet { vpc: vpc(), cidr: cidr.to_string(), zone: zone.zone.clone(), public_addresses: false };
                let (id, name) = (id(Kind::Subnet, &part), self.scope.name(&part));
                self.add(Draft { id, kind: Kind::Subnet, name, description, properties: subnet }, &[])?;
            }
        }
        Ok(())
    }

    /// One table for all public subnets, and one for each private subnet, whose way out is in its own zone.
    fn route_tables(&mut self) -> Result<(), BuildError> {
        let subnet = |part: &str, zone: &str| Ref::id(&id(Kind::Subnet, &format!("{part}-{zone}")));
        let public = self.zones.iter().map(|zone| subnet(PUBLIC, &zone.name)).collect();
        let to_internet = (EVERYWHERE.to_owned(), Ref::id(&ResourceId::only(Kind::InternetGateway)));
        let mut tables = vec![
            (MAIN.to_owned(), BTreeMap::new(), vec![], "For subnets that nobody gave a table. Leads nowhere"),
            (PUBLIC.to_owned(), BTreeMap::from([to_internet]), public, "Leads to the internet"),
        ];
        for zone in &self.zones {
            let to_nat = (EVERYWHERE.to_owned(), Ref::id(&id(Kind::NatGateway, &zone.name)));
            let (routes, description) = match self.spec.network.egress {
                Egress::Nat => (BTreeMap::from([to_nat]), "Leads to the internet and not back"),
                Egress::None | Egress::Endpoints => (BTreeMap::new(), "Leads nowhere but to S3"),
            };
            tables.push((format!("{PRIVATE}-{}", zone.name), routes, vec![subnet(PRIVATE, &zone.name)], description));
        }
        for (part, routes, subnets, description) in tables {
            let table = RouteTable { vpc: vpc(), main: part == MAIN, routes, subnets };
            let (id, name) = (id(Kind::RouteTable, &part), self.scope.name(&part));
            self.add(Draft { id, kind: Kind::RouteTable, name, description, properties: table }, &[])?;
        }
        Ok(())
    }

    /// The ways to AWS's services that don't lead through the internet.
    pub(super) fn endpoints(&mut self) -> Result<(), BuildError> {
        if self.zones.is_empty() {
            return Ok(());
        }
        self.s3_endpoint()?;
        if self.spec.network.egress == Egress::Endpoints {
            for service in SERVICES {
                self.service_endpoint(service)?;
            }
        }
        Ok(())
    }

    /// A service's addresses in every private subnet, under the name that it has everywhere.
    fn service_endpoint(&mut self, service: &str) -> Result<(), BuildError> {
        let subnets = self.zones.iter().map(|zone| Ref::id(&id(Kind::Subnet, &format!("{PRIVATE}-{}", zone.name))));
        let endpoint = VpcEndpoint {
            vpc: vpc(),
            service: format!("com.amazonaws.{}.{service}", self.scope.region),
            way: Way::Interface,
            route_tables: Vec::new(),
            subnets: subnets.collect(),
            groups: vec![Ref::id(&id(Kind::SecurityGroup, ENDPOINTS))],
            private_dns: Some(true),
            policy: policy(&policies::service_endpoint(&self.account()?))?,
        };
        let (id, name) = (id(Kind::VpcEndpoint, service), self.scope.name(service));
        let description = "The way of bastion and hosts to one service of AWS";
        self.add(Draft { id, kind: Kind::VpcEndpoint, name, description, properties: endpoint }, &[])
    }

    fn s3_endpoint(&mut self) -> Result<(), BuildError> {
        let endpoint = match self.trail()? {
            Some(writer) => S3Endpoint::Trail(writer),
            None => S3Endpoint::Closed,
        };
        let tables = self.resources.iter().filter(|one| one.kind == Kind::RouteTable && one.id.name() != Some(MAIN));
        let endpoint = VpcEndpoint {
            vpc: vpc(),
            service: format!("com.amazonaws.{}.s3", self.scope.region),
            way: Way::Gateway,
            route_tables: tables.map(|table| Ref::id(&table.id)).collect(),
            subnets: Vec::new(),
            groups: Vec::new(),
            private_dns: None,
            policy: policy(&policies::s3_endpoint(&endpoint))?,
        };
        let (id, name) = (id(Kind::VpcEndpoint, "s3"), self.scope.name("s3"));
        let description = "The way of bastion and hosts to the audit trail";
        self.add(Draft { id, kind: Kind::VpcEndpoint, name, description, properties: endpoint }, &[])
    }

    /// The VPC that the estate is in.
    pub(super) fn in_vpc(&self) -> Link {
        match &self.spec.network.place {
            Place::Made { .. } => vpc().into(),
            Place::Existing { vpc, .. } => Link::Is(vpc.to_string()),
        }
    }

    /// The ids of the subnets for the bastion ([`PUBLIC`]) or for hosts ([`PRIVATE`]): at least one. In a network that is
    /// made, one for each zone in an order that a zone more doesn't change.
    pub(super) fn subnets_of(&self, part: &str) -> Result<Vec<Link>, BuildError> {
        let Place::Existing { vpc, .. } = &self.spec.network.place else {
            let of = |zone: &super::ZonePlace| Ref::id(&id(Kind::Subnet, &format!("{part}-{}", zone.name))).into();
            return Ok(self.zones.iter().map(of).collect());
        };
        let network = self.facts.network.as_ref().ok_or_else(|| BuildError::NotLookedUp(vpc.to_string()))?;
        let subnets = if part == PUBLIC { &network.public } else { &network.private };
        Ok(subnets.iter().map(|one| Link::Is(one.id.clone())).collect())
    }

    /// What is there before a machine starts: its ways and its walls, complete, and the record of who uses them.
    pub(super) fn ways(&self) -> Vec<ResourceId> {
        let kinds = [Kind::NetworkAcl, Kind::RouteTable, Kind::VpcEndpoint, Kind::SecurityGroupRules, Kind::FlowLog];
        let ways = self.resources.iter().filter(|resource| kinds.contains(&resource.kind));
        ways.map(|resource| resource.id.clone()).collect()
    }
}
