//! Starting hosts and waiting for them, a batch at a time.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Instance, InstanceStateName, LaunchTemplateSpecification, ResourceType};
use tokio::time::{Instant, sleep};

use super::super::ec2::{NOT_YET, tagged};
use super::super::{Context, GHOSTS, KindError, SOON, UNSEEN, Wanted};
use super::{Batch, DEADLINE, Instances, describe, state, verify};
use crate::cloud::{CloudError, Service};
use crate::estate::{ResourceId, tags};

/// Between two looks at a batch.
const POLL: std::time::Duration = std::time::Duration::from_millis(500);
const POLL_LONG: std::time::Duration = std::time::Duration::from_secs(5);
/// The token's instance is dead; RunInstances says so for as long as it remembers.
const GHOST: &str = "IdempotentInstanceTerminated";
/// An instance profile that EC2 doesn't know yet has no code of its own.
const PROFILE_NOT_YET: &str = "InvalidParameterValue.InstanceProfile";

/// Starts all batches, and returns when their hosts run and are what they were asked to be.
pub(super) async fn launch(
    cx: &Context<'_>,
    wanted: &Wanted<'_>,
    group: &Instances<String>,
    batches: &[Batch],
) -> Result<(), KindError> {
    if batches.is_empty() {
        return Ok(());
    }
    // What died before this run can't be what this run starts.
    let dead: BTreeSet<String> = describe(cx.cloud, cx.scope, Some(&wanted.resource.id))
        .await?
        .iter()
        .filter(|found| is_dead(found))
        .filter_map(|found| found.instance_id.clone())
        .collect();
    let mut started = Vec::new();
    for batch in batches {
        started.extend(run(cx, wanted, group, *batch, &dead).await?);
    }
    let hosts = wait_until_running(cx, &wanted.resource.id, &started).await?;
    verify::verify(cx.cloud, &wanted.resource.id, group, &hosts).await
}

fn is_dead(instance: &Instance) -> bool {
    matches!(state(instance), Some(InstanceStateName::Terminated | InstanceStateName::ShuttingDown))
}

/// Starts one batch, and returns its instances' ids.
///
/// Which attempt's token is the living one needn't be remembered: a run that comes after a crash goes through the
/// same dead ones and arrives at the same call.
async fn run(
    cx: &Context<'_>,
    wanted: &Wanted<'_>,
    group: &Instances<String>,
    batch: Batch,
    dead: &BTreeSet<String>,
) -> Result<Vec<String>, KindError> {
    for attempt in 0..GHOSTS {
        let request = request(cx, wanted, group, batch, attempt);
        let call = || async {
            let answer = cx.cloud.call(Service::Ec2, "RunInstances", request.clone().send()).await;
            answer.map_err(|error| {
                match error.code() == "InvalidParameterValue" && error.message().contains("rofile") {
                    true => error.with_code(PROFILE_NOT_YET),
                    false => error,
                }
            })
        };
        let codes: Vec<_> = NOT_YET.iter().copied().chain([PROFILE_NOT_YET]).collect();
        let answer = match cx.cloud.patiently(SOON, &codes, call).await {
            Err(error) if error.is(&[GHOST]) => continue,
            answer => answer?,
        };
        let ids: Vec<_> =
            answer.instances.unwrap_or_default().into_iter().filter_map(|instance| instance.instance_id).collect();
        if ids.len() != batch.count as usize {
            return Err(CloudError::incomplete(Service::Ec2, "RunInstances", "instances, or not all").into());
        }
        if !ids.iter().any(|id| dead.contains(id)) && are_seen(cx, &wanted.resource.id, &ids).await? {
            return Ok(ids);
        }
        tracing::debug!(attempt, ?ids, "this token's instances are gone");
    }
    let what = format!("{} from index {}", wanted.resource.id, batch.first);
    let state = "answered for with the ids of dead instances".to_owned();
    Err(KindError::Deadline { what, state, seconds: UNSEEN.as_secs() * u64::from(GHOSTS) })
}

fn request(
    cx: &Context<'_>,
    wanted: &Wanted<'_>,
    group: &Instances<String>,
    batch: Batch,
    attempt: u32,
) -> aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder {
    let mut tags = wanted.resource.tags.clone();
    tags.insert(tags::GENERATION.to_owned(), group.generation.clone());
    tags.insert(tags::FIRST.to_owned(), batch.first.to_string());
    let count = i32::try_from(batch.count).unwrap_or(i32::MAX);
    let template =
        LaunchTemplateSpecification::builder().launch_template_id(&group.template).version(&group.generation).build();
    cx.cloud
        .ec2
        .run_instances()
        .launch_template(template)
        .min_count(count)
        .max_count(count)
        .client_token(wanted.token(cx.scope, &format!("{}+{}", batch.first, batch.count), attempt))
        .tag_specifications(tagged(ResourceType::Instance, &tags))
        .tag_specifications(tagged(ResourceType::Volume, &tags))
        .tag_specifications(tagged(ResourceType::NetworkInterface, &tags))
}

/// Whether the instances come to be seen: those of a token that was used long ago don't.
async fn are_seen(cx: &Context<'_>, group: &ResourceId, ids: &[String]) -> Result<bool, KindError> {
    let deadline = Instant::now() + UNSEEN;
    loop {
        let found = describe(cx.cloud, cx.scope, Some(group)).await?;
        let found: BTreeSet<_> = found.iter().filter_map(|instance| instance.instance_id.as_deref()).collect();
        if ids.iter().all(|id| found.contains(id.as_str())) {
            return Ok(true);
        }
        if Instant::now() + POLL > deadline {
            return Ok(false);
        }
        sleep(POLL).await;
    }
}

/// Looks at all with one call at a time until each runs. One that ended instead had a reason.
async fn wait_until_running(cx: &Context<'_>, group: &ResourceId, ids: &[String]) -> Result<Vec<Instance>, KindError> {
    let deadline = Instant::now() + DEADLINE;
    let mut pause = POLL;
    loop {
        let found = by_id(describe(cx.cloud, cx.scope, Some(group)).await?);
        let (mut running, mut last) = (Vec::new(), String::new());
        for id in ids {
            match found.get(id) {
                Some(instance) if state(instance) == Some(&InstanceStateName::Running) => {
                    running.push(instance.clone())
                }
                Some(instance) if is_dead(instance) => {
                    let instance_id = id.clone();
                    return Err(KindError::NotStarted {
                        instance: instance_id,
                        id: group.clone(),
                        reason: reason(instance),
                    });
                }
                Some(instance) => last = state(instance).map(ToString::to_string).unwrap_or_default(),
                None => "not seen yet".clone_into(&mut last),
            }
        }
        if running.len() == ids.len() {
            return Ok(running);
        }
        if Instant::now() + pause > deadline {
            let what = format!("{} of {} hosts of {group}", ids.len() - running.len(), ids.len());
            return Err(KindError::Deadline { what, state: last, seconds: DEADLINE.as_secs() });
        }
        (cx.waiting)(format!("{group}: {} of {} hosts run", running.len(), ids.len()));
        sleep(pause).await;
        pause = (pause * 2).min(POLL_LONG);
    }
}

/// Waits until instances are terminated or no longer shown.
pub(super) async fn wait_until_gone(cx: &Context<'_>, group: &ResourceId, ids: &[String]) -> Result<(), KindError> {
    let deadline = Instant::now() + DEADLINE;
    let mut pause = POLL;
    loop {
        let found = by_id(describe(cx.cloud, cx.scope, Some(group)).await?);
        let left: Vec<_> = ids
            .iter()
            .filter_map(|id| found.get(id))
            .filter(|instance| state(instance) != Some(&InstanceStateName::Terminated))
            .collect();
        let Some(one) = left.first() else { return Ok(()) };
        if Instant::now() + pause > deadline {
            let what = format!("{} of {} hosts of {group}", left.len(), ids.len());
            let state = state(one).map(ToString::to_string).unwrap_or_default();
            return Err(KindError::Deadline { what, state, seconds: DEADLINE.as_secs() });
        }
        (cx.waiting)(format!("{group}: {} of {} hosts are gone", ids.len() - left.len(), ids.len()));
        sleep(pause).await;
        pause = (pause * 2).min(POLL_LONG);
    }
}

fn by_id(instances: Vec<Instance>) -> BTreeMap<String, Instance> {
    instances.into_iter().filter_map(|instance| Some((instance.instance_id.clone()?, instance))).collect()
}

/// Why EC2 ended an instance, such as `Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state`.
fn reason(instance: &Instance) -> String {
    let reason = instance.state_reason.as_ref();
    match reason.map(|reason| (reason.code().unwrap_or_default(), reason.message().unwrap_or_default())) {
        Some((code, message)) if message.starts_with(code) => message.to_owned(),
        Some((code, message)) => format!("{code}: {message}"),
        None => "EC2 gave no reason".to_owned(),
    }
}
