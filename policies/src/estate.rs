//! The estate's own key, and the S3 gateway endpoint of its VPC.
//!
//! The key's policy stops a principal of the account from reading a stolen snapshot's data key by itself: the key is used
//! only by EC2 on the caller's behalf. The endpoint's stops a taken host from carrying data out: hosts in private subnets
//! have no other way to S3, and this one leads to the trail alone. Credentials that an attacker brings along, with a
//! bucket of his own, are no use there.

use crate::document::{Kind, Operator, Policy, Principal, Resource, Statement};
use crate::trail::{administration, own_prefix, via};
use crate::{AccountId, Action, Key, PlainName, Region, TrailWriter};

/// Whose key it is, and who uses it beyond EC2 and Parameter Store.
#[derive(Debug, Clone)]
pub struct EstateKey {
    /// The account that it is in.
    pub account: AccountId,
    /// The region that it is in.
    pub region: Region,
    /// The estate that it belongs to.
    pub estate: PlainName,
    /// Whether Auto Scaling starts hosts.
    pub fleets: bool,
    /// Whether CloudWatch Logs keeps flow logs.
    pub logs: bool,
    /// Whether AWS Backup keeps a vault.
    pub backups: bool,
}

impl EstateKey {
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.region.partition(), self.region, self.account)
    }

    fn through(&self, service: &str, sid: &'static str, actions: &[Action]) -> Statement {
        Statement::allow(sid, actions.iter().copied())
            .by(Principal::Account(self.account.clone(), self.region.clone()))
            .on([Resource::ThisKey])
            .when(Operator::StringEquals, Key::KmsViaService, [via(service, &self.region)])
    }
}

/// The policy of the key that encrypts an estate's volumes, parameters, logs and backups.
///
/// Each service has a statement of its own, and only those that the estate uses. None names the account's principals
/// one by one: they need an identity policy as well, and the account as principal leaves out every other account.
pub fn estate_key(key: &EstateKey) -> Policy {
    let mut statements = administration(&key.account, &key.region);
    statements.push(key.through("ec2", "VolumesThroughEc2", VOLUME_USE));
    // EC2 keeps a grant for as long as a volume is attached; a grant for anybody else would outlive this policy.
    statements.push(for_services_alone(key.through("ec2", "GrantsForVolumes", &[Action::KmsCreateGrant])));
    // A parameter's ARN is its value's encryption context: who reads an estate's parameters can't decrypt others'.
    statements.push(key.through("ssm", "ParametersThroughSystemsManager", PARAMETER_USE).when(
        Operator::StringLike,
        Key::KmsEncryptionContextParameterArn,
        [key.arn("ssm", &format!("parameter/holdfast/{}/*", key.estate))],
    ));
    if key.fleets {
        statements.extend(fleets(key));
    }
    if key.logs {
        statements.push(logs(key));
    }
    if key.backups {
        statements.push(key.through("backup", "VaultThroughBackup", VAULT_USE));
        statements.push(for_services_alone(key.through("backup", "GrantsForVault", &[Action::KmsCreateGrant])));
    }
    Policy::new(Kind::Key, statements)
}

fn for_services_alone(statement: Statement) -> Statement {
    statement.when(Operator::Bool, Key::KmsGrantIsForAwsResource, [true])
}

/// Auto Scaling starts hosts by its service-linked role, whose own policy says nothing of KMS, so the key's must
/// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html>).
fn fleets(key: &EstateKey) -> [Statement; 2] {
    let role = format!(
        "arn:{}:iam::{}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
        key.region.partition(),
        key.account
    );
    [("VolumesOfFleets", VOLUME_USE), ("GrantsForVolumesOfFleets", &[Action::KmsCreateGrant][..])].map(
        |(sid, actions)| {
            let by_the_role = Statement::allow(sid, actions.iter().copied())
            .by(Principal::Anyone {
                because: "KMS refuses to name a role that isn't there, and AWS makes this one with the account's first \
                          Auto Scaling group; aws:PrincipalArn names it",
            })
            .on([Resource::ThisKey])
            .when(Operator::ArnEquals, Key::PrincipalArn, [&role]);
            if sid == "GrantsForVolumesOfFleets" { for_services_alone(by_the_role) } else { by_the_role }
        },
    )
}

/// CloudWatch Logs encrypts by itself, for the estate's own log groups
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html>).
fn logs(key: &EstateKey) -> Statement {
    Statement::allow("FlowLogs", LOG_USE.iter().copied())
        .by(Principal::Service(via("logs", &key.region)))
        .on([Resource::ThisKey])
        .when(
            Operator::ArnLike,
            Key::KmsEncryptionContextLogsArn,
            [key.arn("logs", &format!("log-group:/holdfast/{}/*", key.estate))],
        )
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

/// Who writes a parameter encrypts it (with a data key where it is an advanced one), who reads it decrypts it.
const PARAMETER_USE: &[Action] = &[Action::KmsDecrypt, Action::KmsEncrypt, Action::KmsGenerateDataKey];

const LOG_USE: &[Action] = &[
    Action::KmsDecrypt,
    Action::KmsEncrypt,
    Action::KmsGenerateDataKey,
    Action::KmsReEncryptFrom,
    Action::KmsReEncryptTo,
];

/// What making a vault takes
/// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault.html#vault-creation-permissions>).
const VAULT_USE: &[Action] =
    &[Action::KmsDecrypt, Action::KmsDescribeKey, Action::KmsGenerateDataKey, Action::KmsRetireGrant];

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
