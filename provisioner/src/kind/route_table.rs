//! Route tables, with their routes and the subnets that they serve.
//!
//! A VPC comes with a main table, which can't be deleted, so it is adopted: tagged, and kept without routes, so that a
//! subnet which nobody gave a table reaches nothing outside. Where somebody made another table the main one, the
//! estate's is made that again, and the other stays as it is. Routes to gateway endpoints are the endpoint's own.
//!
//! Stops: subnets that lead where somebody's main table leads, and another's table that is taken for the estate's.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{ResourceType, RouteOrigin, RouteTable as Table, RouteTableAssociationStateCode};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::ec2::{NOT_YET, USED, filter, id_of, of_estate, put_tags, read_tags, retag, tagged, with_tags};
use super::{
    Call, Context, IN_USE, KindError, Left, Observed, Operations, Practice, SOON, Wanted, When, make_by_token, only_id,
    properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Ref, ResourceId, Scope, tags};

/// A route table's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteTable<L = Ref> {
    /// The VPC that it is in.
    pub vpc: L,
    /// Whether it is the VPC's main table.
    pub main: bool,
    /// Where what goes, by destination, beyond the VPC itself.
    pub routes: BTreeMap<String, L>,
    /// The subnets that it serves, by name of their use.
    pub subnets: Vec<L>,
}

/// The name in the estate of the table that a VPC comes with.
pub const MAIN: &str = "main";

pub(super) struct RouteTables;

/// The ids of endpoints begin with it.
const ENDPOINT: &str = "vpce-";

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeRouteTables", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateRouteTable", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateRoute", resources: &["*"] },
    Call { when: When::Create, action: "ec2:AssociateRouteTable", resources: &["*"] },
    Call { when: When::Create, action: "ec2:ReplaceRouteTableAssociation", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateRoute", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ReplaceRoute", resources: &["*"] },
    Call { when: When::Change, action: "ec2:DeleteRoute", resources: &["*"] },
    Call { when: When::Change, action: "ec2:AssociateRouteTable", resources: &["*"] },
    Call { when: When::Change, action: "ec2:DisassociateRouteTable", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ReplaceRouteTableAssociation", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DisassociateRouteTable", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DeleteRoute", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:ReplaceRouteTableAssociation", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DeleteRouteTable", resources: &["*"] },
];

impl Operations for RouteTables {
    fn practice(&self) -> Practice {
        Practice {
            what: "Says where packets of its subnets may go",
            why: "Private subnets lead nowhere that the spec doesn't name; the main table leads nowhere at all",
            source: "https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Route_Tables.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("routes to gateway endpoints", "the endpoint makes them, and names its tables"),
            ("propagated routes", "they come from gateways that an estate hasn't"),
        ]
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        &[("vpc", "a route table stays in its VPC")]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        &[Kind::Instances]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<Observed>, KindError>> {
        Box::pin(async move {
            // DescribeRouteTables takes at most 100 for a page.
            let pages = cloud.ec2.describe_route_tables().filters(of_estate(scope)).max_results(100).into_paginator();
            let tables: Vec<_> =
                cloud.call(Service::Ec2, "DescribeRouteTables", pages.items().send().try_collect()).await?;
            let mut all = Vec::new();
            for table in tables {
                let tags = read_tags(table.tags.clone());
                let (Some(id), Some(physical)) = (id_of(&tags), table.route_table_id.clone()) else { continue };
                let properties = properties(&id, &read(&table))?;
                let mut observed = Observed::new(Kind::RouteTable, id, &physical, properties);
                for (endpoint, list) in gateway_endpoints(&table) {
                    observed = observed.attribute(endpoint, list);
                }
                all.push(with_tags(observed, tags));
            }
            Ok(all)
        })
    }

    fn deletable(&self, observed: &Observed) -> bool {
        observed.properties.0.get("main").and_then(serde_json::Value::as_bool) != Some(true)
    }

    fn create<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
        Box::pin(async move {
            let new: RouteTable<String> = wanted.parse()?;
            let adopted = if new.main { adopt(cx, wanted, &new).await? } else { None };
            let (id, old) = match adopted {
                Some(adopted) => adopted,
                None => make(cx, wanted, &new).await?,
            };
            reconcile(cx.cloud, &id, &new, &old).await?;
            Ok(only_id(&id))
        })
    }

    fn change<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
        Box::pin(async move {
            let (_, table) = describe(cx.cloud, "route-table-id", &current.physical, None).await?;
            reconcile(cx.cloud, &current.physical, &wanted.parse()?, &table).await?;
            retag(cx.cloud, wanted, current).await?;
            Ok(current.attributes.clone())
        })
    }

    fn delete<'a>(
        &'a self,
        cx: &'a Context<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<Option<Left>, KindError>> {
        Box::pin(async move {
            if !self.deletable(current) {
                // It goes with its VPC.
                return Ok(None);
            }
            let Some((id, table)) = describe_if_there(cx.cloud, &current.physical).await? else { return Ok(None) };
            if current.id == ResourceId::named(Kind::RouteTable, MAIN) {
                let vpc = table.vpc_id.clone().unwrap_or_default();
                let (_, main) = main_of(cx.cloud, &vpc).await?;
                if !is_of_estate(&main, cx.scope) {
                    // The VPC would take along what is somebody else's; so it doesn't, and says that something is in it.
                    make_main(cx.cloud, &id, &vpc).await?;
                    return Ok(None);
                }
            }
            for association in associations(&table) {
                disassociate(cx.cloud, &association.0).await?;
            }
            let request = cx.cloud.ec2.delete_route_table().route_table_id(&current.physical);
            let call = || cx.cloud.call(Service::Ec2, "DeleteRouteTable", request.clone().send());
            found(cx.cloud.patiently(IN_USE, USED, call).await, NOT_YET)?;
            Ok(None)
        })
    }
}

async fn make(cx: &Context<'_>, wanted: &Wanted<'_>, new: &RouteTable<String>) -> Result<(String, Table), KindError> {
    let make = async |attempt| {
        let request = cx
            .cloud
            .ec2
            .create_route_table()
            .vpc_id(&new.vpc)
            .client_token(wanted.token(cx.scope, "route-table", attempt))
            .tag_specifications(tagged(ResourceType::RouteTable, &wanted.resource.tags));
        let call = || cx.cloud.call(Service::Ec2, "CreateRouteTable", request.clone().send());
        let table = cx.cloud.patiently(SOON, NOT_YET, call).await?.route_table;
        let id = table.and_then(|table| table.route_table_id);
        Ok(id.ok_or_else(|| CloudError::incomplete(Service::Ec2, "CreateRouteTable", "route table"))?)
    };
    let seen = async |id: String| Ok(describe_if_there(cx.cloud, &id).await?.is_some());
    let id = make_by_token(&wanted.resource.id, make, seen).await?;
    describe(cx.cloud, "route-table-id", &id, None).await
}

/// Takes the main table of the estate's VPC, unless that is one that somebody made and put there.
async fn adopt(
    cx: &Context<'_>,
    wanted: &Wanted<'_>,
    new: &RouteTable<String>,
) -> Result<Option<(String, Table)>, KindError> {
    let (id, table) = main_of(cx.cloud, &new.vpc).await?;
    let tags = read_tags(table.tags.clone());
    let is_this = is_of_estate(&table, cx.scope) && id_of(&tags).is_none_or(|id| id == wanted.resource.id);
    let is_as_it_came = tags.is_empty() && routes(&table).is_empty() && associations(&table).is_empty();
    if !is_this && !is_as_it_came {
        return Ok(None);
    }
    put_tags(cx.cloud, std::slice::from_ref(&id), &wanted.resource.tags).await?;
    Ok(Some((id, table)))
}

fn is_of_estate(table: &Table, scope: &Scope) -> bool {
    read_tags(table.tags.clone()).get(tags::ESTATE).is_some_and(|estate| *estate == scope.estate.to_string())
}

async fn main_of(cloud: &Cloud, vpc: &str) -> Result<(String, Table), KindError> {
    describe(cloud, "vpc-id", vpc, Some(("association.main", "true"))).await
}

/// Makes a table its VPC's main one, if it isn't.
async fn make_main(cloud: &Cloud, id: &str, vpc: &str) -> Result<(), KindError> {
    const OPERATION: &str = "ReplaceRouteTableAssociation";
    let (current, table) = main_of(cloud, vpc).await?;
    if current == id {
        return Ok(());
    }
    let main = table.associations().iter().find(|association| association.main == Some(true));
    let association = main.and_then(|association| association.route_table_association_id.clone());
    let association = association.ok_or_else(|| CloudError::incomplete(Service::Ec2, OPERATION, "association"))?;
    let request = cloud.ec2.replace_route_table_association().association_id(association).route_table_id(id);
    cloud.patiently(SOON, NOT_YET, || cloud.call(Service::Ec2, OPERATION, request.clone().send())).await?;
    Ok(())
}

async fn describe(
    cloud: &Cloud,
    name: &str,
    value: &str,
    more: Option<(&str, &str)>,
) -> Result<(String, Table), KindError> {
    let mut request = cloud.ec2.describe_route_tables().filters(filter(name, value));
    if let Some((name, value)) = more {
        request = request.filters(filter(name, value));
    }
    let tables = cloud.call(Service::Ec2, "DescribeRouteTables", request.send()).await?.route_tables;
    let table = tables.unwrap_or_default().into_iter().find_map(|table| Some((table.route_table_id.clone()?, table)));
    Ok(table.ok_or_else(|| CloudError::incomplete(Service::Ec2, "DescribeRouteTables", "route table"))?)
}

async fn describe_if_there(cloud: &Cloud, id: &str) -> Result<Option<(String, Table)>, KindError> {
    let request = cloud.ec2.describe_route_tables().filters(filter("route-table-id", id)).send();
    let tables = cloud.call(Service::Ec2, "DescribeRouteTables", request).await?.route_tables.unwrap_or_default();
    Ok(tables.into_iter().find_map(|table| Some((table.route_table_id.clone()?, table))))
}

fn read(table: &Table) -> RouteTable<String> {
    let main = table.associations().iter().any(|association| association.main == Some(true));
    let mut subnets: Vec<_> = associations(table).into_iter().map(|(_, subnet)| subnet).collect();
    subnets.sort_unstable();
    RouteTable { vpc: table.vpc_id.clone().unwrap_or_default(), main, routes: routes(table), subnets }
}

/// Routes by destination, without the VPC's own and those of gateway endpoints.
fn routes(table: &Table) -> BTreeMap<String, String> {
    let mut routes = BTreeMap::new();
    for route in table.routes() {
        let destination = route
            .destination_cidr_block()
            .or(route.destination_ipv6_cidr_block())
            .or(route.destination_prefix_list_id());
        let target = route
            .gateway_id()
            .or(route.nat_gateway_id())
            .or(route.transit_gateway_id())
            .or(route.vpc_peering_connection_id())
            .or(route.egress_only_internet_gateway_id())
            .or(route.network_interface_id())
            .or(route.instance_id());
        let own = route.origin() == Some(&RouteOrigin::CreateRouteTable) || target == Some("local");
        let (Some(destination), Some(target)) = (destination, target) else { continue };
        if !own && !target.starts_with(ENDPOINT) {
            routes.insert(destination.to_owned(), target.to_owned());
        }
    }
    routes
}

/// The gateway endpoints that the table leads to, each with the list of its service's addresses. These routes are written
/// by AWS alone.
fn gateway_endpoints(table: &Table) -> impl Iterator<Item = (&str, &str)> {
    let endpoints =
        table.routes().iter().filter_map(|route| Some((route.gateway_id()?, route.destination_prefix_list_id()?)));
    endpoints.filter(|(gateway, _)| gateway.starts_with(ENDPOINT))
}

/// Associations with subnets: their ids, and the subnets'.
fn associations(table: &Table) -> Vec<(String, String)> {
    table
        .associations()
        .iter()
        .filter(|association| {
            let state = association.association_state().and_then(|state| state.state());
            !matches!(
                state,
                Some(RouteTableAssociationStateCode::Disassociating | RouteTableAssociationStateCode::Disassociated)
            )
        })
        .filter_map(|association| {
            Some((association.route_table_association_id.clone()?, association.subnet_id.clone()?))
        })
        .collect()
}

async fn reconcile(cloud: &Cloud, id: &str, new: &RouteTable<String>, table: &Table) -> Result<(), KindError> {
    let old = routes(table);
    for destination in old.keys().filter(|destination| !new.routes.contains_key(*destination)) {
        delete_route(cloud, id, destination).await?;
    }
    for (destination, target) in new.routes.iter().filter(|(key, value)| old.get(*key) != Some(*value)) {
        put_route(cloud, id, (destination, target), old.contains_key(destination)).await?;
    }
    let old = associations(table);
    let (have, want): (BTreeSet<_>, BTreeSet<_>) =
        (old.iter().map(|(_, subnet)| subnet).collect(), new.subnets.iter().collect());
    for (association, _) in old.iter().filter(|(_, subnet)| !want.contains(subnet)) {
        disassociate(cloud, association).await?;
    }
    for subnet in want.difference(&have) {
        associate(cloud, id, subnet).await?;
    }
    if new.main && !read(table).main { make_main(cloud, id, &new.vpc).await } else { Ok(()) }
}

/// Makes a route, or gives it another target in one step, so that traffic always has a way.
async fn put_route(
    cloud: &Cloud,
    table: &str,
    (destination, target): (&str, &str),
    there: bool,
) -> Result<(), KindError> {
    let is_nat = target.starts_with("nat-");
    let (nat, gateway) = (is_nat.then(|| target.to_owned()), (!is_nat).then(|| target.to_owned()));
    if there {
        let request = cloud.ec2.replace_route().route_table_id(table).destination_cidr_block(destination);
        let request = request.set_nat_gateway_id(nat).set_gateway_id(gateway);
        cloud.patiently(SOON, NOT_YET, || cloud.call(Service::Ec2, "ReplaceRoute", request.clone().send())).await?;
    } else {
        let request = cloud.ec2.create_route().route_table_id(table).destination_cidr_block(destination);
        let request = request.set_nat_gateway_id(nat).set_gateway_id(gateway);
        let call = || cloud.call(Service::Ec2, "CreateRoute", request.clone().send());
        // One that is there already is a crashed run's, and compared next time.
        found(cloud.patiently(SOON, NOT_YET, call).await, &["RouteAlreadyExists"])?;
    }
    Ok(())
}

async fn delete_route(cloud: &Cloud, table: &str, destination: &str) -> Result<(), KindError> {
    let request = cloud.ec2.delete_route().route_table_id(table);
    let request = if destination.starts_with("pl-") {
        request.destination_prefix_list_id(destination)
    } else if destination.contains(':') {
        request.destination_ipv6_cidr_block(destination)
    } else {
        request.destination_cidr_block(destination)
    };
    found(cloud.call(Service::Ec2, "DeleteRoute", request.send()).await, &["InvalidRoute.NotFound"])?;
    Ok(())
}

async fn associate(cloud: &Cloud, table: &str, subnet: &str) -> Result<(), KindError> {
    // A subnet has one table. Where somebody gave it another, that association is in the way.
    let request = cloud.ec2.describe_route_tables().filters(filter("association.subnet-id", subnet)).send();
    let others = cloud.call(Service::Ec2, "DescribeRouteTables", request).await?.route_tables.unwrap_or_default();
    for (association, _) in others.iter().flat_map(associations).filter(|(_, other)| other == subnet) {
        disassociate(cloud, &association).await?;
    }
    let request = cloud.ec2.associate_route_table().route_table_id(table).subnet_id(subnet);
    cloud.patiently(SOON, NOT_YET, || cloud.call(Service::Ec2, "AssociateRouteTable", request.clone().send())).await?;
    Ok(())
}

async fn disassociate(cloud: &Cloud, association: &str) -> Result<(), KindError> {
    let request = cloud.ec2.disassociate_route_table().association_id(association).send();
    let answer = cloud.call(Service::Ec2, "DisassociateRouteTable", request).await;
    found(answer, &["InvalidAssociationID.NotFound"])?;
    Ok(())
}
