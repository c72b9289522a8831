//! The least IAM policy that whoever runs `provision` needs for a spec: what `provision permissions` prints.
//!
//! Computed, not written down for each spec: the kinds of resources that the estate has say which calls they take
//! ([`Operations::calls`](crate::kind::Operations::calls)), [`clauses`] says how narrowly IAM can allow each, and what
//! isn't called isn't allowed. Invariants:
//!
//! - every call of discovering any kind is allowed (what the spec no longer names must still be found), and every call
//!   of making, changing and deleting the kinds that this spec has;
//! - an action that no clause knows is allowed on what its kind says itself, so a new kind needs no clause to work;
//! - each statement has its reason, and each policy fits IAM's limit.
//!
//! It is what an administrator attaches to a role, so it trusts tags: who has it can do with what carries the estate's
//! tag what the estate's owner can, and nothing else. Pure.

mod clause;
mod clauses;
mod document;

use std::collections::{BTreeMap, BTreeSet};

pub use document::{ManagedPolicy, Permissions, Statement};
use holdfast_policies::{PolicyError, Region};

use crate::estate::{BuildError, Estate, Kind};
use crate::kind::{Call, KINDS, When, operations};
use crate::spec::{Encryption, Image, Mode, Place, Spec};

/// Why permissions couldn't be computed.
#[derive(Debug, thiserror::Error)]
pub enum PermissionError {
    /// The spec makes no estate.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A name that no policy may hold.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A statement over IAM's limit for a whole policy.
    #[error("statement {sid} has {size} characters, over the {limit} of a managed policy; please report this")]
    TooLarge {
        /// Which.
        sid: String,
        /// Its size.
        size: usize,
        /// IAM's limit.
        limit: usize,
    },
}

impl Permissions {
    /// What whoever applies, looks at and destroys this spec's estate needs.
    pub fn of(spec: &Spec) -> Result<Self, PermissionError> {
        let estate = Estate::build(spec, &super::estate::Facts::assumed(spec))?;
        let kinds: BTreeSet<Kind> = estate.resources.iter().map(|resource| resource.kind).collect();
        let calls = needed(&kinds);
        let values = Values::of(spec)?;
        let mut statements = clause::statements(&calls, &values);
        statements.extend(others(&calls, &values));
        Ok(Self { policies: document::policies(&format!("holdfast-{}-{}", spec.name, spec.region), statements)? })
    }
}

/// The calls that the kinds of an estate take.
fn needed(kinds: &BTreeSet<Kind>) -> Vec<Call> {
    let wanted = |kind: &Kind, call: &Call| call.when == When::Discover || kinds.contains(kind);
    KINDS
        .iter()
        .flat_map(|kind| operations(*kind).calls().iter().filter(move |call| wanted(kind, call)))
        .copied()
        .collect()
}

/// What no clause knows, on what the kinds themselves say.
fn others(calls: &[Call], values: &Values) -> Vec<Statement> {
    let mut by_resources: BTreeMap<Vec<String>, BTreeSet<&str>> = BTreeMap::new();
    for call in calls.iter().filter(|call| !clause::knows(call.action)) {
        let resources = call.resources.iter().map(|pattern| values.fill(pattern)).collect();
        by_resources.entry(resources).or_default().insert(call.action);
    }
    let statements = by_resources.into_iter().enumerate().map(|(index, (resources, actions))| Statement {
        sid: format!("Other{}", index + 1),
        actions: actions.into_iter().map(str::to_owned).collect(),
        resources,
        conditions: BTreeMap::new(),
        because: "on the resources that these calls are made for".to_owned(),
    });
    statements.collect()
}

/// What stands for the `{…}` of a pattern.
struct Values {
    pairs: Vec<(&'static str, String)>,
    /// Which of the spec's choices hold, by name.
    choices: BTreeSet<&'static str>,
    /// Several values for one place, where the spec names several.
    lists: BTreeMap<&'static str, Vec<String>>,
}

impl Values {
    fn of(spec: &Spec) -> Result<Self, PolicyError> {
        let region: Region = spec.region.as_str().parse()?;
        let partition = region.partition();
        let mut pairs = vec![
            ("partition", partition.to_owned()),
            ("region", spec.region.to_string()),
            ("account", spec.account.to_string()),
            ("estate", spec.name.to_string()),
        ];
        let (mut choices, mut lists) = (BTreeSet::new(), BTreeMap::new());
        if let Image::Id(id) = &spec.image {
            pairs.push(("image", id.to_string()));
        } else {
            pairs.push(("image", "*".to_owned()));
        }
        match &spec.encryption {
            Encryption::Existing(arn) => {
                pairs.push(("key", arn.to_string()));
                choices.insert("existing-key");
            }
            Encryption::Made { .. } => {
                pairs.push(("key", format!("arn:{partition}:kms:{}:{}:key/*", spec.region, spec.account)));
                choices.insert("made-key");
            }
        }
        if let Place::Existing { vpc, public, private } = &spec.network.place {
            let arn = |kind, id: &str| format!("arn:{partition}:ec2:{}:{}:{kind}/{id}", spec.region, spec.account);
            let subnets = public.iter().chain(private).map(|subnet| arn("subnet", subnet.as_str()));
            lists.insert("existing-network", std::iter::once(arn("vpc", vpc.as_str())).chain(subnets).collect());
            choices.insert("existing-network");
        } else {
            choices.insert("made-network");
        }
        if spec.hosts.iter().any(|group| matches!(group.mode, Mode::Fleet { .. })) {
            choices.insert("fleets");
        }
        if let Some(audit) = &spec.audit {
            choices.insert("audit");
            pairs.push(("trail", audit.bucket()));
            pairs.push(("trail-account", audit.account.to_string()));
            pairs.push(("trail-region", audit.region.to_string()));
        }
        Ok(Self { pairs, choices, lists })
    }

    /// A pattern with its places filled.
    fn fill(&self, pattern: &str) -> String {
        let fill = |text: String, (name, value): &(&str, String)| text.replace(&format!("{{{name}}}"), value);
        self.pairs.iter().fold(pattern.to_owned(), fill)
    }

    /// A list of patterns, `{existing-network}` being several.
    fn fill_all(&self, patterns: &[&str]) -> Vec<String> {
        let filled = patterns.iter().flat_map(|pattern| match pattern.strip_prefix('@') {
            Some(list) => self.lists.get(list).cloned().unwrap_or_default(),
            None => vec![self.fill(pattern)],
        });
        filled.collect()
    }
}
