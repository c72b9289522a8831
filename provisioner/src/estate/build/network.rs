//! The network: its parts, and the ways between them. Where one that is there is used, nothing of it is made or changed.

use std::collections::BTreeMap;

use holdfast_policies::{self as policies, S3Endpoint};

use super::{BuildError, Builder, Draft, PRIVATE, PUBLIC, id, policy, vpc};
use crate::estate::{Kind, Link, Ref, ResourceId};
use crate::kind::internet_gateway::InternetGateway;
use crate::kind::route_table::RouteTable;
use crate::kind::subnet::Subnet;
use crate::kind::vpc::Vpc;
use crate::kind::vpc_endpoint::VpcEndpoint;
use crate::spec::{NetworkRange, Place};

impl Builder<'_> {
    pub(super) fn network(&mut self) -> Result<(), BuildError> {
        let Place::Made { cidr: range, .. } = &self.spec.network.place else { return Ok(()) };
        let range = *range;
        let vpc = Vpc { cidr: range.to_string(), dns_support: true, dns_hostnames: true };
        let (id, name) = (ResourceId::only(Kind::Vpc), self.scope.name("vpc"));
        let description = self.spec.description.as_str();
        self.add(Draft { id, kind: Kind::Vpc, name, description, properties: vpc }, &[])?;

        let gateway = InternetGateway { vpc: self::vpc() };
        let (id, name) = (ResourceId::only(Kind::InternetGateway), self.scope.name("internet"));
        let description = "The way of the bastion to and from the internet";
        self.add(Draft { id, kind: Kind::InternetGateway, name, description, properties: gateway }, &[])?;
        self.subnets(range)?;
        self.route_tables()
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
        let to_internet = ("0.0.0.0/0".to_owned(), Ref::id(&ResourceId::only(Kind::InternetGateway)));
        let mut tables = vec![
            ("main".to_owned(), BTreeMap::new(), vec![], "For subnets that nobody gave a table. Leads nowhere"),
            (PUBLIC.to_owned(), BTreeMap::from([to_internet]), public, "Leads to the internet"),
        ];
        for zone in &self.zones {
            let part = format!("{PRIVATE}-{}", zone.name);
            tables.push((part, BTreeMap::new(), vec![subnet(PRIVATE, &zone.name)], "Leads nowhere but to S3"));
        }
        for (part, routes, subnets, description) in tables {
            let table = RouteTable { vpc: vpc(), main: part == "main", routes, subnets };
            let (id, name) = (id(Kind::RouteTable, &part), self.scope.name(&part));
            self.add(Draft { id, kind: Kind::RouteTable, name, description, properties: table }, &[])?;
        }
        Ok(())
    }

    /// The ways to AWS's services that don't lead through the internet.
    pub(super) fn endpoints(&mut self) -> Result<(), BuildError> {
        match self.spec.network.place {
            Place::Made { .. } => self.s3_endpoint(),
            Place::Existing { .. } => Ok(()),
        }
    }

    fn s3_endpoint(&mut self) -> Result<(), BuildError> {
        let endpoint = match self.trail()? {
            Some(writer) => S3Endpoint::Trail(writer),
            None => S3Endpoint::Closed,
        };
        let tables = self.resources.iter().filter(|one| one.kind == Kind::RouteTable && one.id.name() != Some("main"));
        let endpoint = VpcEndpoint {
            vpc: vpc(),
            service: format!("com.amazonaws.{}.s3", self.scope.region),
            route_tables: tables.map(|table| Ref::id(&table.id)).collect(),
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

    /// What is there before a machine starts: its ways and its walls, complete.
    pub(super) fn ways(&self) -> Vec<ResourceId> {
        let kinds = [Kind::RouteTable, Kind::VpcEndpoint, Kind::SecurityGroupRules];
        let ways = self.resources.iter().filter(|resource| kinds.contains(&resource.kind));
        ways.map(|resource| resource.id.clone()).collect()
    }
}
