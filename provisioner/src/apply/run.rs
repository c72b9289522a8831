//! The steps of a plan, run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::stream::{FuturesUnordered, StreamExt};

use super::lock::Lock;
use super::progress::Event;
use super::witness::{Act, Close, Outcome};
use super::{ApplyError, Options, Watch};
use crate::cloud::Cloud;
use crate::estate::{Known, resolve};
use crate::kind::{Context, KindError, Left, Wanted, operations};
use crate::plan::{Change, Operation, Plan, Step, World, normal, settled_attributes, steps};

/// A run of a plan's steps.
pub(super) struct Run<'a> {
    cloud: &'a Arc<Cloud>,
    plan: &'a Plan,
    watch: Watch<'a>,
    steps: Vec<Step>,
    known: Mutex<Known>,
}

/// How one step ended.
type Ended = (usize, Result<(BTreeMap<String, String>, Option<Left>), Failure>);

enum Failure {
    /// The step's own: others go on to their end.
    Kind(Box<KindError>),
    /// The run's: everything stops.
    Run(ApplyError),
}

impl<'a> Run<'a> {
    pub(super) fn new(
        cloud: &'a Arc<Cloud>,
        plan: &'a Plan,
        world: &World,
        watch: Watch<'a>,
    ) -> Result<Self, ApplyError> {
        let mut known = Known::default();
        for (id, attributes) in settled_attributes(world, plan.estate.as_ref()) {
            known.learn(&id, attributes);
        }
        Ok(Self { cloud, plan, watch, steps: steps(plan, world)?, known: Mutex::new(known) })
    }

    /// Runs all steps, and says what stays by design.
    pub(super) async fn all(&self, lock: &Lock, options: Options, close: &mut Close) -> Result<Vec<Left>, ApplyError> {
        let mut left = self.plan.left.clone();
        let mut failures = Vec::new();
        let mut waiting: BTreeSet<usize> = (0..self.steps.len()).collect();
        let mut done: BTreeSet<usize> = BTreeSet::new();
        let mut under_way = FuturesUnordered::new();
        let (mut stopping, mut told) = (false, false);
        loop {
            stopping = stopping || self.watch.stop.is_cancelled() || !failures.is_empty();
            if stopping && !told && !under_way.is_empty() {
                self.watch.progress.event(Event::Stopping { under_way: under_way.len() });
                told = true;
            }
            while !stopping && under_way.len() < options.parallelism.get() {
                let next = waiting.iter().copied().find(|place| self.steps[*place].after.is_subset(&done));
                let Some(place) = next else { break };
                waiting.remove(&place);
                under_way.push(self.step(place, lock));
            }
            close.not_begun = waiting.len();
            if under_way.is_empty() {
                break;
            }
            tokio::select! {
                // Whatever is under way is dropped with the lock.
                lost = lock.lost() => return Err(lost),
                () = self.watch.stop.cancelled(), if !stopping => {}
                Some((place, result)) = under_way.next() => match result {
                    Ok((attributes, stays)) => {
                        self.learn(place, attributes);
                        left.extend(stays);
                        done.insert(place);
                        close.done = done.len();
                    }
                    Err(Failure::Kind(error)) => {
                        failures.push((self.change(place).id.clone(), *error));
                        close.failed = failures.len();
                    }
                    Err(Failure::Run(error)) => return Err(error),
                },
            }
        }
        match (failures.is_empty(), waiting.is_empty()) {
            (true, true) => Ok(left),
            (true, false) => Err(ApplyError::Stopped { done: self.acts(&done), not_begun: self.acts(&waiting) }),
            (false, _) => Err(ApplyError::Failed { failures, done: self.acts(&done), not_begun: self.acts(&waiting) }),
        }
    }

    /// Acts by name, such as `create vpc`.
    fn acts(&self, places: &BTreeSet<usize>) -> Vec<String> {
        places.iter().map(|place| format!("{} {}", self.steps[*place].operation, self.change(*place).id)).collect()
    }

    fn change(&self, place: usize) -> &Change {
        &self.plan.changes[self.steps[place].change]
    }

    fn learn(&self, place: usize, attributes: BTreeMap<String, String>) {
        if self.steps[place].operation != Operation::Delete {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).learn(&self.change(place).id, attributes);
        }
    }

    /// One act, with the witness told before and after.
    async fn step(&self, place: usize, lock: &Lock) -> Ended {
        (place, self.witnessed(place, lock).await)
    }

    async fn witnessed(&self, place: usize, lock: &Lock) -> Result<(BTreeMap<String, String>, Option<Left>), Failure> {
        let (change, operation) = (self.change(place), self.steps[place].operation);
        let act = Act { operation, change };
        self.watch.witness.act_intent(act).await.map_err(|error| Failure::Run(error.into()))?;
        lock.assert_held().await.map_err(Failure::Run)?;
        self.watch.progress.event(Event::Started { change, operation });
        let began = Instant::now();
        let result = self.act(place).await;
        let error = result.as_ref().err().map(ToString::to_string);
        self.watch.progress.event(Event::Finished { change, operation, took: began.elapsed(), error });
        let outcome = outcome(&result);
        self.watch.witness.act_outcome(act, &outcome).await.map_err(|error| Failure::Run(error.into()))?;
        result.map_err(|error| Failure::Kind(Box::new(error)))
    }

    async fn act(&self, place: usize) -> Result<(BTreeMap<String, String>, Option<Left>), KindError> {
        let (step, change) = (&self.steps[place], self.change(place));
        let kind = operations(change.kind);
        let waiting = |what| self.watch.progress.event(Event::Waiting { change, what });
        let cx = Context { cloud: self.cloud, scope: &self.plan.scope, waiting: &waiting };
        if let (Operation::Delete, Some(current)) = (step.operation, &step.current) {
            return Ok((BTreeMap::new(), kind.delete(&cx, current).await?));
        }
        let resource = self.plan.estate.as_ref().and_then(|estate| estate.get(&change.id));
        let Some(resource) = resource else {
            return Err(KindError::NotInEstate { id: change.id.clone() });
        };
        let (properties, missing) = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            resolve(&resource.properties, &known)
        };
        missing.map_err(|source| KindError::Unresolved { id: change.id.clone(), source })?;
        let wanted = Wanted { resource, properties: normal(&properties) };
        let attributes = match &step.current {
            Some(current) => kind.change(&cx, &wanted, current).await?,
            None => kind.create(&cx, &wanted).await?,
        };
        Ok((attributes, None))
    }
}

fn outcome(result: &Result<(BTreeMap<String, String>, Option<Left>), KindError>) -> Outcome {
    match result {
        Ok((attributes, left)) => Outcome::Done { attributes: attributes.clone(), left: left.clone() },
        Err(KindError::Cloud(error)) => Outcome::Failed {
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            request_id: error.request_id().map(str::to_owned),
        },
        Err(error) => Outcome::Failed { code: String::new(), message: error.to_string(), request_id: None },
    }
}
