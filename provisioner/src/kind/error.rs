//! What the kinds fail with.

use crate::cloud::CloudError;
use crate::estate::{Kind, ResourceId, Scope, Unresolved};

/// What discovering or changing a resource can fail with.
#[derive(Debug, thiserror::Error)]
pub enum KindError {
    /// A call failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// A property that the kind doesn't know, or of the wrong type: a plan file of another version.
    #[error("{id}: its properties aren't what this version of `provision` knows ({source}); make the plan again")]
    Properties {
        /// Whose.
        id: ResourceId,
        /// What serde says.
        source: serde_json::Error,
    },
    /// A plan that changes what its estate doesn't have.
    #[error("the plan changes {id}, which its estate doesn't have; make the plan again")]
    NotInEstate {
        /// What.
        id: ResourceId,
    },
    /// Something it refers to isn't there.
    #[error("{id} needs what isn't there: {source}")]
    Unresolved {
        /// Whose.
        id: ResourceId,
        /// What is missing.
        source: Unresolved,
    },
    /// AWS gave back JSON that isn't.
    #[error("{what} of {physical} isn't JSON: {source}")]
    Json {
        /// Which document.
        what: &'static str,
        /// Whose.
        physical: String,
        /// What serde says.
        source: serde_json::Error,
    },
    /// The name that the estate needs is somebody else's.
    #[error(
        "{kind} {name} is there and isn't this estate's: it has no tag holdfast:estate={estate}; rename the estate, or \
         remove it if nobody needs it"
    )]
    Foreign {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// The estate that it isn't of.
        estate: String,
    },
    /// It didn't come to be in time.
    #[error("{what} was still {state} after {seconds} s; look at it in the console, then apply again")]
    Deadline {
        /// What was waited for.
        what: String,
        /// What it was last.
        state: String,
        /// How long that took.
        seconds: u64,
    },
    /// An instance ended as it started.
    #[error("instance {instance} of {id} ended while it started: {reason}; correct that and apply again")]
    NotStarted {
        /// The instance.
        instance: String,
        /// Its group.
        id: ResourceId,
        /// AWS's StateReason.
        reason: String,
    },
    /// No place had room for hosts.
    #[error(
        "{id}: no room for {count} more: tried {}; the last answer was {source}; wait, or give the group \
         `alternatives`, or the network more `zones`", tried.join(", ")
    )]
    NoCapacity {
        /// The group.
        id: ResourceId,
        /// How many hosts one call asked for.
        count: u32,
        /// Types and subnets, in the order in which they were tried.
        tried: Vec<String>,
        /// What EC2 said last.
        source: Box<CloudError>,
    },
    /// What was made isn't as safe as it was asked to be.
    #[error("instance {instance} of {id} isn't as it was asked for: {what}; it was left as it is, to be looked at")]
    Unsafe {
        /// The instance.
        instance: String,
        /// Its group.
        id: ResourceId,
        /// Which promise is broken.
        what: String,
    },
}

impl KindError {
    /// The name that an estate needs is somebody else's.
    pub(crate) fn foreign(kind: Kind, name: &str, scope: &Scope) -> Self {
        Self::Foreign { kind, name: name.to_owned(), estate: scope.estate.to_string() }
    }
}
