//! What runs on hosts and on the bastion: a role for each group of machines.
//!
//! Whoever takes a host has its role's credentials, so the role holds what this group's hosts need to work and no more:
//!
//! - **Own records**: it puts into the trail below its own user id, and reads, lists and changes nothing there.
//! - **Own parameters**: it reads Parameter Store below `/holdfast/<estate>/<group>/`, and decrypts of the account's keys
//!   only what is stored there. AWS's managed policy `AmazonSSMManagedInstanceCore` would let it read every parameter of
//!   the account, which is why it isn't attached.
//! - **Systems Manager's agent**: the rest of that managed policy, on resources of this account where the service knows
//!   resources (sessions, Run Command, patching, inventory).
//!
//! Its trust policy is half of the trail's own-prefix rule: `aws:userid` is `AROA…:<session name>`, and the session's
//! name is the instance's id only as long as EC2 alone makes sessions of the role. The policy has no
//! `aws:SourceAccount`: EC2 gives none when it makes an instance's credentials, and needs none, since a role can't be
//! passed to another account's instance.

use crate::document::{Kind, Operator, Policy, Principal, Resource, Statement};
use crate::trail::{own_prefix, via};
use crate::{AccountId, Action, Key, OrgId, PlainName, Region, TrailBucketName};

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

/// The machines of one group.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The account that they are in.
    pub account: AccountId,
    /// The region that they are in.
    pub region: Region,
    /// Their estate.
    pub estate: PlainName,
    /// Their group.
    pub group: PlainName,
    /// Where they ship records to, if anywhere.
    pub trail: Option<TrailWriter>,
}

impl Machine {
    /// An ARN of the machines' account and region.
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.region.partition(), self.region, self.account)
    }

    fn parameters(&self) -> String {
        self.arn("ssm", &format!("parameter/holdfast/{}/{}/*", self.estate, self.group))
    }
}

/// What the role of a group of machines may do.
pub fn machine_role(machine: &Machine) -> Policy {
    let mut statements: Vec<Statement> = machine.trail.iter().flat_map(ship_own_records).collect();
    statements.extend(read_own_parameters(machine));
    statements.extend(systems_manager(machine));
    Policy::new(Kind::Inline, statements)
}

/// Who may assume such a role: EC2, for an instance. No person and no other service, or `aws:userid` could be forged.
pub fn host_trust() -> Policy {
    let ec2 = Principal::Service("ec2.amazonaws.com".to_owned());
    Policy::new(Kind::Trust, [Statement::allow("OnlyInstances", [Action::StsAssumeRole]).by(ec2)])
}

/// Who may assume the role that AWS Backup works as: AWS Backup. A role can be passed within its account only, so no
/// other account's backups can name it.
pub fn backup_trust() -> Policy {
    let backup = Principal::Service("backup.amazonaws.com".to_owned());
    Policy::new(Kind::Trust, [Statement::allow("OnlyBackup", [Action::StsAssumeRole]).by(backup)])
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

/// A parameter's ARN is in the encryption context of its value, so what was encrypted for another can't be decrypted
/// under this statement, whatever key it is under
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html>).
fn read_own_parameters(machine: &Machine) -> [Statement; 2] {
    let parameters = machine.parameters();
    let keys = Resource::Within {
        pattern: machine.arn("kms", "key/*"),
        because: "KMS names the estate's key as it makes it; the conditions leave only the values of own parameters",
    };
    let own = Resource::Within {
        pattern: parameters.clone(),
        because: "below its group's path a parameter's name is its owner's choice",
    };
    let read = [Action::SsmGetParameter, Action::SsmGetParameters, Action::SsmGetParametersByPath];
    [
        Statement::allow("ReadOwnParameters", read).on([own]),
        Statement::allow("DecryptOwnParameters", [Action::KmsDecrypt])
            .on([keys])
            .when(Operator::StringEquals, Key::KmsViaService, [via("ssm", &machine.region)])
            .when(Operator::StringLike, Key::KmsEncryptionContextParameterArn, [parameters]),
    ]
}

/// What Systems Manager's agent calls, resources as the Service Authorization Reference has them
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html>).
fn systems_manager(machine: &Machine) -> [Statement; 3] {
    let instances = || Resource::Within {
        pattern: machine.arn("ec2", "instance/*"),
        because: "EC2 names an instance as it starts it, and its agent reports of itself",
    };
    let associations = Resource::Within {
        pattern: machine.arn("ssm", "association/*"),
        because: "Systems Manager names an association as it makes it, and its agent reports on those of its own",
    };
    let documents = || {
        let because = "which document runs on a host is decided by whoever sends the command; reading one is no right";
        let amazons = format!("arn:{}:ssm:{}::document/*", machine.region.partition(), machine.region);
        [machine.arn("ssm", "document/*"), amazons].map(|pattern| Resource::Within { pattern, because })
    };
    let everything = Resource::Within {
        pattern: "*".to_owned(),
        because: "these actions know no resources; a session, a message and a report are the calling instance's own",
    };
    [
        Statement::allow("ReadCommands", [Action::SsmDescribeDocument, Action::SsmGetDocument]).on(documents()),
        Statement::allow(
            "ReportItself",
            [
                Action::SsmDescribeAssociation,
                Action::SsmListInstanceAssociations,
                Action::SsmPutComplianceItems,
                Action::SsmUpdateAssociationStatus,
                Action::SsmUpdateInstanceAssociationStatus,
                Action::SsmUpdateInstanceInformation,
            ],
        )
        .on([instances(), associations].into_iter().chain(documents())),
        Statement::allow("TakeCommands", WITHOUT_RESOURCES.iter().copied()).on([everything]),
    ]
}

const WITHOUT_RESOURCES: &[Action] = &[
    Action::Ec2MessagesAcknowledgeMessage,
    Action::Ec2MessagesDeleteMessage,
    Action::Ec2MessagesFailMessage,
    Action::Ec2MessagesGetEndpoint,
    Action::Ec2MessagesGetMessages,
    Action::Ec2MessagesSendReply,
    Action::SsmGetDeployablePatchSnapshotForInstance,
    Action::SsmGetManifest,
    Action::SsmListAssociations,
    Action::SsmPutConfigurePackageResult,
    Action::SsmPutInventory,
    Action::SsmMessagesCreateControlChannel,
    Action::SsmMessagesCreateDataChannel,
    Action::SsmMessagesOpenControlChannel,
    Action::SsmMessagesOpenDataChannel,
];
