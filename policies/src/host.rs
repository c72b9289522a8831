//! What runs on hosts and on the bastion: a role that can write its own audit records, and nothing else.
//!
//! Whoever takes a host has its role's credentials; so the role reads nothing, lists nothing and changes nothing, in any
//! account. Its trust policy is half of the trail's own-prefix rule: `aws:userid` is `AROA…:<session name>`, and the
//! session's name is the instance's id only as long as EC2 alone makes sessions of the role.

use crate::document::{Kind, Operator, Policy, Principal, Resource, Statement};
use crate::trail::{own_prefix, via};
use crate::{AccountId, Action, Key, OrgId, TrailBucketName};

/// A writer of the trail: which account it is in, and where it ships to.
#[derive(Debug, Clone)]
pub struct TrailWriter {
    /// The account of the hosts.
    pub account: AccountId,
    /// The organisation.
    pub org: OrgId,
    /// The trail's bucket, in the audit account.
    pub bucket: TrailBucketName,
}

/// What a host's role may do.
pub fn host_role(writer: &TrailWriter) -> Policy {
    Policy::new(Kind::Inline, ship_own_records(writer))
}

/// What the bastion's role may do: as little as a host's, by a policy of its own so that either can change alone.
pub fn bastion_role(writer: &TrailWriter) -> Policy {
    Policy::new(Kind::Inline, ship_own_records(writer))
}

/// Who may assume either role: EC2, for an instance. No person and no other service, or `aws:userid` could be forged.
pub fn host_trust() -> Policy {
    let ec2 = Statement::allow("OnlyInstances", [Action::StsAssumeRole]).by(Principal::Service("ec2.amazonaws.com"));
    Policy::new(Kind::Trust, [ec2])
}

fn ship_own_records(writer: &TrailWriter) -> [Statement; 2] {
    let bucket = &writer.bucket;
    let keys = Resource::Within {
        pattern: format!("arn:{}:kms:{}:{}:key/*", bucket.region().partition(), bucket.region(), bucket.account()),
        because: "the trail's key is the audit account's to name and to replace; the conditions leave only what S3 \
                  encrypts for this bucket",
    };
    [
        Statement::allow("PutOwnRecords", [Action::S3PutObject])
            .on([own_prefix(bucket, &writer.org, &writer.account.to_string())])
            .when(Operator::StringEquals, Key::ResourceAccount, [bucket.account()])
            .when(Operator::Bool, Key::SecureTransport, [true]),
        Statement::allow("EncryptOwnRecords", [Action::KmsGenerateDataKey])
            .on([keys])
            .when(Operator::StringEquals, Key::KmsViaService, [via("s3", bucket.region())])
            .when(
                Operator::StringLike,
                Key::KmsEncryptionContextS3Arn,
                [bucket.arn(), format!("{}/Holdfast/{}/{}/*", bucket.arn(), writer.org, writer.account)],
            ),
    ]
}
