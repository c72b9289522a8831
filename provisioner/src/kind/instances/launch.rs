//! Starting hosts and waiting for them, a batch at a time.
//!
//! RunInstances is idempotent by a ClientToken over identity, place and parameters. A token stays taken after its
//! instances are gone, so one that answers with dead ones is given up for the next. Which attempt's token is the living
//! one needn't be remembered: a run that comes after a crash goes through the same dead ones and arrives at the same
//! call.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    Instance, InstanceNetworkInterfaceSpecification, InstanceStateName, InstanceType, LaunchTemplateSpecification,
    ResourceType,
};
use futures::stream::{StreamExt, TryStreamExt};
use tokio::time::{Instant, sleep};

use super::super::ec2::{NOT_YET, tagged};
use super::super::{Context, GHOSTS, KindError, NotYet, Patience, SOON, UNSEEN, Wanted, wait};
use super::Instances;
use super::capacity::{ELSEWHERE, Place, places};
use super::flaws::{Flaw, flaws};
use super::host::{Host, describe, hosts, is_dead, state};
use super::moves::{Batch, batches};
use crate::cloud::{CloudError, Service};
use crate::estate::{ResourceId, tags};

/// Between two looks at a batch.
const POLL: std::time::Duration = std::time::Duration::from_millis(500);
/// For hosts that start or end.
const PATIENCE: Patience = Patience { first_pause: POLL, ..Patience::MINUTES };
/// Calls under way at once.
const AT_ONCE: usize = 4;
/// The token's instance is dead; RunInstances says so for as long as it remembers.
const GHOST: &str = "IdempotentInstanceTerminated";
/// An instance profile that EC2 doesn't know yet has no code of its own.
const PROFILE_NOT_YET: &str = "InvalidParameterValue.InstanceProfile";

/// A group whose hosts are started.
pub(super) struct Launch<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) wanted: &'a Wanted<'a>,
    /// The group, to call with.
    pub(super) group: Instances<String>,
    /// The same, to compare with.
    pub(super) promised: Instances,
}

/// What one call started.
struct Started {
    batch: Batch,
    attempt: u32,
    instances: Vec<String>,
}

impl Launch<'_> {
    fn id(&self) -> &ResourceId {
        &self.wanted.resource.id
    }

    /// Starts hosts of these indexes, and returns their instances' ids once EC2 shows them.
    pub(super) async fn start(&self, indexes: &[u32]) -> Result<Vec<String>, KindError> {
        if indexes.is_empty() {
            return Ok(Vec::new());
        }
        // What was there before, dead or to be replaced by a host of the same generation, can't be what this starts.
        let found = describe(self.cx.cloud, self.cx.scope, Some(self.id())).await?;
        let earlier: BTreeSet<String> = found.into_iter().filter_map(|instance| instance.instance_id).collect();
        let subnets = u32::try_from(self.group.subnets.len()).unwrap_or(u32::MAX);
        let mut wanted: Vec<(Batch, u32)> = batches(indexes, subnets).into_iter().map(|batch| (batch, 0)).collect();
        let mut started: Vec<Started> = Vec::new();
        while !wanted.is_empty() {
            let calls = wanted.drain(..).map(|(batch, attempt)| self.run(batch, attempt, &earlier));
            let new: Vec<Started> =
                futures::stream::iter(calls.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await?;
            started.extend(new);
            let seen = self.seen(&started).await?;
            // The instances of a token that was used long ago aren't shown any more.
            let is_ghost = |one: &Started| !one.instances.iter().all(|id| seen.contains(id));
            let (ghosts, living) = started.into_iter().partition(is_ghost);
            started = living;
            wanted = ghosts.into_iter().map(|one| (one.batch, one.attempt + 1)).collect();
        }
        Ok(started.into_iter().flat_map(|one| one.instances).collect())
    }

    /// Starts one batch.
    async fn run(&self, batch: Batch, from: u32, earlier: &BTreeSet<String>) -> Result<Started, KindError> {
        for attempt in from..GHOSTS {
            let Some(answer) = self.somewhere(batch, attempt).await? else { continue };
            let instances: Vec<_> = answer.into_iter().filter_map(|instance| instance.instance_id).collect();
            if instances.len() != batch.count as usize {
                return Err(CloudError::incomplete(Service::Ec2, "RunInstances", "instances, or not all").into());
            }
            if !instances.iter().any(|id| earlier.contains(id)) {
                return Ok(Started { batch, attempt, instances });
            }
            tracing::debug!(attempt, ?instances, "this token's instances are gone");
        }
        let what = format!("{} from index {}", self.id(), batch.first);
        let state = "answered for with the ids of earlier instances".to_owned();
        Err(KindError::Deadline { what, state, seconds: UNSEEN.as_secs() * u64::from(GHOSTS) })
    }

    /// Starts one batch in the first place that has room for it; nothing comes of a token whose instances are dead.
    async fn somewhere(&self, batch: Batch, attempt: u32) -> Result<Option<Vec<Instance>>, KindError> {
        let (mut tried, mut last) = (Vec::new(), None);
        for place in places(&self.group, batch) {
            let request = self.request(batch, place, attempt);
            let call = || async {
                let answer = self.cx.cloud.call(Service::Ec2, "RunInstances", request.clone().send()).await;
                answer.map_err(|error| {
                    match error.code() == "InvalidParameterValue" && error.message().contains("rofile") {
                        true => error.with_code(PROFILE_NOT_YET),
                        false => error,
                    }
                })
            };
            let codes: Vec<_> = NOT_YET.iter().copied().chain([PROFILE_NOT_YET]).collect();
            match self.cx.cloud.patiently(SOON, &codes, call).await {
                Err(error) if error.is(&[GHOST]) => return Ok(None),
                Err(error) if error.is(ELSEWHERE) => {
                    (self.cx.waiting)(format!("{}: {} for {place}; trying the next", self.id(), error.code()));
                    tried.push(place.to_string());
                    last = Some(error);
                }
                answer => return Ok(Some(answer?.instances.unwrap_or_default())),
            }
        }
        match last {
            Some(error) => {
                let source = Box::new(error);
                Err(KindError::NoCapacity { id: self.id().clone(), count: batch.count, tried, source })
            }
            None => Ok(Some(Vec::new())),
        }
    }

    fn request(&self, batch: Batch, place: Place<'_>, attempt: u32) -> RunInstancesFluentBuilder {
        let group = &self.group;
        let mut tags = self.wanted.resource.tags.clone();
        tags.insert(tags::GENERATION.to_owned(), group.generation.clone());
        tags.insert(tags::FIRST.to_owned(), batch.first.to_string());
        tags.insert(tags::STRIDE.to_owned(), batch.stride.to_string());
        tags.insert(tags::PROTECTED.to_owned(), group.protected.to_string());
        let count = i32::try_from(batch.count).unwrap_or(i32::MAX);
        let template =
            LaunchTemplateSpecification::builder().launch_template_id(&group.template).version(&group.version).build();
        // The template's interface with a subnet: given here whole, for what is given replaces what the template says.
        let interface = InstanceNetworkInterfaceSpecification::builder()
            .device_index(0)
            .subnet_id(place.subnet)
            .set_groups(Some(group.groups.clone()))
            .associate_public_ip_address(group.public_address)
            .delete_on_termination(true)
            .build();
        let identity = format!("{}+{}*{} {place}", batch.first, batch.stride, batch.count);
        self.cx
            .cloud
            .ec2
            .run_instances()
            .launch_template(template)
            .network_interfaces(interface)
            .instance_type(InstanceType::from(place.instance_type))
            .min_count(count)
            .max_count(count)
            .client_token(self.wanted.token(self.cx.scope, &identity, attempt))
            .tag_specifications(tagged(ResourceType::Instance, &tags))
            .tag_specifications(tagged(ResourceType::Volume, &tags))
            .tag_specifications(tagged(ResourceType::NetworkInterface, &tags))
    }

    /// Which instances come to be seen.
    async fn seen(&self, started: &[Started]) -> Result<BTreeSet<String>, KindError> {
        let deadline = Instant::now() + UNSEEN;
        loop {
            let found = describe(self.cx.cloud, self.cx.scope, Some(self.id())).await?;
            let found: BTreeSet<_> = found.into_iter().filter_map(|instance| instance.instance_id).collect();
            let all = started.iter().flat_map(|one| &one.instances).all(|id| found.contains(id));
            if all || Instant::now() + POLL > deadline {
                return Ok(found);
            }
            sleep(POLL).await;
        }
    }

    /// Looks at all with one call at a time until each runs. One that ended instead had a reason.
    pub(super) async fn wait_until_running(&self, ids: &[String]) -> Result<(), KindError> {
        let look = async || {
            let found = describe(self.cx.cloud, self.cx.scope, Some(self.id())).await?;
            not_running(self.id(), ids, &by_id(found))
        };
        wait(self.cx.waiting, PATIENCE, look).await
    }

    /// Sees that hosts that run are what was promised, and returns them.
    pub(super) async fn verify(&self, ids: &[String]) -> Result<Vec<Host>, KindError> {
        let deadline = Instant::now() + UNSEEN;
        loop {
            let mut found = hosts(self.cx.cloud, self.cx.scope, Some(self.id())).await?;
            let found: Vec<_> = found.remove(self.id()).unwrap_or_default();
            let found: Vec<_> = found.into_iter().filter(|host| ids.contains(&host.instance)).collect();
            let unseen = found.iter().flat_map(|host| &host.volumes).any(|volume| volume.like.is_none());
            if (found.len() < ids.len() || unseen) && Instant::now() + POLL < deadline {
                sleep(POLL).await;
                continue;
            }
            for host in &found {
                if let Some(flaw) = self.broken_promise(host) {
                    let (instance, id) = (host.instance.clone(), self.id().clone());
                    let what = format!("{} is {}, not {}", flaw.property, flaw.is, flaw.shall);
                    return Err(KindError::Unsafe { instance, id, what });
                }
            }
            return Ok(found);
        }
    }

    /// What is wrong of a host that was just started. Its address is given to it later.
    fn broken_promise(&self, host: &Host) -> Option<Flaw> {
        let flaws = flaws(&self.promised, host);
        flaws.into_iter().find(|flaw| flaw.remedy != super::flaws::Remedy::Address)
    }
}

/// Waits until instances are terminated or no longer shown.
pub(crate) async fn wait_until_gone(cx: &Context<'_>, group: &ResourceId, ids: &[String]) -> Result<(), KindError> {
    // Not by the group's tag: one that ends as its group is renamed has that of the old name.
    let look = async || Ok(not_gone(group, ids, &by_id(describe(cx.cloud, cx.scope, None).await?)));
    wait(cx.waiting, PATIENCE, look).await
}

/// Which of these instances don't run yet.
fn not_running(
    group: &ResourceId,
    ids: &[String],
    found: &BTreeMap<String, Instance>,
) -> Result<Option<NotYet>, KindError> {
    let (mut running, mut last) = (0, String::new());
    for id in ids {
        match found.get(id) {
            Some(instance) if state(instance) == Some(&InstanceStateName::Running) => running += 1,
            Some(instance) if is_dead(instance) => {
                let (instance, reason) = (id.clone(), reason(instance));
                return Err(KindError::NotStarted { instance, id: group.clone(), reason });
            }
            Some(instance) => last = state(instance).map(ToString::to_string).unwrap_or_default(),
            None => "not seen yet".clone_into(&mut last),
        }
    }
    let all = ids.len();
    Ok((running < all).then(|| NotYet {
        what: format!("{} of {all} hosts of {group}", all - running),
        state: last,
        progress: format!("{group}: {running} of {all} hosts run"),
    }))
}

/// Which of these instances are there yet.
fn not_gone(group: &ResourceId, ids: &[String], found: &BTreeMap<String, Instance>) -> Option<NotYet> {
    let is_there = |instance: &&Instance| state(instance) != Some(&InstanceStateName::Terminated);
    let left: Vec<_> = ids.iter().filter_map(|id| found.get(id)).filter(is_there).collect();
    let one = left.first()?;
    let all = ids.len();
    Some(NotYet {
        what: format!("{} of {all} hosts of {group}", left.len()),
        state: state(one).map(ToString::to_string).unwrap_or_default(),
        progress: format!("{group}: {} of {all} hosts are gone", all - left.len()),
    })
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

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{InstanceState, StateReason};

    use super::*;
    use crate::estate::Kind;

    fn instance(id: &str, state: InstanceStateName) -> (String, Instance) {
        let reason = StateReason::builder().code("Server.InternalError").message("Server.InternalError: on launch");
        let state = InstanceState::builder().name(state).build();
        (id.to_owned(), Instance::builder().instance_id(id).state(state).state_reason(reason.build()).build())
    }

    /// What waiting for these two says in the end, where patience is over after one look.
    async fn said(found: [(String, Instance); 2]) -> Option<String> {
        let (group, found) = (ResourceId::named(Kind::Instances, "worker"), BTreeMap::from(found));
        let ids: Vec<_> = found.keys().cloned().collect();
        let impatient = Patience { longest: std::time::Duration::ZERO, ..PATIENCE };
        let outcome = wait(&|_| (), impatient, async || not_running(&group, &ids, &found)).await;
        outcome.err().map(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_host_that_stays_pending_ends_the_wait_with_what_to_do() {
        use InstanceStateName::{Pending, Running, Terminated};
        assert_eq!(said([instance("i-1", Running), instance("i-2", Running)]).await, None);
        assert_eq!(
            said([instance("i-1", Running), instance("i-2", Pending)]).await.as_deref(),
            Some(
                "1 of 2 hosts of instances/worker was still pending after 0 s; look at it in the console, then apply again"
            )
        );
        assert_eq!(
            said([instance("i-1", Pending), instance("i-2", Terminated)]).await.as_deref(),
            Some(
                "instance i-2 of instances/worker ended while it started: Server.InternalError: on launch; correct that \
                 and apply again"
            )
        );
    }
}
