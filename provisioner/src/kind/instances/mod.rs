//! Groups of hosts: instances that were started from one launch template.
//!
//! A host's identity is (group, generation, index). The group and the generation, a digest of what a host can't be
//! changed in, are tags; the index is the tag `holdfast:first` plus EC2's AmiLaunchIndex times `holdfast:stride`, because
//! one RunInstances tags all that it starts alike. Index i is started in the group's subnet i modulo their number, so
//! that hosts are spread over the zones and another count moves none.
//!
//! [`flaws()`] says what of a host isn't as promised and what puts it right, [`moves()`] what to start, to repair and to
//! end; both are pure. A missing index is started, an index beyond the count ends (so the highest go first), of two with
//! one identity the older stays. What AWS can't change in a host replaces it, a tenth of the group at a time, at least
//! one: the old ones of a batch end once the new ones run and have been verified.

mod capacity;
mod flaws;
mod host;
mod launch;
mod moves;
mod repair;

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Instance;
pub use flaws::{Flaw, Remedy, flaws};
use futures::future::BoxFuture;
use futures::stream::{StreamExt, TryStreamExt};
pub use host::{Host, HostVolume, VolumeLike};
pub(crate) use host::{hosts, hosts_of_fleet};
use launch::Launch;
pub(crate) use launch::wait_until_gone;
pub use moves::{Batch, Ended, Moves, Round, Why, batch_size, batches, moves};
pub(crate) use repair::{harden, set_groups};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ec2::{put_tags, read_tags};
use super::launch_template::Volume;
use super::{
    Call, Comparison, Context, Difference, KindError, Left, Observed, Operations, Practice, Priced, Replaced, Sku,
    Usage, Wanted, When, properties,
};
use crate::cloud::{Cloud, Service, found};
use crate::estate::{Kind, Link, Properties, Resource, ResourceId, Scope, tags};

/// A group's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instances<L = Link> {
    /// The launch template.
    pub template: L,
    /// Its version that hosts are started from.
    pub version: L,
    /// A digest of image and user data: a host of another one is replaced.
    pub generation: String,
    /// How many hosts there are.
    pub count: u32,
    /// The subnets that they are spread over, by place.
    pub subnets: BTreeMap<u8, L>,
    /// The types that they may have, in the order of preference.
    pub instance_types: BTreeMap<u8, String>,
    /// The image that they run.
    pub image: String,
    /// The ARN of their instance profile.
    pub profile: L,
    /// Their security groups.
    pub groups: Vec<L>,
    /// Their volumes, the root first.
    pub volumes: Vec<Volume<L>>,
    /// Whether EC2 gives them a public address.
    pub public_address: bool,
    /// The elastic address that the only host has.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub address: Option<Elastic<L>>,
    /// Whether EC2 refuses to end them until that is taken back.
    pub protected: bool,
}

/// An elastic address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Elastic<L = Link> {
    /// Its allocation.
    pub allocation: L,
    /// The address itself.
    pub ip: L,
}

/// `Option`'s own default would ask the link for one.
fn none<T>() -> Option<T> {
    None
}

/// What a link leads to, if that is known yet.
pub(super) fn known(link: &Link) -> Option<&str> {
    match link {
        Link::Is(text) => Some(text),
        Link::To(_) => None,
    }
}

pub(super) struct Groups;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeInstances", resources: &["*"] },
    Call { when: When::Discover, action: "ec2:DescribeVolumes", resources: &["*"] },
    Call { when: When::Create, action: "ec2:RunInstances", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Create, action: "iam:PassRole", resources: &["*"] },
    Call { when: When::Create, action: "ec2:AssociateAddress", resources: &["*"] },
    Call { when: When::Change, action: "ec2:RunInstances", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Change, action: "iam:PassRole", resources: &["*"] },
    Call { when: When::Change, action: "ec2:AssociateAddress", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ModifyInstanceMetadataOptions", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ModifyInstanceAttribute", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ModifyVolume", resources: &["*"] },
    Call { when: When::Change, action: "ec2:StartInstances", resources: &["*"] },
    Call { when: When::Change, action: "ec2:TerminateInstances", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:ModifyInstanceAttribute", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:CreateTags", resources: &["*"] },
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

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("user data", "it is read once, as a host first starts; the launch template's is compared"),
            (
                "protection against a host's end",
                "EC2 tells it in a call for each host; the launch template's is compared",
            ),
            ("tags of network interfaces", "DescribeInstances doesn't tell them; they are set with their host's"),
            ("what happens inside of a host", "its own audit trail tells"),
        ]
    }

    fn usage(&self, priced: &Priced<'_>) -> Vec<Usage> {
        usage(priced)
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<Observed>, KindError>> {
        Box::pin(async move {
            let groups = hosts(cloud, scope, None).await?.into_iter();
            groups.filter(|(id, _)| is_group(id)).map(|(id, hosts)| observe(id, hosts)).collect()
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
            let ended: Vec<_> = current.hosts.iter().collect();
            terminate(cx, &current.id, &ended).await?;
            Ok(kept(&ended))
        })
    }
}

/// Which group an instance says that it is of.
fn id(instance: &Instance) -> Option<ResourceId> {
    super::ec2::id_of(&read_tags(instance.tags.clone()))
}

/// Whether hosts of this id are a group's of this kind, and not a fleet's.
fn is_group(id: &ResourceId) -> bool {
    id.name().is_some_and(|name| *id == ResourceId::named(Kind::Instances, name))
}

/// What stays of hosts that ended: volumes that the spec keeps.
pub(crate) fn kept(ended: &[&Host]) -> Option<Left> {
    let volumes = ended.iter().flat_map(|host| &host.volumes).filter(|volume| !volume.delete_on_termination);
    let volumes: Vec<_> = volumes.map(|volume| volume.id.as_str()).collect();
    let why = "the spec keeps it when its host goes; delete it by hand when nobody needs its data".to_owned();
    (!volumes.is_empty()).then(|| Left { what: format!("volume {}", volumes.join(", ")), why })
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
    let group: Instances = match resolved.parse() {
        Ok(group) => group,
        // A plan of another version: making the change says so.
        Err(error) => {
            let difference = difference("properties", Value::Null, Value::from(error.to_string()));
            return Comparison { differences: vec![difference], ..Comparison::default() };
        }
    };
    let mut comparison = Comparison::default();
    // A subnet or group that is itself replaced must be free of hosts first.
    let here = |link: &Link| known(link).is_some_and(|id| observed.hosts.iter().any(|host| host.subnet == id));
    let subnets_go = !group.subnets.values().any(here) && group.subnets.values().any(|link| known(link).is_none());
    if subnets_go || group.groups.iter().any(|link| known(link).is_none()) {
        comparison.replace = Some("the network that the hosts are in is replaced".to_owned());
        let old: std::collections::BTreeSet<_> = observed.hosts.iter().map(|host| &host.subnet).collect();
        comparison.differences.push(difference("subnets", json!(old), json!(group.subnets)));
    }
    let moves = moves(&group, &wanted.tags, &observed.hosts);
    if observed.hosts.len() != group.count as usize {
        comparison.differences.push(difference("count", json!(observed.hosts.len()), json!(group.count)));
    }
    if let Some(Why::Replaced(why)) = moves.rounds.first().and_then(|round| round.end.first()).map(|ended| ended.why) {
        let batch = batch_size(group.count);
        comparison.renew = Some(format!("{why}; new hosts run before old ones end, {batch} at a time"));
    }
    for index in moves.started() {
        comparison.differences.push(difference(&format!("host {index}"), Value::Null, json!("started")));
    }
    for ended in moves.ended() {
        let (property, why) = (format!("host {}", ended.host.label()), ended.why.to_string());
        comparison.differences.push(difference(&property, json!(ended.host.instance), json!(why)));
        if let Why::Replaced(_) = ended.why {
            comparison.differences.extend(flaw_differences(ended.host, flaws(&group, ended.host)));
        }
    }
    for (host, flaws) in &moves.repair {
        comparison.differences.extend(flaw_differences(host, flaws.clone()));
    }
    if let Some(host) = moves.retag.first() {
        let parts = host.volumes.iter().filter_map(|volume| volume.like.as_ref()).map(|like| &like.tags);
        let differs =
            |tags: &&BTreeMap<String, String>| wanted.tags.iter().any(|(key, value)| tags.get(key) != Some(value));
        if let Some(tags) = [&host.tags].into_iter().chain(parts).find(differs) {
            comparison.add_tags(&wanted.tags, tags);
        }
    }
    comparison
}

fn difference(property: &str, old: Value, new: Value) -> Difference {
    Difference { property: property.to_owned(), old, new }
}

fn flaw_differences(host: &Host, flaws: Vec<Flaw>) -> impl Iterator<Item = Difference> {
    let label = host.label();
    flaws.into_iter().map(move |flaw| difference(&format!("host {label} {}", flaw.property), flaw.is, flaw.shall))
}

/// Starts, changes and ends hosts until the group is what it shall be.
async fn reconcile(
    cx: &Context<'_>,
    wanted: &Wanted<'_>,
    hosts: &[Host],
) -> Result<BTreeMap<String, String>, KindError> {
    let promised: Instances = wanted.parse()?;
    let moves = moves(&promised, &wanted.resource.tags, hosts);
    let launch = Launch { cx, wanted, group: wanted.parse()?, promised: promised.clone() };
    if hosts.len() != promised.count as usize {
        let count = BTreeMap::from([(tags::COUNT.to_owned(), promised.count.to_string())]);
        put_tags(cx.cloud, std::slice::from_ref(&launch.group.template), &count).await?;
    }
    repair::repair(cx, &launch.group, &moves.repair).await?;
    repair::wait_for_volumes(cx, &wanted.resource.id, &promised, &moves.repair).await?;
    put_tags_of_hosts(cx.cloud, &moves.retag, &wanted.resource.tags).await?;
    bring_up(&launch, &moves.launch, Vec::new()).await?;
    let all = moves.rounds.len();
    for (place, round) in moves.rounds.iter().enumerate() {
        let indexes = round.indexes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        (cx.waiting)(format!("{}: batch {} of {all}, host {indexes}", wanted.resource.id, place + 1));
        bring_up(&launch, &round.launch, successors(&moves, round, hosts)).await?;
        let ended: Vec<_> = round.end.iter().map(|ended| ended.host).collect();
        terminate(cx, &wanted.resource.id, &ended).await?;
    }
    let ended: Vec<_> = moves.end.iter().map(|ended| ended.host).collect();
    terminate(cx, &wanted.resource.id, &ended).await?;
    Ok(super::only_id(wanted.resource.id.as_str()))
}

/// Sets the tags of hosts with those of their volumes and interfaces. An instance comes last: what an interface is tagged
/// with nobody reads again, so a host that has its tags says that its interfaces have theirs.
pub(crate) async fn put_tags_of_hosts(
    cloud: &Cloud,
    hosts: &[&Host],
    tags: &BTreeMap<String, String>,
) -> Result<(), KindError> {
    let parts: Vec<_> = hosts.iter().flat_map(|host| host.parts()).collect();
    put_tags(cloud, &parts, tags).await?;
    let instances: Vec<_> = hosts.iter().map(|host| host.instance.clone()).collect();
    put_tags(cloud, &instances, tags).await
}

/// The hosts that an interrupted run started already for a round's indexes.
fn successors(moves: &Moves<'_>, round: &Round<'_>, hosts: &[Host]) -> Vec<String> {
    let ends = |host: &Host| moves.ended().any(|ended| ended.host.instance == host.instance);
    let due = |host: &&Host| host.index.is_some_and(|index| round.indexes.contains(&index)) && !ends(host);
    hosts.iter().filter(due).map(|host| host.instance.clone()).collect()
}

/// Starts hosts of these indexes, waits until they and those that were started before run, and sees that all are right.
async fn bring_up(launch: &Launch<'_>, indexes: &[u32], before: Vec<String>) -> Result<(), KindError> {
    let mut ids = launch.start(indexes).await?;
    ids.extend(before);
    if ids.is_empty() {
        return Ok(());
    }
    launch.wait_until_running(&ids).await?;
    let hosts = launch.verify(&ids).await?;
    let address = launch.group.address.as_ref().map(|address| address.ip.as_str());
    match (address, hosts.first()) {
        (Some(ip), Some(host)) if host.public_address.as_deref() != Some(ip) => {
            repair::give_address(launch.cx, &launch.group, &host.instance).await
        }
        _ => Ok(()),
    }
}

/// Ends hosts and waits until they are gone, and with them their volumes and interfaces.
async fn terminate(cx: &Context<'_>, group: &ResourceId, hosts: &[&Host]) -> Result<(), KindError> {
    const AT_ONCE: usize = 500;
    // What the spec protects is given free; what somebody else protects stays, and EC2 says so.
    let protected = hosts.iter().filter(|host| host.protected);
    let each: Vec<_> = protected.map(|host| unprotect(cx, &host.instance)).collect();
    futures::stream::iter(each).buffer_unordered(8).try_collect::<()>().await?;
    let instances: Vec<_> = hosts.iter().map(|host| host.instance.clone()).collect();
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
    if instances.is_empty() { Ok(()) } else { wait_until_gone(cx, group, &instances).await }
}

async fn unprotect(cx: &Context<'_>, instance: &str) -> Result<(), KindError> {
    match repair::protect(cx, instance, false).await {
        // Gone meanwhile.
        Err(KindError::Cloud(error)) if error.is(&["InvalidInstanceID.NotFound"]) => Ok(()),
        result => result,
    }
}

/// What hosts are charged for: as they were found, or as they are wanted.
fn usage(priced: &Priced<'_>) -> Vec<Usage> {
    if !priced.hosts.is_empty() {
        // An elastic address is charged as the resource that it is.
        let elastic = priced.all.keys().any(|id| id.as_str().strip_prefix("address/") == priced.id.name());
        return usage_of_hosts(priced.hosts, elastic);
    }
    let Ok(group) = priced.properties.parse::<Instances>() else {
        return vec![Usage::of(Sku::Unknown(format!("hosts of {}", priced.id)), 1u64)];
    };
    let name = group.instance_types.values().next().map(String::as_str).unwrap_or_default();
    let mut usage = usage_of_wanted(name, &group.volumes, group.count);
    if group.public_address && group.count > 0 {
        usage.push(Usage::of(Sku::PublicAddress, group.count));
    }
    usage
}

/// What hosts that were found are charged for.
pub(crate) fn usage_of_hosts(hosts: &[Host], elastic: bool) -> Vec<Usage> {
    let mut usage = Usages::default();
    for host in hosts {
        usage.add(Sku::Instance(host.instance_type.clone()), 1);
        for like in host.volumes.iter().filter_map(|volume| volume.like.as_ref()) {
            usage.add_volume(&like.volume_type, (like.gib, like.iops, like.throughput), 1);
        }
        if host.public_address.is_some() && !elastic {
            usage.add(Sku::PublicAddress, 1);
        }
    }
    usage.all()
}

/// What so many hosts of a type with these volumes will be charged for.
pub(crate) fn usage_of_wanted<L>(instance_type: &str, volumes: &[Volume<L>], count: u32) -> Vec<Usage> {
    let mut usage = Usages::default();
    let count = u64::from(count);
    usage.add(Sku::Instance(instance_type.to_owned()), count);
    for volume in volumes {
        usage.add_volume(&volume.volume_type, (volume.gib, volume.iops, volume.throughput), count);
    }
    usage.all()
}

/// Quantities by what is charged for.
#[derive(Default)]
struct Usages(BTreeMap<Sku, u64>);

/// What every gp3 volume has without a further charge (Amazon EBS pricing).
const GP3_IOPS: i32 = 3000;
const GP3_THROUGHPUT: i32 = 125;

/// A number of AWS's, which are never negative where they are charged for.
fn amount(number: i32) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

impl Usages {
    fn add(&mut self, sku: Sku, quantity: u64) {
        *self.0.entry(sku).or_default() += quantity;
    }

    fn all(self) -> Vec<Usage> {
        let all = self.0.into_iter().filter(|(_, quantity)| *quantity > 0);
        all.map(|(sku, quantity)| Usage { sku, quantity }).collect()
    }

    fn add_volume(&mut self, volume_type: &str, (gib, iops, throughput): (i32, i32, i32), count: u64) {
        self.add(Sku::Volume(volume_type.to_owned()), amount(gib) * count);
        if volume_type == "gp3" {
            self.add(Sku::VolumeIops, amount((iops - GP3_IOPS).max(0)) * count);
            self.add(Sku::VolumeThroughput, amount((throughput - GP3_THROUGHPUT).max(0)) * count);
        }
    }
}
