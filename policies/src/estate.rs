//! The estate's own key, and the S3 gateway endpoint of its VPC.
//!
//! The key's policy stops a principal of the account from reading a stolen snapshot's data key by itself: the key is used
//! only by EC2 on the caller's behalf. The endpoint's stops a taken host from carrying data out: hosts in private subnets
//! have no other way to S3, and this one leads to the trail alone. Credentials that an attacker brings along, with a
//! bucket of his own, are no use there.

use crate::document::{Kind, Operator, Policy, Principal, Resource, Statement};
use crate::trail::{administration, own_prefix, via};
use crate::{AccountId, Action, Key, Region, TrailWriter};

/// The policy of the key that encrypts an estate's volumes.
pub fn estate_key(account: &AccountId, region: &Region) -> Policy {
    let through_ec2 = |statement: Statement| {
        statement.by(Principal::Account(account.clone(), region.clone())).on([Resource::ThisKey]).when(
            Operator::StringEquals,
            Key::KmsViaService,
            [via("ec2", region)],
        )
    };
    let mut statements = administration(account, region);
    statements.push(through_ec2(Statement::allow("VolumesThroughEc2", VOLUME_USE.iter().copied())));
    statements.push(
        // EC2 keeps a grant for as long as a volume is attached; a grant for anybody else would outlive this policy.
        through_ec2(Statement::allow("GrantsForVolumes", [Action::KmsCreateGrant])).when(
            Operator::Bool,
            Key::KmsGrantIsForAwsResource,
            [true],
        ),
    );
    Policy::new(Kind::Key, statements)
}

/// What EBS asks for on a caller's behalf
/// (<https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html>).
const VOLUME_USE: &[Action] = &[
    Action::KmsDecrypt,
    Action::KmsDescribeKey,
    Action::KmsGenerateDataKeyWithoutPlaintext,
    Action::KmsReEncryptFrom,
    Action::KmsReEncryptTo,
];

/// Where the estate's VPC may go in S3.
#[derive(Debug, Clone)]
pub enum S3Endpoint {
    /// To the trail, to put.
    Trail(TrailWriter),
    /// Nowhere: an estate that ships no trail.
    Closed,
}

/// The policy of the VPC's S3 gateway endpoint.
///
/// No package repository is in it: a host runs its golden image and installs nothing. (Amazon Linux's repositories are S3
/// buckets and would need naming here; Debian's aren't.)
pub fn s3_endpoint(endpoint: &S3Endpoint) -> Policy {
    let statement = match endpoint {
        S3Endpoint::Trail(writer) => Statement::allow("PutToTheTrail", [Action::S3PutObject])
            .by(Principal::Anyone {
                because: "an account named here would mean its root user alone; aws:PrincipalAccount says whose",
            })
            .on([own_prefix(&writer.bucket, &writer.org, &writer.account.to_string())])
            .when(Operator::StringEquals, Key::PrincipalAccount, [&writer.account])
            .when(Operator::StringEquals, Key::ResourceAccount, [writer.bucket.account()]),
        // A policy needs a statement, and an endpoint without a policy allows everything.
        S3Endpoint::Closed => Statement::deny_all("NothingInS3", "*", "this estate has no business in S3")
            .by(Principal::Anyone { because: "the statement only denies, and should leave nobody out" })
            .on([Resource::Within { pattern: "*".to_owned(), because: "this estate has no business in S3" }]),
    };
    Policy::new(Kind::Endpoint, [statement])
}
