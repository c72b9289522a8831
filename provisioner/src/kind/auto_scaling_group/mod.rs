//! Fleets: Auto Scaling groups, which start, replace and scale their hosts by themselves.
//!
//! - How many hosts a fleet begins with is said once, as it is made. After that the capacity is whoever's that scales it,
//!   within the spec's bounds: it isn't compared.
//! - The launch template's version is pinned, never `$Latest`: a version that somebody else makes starts no host. A changed
//!   template is a change of the fleet's version, from which its next hosts are started; those that run stay.
//! - Its name fails on a duplicate. Auto Scaling makes its own service-linked role with an account's first group.
//! - Auto Scaling tags instances; volumes and interfaces have their tags from the launch template.

mod members;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_autoscaling::types::{
    AutoScalingGroup as Group, Filter, InstancesDistribution, LaunchTemplate as MixedTemplate, LaunchTemplateOverrides,
    LaunchTemplateSpecification, LifecycleState, MixedInstancesPolicy, ScalingActivityStatusCode, Tag,
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::instances;
use super::launch_template::LaunchTemplate;
use super::{
    Call, Comparison, Context, Difference, KindError, Left, Observed, Operations, Practice, Priced, SOON, Sku, Usage,
    Wanted, When, properties,
};
use crate::cloud::{Cloud, CloudError, Service};
use crate::estate::{Kind, Link, Properties, Resource, ResourceId, Scope, tags};

/// How long hosts may take until they are in service, or until they are gone.
const DEADLINE: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(500);
const POLL_LONG: Duration = Duration::from_secs(5);
/// Most groups of a page (Auto Scaling API Reference).
const PAGE: i32 = 100;
/// Hosts of the oldest version go first when the fleet shrinks, then whichever Auto Scaling would choose.
const TERMINATION: [&str; 2] = ["OldestLaunchTemplate", "Default"];
/// A template or profile that was just made; the service has no code of its own for it.
const NOT_YET: &str = "ValidationError.NotYet";

/// A fleet's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoScalingGroup<L = Link> {
    /// The launch template.
    pub template: L,
    /// Its version that hosts are started from.
    pub version: L,
    /// How many hosts it begins with.
    pub count: u32,
    /// The fewest hosts.
    pub min: u32,
    /// The most hosts.
    pub max: u32,
    /// The subnets that it is spread over.
    pub subnets: Vec<L>,
    /// The types that its hosts may have, in the order of preference; empty where only the template's will do.
    pub instance_types: BTreeMap<u8, String>,
    /// The security groups of its hosts.
    pub groups: Vec<L>,
    /// The ARN of their instance profile.
    pub profile: L,
    /// The ARN of the key that their volumes are encrypted with.
    pub key: L,
}

/// Properties that are its hosts' and are compared with them, and the count, which is for its beginning.
const NOT_ITS_OWN: [&str; 4] = ["count", "groups", "profile", "key"];

pub(super) struct AutoScalingGroups;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "autoscaling:DescribeAutoScalingGroups", resources: &["*"] },
    Call { when: When::Discover, action: "ec2:DescribeInstances", resources: &["*"] },
    Call { when: When::Discover, action: "ec2:DescribeVolumes", resources: &["*"] },
    Call { when: When::Create, action: "autoscaling:CreateAutoScalingGroup", resources: &["*"] },
    Call { when: When::Create, action: "autoscaling:CreateOrUpdateTags", resources: &["*"] },
    Call { when: When::Create, action: "autoscaling:DescribeScalingActivities", resources: &["*"] },
    Call { when: When::Create, action: "ec2:RunInstances", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Create, action: "iam:PassRole", resources: &["*"] },
    Call { when: When::Create, action: "iam:CreateServiceLinkedRole", resources: &["*"] },
    Call { when: When::Change, action: "autoscaling:UpdateAutoScalingGroup", resources: &["*"] },
    Call { when: When::Change, action: "autoscaling:CreateOrUpdateTags", resources: &["*"] },
    Call { when: When::Change, action: "autoscaling:DescribeScalingActivities", resources: &["*"] },
    Call { when: When::Change, action: "autoscaling:TerminateInstanceInAutoScalingGroup", resources: &["*"] },
    Call { when: When::Change, action: "ec2:RunInstances", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ModifyInstanceMetadataOptions", resources: &["*"] },
    Call { when: When::Change, action: "ec2:ModifyInstanceAttribute", resources: &["*"] },
    Call { when: When::Change, action: "iam:PassRole", resources: &["*"] },
    Call { when: When::Delete, action: "autoscaling:UpdateAutoScalingGroup", resources: &["*"] },
    Call { when: When::Delete, action: "autoscaling:DeleteAutoScalingGroup", resources: &["*"] },
];

impl Operations for AutoScalingGroups {
    fn practice(&self) -> Practice {
        Practice {
            what: "Hosts that run programs in sandboxes, as many as the load asks for",
            why: "Auto Scaling replaces a host that fails and spreads hosts over zones, from one pinned version of a template",
            source: "https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-groups.html",
        }
    }

    fn usage(&self, priced: &Priced<'_>) -> Vec<Usage> {
        if !priced.hosts.is_empty() {
            return instances::usage_of_hosts(priced.hosts, false);
        }
        let count = priced.properties.0.get("count").and_then(Value::as_u64).unwrap_or_default();
        let template = priced.id.name().and_then(|name| priced.all.get(&ResourceId::named(Kind::LaunchTemplate, name)));
        match template.map(Properties::parse::<LaunchTemplate>) {
            _ if count == 0 => Vec::new(),
            Some(Ok(template)) => {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                instances::usage_of_wanted(&template.instance_type, &template.volumes, count)
            }
            _ => vec![Usage::of(Sku::Unknown("host without a launch template".to_owned()), count)],
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("desired capacity", "within the spec's bounds it is whoever's that scales the fleet"),
            ("image and type of running hosts", "those of an older version stay until Auto Scaling ends them"),
            ("health checks and termination policies", "they are set as the fleet is made"),
            ("scaling policies, schedules and hooks", "they belong to who scales the fleet"),
        ]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> BoxFuture<'a, Result<Vec<Observed>, KindError>> {
        Box::pin(async move {
            let of_estate =
                Filter::builder().name(format!("tag:{}", tags::ESTATE)).values(scope.estate.as_str()).build();
            let pages = cloud.autoscaling.describe_auto_scaling_groups().filters(of_estate).max_records(PAGE);
            let pages = pages.into_paginator().items().send();
            let groups: Vec<_> =
                cloud.call(Service::AutoScaling, "DescribeAutoScalingGroups", pages.try_collect()).await?;
            let mut all = Vec::new();
            for group in groups {
                all.extend(read(cloud, scope, group).await?);
            }
            Ok(all)
        })
    }

    fn compare(&self, wanted: &Resource, resolved: &Properties, observed: &Observed) -> Comparison {
        let mut own = resolved.clone();
        own.0.retain(|name, _| !NOT_ITS_OWN.contains(&name.as_str()));
        let mut comparison = crate::plan::compare(self.fixed(), wanted, &own, observed);
        // Properties of another version: making the change says so.
        if let Ok(fleet) = resolved.parse::<AutoScalingGroup>() {
            comparison.differences.extend(members::differences(&fleet, &wanted.tags, &observed.hosts));
        }
        comparison
    }

    fn unreached(&self, differences: &[Difference]) -> Option<&'static str> {
        let is_source = |one: &Difference| ["version", "template", "instance_types"].contains(&one.property.as_str());
        differences.iter().any(is_source).then_some(
            "hosts of an older version stay until Auto Scaling ends them, since instance refresh comes later",
        )
    }

    fn create<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
        Box::pin(async move {
            match make(cx, wanted).await {
                Err(KindError::Cloud(error)) if error.is(&["AlreadyExists", "AlreadyExistsFault"]) => {
                    adopt(cx, wanted).await
                }
                made => {
                    made?;
                    wait_until_in_service(cx, wanted, &wanted.resource.name).await?;
                    Ok(super::only_id(&wanted.resource.name))
                }
            }
        })
    }

    fn change<'a>(
        &'a self,
        cx: &'a Context<'a>,
        wanted: &'a Wanted<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, KindError>> {
        Box::pin(async move {
            change(cx, wanted, current).await?;
            Ok(current.attributes.clone())
        })
    }

    fn delete<'a>(
        &'a self,
        cx: &'a Context<'a>,
        current: &'a Observed,
    ) -> BoxFuture<'a, Result<Option<Left>, KindError>> {
        Box::pin(async move {
            let name = &current.physical;
            if by_name(cx.cloud, name).await?.is_some() {
                let request = cx.cloud.autoscaling.update_auto_scaling_group().auto_scaling_group_name(name);
                let request = request.min_size(0).max_size(0).desired_capacity(0);
                let call = || cx.cloud.call(Service::AutoScaling, "UpdateAutoScalingGroup", request.clone().send());
                cx.cloud.patiently(SOON, &["ScalingActivityInProgress"], call).await?;
                wait_until_empty(cx, &current.id, name).await?;
                let request = cx.cloud.autoscaling.delete_auto_scaling_group().auto_scaling_group_name(name);
                let call = || cx.cloud.call(Service::AutoScaling, "DeleteAutoScalingGroup", request.clone().send());
                let busy = ["ScalingActivityInProgress", "ScalingActivityInProgressFault", "ResourceInUse"];
                cx.cloud.patiently(super::IN_USE, &busy, call).await?;
            }
            let members: Vec<_> = current.hosts.iter().map(|host| host.instance.clone()).collect();
            instances::wait_until_gone(cx, &current.id, &members).await?;
            Ok(instances::kept(&current.hosts.iter().collect::<Vec<_>>()))
        })
    }
}

/// The parts of a fleet that are the same in a call that makes it and in one that changes it.
struct Source {
    template: Option<LaunchTemplateSpecification>,
    mixed: Option<MixedInstancesPolicy>,
}

impl Source {
    fn of(fleet: &AutoScalingGroup<String>) -> Self {
        let template =
            LaunchTemplateSpecification::builder().launch_template_id(&fleet.template).version(&fleet.version).build();
        if fleet.instance_types.is_empty() {
            return Self { template: Some(template), mixed: None };
        }
        let types = fleet.instance_types.values();
        let overrides = types.map(|name| LaunchTemplateOverrides::builder().instance_type(name).build());
        let template = MixedTemplate::builder()
            .launch_template_specification(template)
            .set_overrides(Some(overrides.collect()))
            .build();
        let distribution = InstancesDistribution::builder()
            .on_demand_allocation_strategy("prioritized")
            .on_demand_percentage_above_base_capacity(100)
            .build();
        let mixed =
            MixedInstancesPolicy::builder().launch_template(template).instances_distribution(distribution).build();
        Self { template: None, mixed: Some(mixed) }
    }
}

async fn make(cx: &Context<'_>, wanted: &Wanted<'_>) -> Result<(), KindError> {
    let fleet: AutoScalingGroup<String> = wanted.parse()?;
    let source = Source::of(&fleet);
    let request = cx
        .cloud
        .autoscaling
        .create_auto_scaling_group()
        .auto_scaling_group_name(&wanted.resource.name)
        .set_launch_template(source.template)
        .set_mixed_instances_policy(source.mixed)
        .min_size(whole(fleet.min))
        .max_size(whole(fleet.max))
        .desired_capacity(whole(fleet.count))
        .vpc_zone_identifier(fleet.subnets.join(","))
        .health_check_type("EC2")
        .set_termination_policies(Some(TERMINATION.map(str::to_owned).to_vec()))
        .capacity_rebalance(false)
        .set_tags(Some(write_tags(&wanted.resource.name, &wanted.resource.tags)));
    let call = || async {
        let answer = cx.cloud.call(Service::AutoScaling, "CreateAutoScalingGroup", request.clone().send()).await;
        answer.map_err(not_yet)
    };
    cx.cloud.patiently(SOON, &[NOT_YET], call).await?;
    Ok(())
}

/// Tells a refusal of what was just made from others.
fn not_yet(error: CloudError) -> CloudError {
    let unseen = ["rofile", "does not exist", "not found", "NotFound"];
    match error.code() == "ValidationError" && unseen.iter().any(|text| error.message().contains(text)) {
        true => error.with_code(NOT_YET),
        false => error,
    }
}

/// Takes over what a crashed run made and discovery didn't see yet.
async fn adopt(cx: &Context<'_>, wanted: &Wanted<'_>) -> Result<BTreeMap<String, String>, KindError> {
    let name = &wanted.resource.name;
    let foreign =
        || KindError::Foreign { kind: Kind::AutoScalingGroup, name: name.clone(), estate: cx.scope.estate.to_string() };
    let group = by_name(cx.cloud, name).await?.ok_or_else(foreign)?;
    let current = read(cx.cloud, cx.scope, group).await?.filter(|found| found.id == wanted.resource.id);
    let current =
        current.filter(|found| found.tags.get(tags::ESTATE).is_some_and(|of| *of == cx.scope.estate.to_string()));
    let current = current.ok_or_else(foreign)?;
    change(cx, wanted, &current).await?;
    Ok(current.attributes)
}

async fn change(cx: &Context<'_>, wanted: &Wanted<'_>, current: &Observed) -> Result<(), KindError> {
    let (mut new, mut old): (AutoScalingGroup<String>, AutoScalingGroup<String>) = (wanted.parse()?, current.parse()?);
    for fleet in [&mut new, &mut old] {
        (fleet.count, fleet.profile, fleet.key) = (0, String::new(), String::new());
        fleet.groups.clear();
    }
    new.subnets.sort_unstable();
    old.subnets.sort_unstable();
    if new != old {
        let source = Source::of(&new);
        let request = cx
            .cloud
            .autoscaling
            .update_auto_scaling_group()
            .auto_scaling_group_name(&current.physical)
            .set_launch_template(source.template)
            .set_mixed_instances_policy(source.mixed)
            .min_size(whole(new.min))
            .max_size(whole(new.max))
            .vpc_zone_identifier(new.subnets.join(","));
        let call = || async {
            let answer = cx.cloud.call(Service::AutoScaling, "UpdateAutoScalingGroup", request.clone().send()).await;
            answer.map_err(not_yet)
        };
        cx.cloud.patiently(SOON, &[NOT_YET, "ScalingActivityInProgress"], call).await?;
    }
    if wanted.resource.tags.iter().any(|(key, value)| current.tags.get(key) != Some(value)) {
        let request = cx.cloud.autoscaling.create_or_update_tags();
        let request = request.set_tags(Some(write_tags(&current.physical, &wanted.resource.tags))).send();
        cx.cloud.call(Service::AutoScaling, "CreateOrUpdateTags", request).await?;
    }
    members::put_right(cx, wanted, current).await?;
    wait_until_in_service(cx, wanted, &current.physical).await
}

async fn by_name(cloud: &Cloud, name: &str) -> Result<Option<Group>, KindError> {
    let request = cloud.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(name).send();
    let answer = cloud.call(Service::AutoScaling, "DescribeAutoScalingGroups", request).await?;
    Ok(answer.auto_scaling_groups.unwrap_or_default().into_iter().next())
}

/// A group that has an id inside the estate, with its hosts.
async fn read(cloud: &Cloud, scope: &Scope, group: Group) -> Result<Option<Observed>, KindError> {
    let tags: BTreeMap<_, _> =
        group.tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect();
    let (Some(id), Some(name)) = (super::ec2::id_of(&tags), group.auto_scaling_group_name) else { return Ok(None) };
    let mixed = group.mixed_instances_policy.and_then(|policy| policy.launch_template);
    let (template, types) = match mixed {
        Some(mixed) => (mixed.launch_template_specification, mixed.overrides.unwrap_or_default()),
        None => (group.launch_template, Vec::new()),
    };
    let (template, version) =
        template.map(|template| (template.launch_template_id, template.version)).unwrap_or_default();
    let subnets = group.vpc_zone_identifier.unwrap_or_default();
    let found = AutoScalingGroup {
        template: template.unwrap_or_default(),
        version: version.unwrap_or_default(),
        count: natural(group.desired_capacity),
        min: natural(group.min_size),
        max: natural(group.max_size),
        subnets: subnets.split(',').filter(|id| !id.is_empty()).map(|id| id.trim().to_owned()).collect(),
        instance_types: (0..).zip(types.into_iter().filter_map(|one| one.instance_type)).collect(),
        groups: Vec::new(),
        profile: String::new(),
        key: String::new(),
    };
    let hosts = instances::hosts_of_fleet(cloud, scope, &name, &id).await?;
    let mut found = properties(&id, &found)?;
    // What others' deletion depends on.
    let uses: std::collections::BTreeSet<_> = hosts.iter().flat_map(|host| host.groups.clone()).collect();
    found.0.insert("uses".to_owned(), json!(uses));
    let mut observed = Observed::new(Kind::AutoScalingGroup, id, &name, found);
    observed.created = group.created_time.map(|time| time.secs());
    observed.tags = tags;
    observed.hosts = hosts;
    Ok(Some(observed))
}

/// Waits until as many hosts are in service as the fleet wants. A start that failed had a reason.
///
/// A fleet that was renamed has the `name` that it was made with.
async fn wait_until_in_service(cx: &Context<'_>, wanted: &Wanted<'_>, name: &str) -> Result<(), KindError> {
    let id = &wanted.resource.id;
    let deadline = Instant::now() + DEADLINE;
    let mut pause = POLL;
    loop {
        let group = by_name(cx.cloud, name).await?;
        let members = group.as_ref().and_then(|group| group.instances.as_deref()).unwrap_or_default();
        let in_service = members.iter().filter(|one| one.lifecycle_state == Some(LifecycleState::InService)).count();
        let desired = group.as_ref().map_or(usize::MAX, |group| natural(group.desired_capacity) as usize);
        if in_service >= desired {
            return Ok(());
        }
        if let Some(reason) = failure(cx.cloud, name).await? {
            return Err(KindError::NotStarted {
                instance: "that Auto Scaling started".to_owned(),
                id: id.clone(),
                reason,
            });
        }
        if Instant::now() + pause > deadline {
            let what = format!("{} hosts of {id}", desired.saturating_sub(in_service));
            return Err(KindError::Deadline { what, state: "not in service".to_owned(), seconds: DEADLINE.as_secs() });
        }
        (cx.waiting)(format!("{id}: {in_service} hosts are in service"));
        sleep(pause).await;
        pause = (pause * 2).min(POLL_LONG);
    }
}

/// Why the fleet's last start failed, unless that was for want of capacity, which Auto Scaling looks for elsewhere.
async fn failure(cloud: &Cloud, name: &str) -> Result<Option<String>, KindError> {
    let request = cloud.autoscaling.describe_scaling_activities().auto_scaling_group_name(name).max_records(10).send();
    let answer = cloud.call(Service::AutoScaling, "DescribeScalingActivities", request).await?;
    let last = answer.activities.unwrap_or_default().into_iter().next();
    Ok(last
        .filter(|activity| activity.status_code == Some(ScalingActivityStatusCode::Failed))
        .and_then(|activity| activity.status_message)
        .filter(|message| !message.contains("capacity")))
}

async fn wait_until_empty(cx: &Context<'_>, id: &ResourceId, name: &str) -> Result<(), KindError> {
    let deadline = Instant::now() + DEADLINE;
    let mut pause = POLL;
    loop {
        let group = by_name(cx.cloud, name).await?;
        let left = group.and_then(|group| group.instances).unwrap_or_default().len();
        if left == 0 {
            return Ok(());
        }
        if Instant::now() + pause > deadline {
            let what = format!("{left} hosts of {id}");
            return Err(KindError::Deadline { what, state: "ending".to_owned(), seconds: DEADLINE.as_secs() });
        }
        (cx.waiting)(format!("{id}: {left} hosts are still there"));
        sleep(pause).await;
        pause = (pause * 2).min(POLL_LONG);
    }
}

/// Tags as Auto Scaling takes them; each instance that it starts has them too.
fn write_tags(name: &str, tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| {
        let tag = Tag::builder().resource_id(name).resource_type("auto-scaling-group").key(key).value(value);
        tag.propagate_at_launch(true).build()
    };
    tags.iter().map(tag).collect()
}

fn whole(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn natural(number: Option<i32>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}
