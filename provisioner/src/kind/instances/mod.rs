//! Groups of hosts: all instances of one launch template.
//!
//! A host's identity is (group, generation, index). The group and the generation, which is its launch template's
//! version, are tags; the index is the tag `holdfast:first` plus EC2's AmiLaunchIndex, because one RunInstances tags
//! all that it starts alike. From these, [`moves()`] says what to start and what to end, as a pure function: a missing
//! index is started, an index beyond the count ends (so the highest go first), and of two with one identity the older
//! stays. Hosts of an old generation end once the new ones run and have been verified.
//!
//! RunInstances is idempotent by a ClientToken over identity and parameters. A token stays taken after its instances
//! are gone, so one that answers with dead ones is given up for the next; see [`launch`].

mod launch;
mod moves;
mod verify;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::types::{Instance, InstanceStateName};
use futures::future::BoxFuture;
pub use moves::{Batch, Moves, moves};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ec2::{PAGE, filter, of_estate, put_tags, read_tags};
use super::{
    Call, Comparison, Context, Difference, KindError, Left, Observed, Operations, Practice, Priced, Replaced, Sku, Usage,
    Wanted, When, machines, properties,
};
use crate::cloud::{Cloud, Service, found};
use crate::estate::{Kind, Link, Properties, Resource, ResourceId, Scope, tags};

/// How long hosts may take until they run, or until they are gone.
pub(super) const DEADLINE: Duration = Duration::from_secs(600);

/// A group's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instances<L = Link> {
    /// The launch template.
    pub template: L,
    /// Its version.
    pub generation: L,
    /// How many hosts there are.
    pub count: u32,
    /// The subnet that they are in.
    pub subnet: L,
    /// Their security groups.
    pub groups: Vec<L>,
    /// The ARN of the key that encrypts their volumes.
    pub key: L,
    /// Whether they have a public address.
    pub public_address: bool,
}

/// A host as it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// The instance's id.
    pub instance: String,
    /// Its index in the group.
    pub index: u32,
    /// The version of the launch template that it was started from.
    pub generation: String,
    /// `pending`, `running`, `stopping` or `stopped`.
    pub state: String,
    /// The image that it runs.
    pub image: String,
    /// Its type.
    pub instance_type: String,
    /// The VPC that it is in.
    pub vpc: String,
    /// The subnet that it is in.
    pub subnet: String,
    /// Its security groups.
    pub groups: Vec<String>,
    /// Its address in the VPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_address: Option<String>,
    /// Its public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_address: Option<String>,
    /// Whether its metadata service answers only with a session's token.
    pub tokens_required: bool,
    /// How many hops the answer may go.
    pub hop_limit: i32,
    /// Its volumes and network interfaces, which have the same tags.
    pub parts: Vec<String>,
    /// When it was started, in seconds since 1970.
    pub launched: i64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

pub(super) struct Groups;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeInstances", resources: &["*"] },
    Call { when: When::Create, action: "ec2:RunInstances", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Create, action: "iam:PassRole", resources: &["*"] },
    Call { when: When::Create, action: "ec2:DescribeVolumes", resources: &["*"] },
    Call { when: When::Change, action: "ec2:RunInstances", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Change, action: "iam:PassRole", resources: &["*"] },
    Call { when: When::Change, action: "ec2:DescribeVolumes", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ModifyInstanceMetadataOptions", resources: &["*"] },
    Call { when: When::Change, action: "ec2:TerminateInstances", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:TerminateInstances", resources: &["*"] },
];

impl Operations for Groups {
    fn practice(&self) -> Practice {
        Practice {
            what: "The bastion, or hosts that run programs in sandboxes",
            why: "Started from the group's launch template alone, so each is hardened alike",
            source: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-best-practices.html",
        }
    }

    fn usage(&self, priced: &Priced<'_>) -> Vec<Usage> {
        let count = priced.properties.0.get("count").and_then(Value::as_u64).unwrap_or_default();
        let mut usage = machines::usage(priced, count);
        let public = match priced.hosts {
            [] if priced.properties.0.get("public_address") == Some(&Value::Bool(true)) => count,
            hosts => hosts.iter().filter(|host| host.public_address.is_some()).count() as u64,
        };
        if public > 0 {
            usage.push(Usage::of(Sku::PublicAddress, public));
        }
        usage
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("user data", "it is read once, as a host first starts"),
            ("what happens inside of a host", "its own audit trail tells"),
        ]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<Observed>, KindError>> {
        Box::pin(async move {
            let mut groups: BTreeMap<ResourceId, Vec<Host>> = BTreeMap::new();
            for instance in describe(cloud, scope, None).await? {
                if let (Some(id), Some(host)) = (id(&instance), read(instance)) {
                    groups.entry(id).or_default().push(host);
                }
            }
            groups.into_iter().map(|(id, hosts)| observe(id, hosts)).collect()
        })
    }

    fn replaced(&self, _differences: &[Difference]) -> Replaced {
        Replaced::ByMembers
    }

    fn is_nothing(&self, properties: &Properties) -> bool {
        properties.0.get("count").and_then(Value::as_u64) == Some(0)
    }

    fn compare(&self, wanted: &Resource, resolved: &Properties, observed: &Observed) -> Comparison {
        compare(wanted, resolved, observed)
    }

    fn create<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
        Box::pin(async move { reconcile(cx, wanted, &[]).await })
    }

    fn change<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
        Box::pin(async move { reconcile(cx, wanted, &current.hosts).await })
    }

    fn delete<'a>(
        &'a self,
        cx: &'a Context<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<Option<Left>, KindError>> {
        Box::pin(async move {
            let instances: Vec<_> = current.hosts.iter().map(|host| host.instance.clone()).collect();
            terminate(cx, &current.id, &instances).await?;
            Ok(None)
        })
    }
}

/// The estate's instances, dead ones that EC2 still shows included; of one group, if it is named.
async fn describe(cloud: &Cloud, scope: &Scope, group: Option<&ResourceId>) -> Result<Vec<Instance>, KindError> {
    let mut request = cloud.ec2.describe_instances().filters(of_estate(scope)).max_results(PAGE);
    if let Some(group) = group {
        request = request.filters(filter(&format!("tag:{}", tags::ID), group.as_str()));
    }
    let pages = request.into_paginator().items().send();
    let reservations: Vec<_> = cloud.call(Service::Ec2, "DescribeInstances", pages.try_collect()).await?;
    Ok(reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default()).collect())
}

fn id(instance: &Instance) -> Option<ResourceId> {
    super::ec2::id_of(&read_tags(instance.tags.clone()))
}

fn state(instance: &Instance) -> Option<&InstanceStateName> {
    instance.state.as_ref().and_then(|state| state.name.as_ref())
}

/// A host, unless it is dead or dying.
fn read(instance: Instance) -> Option<Host> {
    let state = state(&instance)?.clone();
    if matches!(state, InstanceStateName::Terminated | InstanceStateName::ShuttingDown) {
        return None;
    }
    let tags = read_tags(instance.tags);
    let first: u32 = tags.get(tags::FIRST)?.parse().ok()?;
    let launch_index = u32::try_from(instance.ami_launch_index.unwrap_or_default()).ok()?;
    let options = instance.metadata_options;
    let volumes = instance.block_device_mappings.unwrap_or_default();
    let volumes = volumes.into_iter().filter_map(|mapping| mapping.ebs?.volume_id);
    let interfaces = instance.network_interfaces.unwrap_or_default();
    let interfaces = interfaces.into_iter().filter_map(|interface| interface.network_interface_id);
    let mut groups: Vec<_> =
        instance.security_groups.unwrap_or_default().into_iter().filter_map(|group| group.group_id).collect();
    groups.sort_unstable();
    Some(Host {
        instance: instance.instance_id?,
        index: first + launch_index,
        generation: tags.get(tags::GENERATION)?.clone(),
        state: state.to_string(),
        image: instance.image_id.unwrap_or_default(),
        instance_type: instance.instance_type.map(|kind| kind.to_string()).unwrap_or_default(),
        vpc: instance.vpc_id.unwrap_or_default(),
        subnet: instance.subnet_id.unwrap_or_default(),
        groups,
        private_address: instance.private_ip_address,
        public_address: instance.public_ip_address.filter(|address| !address.is_empty()),
        tokens_required: options.as_ref().and_then(|options| options.http_tokens.clone())
            == Some(aws_sdk_ec2::types::HttpTokensState::Required),
        hop_limit: options.and_then(|options| options.http_put_response_hop_limit).unwrap_or_default(),
        parts: volumes.chain(interfaces).collect(),
        launched: instance.launch_time.map(|time| time.secs()).unwrap_or_default(),
        tags,
    })
}

/// A group from its hosts. Its properties are only what others' deletion depends on: hosts are compared one by one.
fn observe(id: ResourceId, mut hosts: Vec<Host>) -> Result<Observed, KindError> {
    hosts.sort_by(|a, b| (a.index, &a.generation, &a.instance).cmp(&(b.index, &b.generation, &b.instance)));
    let mut uses: Vec<_> = hosts.iter().flat_map(|host| host.groups.iter().chain([&host.subnet])).collect();
    uses.sort_unstable();
    uses.dedup();
    let properties = properties(&id, &json!({ "count": hosts.len(), "uses": uses }))?;
    let name = hosts.first().and_then(|host| host.tags.get("Name")).cloned();
    let mut observed = Observed::new(Kind::Instances, id.clone(), id.as_str(), properties);
    observed.name = name.unwrap_or_else(|| id.to_string());
    observed.tags = hosts.first().map(|host| host.tags.clone()).unwrap_or_default();
    observed.hosts = hosts;
    Ok(observed)
}

fn compare(wanted: &Resource, resolved: &Properties, observed: &Observed) -> Comparison {
    let get = |name: &str| resolved.0.get(name).cloned().unwrap_or_default();
    let difference = |property: String, old: Value, new: Value| Difference { property, old, new };
    let count = get("count").as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
    let mut comparison = Comparison::default();

    // A subnet or group that is itself replaced must be free of hosts first.
    let (subnet, groups) = (get("subnet"), get("groups"));
    let unknown = |value: &Value| value.is_object();
    if unknown(&subnet) || groups.as_array().is_some_and(|groups| groups.iter().any(unknown)) {
        comparison.replace = Some("the network that the hosts are in is replaced".to_owned());
    }

    let generation = get("generation").as_str().map(str::to_owned);
    let moves = moves(count, generation.as_deref(), &wanted.tags, &observed.hosts);
    let live = observed.hosts.len();
    if live != count as usize {
        comparison.differences.push(difference("count".into(), json!(live), json!(count)));
    }
    let old: std::collections::BTreeSet<_> = observed.hosts.iter().map(|host| host.generation.clone()).collect();
    if observed.hosts.iter().any(|host| Some(&host.generation) != generation.as_ref()) {
        let old = Value::from(old.into_iter().collect::<Vec<_>>().join(", "));
        comparison.differences.push(difference("generation".into(), old, get("generation")));
        comparison.renew = Some("hosts run what an older version of their launch template says".to_owned());
    }
    for index in moves.launch.iter().flat_map(|batch| batch.first..batch.first + batch.count) {
        comparison.differences.push(difference(format!("host {index}"), Value::Null, json!("started")));
    }
    for ended in &moves.terminate {
        let property = format!("host {}", ended.host.index);
        comparison.differences.push(difference(property, json!(ended.host.instance), json!(ended.why.to_string())));
    }
    for host in &moves.harden {
        let is = format!(
            "tokens {}, hop limit {}",
            if host.tokens_required { "required" } else { "optional" },
            host.hop_limit
        );
        let property = format!("host {} metadata", host.index);
        comparison.differences.push(difference(property, json!(is), json!("tokens required, hop limit 1")));
    }
    if let Some(host) = moves.retag.first() {
        comparison.add_tags(&wanted.tags, &host.tags);
    }
    comparison
}

/// Starts, changes and ends hosts until the group is what it shall be.
async fn reconcile(
    cx: &Context<'_>,
    wanted: &Wanted<'_>,
    hosts: &[Host],
) -> Result<BTreeMap<String, String>, KindError> {
    let group: Instances<String> = wanted.parse()?;
    let moves = moves(group.count, Some(&group.generation), &wanted.resource.tags, hosts);
    if hosts.len() != group.count as usize {
        let count = BTreeMap::from([(tags::COUNT.to_owned(), group.count.to_string())]);
        put_tags(cx.cloud, std::slice::from_ref(&group.template), &count).await?;
    }
    for host in &moves.harden {
        verify::harden(cx.cloud, &host.instance).await?;
    }
    let parts: Vec<_> =
        moves.retag.iter().flat_map(|host| host.parts.iter().chain([&host.instance])).cloned().collect();
    put_tags(cx.cloud, &parts, &wanted.resource.tags).await?;
    launch::launch(cx, wanted, &group, &moves.launch).await?;
    let ended: Vec<_> = moves.terminate.iter().map(|ended| ended.host.instance.clone()).collect();
    terminate(cx, &wanted.resource.id, &ended).await?;
    Ok(super::only_id(wanted.resource.id.as_str()))
}

/// Ends instances and waits until they are gone, and with them their volumes and interfaces.
async fn terminate(cx: &Context<'_>, group: &ResourceId, instances: &[String]) -> Result<(), KindError> {
    const AT_ONCE: usize = 500;
    for chunk in instances.chunks(AT_ONCE) {
        let request = cx.cloud.ec2.terminate_instances().set_instance_ids(Some(chunk.to_vec())).send();
        let answer = cx.cloud.call(Service::Ec2, "TerminateInstances", request).await;
        // One that is gone makes EC2 refuse all of the call: then they go one by one.
        if found(answer, &["InvalidInstanceID.NotFound"])?.is_none() {
            for instance in chunk {
                let request = cx.cloud.ec2.terminate_instances().instance_ids(instance).send();
                let answer = cx.cloud.call(Service::Ec2, "TerminateInstances", request).await;
                found(answer, &["InvalidInstanceID.NotFound"])?;
            }
        }
    }
    if instances.is_empty() { Ok(()) } else { launch::wait_until_gone(cx, group, instances).await }
}
