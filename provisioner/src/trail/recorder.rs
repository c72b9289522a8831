//! The witness of an apply: its records, on this machine's disk and in the trail.
//!
//! A run of `provision` is one stream: `ApplyPlan` (or `DestroyPlan`) when it is about to begin, a record before and after each
//! act, `EndPlan` at the end, and the signed close. Intent and outcome are two records with one `requestID`, told apart
//! by `requestParameters.phase`.
//!
//! # Invariants
//! - Where the spec names a trail, nothing changes before the store has confirmed the plan's intent, and the run succeeds only
//!   when it has confirmed the close.
//! - Each act's intent is on disk before the act begins, and on its way to the store.
//! - Where the spec names none, the records stay in this machine's spool, and that is said.
//! - Each trail has spools of its own, so what one could not take yet is never shipped into another.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_organizations::Client as Organizations;
use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast_audit::ship::ShipError;
use holdfast_audit::{Config, Destination, Event, Identity, Origin, Receipt, Shipper, Source, Trail};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{TrailError, place};
use crate::apply::witness::{Act, Close, Note, Outcome, Witness, WitnessError};
use crate::cloud::{Cloud, Service, found};
use crate::estate::Kind;
use crate::plan::{Operation, Plan, Purpose};
use crate::render;
use crate::spec::Audit;

/// How long the store may take to confirm what an apply waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long records wait for others to share an object with.
const LINGER: Duration = Duration::from_secs(1);
/// How many runs of one identity may record at once.
const SPOOLS: u32 = 16;
/// In the place of an organisation's id where the account is in none; nothing is shipped under it.
const NO_ORGANIZATION: &str = "none";
/// In the place of a trail's name where there is none.
const UNSHIPPED: &str = "unshipped";
/// Bytes of records that may wait on this machine.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Records what an apply does.
pub struct Recorder {
    trail: Arc<Trail>,
    /// None where the spec names no trail.
    shipper: Option<Shipper>,
    audit: Option<Audit>,
    identity: Identity,
    run: Uuid,
}

impl Recorder {
    /// Opens this machine's spool for the caller, and the way to the trail if the spec names one.
    pub async fn open(cloud: &Cloud, audit: Option<&Audit>) -> Result<Recorder, TrailError> {
        let caller = cloud.identity();
        let organization = match (organization(cloud).await, audit) {
            (Ok(Some(organization)), _) => organization,
            (Ok(None), Some(_)) => return Err(TrailError::NoOrganization(caller.account.clone())),
            (Err(error), Some(_)) => return Err(error),
            // Without a trail it would only be a name in a local file, not worth a refusal.
            (Ok(None) | Err(_), None) => NO_ORGANIZATION.to_owned(),
        };
        let region = cloud.config().region().map(ToString::to_string).unwrap_or_default();
        let origin = Origin {
            organization,
            account: caller.account.clone(),
            recipient_account: caller.account.clone(),
            region,
            writer: caller.user_id.clone(),
            program: concat!("provision/", env!("CARGO_PKG_VERSION")).into(),
            host: None,
            image: None,
            launch: None,
        };
        let state = place::state()?;
        let trail_name = audit.map_or_else(|| UNSHIPPED.to_owned(), Audit::bucket);
        let (trail, directory) =
            tokio::task::spawn_blocking(move || open_spool(&state, &trail_name, &origin)).await??;
        let shipper = match audit {
            Some(audit) => {
                let destination = Destination::s3(&audit.bucket(), audit.region.as_str(), cloud.config())?;
                Some(Shipper::start(&trail, destination, LINGER)?)
            }
            None => {
                let directory = directory.display();
                render::note(&format!(
                    "The spec names no audit trail: this run is recorded only on this machine, in {directory}\n"
                ));
                None
            }
        };
        let identity = Identity::from_caller(&caller.user_id, &caller.arn, &caller.account);
        Ok(Recorder { trail: Arc::new(trail), shipper, audit: audit.cloned(), identity, run: Uuid::new_v4() })
    }

    /// The stream that this run is recorded in.
    pub fn stream(&self) -> &str {
        self.trail.stream()
    }

    fn event(&self, name: &str) -> Event {
        Event::new(Source::Provision, name, self.identity.clone())
    }

    /// Records an event; on disk when this returns.
    async fn append(&self, event: Event) -> Result<Receipt, TrailError> {
        let trail = Arc::clone(&self.trail);
        Ok(tokio::task::spawn_blocking(move || trail.append(event)).await??)
    }

    async fn confirm(&self, sequence: u64) -> Result<(), TrailError> {
        let (Some(shipper), Some(audit)) = (&self.shipper, &self.audit) else { return Ok(()) };
        shipper.confirm(sequence, PATIENCE).await.map_err(|error| match error {
            ShipError::Missing { .. } => TrailError::NoTrail {
                bucket: audit.bucket(),
                account: audit.account.to_string(),
                region: audit.region.to_string(),
            },
            error => error.into(),
        })
    }

    /// Closes the stream; what the store has of it by then is another question.
    async fn close_stream(&self) -> Result<Receipt, TrailError> {
        let trail = Arc::clone(&self.trail);
        Ok(tokio::task::spawn_blocking(move || trail.close()).await??)
    }

    async fn record_plan(&self, plan: &Plan) -> Result<(), TrailError> {
        let counts = plan.counts();
        let changes: Vec<Value> = plan
            .changes
            .iter()
            .map(|change| json!({ "id": change.id, "action": change.action, "name": change.name }))
            .collect();
        let request = json!({
            "phase": "intent",
            "estate": plan.scope.estate,
            "account": plan.scope.account,
            "region": plan.scope.region,
            "world": plan.world,
            "counts": counts,
            "changes": changes,
            "acceptedRisks": plan.estate.as_ref().map(|estate| &estate.accepted),
            "monthlyEstimateUsd": plan.cost.after.total_usd,
            "monthlyBudgetUsd": plan.cost.budget_usd,
            "overBudget": plan.over_budget,
        });
        let name = plan_event(plan.purpose);
        let intent = self.event(name).request(request).request_id(self.run.to_string());
        let receipt = self.append(intent).await?;
        let Err(error) = self.confirm(receipt.sequence).await else { return Ok(()) };
        // The intent may be shipped later all the same; whoever reads it shall see that nothing came of it.
        let given_up = self
            .event(name)
            .request(json!({ "phase": "outcome", "estate": plan.scope.estate }))
            .failed("NotRecorded", format!("nothing was changed: {error}"))
            .request_id(self.run.to_string());
        self.append(given_up).await?;
        self.close_stream().await?;
        Err(error)
    }

    async fn record_act(&self, act: Act<'_>, outcome: Option<&Outcome>) -> Result<(), TrailError> {
        let Act { operation, change } = act;
        let name = act_event(change.kind, operation);
        let phase = if outcome.is_some() { "outcome" } else { "intent" };
        let mut request = json!({ "phase": phase, "id": change.id, "name": change.name, "action": change.action });
        if outcome.is_none() {
            request["why"] = json!(change.why);
            request["differences"] = json!(change.differences);
        }
        if let Some(physical) = &change.physical {
            request["resource"] = json!(physical);
        }
        let event = self.event(&name).request_id(format!("{}/{}/{:?}", self.run, change.id, operation).to_lowercase());
        let event = event.request(request);
        let event = match outcome {
            None => event,
            Some(Outcome::Done { attributes, left }) => {
                let arn = attributes.get("arn").cloned();
                event
                    .response(json!({ "attributes": attributes, "left": left }))
                    .resource(resource_type(change.kind), arn)
            }
            Some(Outcome::Failed { code, message, request_id }) => {
                let code = if code.is_empty() { "Failed" } else { code };
                event.failed(code, message).response(json!({ "awsRequestId": request_id }))
            }
        };
        self.append(event).await.map(drop)
    }

    async fn record_note(&self, note: &Note) -> Result<(), TrailError> {
        let name = match note {
            Note::LockBucket { .. } => "PrepareLockBucket",
            Note::LockTakenOver { .. } => "TakeOverLock",
            Note::LockBroken { .. } => "BreakLock",
        };
        let request = serde_json::to_value(note)?;
        let receipt = self.append(self.event(name).request(request).request_id(self.run.to_string())).await?;
        // It is all that its run does, so it is intent too.
        if matches!(note, Note::LockBroken { .. }) { self.confirm(receipt.sequence).await } else { Ok(()) }
    }

    async fn record_close(&self, close: &Close) -> Result<(), TrailError> {
        let event = self
            .event("EndPlan")
            .request(json!({ "phase": "outcome" }))
            .response(json!({ "done": close.done, "failed": close.failed, "notBegun": close.not_begun }))
            .request_id(self.run.to_string());
        let event = match &close.error {
            Some(error) => event.failed("NotCarriedOut", error),
            None => event,
        };
        self.append(event).await?;
        let receipt = self.close_stream().await?;
        self.confirm(receipt.sequence).await
    }
}

impl Witness for Recorder {
    fn plan_intent<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), WitnessError>> {
        async move { self.record_plan(plan).await.map_err(witness_error) }.boxed()
    }

    fn act_intent<'a>(&'a self, act: Act<'a>) -> BoxFuture<'a, Result<(), WitnessError>> {
        async move { self.record_act(act, None).await.map_err(witness_error) }.boxed()
    }

    fn act_outcome<'a>(&'a self, act: Act<'a>, outcome: &'a Outcome) -> BoxFuture<'a, Result<(), WitnessError>> {
        async move { self.record_act(act, Some(outcome)).await.map_err(witness_error) }.boxed()
    }

    fn note<'a>(&'a self, note: &'a Note) -> BoxFuture<'a, Result<(), WitnessError>> {
        async move { self.record_note(note).await.map_err(witness_error) }.boxed()
    }

    fn close<'a>(&'a self, close: &'a Close) -> BoxFuture<'a, Result<(), WitnessError>> {
        async move { self.record_close(close).await.map_err(witness_error) }.boxed()
    }
}

fn witness_error(error: TrailError) -> WitnessError {
    WitnessError(Box::new(error))
}

/// The first spool of the caller for a trail that no other run has open.
fn open_spool(state: &Path, trail: &str, origin: &Origin) -> Result<(Trail, PathBuf), TrailError> {
    // A user id holds no slash; a colon is fine in a name on both systems.
    let directory = state.join("spool").join(trail).join(&origin.account).join(&origin.writer);
    for number in 0..SPOOLS {
        let spool = directory.join(number.to_string());
        let config = Config::new(&spool, state.join("writer.key"), origin.clone());
        match Trail::open(Config { max_bytes: MAX_BYTES, ..config }) {
            Err(holdfast_audit::Error::Locked { .. }) => {}
            Ok((trail, recovery)) => {
                if let Some(previous) = recovery.previous.filter(|previous| !previous.closed) {
                    tracing::warn!(stream = previous.stream, "an earlier run ended unclosed; its records are kept");
                }
                for (path, damage) in &recovery.damaged {
                    tracing::error!(path = %path.display(), damage, "records of an earlier run are damaged");
                }
                return Ok((trail, spool));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(TrailError::Busy { directory, count: SPOOLS })
}

/// The organisation that the caller's account is in.
pub(super) async fn organization(cloud: &Cloud) -> Result<Option<String>, TrailError> {
    let request = Organizations::new(cloud.config()).describe_organization().send();
    let answer = cloud.call(Service::Organizations, "DescribeOrganization", request).await;
    let answer = found(answer, &["AWSOrganizationsNotInUseException"])?;
    Ok(answer.and_then(|answer| answer.organization?.id))
}

fn plan_event(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Apply => "ApplyPlan",
        Purpose::Destroy => "DestroyPlan",
    }
}

/// What an act is called: by AWS's own operation where there is one for the whole of it.
fn act_event(kind: Kind, operation: Operation) -> String {
    match (kind, operation) {
        (Kind::Instances, Operation::Create) => return "RunInstances".into(),
        (Kind::Instances, Operation::Delete) => return "TerminateInstances".into(),
        (Kind::Key, Operation::Delete) => return "ScheduleKeyDeletion".into(),
        _ => {}
    }
    let verb = match operation {
        Operation::Create => "Create",
        Operation::Change => "Change",
        Operation::Delete => "Delete",
    };
    format!("{verb}{}", resource_type(kind).rsplit("::").next().unwrap_or_default())
}

/// A kind's type in CloudFormation, as CloudTrail's `resources` name it.
fn resource_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Budget => "AWS::Budgets::Budget",
        Kind::Key => "AWS::KMS::Key",
        Kind::Alias => "AWS::KMS::Alias",
        Kind::Vpc => "AWS::EC2::VPC",
        Kind::InternetGateway => "AWS::EC2::InternetGateway",
        Kind::NetworkAcl => "AWS::EC2::NetworkAcl",
        Kind::Subnet => "AWS::EC2::Subnet",
        Kind::Address => "AWS::EC2::EIP",
        Kind::NatGateway => "AWS::EC2::NatGateway",
        Kind::RouteTable => "AWS::EC2::RouteTable",
        Kind::VpcEndpoint => "AWS::EC2::VPCEndpoint",
        Kind::SecurityGroup => "AWS::EC2::SecurityGroup",
        Kind::SecurityGroupRules => "Holdfast::EC2::SecurityGroupRules",
        Kind::Role => "AWS::IAM::Role",
        Kind::LogGroup => "AWS::Logs::LogGroup",
        Kind::FlowLog => "AWS::EC2::FlowLog",
        Kind::InstanceProfile => "AWS::IAM::InstanceProfile",
        Kind::BackupVault => "AWS::Backup::BackupVault",
        Kind::BackupPlan => "AWS::Backup::BackupPlan",
        Kind::LaunchTemplate => "AWS::EC2::LaunchTemplate",
        Kind::Instances => "AWS::EC2::Instance",
        Kind::AutoScalingGroup => "AWS::AutoScaling::AutoScalingGroup",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_are_called_as_aws_calls_them() {
        assert_eq!(act_event(Kind::Vpc, Operation::Create), "CreateVPC");
        assert_eq!(act_event(Kind::Instances, Operation::Create), "RunInstances");
        assert_eq!(act_event(Kind::SecurityGroupRules, Operation::Change), "ChangeSecurityGroupRules");
    }
}
