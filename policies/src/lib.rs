//! IAM, key and bucket policies as typed values that render to canonical JSON.
//!
//! A policy is where a small slip opens everything, so nothing here is a template with holes:
//!
//! - Parameters are parsed once ([`AccountId`], [`OrgId`], [`Region`], …), so none can carry a `*`, a `${…}` or a quote
//!   into a policy.
//! - Actions and condition keys are closed lists ([`Action`], [`Key`]): a misspelt name, which AWS accepts in silence and
//!   never matches, doesn't compile.
//! - Whatever matches more than what it names carries a `because` ([`Principal::Anyone`], [`Resource::Within`], …), and
//!   `rendered/REASONS.md` lists them all.
//! - Rendering is canonical (fields in IAM's order, lists sorted, no blanks) and refuses what AWS's size limits would.
//!
//! `rendered/` holds golden copies of every policy, with made-up ids; a test keeps them equal. `tests/table.toml` says
//! who may do what under them, and is judged by an evaluator that nobody here wrote.
//!
//! The attacks that these policies stop are named where the statements are: [`trail`] for the audit trail's bucket and
//! key, [`host`] for what runs on hosts, [`estate`] for the estate's key and its way out to S3,
//! [`network`] for its other ways out and the record of its traffic.

#![forbid(unsafe_code)]

pub mod estate;
pub mod host;
pub mod network;
pub mod trail;

mod document;
mod ids;
mod names;

pub use document::{Broad, Condition, Effect, Kind, Operator, Policy, Principal, Resource, Statement, same_meaning};
pub use estate::{EstateKey, S3Endpoint, estate_key, s3_endpoint};
pub use host::{Machine, TrailWriter, backup_trust, host_trust, machine_role};
pub use ids::{AccountId, KmsKeyArn, OrgId, PlainName, PrincipalArn, Region, TrailBucketName};
pub use names::{Action, Key};
pub use network::{FlowLogWriter, flow_log_role, flow_log_trust, service_endpoint};
pub use trail::{Readers, TrailBucket, TrailKey, auditor_role, trail_bucket, trail_key};

/// What is wrong with a policy or with a value that it is made from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not twelve digits.
    #[error("account {0:?} isn't twelve digits; `aws sts get-caller-identity` shows an account's id")]
    AccountId(String),
    /// Not an organisation's id.
    #[error("organisation {0:?} isn't of the form o-abcde12345; `aws organizations describe-organization` shows it")]
    OrgId(String),
    /// Not a region, or one of a partition whose names differ.
    #[error("region {0:?} isn't one of the commercial or GovCloud regions; name one such as eu-central-1")]
    Region(String),
    /// Not a name of an estate or a group.
    #[error("name {0:?} isn't made of lower-case letters, digits and hyphens, 1 to 64 of them; choose such a one")]
    PlainName(String),
    /// Not a KMS key's ARN.
    #[error(
        "{0:?} isn't a KMS key's ARN (arn:aws:kms:REGION:ACCOUNT:key/ID); an alias won't do, policies need the key"
    )]
    KmsKeyArn(String),
    /// Not the ARN of a user, a role or an account's root.
    #[error("{0:?} isn't a user's, role's or root's ARN; for an assumed role name the role, not the session")]
    PrincipalArn(String),
    /// Nobody could read the trail.
    #[error("the trail has no readers, so nobody could verify it; name at least one role")]
    NoReaders,
    /// A reader from elsewhere.
    #[error(
        "reader {reader} isn't in the audit account {account}; readers are roles of the account that keeps the trail"
    )]
    ForeignReader {
        /// The reader's ARN.
        reader: PrincipalArn,
        /// The audit account.
        account: AccountId,
    },
    /// Larger than AWS takes.
    #[error("{kind} policy of {size} bytes is over AWS's limit of {limit}; name fewer readers or resources")]
    TooLarge {
        /// Which sort of policy.
        kind: Kind,
        /// Size as rendered, bytes.
        size: usize,
        /// AWS's limit, bytes.
        limit: usize,
    },
    /// It didn't become JSON.
    #[error("the policy couldn't be rendered: {0}")]
    Json(String),
    /// A resource's policy without a principal, or an identity's with one.
    #[error("statement {sid} of {kind} policy has a principal where AWS takes none, or none where it needs one")]
    Principal {
        /// Which sort of policy.
        kind: Kind,
        /// The statement.
        sid: &'static str,
    },
}
