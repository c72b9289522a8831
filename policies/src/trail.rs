//! The audit trail's bucket and key, both in the audit account, and the role that reads them.
//!
//! One host is taken; its attacker has root there and the host role's credentials. What the policies here deny:
//!
//! - **Erasing or rewriting** what was shipped: deletes and bypass of governance are denied to everybody, changes of
//!   retention to all but the audit account, and a put without `If-None-Match`, so no version is laid over a record.
//! - **Writing as another**, also for the audit account's administrators: a put goes below `…/${aws:PrincipalAccount}/…/${aws:userid}/`, both of which STS sets. For a
//!   host the latter ends in its instance's id; a session of another role that is *named* `i-…` has another role's unique
//!   id before the colon. (The host role's own trust policy lets only EC2 make sessions of it.)
//! - **Hiding**: an object under a key, in a class or with an ACL that the auditor can't read: another encryption key,
//!   SSE-C, an archive class, an ACL, tags.
//! - **Reading**: records name what others ran. Reads are denied to all but the readers, the audit account's own
//!   administrators among them, and the key decrypts for nobody else.
//! - **Multipart uploads**, whose parts lie in the bucket unseen, and **copies**, whose bytes come from elsewhere.
//! - **Plain HTTP**.
//!
//! What they don't: whoever may change the bucket's policy or schedule the key's deletion in the audit account. Service
//! control policies deny that from above the account.
//!
//! In a pattern `?` matches a slash too, so `????/??/??` isn't surely a date. It can't make a key pass for another
//! writer's all the same: ten characters don't hold a user id, and verify takes keys apart strictly.

use crate::document::{Kind, Operator, Policy, Principal, Resource, Statement};
use crate::{AccountId, Action, Key, KmsKeyArn, OrgId, PolicyError, PrincipalArn, Region, TrailBucketName};

/// Who may read the trail: principals of the audit account, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readers(Vec<PrincipalArn>);

impl Readers {
    /// These principals of the audit account. They needn't exist yet: policies name them by `aws:PrincipalArn`, not as
    /// principals, which AWS would look up.
    ///
    /// # Errors
    /// [`PolicyError::NoReaders`], [`PolicyError::ForeignReader`].
    pub fn new(account: &AccountId, readers: Vec<PrincipalArn>) -> Result<Readers, PolicyError> {
        if readers.is_empty() {
            return Err(PolicyError::NoReaders);
        }
        match readers.iter().find(|reader| reader.account() != account.to_string()) {
            Some(reader) => Err(PolicyError::ForeignReader { reader: reader.clone(), account: account.clone() }),
            None => Ok(Readers(readers)),
        }
    }
}

/// What the bucket's policy depends on.
#[derive(Debug, Clone)]
pub struct TrailBucket {
    /// The bucket.
    pub bucket: TrailBucketName,
    /// Whose accounts may put.
    pub org: OrgId,
    /// The key that the bucket encrypts with by default, and the only one that a put may name.
    pub key: KmsKeyArn,
    /// Who may read.
    pub readers: Readers,
}

/// The policy of the trail's bucket.
///
/// It takes a bucket whose default encryption is SSE-KMS with `key`, and whose ownership is `BucketOwnerEnforced`: both
/// hold when a put names neither, as the agent's don't.
pub fn trail_bucket(trail: &TrailBucket) -> Policy {
    let bucket = trail.bucket.arn();
    let objects = || Resource::Within {
        pattern: format!("{bucket}/*"),
        because: "it holds for every object of this bucket, and the statement only denies",
    };
    let everyone = || Principal::Anyone { because: "the statement only denies, and should leave nobody out" };
    let deny = |sid, actions: &[Action]| Statement::deny(sid, actions.iter().copied()).by(everyone()).on([objects()]);
    let deny_put = |sid| deny(sid, &[Action::S3PutObject]);

    Policy::new(
        Kind::Bucket,
        [
            Statement::allow("WritersPutBelowTheirOwnPrefix", [Action::S3PutObject])
                .by(Principal::Anyone { because: "writers are in many accounts; aws:PrincipalOrgID says whose" })
                .on([own_prefix(&trail.bucket, &trail.org, "${aws:PrincipalAccount}")])
                .when(Operator::StringEquals, Key::PrincipalOrgId, [&trail.org]),
            Statement::deny_all("PlainHttp", "s3:*", "no request at all may travel in the clear")
                .by(everyone())
                .on([Resource::Exactly(bucket.clone()), objects()])
                .when(Operator::Bool, Key::SecureTransport, [false]),
            // The audit account's own administrators need no allow of this policy's, so they need a deny.
            Statement::deny("PuttingElsewhereForAnyone", [Action::S3PutObject])
                .by(everyone())
                .elsewhere_than([own_prefix(&trail.bucket, &trail.org, "${aws:PrincipalAccount}")]),
            deny("ErasingForAnyone", ERASING),
            deny_put("OverwritingForAnyone").when(Operator::Null, Key::S3IfNoneMatch, [true]),
            deny("AlteringOutsideTheAuditAccount", ALTERING).when(
                Operator::StringNotEquals,
                Key::PrincipalAccount,
                [trail.bucket.account()],
            ),
            deny("AclsForAnyone", &[Action::S3PutObjectAcl, Action::S3PutObjectVersionAcl]),
            deny("ReadingByOthers", &[Action::S3GetObject, Action::S3GetObjectVersion]).when(
                Operator::ArnNotLike,
                Key::PrincipalArn,
                &trail.readers.0,
            ),
            deny_put("OtherAlgorithm").when_given_and_not(Key::S3Encryption, ["aws:kms"]),
            deny_put("OtherKey").when_given_and_not(Key::S3EncryptionKey, [&trail.key]),
            // S3 takes `aws:kms` without a key for the account's own aws/s3, not for the bucket's default key.
            deny_put("AlgorithmWithoutKey").when(Operator::Null, Key::S3Encryption, [false]).when(
                Operator::Null,
                Key::S3EncryptionKey,
                [true],
            ),
            deny_put("CustomerKey").when(Operator::Null, Key::S3CustomerAlgorithm, [false]),
            deny_put("OtherStorageClass").when_given_and_not(Key::S3StorageClass, ["STANDARD"]),
            // Starting an upload and sending its parts are `s3:PutObject` that make no object.
            deny_put("MultipartUpload").when(Operator::Bool, Key::S3ObjectCreationOperation, [false]),
            deny_put("Copy").when(Operator::Null, Key::S3CopySource, [false]),
        ],
    )
}

/// Denied to everybody: a lifecycle rule, which no policy stops, removes what is past its lock.
const ERASING: &[Action] =
    &[Action::S3BypassGovernanceRetention, Action::S3DeleteObject, Action::S3DeleteObjectVersion];

/// What an auditor may do to keep a record longer, or to file it, and no writer.
const ALTERING: &[Action] = &[
    Action::S3DeleteObjectTagging,
    Action::S3DeleteObjectVersionTagging,
    Action::S3PutObjectLegalHold,
    Action::S3PutObjectRetention,
    Action::S3PutObjectTagging,
    Action::S3PutObjectVersionTagging,
];

/// What the key's policy depends on.
#[derive(Debug, Clone)]
pub struct TrailKey {
    /// The bucket that it encrypts.
    pub bucket: TrailBucketName,
    /// Whose accounts may put.
    pub org: OrgId,
    /// Who may read.
    pub readers: Readers,
}

/// The policy of the trail's key.
///
/// Writers make data keys and can't decrypt, not even what they wrote; both go through S3 only, and only for this bucket:
/// its ARN alone is the encryption context where bucket keys are on, an object's where they are off.
pub fn trail_key(trail: &TrailKey) -> Policy {
    let (account, region) = (trail.bucket.account(), trail.bucket.region());
    let through_s3 = |statement: Statement| {
        let bucket = trail.bucket.arn();
        statement.on([Resource::ThisKey]).when(Operator::StringEquals, Key::KmsViaService, [via("s3", region)]).when(
            Operator::StringLike,
            Key::KmsEncryptionContextS3Arn,
            [format!("{bucket}/Holdfast/{}/*", trail.org), bucket],
        )
    };
    let readers = Statement::allow("ReadersDecryptThroughS3", [Action::KmsDecrypt])
        .by(Principal::Account(account.clone(), region.clone()))
        .when(Operator::ArnLike, Key::PrincipalArn, &trail.readers.0);
    let writers = Statement::allow("WritersMakeDataKeysThroughS3", [Action::KmsGenerateDataKey])
        .by(Principal::Anyone { because: "writers are in many accounts; aws:PrincipalOrgID says whose" })
        .when(Operator::StringEquals, Key::PrincipalOrgId, [&trail.org]);
    let mut statements = administration(account, region);
    statements.extend([through_s3(writers), through_s3(readers)]);
    Policy::new(Kind::Key, statements)
}

/// The managed policy of a role that reads the trail: `provision audit list | show | verify`.
pub fn auditor_role(bucket: &TrailBucketName) -> Policy {
    let objects = Resource::Within {
        pattern: format!("{}/Holdfast/*", bucket.arn()),
        because: "an auditor reads every writer's records",
    };
    let keys = Resource::Within {
        pattern: format!("arn:{}:kms:{}:{}:key/*", bucket.region().partition(), bucket.region(), bucket.account()),
        because: "the trail's key may be replaced; the conditions leave only what S3 decrypts of this bucket",
    };
    Policy::new(
        Kind::Managed,
        [
            Statement::allow(
                "ListTheTrail",
                [
                    Action::S3GetBucketLocation,
                    Action::S3GetBucketObjectLockConfiguration,
                    Action::S3GetBucketPolicy,
                    Action::S3GetBucketVersioning,
                    Action::S3ListBucket,
                    Action::S3ListBucketVersions,
                ],
            )
            .on([Resource::Exactly(bucket.arn())]),
            Statement::allow(
                "ReadTheTrail",
                [Action::S3GetObject, Action::S3GetObjectRetention, Action::S3GetObjectVersion],
            )
            .on([objects]),
            Statement::allow("DecryptTheTrail", [Action::KmsDecrypt])
                .on([keys])
                .when(Operator::StringEquals, Key::KmsViaService, [via("s3", bucket.region())])
                .when(
                    Operator::StringLike,
                    Key::KmsEncryptionContextS3Arn,
                    [bucket.arn(), format!("{}/Holdfast/*", bucket.arn())],
                ),
        ],
    )
}

/// Where a writer may put: below its account, any day, its own user id. `account` is a literal or a policy variable.
pub(crate) fn own_prefix(bucket: &TrailBucketName, org: &OrgId, account: &str) -> Resource {
    Resource::Within {
        pattern: format!("{}/Holdfast/{org}/{account}/????/??/??/${{aws:userid}}/*", bucket.arn()),
        because: "a day each has its folder, and below the writer's own user id the agent names streams and objects",
    }
}

/// A service as `kms:ViaService` names it.
pub(crate) fn via(service: &str, region: &Region) -> String {
    format!("{service}.{region}.amazonaws.com")
}

/// How a key's own account administers it: everything but using it.
///
/// Without `kms:*` nobody in the account uses the key by an identity policy alone. `PutKeyPolicy` remains, as AWS demands
/// (or nobody could ever mend the policy), and is what an alarm should watch.
pub(crate) fn administration(account: &AccountId, region: &Region) -> Vec<Statement> {
    let nobody_left_out = || Principal::Anyone { because: "the statement only denies, and should leave nobody out" };
    vec![
        Statement::allow("TheAccountAdministers", ADMINISTRATION.iter().copied())
            .by(Principal::Account(account.clone(), region.clone()))
            .on([Resource::ThisKey]),
        Statement::deny("HastyDeletion", [Action::KmsScheduleKeyDeletion])
            .by(nobody_left_out())
            .on([Resource::ThisKey])
            .when(Operator::NumericLessThan, Key::KmsPendingWindowInDays, [30]),
        Statement::deny("LockingEverybodyOut", [Action::KmsPutKeyPolicy])
            .by(nobody_left_out())
            .on([Resource::ThisKey])
            .when(Operator::Bool, Key::KmsBypassPolicyLockoutSafetyCheck, [true]),
    ]
}

const ADMINISTRATION: &[Action] = &[
    Action::KmsCancelKeyDeletion,
    Action::KmsCreateAlias,
    Action::KmsDeleteAlias,
    Action::KmsDescribeKey,
    Action::KmsDisableKey,
    Action::KmsEnableKey,
    Action::KmsEnableKeyRotation,
    Action::KmsGetKeyPolicy,
    Action::KmsGetKeyRotationStatus,
    Action::KmsListGrants,
    Action::KmsListKeyPolicies,
    Action::KmsListResourceTags,
    Action::KmsPutKeyPolicy,
    Action::KmsRevokeGrant,
    Action::KmsScheduleKeyDeletion,
    Action::KmsTagResource,
    Action::KmsUntagResource,
    Action::KmsUpdateAlias,
    Action::KmsUpdateKeyDescription,
];
