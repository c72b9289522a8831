//! The network: its parts, and the ways between them.

use std::collections::BTreeMap;

use holdfast_policies::{self as policies, S3Endpoint};

use super::{BuildError, Builder, Draft, PRIVATE, PUBLIC, id, policy, vpc};
use crate::estate::{Kind, Ref, ResourceId};
use crate::kind::internet_gateway::InternetGateway;
use crate::kind::route_table::RouteTable;
use crate::kind::subnet::Subnet;
use crate::kind::vpc::Vpc;
use crate::kind::vpc_endpoint::VpcEndpoint;
use crate::spec::{Place, Zones};

impl Builder<'_> {
    pub(super) fn network(&mut self) -> Result<(), BuildError> {
        let Place::Made { cidr: range, zones } = &self.spec.network.place else { return Ok(()) };
        let range = *range;
        let zone = match zones {
            Zones::Named(zones) => zones.first().map(ToString::to_string),
            Zones::Count(_) => None,
        };
        let vpc = Vpc { cidr: range.to_string(), dns_support: true, dns_hostnames: true };
        let (id, name) = (ResourceId::only(Kind::Vpc), self.scope.name("vpc"));
        let description = self.spec.description.as_str();
        self.add(Draft { id, kind: Kind::Vpc, name, description, properties: vpc }, &[])?;

        let gateway = InternetGateway { vpc: self::vpc() };
        let (id, name) = (ResourceId::only(Kind::InternetGateway), self.scope.name("internet"));
        let description = "The way of the bastion to and from the internet";
        self.add(Draft { id, kind: Kind::InternetGateway, name, description, properties: gateway }, &[])?;

        for (part, cidr, description) in [
            (PUBLIC, range.public_subnet(), "Where the bastion is"),
            (PRIVATE, range.private_subnet(), "Where the hosts are. No way to or from the internet"),
        ] {
            let subnet =
                Subnet { vpc: self::vpc(), cidr: cidr.to_string(), zone: zone.clone(), public_addresses: false };
            let (id, name) = (self::id(Kind::Subnet, part), self.scope.name(part));
            self.add(Draft { id, kind: Kind::Subnet, name, description, properties: subnet }, &[])?;
        }

        let internet = Ref::id(&ResourceId::only(Kind::InternetGateway));
        let to_internet = BTreeMap::from([("0.0.0.0/0".to_owned(), internet)]);
        for (part, routes, subnets, description) in [
            ("main", BTreeMap::new(), vec![], "For subnets that nobody gave a table. Leads nowhere"),
            (PUBLIC, to_internet, vec![PUBLIC], "Leads to the internet"),
            (PRIVATE, BTreeMap::new(), vec![PRIVATE], "Leads nowhere but to S3"),
        ] {
            let subnets = subnets.into_iter().map(|name| Ref::id(&self::id(Kind::Subnet, name))).collect();
            let table = RouteTable { vpc: self::vpc(), main: part == "main", routes, subnets };
            let (id, name) = (self::id(Kind::RouteTable, part), self.scope.name(part));
            self.add(Draft { id, kind: Kind::RouteTable, name, description, properties: table }, &[])?;
        }
        self.s3_endpoint()
    }

    fn s3_endpoint(&mut self) -> Result<(), BuildError> {
        let endpoint = match self.trail()? {
            Some(writer) => S3Endpoint::Trail(writer),
            None => S3Endpoint::Closed,
        };
        let endpoint = VpcEndpoint {
            vpc: vpc(),
            service: format!("com.amazonaws.{}.s3", self.scope.region),
            route_tables: [PUBLIC, PRIVATE].map(|name| Ref::id(&id(Kind::RouteTable, name))).to_vec(),
            policy: policy(&policies::s3_endpoint(&endpoint))?,
        };
        let (id, name) = (id(Kind::VpcEndpoint, "s3"), self.scope.name("s3"));
        let description = "The way of bastion and hosts to the audit trail";
        self.add(Draft { id, kind: Kind::VpcEndpoint, name, description, properties: endpoint }, &[])
    }
}
