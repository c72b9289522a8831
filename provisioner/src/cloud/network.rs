//! What an estate's network is built on: the region's zones, or a network that is there.
//!
//! Stops: hosts in a subnet that the internet can reach, because somebody took it for a private one.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{AvailabilityZoneState, Filter, RouteTable};

use super::{Cloud, CloudError, Service, found};
use crate::estate::{ExistingNetwork, ExistingSubnet, Shown};
use crate::spec::{Place, Region, Spec, SubnetId, VpcId, Zones};

impl Cloud {
    /// The availability zones that the account can use; refuses a zone that the spec names and isn't among them.
    pub(super) async fn zones(&self, spec: &Spec, shown: &Shown) -> Result<Vec<String>, CloudError> {
        const OPERATION: &str = "DescribeAvailabilityZones";
        let Place::Made { zones, .. } = &spec.network.place else { return Ok(Vec::new()) };
        if shown.has_zones(zones) {
            return Ok(Vec::new());
        }
        // Without AllAvailabilityZones, only those that the account has opted in to.
        let answer = self.call(Service::Ec2, OPERATION, self.ec2.describe_availability_zones().send()).await?;
        let usable = answer.availability_zones.unwrap_or_default().into_iter();
        let usable: Vec<_> = usable.filter(|zone| zone.state == Some(AvailabilityZoneState::Available)).collect();
        // Local and wavelength zones have few services, so they are used only where the spec names them.
        let ordinary = usable.iter().filter(|zone| zone.zone_type.as_deref() == Some("availability-zone"));
        let mut ordinary: Vec<_> = ordinary.filter_map(|zone| zone.zone_name.clone()).collect();
        ordinary.sort_unstable();
        if let Zones::Named(named) = zones {
            for zone in named {
                if !usable.iter().any(|usable| usable.zone_name.as_deref() == Some(zone.as_str())) {
                    let message = format!("{zone} isn't available to account {}", self.identity.account);
                    let next = format!("name others as the spec's `network.zones`: {}", ordinary.join(", "));
                    return Err(CloudError::found(Service::Ec2, OPERATION, message, &next));
                }
            }
        }
        Ok(ordinary)
    }

    /// The network that the spec names, if it names one; refuses one that isn't as the spec says.
    pub(super) async fn existing_network(&self, spec: &Spec) -> Result<Option<ExistingNetwork>, CloudError> {
        let Place::Existing { vpc, public, private } = &spec.network.place else { return Ok(None) };
        let (ranges, subnets, tables) = tokio::join!(
            self.ranges(vpc, &spec.region),
            self.subnets(vpc, public.iter().chain(private)),
            self.route_tables(vpc)
        );
        // Of a VPC that isn't there that is said, whichever call was answered first.
        let (ranges, subnets, tables) = (ranges?, subnets?, tables?);
        let of = |ids: &[SubnetId]| ids.iter().filter_map(|id| subnets.get(id.as_str()).cloned()).collect();
        for (ids, wanted) in [(public, true), (private, false)] {
            for id in ids {
                if leads_to_internet(&tables, id.as_str()) != wanted {
                    return Err(misplaced(id, wanted));
                }
            }
        }
        Ok(Some(ExistingNetwork { ranges, public: of(public), private: of(private) }))
    }

    async fn ranges(&self, vpc: &VpcId, region: &Region) -> Result<Vec<String>, CloudError> {
        const OPERATION: &str = "DescribeVpcs";
        let request = self.ec2.describe_vpcs().vpc_ids(vpc.as_str()).send();
        let answer = found(self.call(Service::Ec2, OPERATION, request).await, &["InvalidVpcID.NotFound"])?;
        let Some(found) = answer.and_then(|answer| answer.vpcs?.into_iter().next()) else {
            let message = format!("account {} has no {vpc} in {region}", self.identity.account);
            return Err(CloudError::found(Service::Ec2, OPERATION, message, "name another one as `network.vpc`"));
        };
        let mut ranges: Vec<_> = found
            .cidr_block_association_set
            .unwrap_or_default()
            .into_iter()
            .filter_map(|association| association.cidr_block)
            .chain(found.cidr_block)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        ranges.sort_unstable();
        Ok(ranges)
    }

    /// The subnets of these ids, by id; all of them are in the VPC.
    async fn subnets(
        &self,
        vpc: &VpcId,
        ids: impl Iterator<Item = &SubnetId>,
    ) -> Result<BTreeMap<String, ExistingSubnet>, CloudError> {
        const OPERATION: &str = "DescribeSubnets";
        let ids: BTreeSet<_> = ids.map(ToString::to_string).collect();
        // A filter, not the parameter, which fails with the first that isn't there and names no other.
        let filter = Filter::builder().name("subnet-id").set_values(Some(ids.iter().cloned().collect())).build();
        let pages = self.ec2.describe_subnets().filters(filter).into_paginator().items().send().try_collect();
        let mut subnets = BTreeMap::new();
        for subnet in self.call(Service::Ec2, OPERATION, pages).await? {
            let (Some(id), Some(zone), Some(cidr)) = (subnet.subnet_id, subnet.availability_zone, subnet.cidr_block)
            else {
                continue;
            };
            if subnet.vpc_id.as_deref() != Some(vpc.as_str()) {
                let message = format!("{id} is in {}, not in {vpc}", subnet.vpc_id.unwrap_or_default());
                return Err(CloudError::found(Service::Ec2, OPERATION, message, "name a subnet of that VPC"));
            }
            subnets.insert(id.clone(), ExistingSubnet { id, zone, cidr });
        }
        let missing: Vec<_> = ids.into_iter().filter(|id| !subnets.contains_key(id)).collect();
        if missing.is_empty() {
            return Ok(subnets);
        }
        let message = format!("{vpc} has no {}", missing.join(", "));
        Err(CloudError::found(
            Service::Ec2,
            OPERATION,
            message,
            "`aws ec2 describe-subnets` lists those that there are",
        ))
    }

    async fn route_tables(&self, vpc: &VpcId) -> Result<Vec<RouteTable>, CloudError> {
        let filter = Filter::builder().name("vpc-id").values(vpc.as_str()).build();
        let pages = self.ec2.describe_route_tables().filters(filter).into_paginator().items().send().try_collect();
        self.call(Service::Ec2, "DescribeRouteTables", pages).await
    }
}

/// Whether the table that serves a subnet, its own or else the VPC's main one, has a route to an internet gateway.
fn leads_to_internet(tables: &[RouteTable], subnet: &str) -> bool {
    let serves = |table: &&RouteTable| table.associations().iter().any(|one| one.subnet_id() == Some(subnet));
    let main = |table: &&RouteTable| table.associations().iter().any(|one| one.main() == Some(true));
    let table = tables.iter().find(serves).or_else(|| tables.iter().find(main));
    let to_gateway = |table: &RouteTable| {
        table.routes().iter().any(|route| route.gateway_id().is_some_and(|gateway| gateway.starts_with("igw-")))
    };
    table.is_some_and(to_gateway)
}

fn misplaced(subnet: &SubnetId, public: bool) -> CloudError {
    let (message, next) = if public {
        (
            format!("{subnet} is named for the bastion, and its route table leads to no internet gateway"),
            "name a public subnet in `network.public_subnets`, or nobody reaches the bastion",
        )
    } else {
        (
            format!("{subnet} is named for hosts, and its route table leads to an internet gateway"),
            "name a private subnet in `network.private_subnets`: hosts are never in a public one",
        )
    };
    CloudError::found(Service::Ec2, "DescribeRouteTables", message, next)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{Route, RouteTableAssociation};

    use super::*;

    fn table(main: bool, subnet: Option<&str>, gateway: &str) -> RouteTable {
        let association = RouteTableAssociation::builder().main(main).set_subnet_id(subnet.map(str::to_owned)).build();
        RouteTable::builder().associations(association).routes(Route::builder().gateway_id(gateway).build()).build()
    }

    #[test]
    fn a_subnet_without_a_table_of_its_own_has_the_main_one() {
        let tables = [table(true, None, "igw-1"), table(false, Some("subnet-1"), "vgw-1")];
        assert!(!leads_to_internet(&tables, "subnet-1"));
        assert!(leads_to_internet(&tables, "subnet-2"));
        let tables = [table(true, None, "local"), table(false, Some("subnet-1"), "igw-1")];
        assert!(leads_to_internet(&tables, "subnet-1"));
        assert!(!leads_to_internet(&tables, "subnet-2"));
        assert!(!leads_to_internet(&[], "subnet-1"));
    }
}
