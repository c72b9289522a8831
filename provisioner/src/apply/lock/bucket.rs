//! The bucket for locks, `holdfast-<account>-<region>`: one for all estates of an account in a region.
//!
//! Made at first use: private, encrypted, versioned. It is kept at destroy, since other
//! estates use it. Its tags are set last, so a bucket without them is one whose making was cut off, and is made again
//! from the start. Every call names the owner that the bucket must have: the name can be guessed, and whoever made it
//! first in another account would hold everybody's locks.

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration, ObjectOwnership, PublicAccessBlockConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    Tag, Tagging, VersioningConfiguration,
};

use super::super::ApplyError;
use super::super::witness::{Note, Witness};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Scope, tags};

/// The tag that says what a bucket of Holdfast's is.
const LOCKS: &str = "locks";
/// How long old versions of locks are kept, for whoever asks who changed what.
const DAYS: i32 = 30;

/// The bucket's name.
pub(in crate::apply) fn name(scope: &Scope) -> String {
    format!("holdfast-{}-{}", scope.account, scope.region)
}

/// Makes the bucket, unless it is there and complete.
pub(super) async fn ensure(
    cloud: &Cloud,
    scope: &Scope,
    bucket: &str,
    witness: &dyn Witness,
) -> Result<(), ApplyError> {
    let owner = scope.account.as_str();
    let request = cloud.s3.get_bucket_tagging().bucket(bucket).expected_bucket_owner(owner).send();
    let answer = cloud.call(Service::S3, "GetBucketTagging", request).await;
    let is_complete = match &answer {
        Ok(tagging) => tagging.tag_set.iter().any(|tag| tag.key == tags::ID && tag.value == LOCKS),
        Err(error) if error.is(&["NoSuchBucket", "NoSuchTagSet", "NoSuchTagSetError"]) => false,
        Err(_) => {
            answer?;
            return Ok(());
        }
    };
    if is_complete {
        return Ok(());
    }
    witness.note(&Note::LockBucket { bucket: bucket.to_owned() }).await?;
    create(cloud, scope, bucket).await?;
    set_up(cloud, scope, bucket).await?;
    Ok(())
}

async fn create(cloud: &Cloud, scope: &Scope, bucket: &str) -> Result<(), CloudError> {
    let request = cloud.s3.create_bucket().bucket(bucket).object_ownership(ObjectOwnership::BucketOwnerEnforced);
    // us-east-1 is where buckets are without a constraint, and it refuses to be named as one.
    let request = match scope.region.as_str() {
        "us-east-1" => request,
        region => {
            let place = BucketLocationConstraint::from(region);
            request.create_bucket_configuration(CreateBucketConfiguration::builder().location_constraint(place).build())
        }
    };
    found(cloud.call(Service::S3, "CreateBucket", request.send()).await, &["BucketAlreadyOwnedByYou"])?;
    Ok(())
}

/// Sets what S3 would set otherwise, tags last.
async fn set_up(cloud: &Cloud, scope: &Scope, bucket: &str) -> Result<(), CloudError> {
    let (s3, owner) = (&cloud.s3, scope.account.as_str());
    let invalid = |operation| move |_| CloudError::incomplete(Service::S3, operation, "required field");

    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let request = s3.put_public_access_block().bucket(bucket).expected_bucket_owner(owner);
    let request = request.public_access_block_configuration(block).send();
    cloud.call(Service::S3, "PutPublicAccessBlock", request).await?;

    // A lock holds no secret: S3's own keys will do, and no key of the account's is needed to take it.
    let algorithm = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build();
    let algorithm = algorithm.map_err(invalid("PutBucketEncryption"))?;
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(algorithm).build();
    let rules = ServerSideEncryptionConfiguration::builder().rules(rule).build();
    let rules = rules.map_err(invalid("PutBucketEncryption"))?;
    let request = s3.put_bucket_encryption().bucket(bucket).expected_bucket_owner(owner);
    let request = request.server_side_encryption_configuration(rules).send();
    cloud.call(Service::S3, "PutBucketEncryption", request).await?;

    let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let request = s3.put_bucket_versioning().bucket(bucket).expected_bucket_owner(owner);
    cloud.call(Service::S3, "PutBucketVersioning", request.versioning_configuration(versioning).send()).await?;

    let old = NoncurrentVersionExpiration::builder().noncurrent_days(DAYS).build();
    let rule = LifecycleRule::builder()
        .id("old-locks")
        .filter(LifecycleRuleFilter::builder().prefix("locks/").build())
        .noncurrent_version_expiration(old)
        .expiration(LifecycleExpiration::builder().expired_object_delete_marker(true).build())
        .status(ExpirationStatus::Enabled)
        .build()
        .map_err(invalid("PutBucketLifecycleConfiguration"))?;
    let rules = aws_sdk_s3::types::BucketLifecycleConfiguration::builder().rules(rule).build();
    let rules = rules.map_err(invalid("PutBucketLifecycleConfiguration"))?;
    let request = s3.put_bucket_lifecycle_configuration().bucket(bucket).expected_bucket_owner(owner);
    let request = request.lifecycle_configuration(rules).send();
    cloud.call(Service::S3, "PutBucketLifecycleConfiguration", request).await?;

    let tags =
        [("Name", bucket), ("Description", "Locks of the estates of this account in this region"), (tags::ID, LOCKS)];
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
    let tags = tags.into_iter().collect::<Result<Vec<_>, _>>().map_err(invalid("PutBucketTagging"))?;
    let tagging = Tagging::builder().set_tag_set(Some(tags)).build().map_err(invalid("PutBucketTagging"))?;
    let request = s3.put_bucket_tagging().bucket(bucket).expected_bucket_owner(owner).tagging(tagging).send();
    cloud.call(Service::S3, "PutBucketTagging", request).await?;
    Ok(())
}
