//! The trail's bucket.

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, DefaultRetention,
    ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule, ObjectOwnership,
    OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use holdfast_policies::{KmsKeyArn, Readers, TrailBucket, same_meaning, trail_bucket};

use super::Init;
use crate::cloud::{CloudError, Service, found};
use crate::trail::TrailError;

/// How long a record can't be deleted unless said otherwise.
const DEFAULT_DAYS: i32 = 30;

impl Init<'_> {
    /// Makes the bucket with object lock, which can't be had later without AWS's help, and with it versioning.
    pub(super) async fn make_bucket(&mut self) -> Result<(), TrailError> {
        let name = self.bucket.to_string();
        let request = self.cloud.s3.head_bucket().bucket(&name).send();
        let answer = self.cloud.call(Service::S3, "HeadBucket", request).await;
        let there = found(answer, &["NotFound", "NoSuchBucket"])?.is_some();
        if !there {
            // us-east-1 is what S3 calls no constraint, and refuses as one.
            let region = self.arguments.region.as_str();
            let location = (region != "us-east-1").then(|| {
                CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build()
            });
            let request = self
                .cloud
                .s3
                .create_bucket()
                .bucket(&name)
                .set_create_bucket_configuration(location)
                .object_lock_enabled_for_bucket(true)
                .object_ownership(ObjectOwnership::BucketOwnerEnforced)
                .send();
            self.cloud.call(Service::S3, "CreateBucket", request).await?;
        }
        self.step("bucket", !there, format!("s3://{name}"));
        self.check_versions(&name).await
    }

    async fn check_versions(&mut self, name: &str) -> Result<(), TrailError> {
        let request = self.cloud.s3.get_bucket_versioning().bucket(name).send();
        let answer = self.cloud.call(Service::S3, "GetBucketVersioning", request).await?;
        if answer.status != Some(BucketVersioningStatus::Enabled) {
            return Err(TrailError::Bucket {
                bucket: name.to_owned(),
                what: "was made without object lock",
                next: "empty and delete it, if nothing else needs it, and run this again",
            });
        }
        self.step("versions", false, "kept");
        Ok(())
    }

    pub(super) async fn block_public_access(&mut self) -> Result<(), TrailError> {
        let name = self.bucket.to_string();
        let wanted = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let request = self.cloud.s3.get_public_access_block().bucket(&name).send();
        let answer = self.cloud.call(Service::S3, "GetPublicAccessBlock", request).await;
        let answer = found(answer, &["NoSuchPublicAccessBlockConfiguration"])?;
        let same = answer.and_then(|answer| answer.public_access_block_configuration).as_ref() == Some(&wanted);
        if !same {
            let request =
                self.cloud.s3.put_public_access_block().bucket(&name).public_access_block_configuration(wanted).send();
            self.cloud.call(Service::S3, "PutPublicAccessBlock", request).await?;
        }
        self.step("public access", !same, "blocked");
        Ok(())
    }

    /// No ACLs: what a writer puts is the bucket owner's.
    pub(super) async fn own_objects(&mut self) -> Result<(), TrailError> {
        let name = self.bucket.to_string();
        let request = self.cloud.s3.get_bucket_ownership_controls().bucket(&name).send();
        let answer = self.cloud.call(Service::S3, "GetBucketOwnershipControls", request).await;
        let present = found(answer, &["OwnershipControlsNotFoundError"])?.and_then(|answer| answer.ownership_controls);
        let enforced = |rule: &OwnershipControlsRule| rule.object_ownership == ObjectOwnership::BucketOwnerEnforced;
        let same = present.is_some_and(|controls| controls.rules.iter().all(enforced) && !controls.rules.is_empty());
        if !same {
            let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced).build();
            let controls = rule.and_then(|rule| OwnershipControls::builder().rules(rule).build());
            let controls = controls.map_err(|_| incomplete("PutBucketOwnershipControls"))?;
            let request =
                self.cloud.s3.put_bucket_ownership_controls().bucket(&name).ownership_controls(controls).send();
            self.cloud.call(Service::S3, "PutBucketOwnershipControls", request).await?;
        }
        self.step("ownership", !same, "the bucket owner's, without ACLs");
        Ok(())
    }

    /// The default that writers rely on: their puts name no key.
    pub(super) async fn encrypt(&mut self, key: &KmsKeyArn) -> Result<(), TrailError> {
        let name = self.bucket.to_string();
        let request = self.cloud.s3.get_bucket_encryption().bucket(&name).send();
        let answer = self.cloud.call(Service::S3, "GetBucketEncryption", request).await;
        let answer = found(answer, &["ServerSideEncryptionConfigurationNotFoundError"])?;
        let rules = answer.and_then(|answer| answer.server_side_encryption_configuration).map(|found| found.rules);
        let with_key = |rule: &ServerSideEncryptionRule| {
            rule.bucket_key_enabled == Some(true)
                && rule.apply_server_side_encryption_by_default.as_ref().is_some_and(|default| {
                    default.sse_algorithm == ServerSideEncryption::AwsKms
                        && default.kms_master_key_id.as_deref() == Some(&*key.to_string())
                })
        };
        let same = rules.is_some_and(|rules| rules.iter().all(with_key) && !rules.is_empty());
        if !same {
            let default = ServerSideEncryptionByDefault::builder()
                .sse_algorithm(ServerSideEncryption::AwsKms)
                .kms_master_key_id(key.to_string())
                .build()
                .map_err(|_| incomplete("PutBucketEncryption"))?;
            let rule = ServerSideEncryptionRule::builder()
                .apply_server_side_encryption_by_default(default)
                .bucket_key_enabled(true)
                .build();
            let configuration = ServerSideEncryptionConfiguration::builder()
                .rules(rule)
                .build()
                .map_err(|_| incomplete("PutBucketEncryption"))?;
            let request = self
                .cloud
                .s3
                .put_bucket_encryption()
                .bucket(&name)
                .server_side_encryption_configuration(configuration)
                .send();
            self.cloud.call(Service::S3, "PutBucketEncryption", request).await?;
        }
        self.step("encryption", !same, "SSE-KMS with the trail's key, and a bucket key");
        Ok(())
    }

    /// Keeps what is set unless another retention was asked for; never shortens it.
    pub(super) async fn retain(&mut self) -> Result<(), TrailError> {
        let name = self.bucket.to_string();
        let request = self.cloud.s3.get_object_lock_configuration().bucket(&name).send();
        let answer = self.cloud.call(Service::S3, "GetObjectLockConfiguration", request).await;
        let Some(answer) = found(answer, &["ObjectLockConfigurationNotFoundError"])? else {
            return Err(TrailError::Bucket {
                bucket: name,
                what: "has no object lock",
                next: "empty and delete it, if nothing else needs it, and run this again",
            });
        };
        let present = answer
            .object_lock_configuration
            .and_then(|configuration| configuration.rule)
            .and_then(|rule| rule.default_retention);
        let wanted = wanted_retention(present.as_ref(), self.arguments.retention_days, self.arguments.compliance)?;
        let same = present.as_ref() == Some(&wanted);
        let state = shown(&wanted);
        if !same {
            let rule = ObjectLockRule::builder().default_retention(wanted).build();
            let configuration =
                ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).rule(rule).build();
            let request = self
                .cloud
                .s3
                .put_object_lock_configuration()
                .bucket(&name)
                .object_lock_configuration(configuration)
                .send();
            self.cloud.call(Service::S3, "PutObjectLockConfiguration", request).await?;
        }
        self.step("retention", !same, state);
        Ok(())
    }

    /// Last: from here on records can come.
    pub(super) async fn let_writers_in(&mut self, key: &KmsKeyArn, readers: &Readers) -> Result<(), TrailError> {
        let policy = trail_bucket(&TrailBucket {
            bucket: self.bucket.clone(),
            org: self.organization.clone(),
            key: key.clone(),
            readers: readers.clone(),
        })
        .to_json()?;
        let same = self.present_policy().await?.is_some_and(|present| same_meaning(&present, &policy));
        if !same {
            let request = self.cloud.s3.put_bucket_policy().bucket(self.bucket.to_string()).policy(policy).send();
            self.cloud.call(Service::S3, "PutBucketPolicy", request).await?;
        }
        let state =
            format!("each principal of {} puts below its own prefix, over TLS, and nothing else", self.organization);
        self.step("bucket's policy", !same, state);
        Ok(())
    }
}

/// The retention to have: what was asked for, else what there is, else the default; an error if that would be less than there is.
fn wanted_retention(
    present: Option<&DefaultRetention>,
    days: Option<i32>,
    compliance: bool,
) -> Result<DefaultRetention, TrailError> {
    let mode = match present.and_then(|present| present.mode.clone()) {
        _ if compliance => ObjectLockRetentionMode::Compliance,
        Some(mode) => mode,
        None => ObjectLockRetentionMode::Governance,
    };
    let kept = present.and_then(days_of);
    if let (Some(kept), Some(days)) = (kept, days)
        && days < kept
    {
        let message = format!("records are kept for {kept} days, and {days} would be less");
        let next = "keep it, or shorten it by hand; this command only lengthens it";
        return Err(CloudError::found(Service::S3, "PutObjectLockConfiguration", message, next).into());
    }
    if days.is_none()
        && let Some(present) = present
    {
        // In its own unit: five years are not 1,825 days.
        let same = DefaultRetention::builder().mode(mode).set_days(present.days).set_years(present.years);
        return Ok(same.build());
    }
    Ok(DefaultRetention::builder().mode(mode).days(days.unwrap_or(DEFAULT_DAYS)).build())
}

fn days_of(retention: &DefaultRetention) -> Option<i32> {
    retention.days.or_else(|| retention.years.map(|years| years.saturating_mul(365)))
}

fn shown(retention: &DefaultRetention) -> String {
    let mode = retention.mode.as_ref().map_or("", ObjectLockRetentionMode::as_str).to_lowercase();
    match (retention.days, retention.years) {
        (_, Some(years)) => format!("{years} years, {mode}"),
        (days, None) => format!("{} days, {mode}", days.unwrap_or_default()),
    }
}

/// A request that lacks what it must have.
fn incomplete(operation: &'static str) -> CloudError {
    CloudError::incomplete(Service::S3, operation, "configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retention(mode: ObjectLockRetentionMode, days: i32) -> DefaultRetention {
        DefaultRetention::builder().mode(mode).days(days).build()
    }

    #[test]
    fn a_retention_is_kept_lengthened_and_never_shortened() {
        use ObjectLockRetentionMode::{Compliance, Governance};
        let thirty = retention(Governance, 30);
        assert_eq!(wanted_retention(None, None, false).unwrap(), thirty);
        assert_eq!(wanted_retention(Some(&thirty), Some(90), false).unwrap(), retention(Governance, 90));
        assert_eq!(wanted_retention(Some(&thirty), None, true).unwrap(), retention(Compliance, 30));
        assert!(wanted_retention(Some(&thirty), Some(7), false).is_err());
        let years = DefaultRetention::builder().mode(Compliance).years(5).build();
        assert_eq!(wanted_retention(Some(&years), None, false).unwrap(), years);
    }
}
