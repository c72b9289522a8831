//! The trail's key: found by its alias, else by its tag (a run that ended between the two), else made.

use std::str::FromStr;

use aws_sdk_kms::types::{KeyState, Tag};
use holdfast_policies::{KmsKeyArn, Readers, TrailKey, same_meaning, trail_key};

use super::Init;
use crate::cloud::{CloudError, Service, found};
use crate::trail::TrailError;

/// The key's name.
const ALIAS: &str = "alias/holdfast-trail";
/// Marks the key before it has its alias; the value is the bucket.
const TAG: &str = "holdfast:trail";
/// The only policy that a key has.
const POLICY: &str = "default";
const ROTATION: &str = "rotated every year";

impl Init<'_> {
    pub(super) async fn key(&mut self, readers: &Readers) -> Result<KmsKeyArn, TrailError> {
        let policy = trail_key(&TrailKey {
            bucket: self.bucket.clone(),
            org: self.organization.clone(),
            readers: readers.clone(),
        })
        .to_json()?;
        let named = self.described(ALIAS).await?;
        let (key, made) = match &named {
            Some(key) => (key.clone(), false),
            None => match self.tagged_key().await? {
                Some(key) => (key, false),
                None => (self.make_key(&policy).await?, true),
            },
        };
        if named.is_none() {
            let request = self.cloud.kms.create_alias().alias_name(ALIAS).target_key_id(&key).send();
            self.cloud.call(Service::Kms, "CreateAlias", request).await?;
        }
        self.step("key", made || named.is_none(), format!("{ALIAS}, {key}"));
        self.key_policy(&key, &policy, made).await?;
        self.rotate(&key).await?;
        Ok(KmsKeyArn::from_str(&key)?)
    }

    /// The ARN of a key that can be used.
    async fn described(&self, id: &str) -> Result<Option<String>, TrailError> {
        let request = self.cloud.kms.describe_key().key_id(id).send();
        let answer = found(self.cloud.call(Service::Kms, "DescribeKey", request).await, &["NotFoundException"])?;
        let Some(metadata) = answer.and_then(|answer| answer.key_metadata) else { return Ok(None) };
        let arn = metadata.arn.clone();
        match metadata.key_state {
            Some(KeyState::Enabled) => Ok(arn),
            state => {
                let state = state.map_or("in no state", |state| match state {
                    KeyState::PendingDeletion => "about to be deleted: records under it will be lost",
                    KeyState::Disabled => "disabled",
                    _ => "not usable",
                });
                let message = format!("the trail's key {} is {state}", arn.as_deref().unwrap_or(id));
                let next = "cancel its deletion, or enable it, with the audit account's credentials";
                Err(CloudError::found(Service::Kms, "DescribeKey", message, next).into())
            }
        }
    }

    /// A key that an earlier run made and did not get to name.
    async fn tagged_key(&self) -> Result<Option<String>, TrailError> {
        let bucket = self.bucket.to_string();
        let mut marker = None;
        loop {
            let request = self.cloud.kms.list_keys().set_marker(marker).send();
            let page = self.cloud.call(Service::Kms, "ListKeys", request).await?;
            for key in page.keys.unwrap_or_default().into_iter().filter_map(|key| key.key_arn) {
                let request = self.cloud.kms.list_resource_tags().key_id(&key).send();
                // Keys of others, and AWS's own, refuse to show their tags: they are not ours.
                let answer = self.cloud.call(Service::Kms, "ListResourceTags", request).await;
                let answer = found(answer, &["AccessDeniedException", "NotFoundException"])?;
                let tags = answer.and_then(|answer| answer.tags).unwrap_or_default();
                if tags.iter().any(|tag| (tag.tag_key(), tag.tag_value()) == (TAG, bucket.as_str())) {
                    return self.described(&key).await;
                }
            }
            if !page.truncated {
                return Ok(None);
            }
            marker = page.next_marker;
        }
    }

    async fn make_key(&self, policy: &str) -> Result<String, TrailError> {
        let tag = Tag::builder()
            .tag_key(TAG)
            .tag_value(self.bucket.to_string())
            .build()
            .map_err(|_| CloudError::incomplete(Service::Kms, "CreateKey", "tag"))?;
        let request = self
            .cloud
            .kms
            .create_key()
            .description(format!("Encrypts the audit trail in {}", self.bucket))
            .policy(policy)
            .tags(tag)
            .send();
        let answer = self.cloud.call(Service::Kms, "CreateKey", request).await?;
        let arn = answer.key_metadata.and_then(|metadata| metadata.arn);
        Ok(arn.ok_or_else(|| CloudError::incomplete(Service::Kms, "CreateKey", "ARN"))?)
    }

    async fn key_policy(&mut self, key: &str, policy: &str, made: bool) -> Result<(), TrailError> {
        let request = self.cloud.kms.get_key_policy().key_id(key).policy_name(POLICY).send();
        let present = self.cloud.call(Service::Kms, "GetKeyPolicy", request).await?.policy;
        let same = present.is_some_and(|present| same_meaning(&present, policy));
        if !same {
            let request = self.cloud.kms.put_key_policy().key_id(key).policy_name(POLICY).policy(policy).send();
            self.cloud.call(Service::Kms, "PutKeyPolicy", request).await?;
        }
        self.step("key's policy", made || !same, "writers encrypt, readers decrypt, both through S3 alone");
        Ok(())
    }

    async fn rotate(&mut self, key: &str) -> Result<(), TrailError> {
        let request = self.cloud.kms.get_key_rotation_status().key_id(key).send();
        let status = self.cloud.call(Service::Kms, "GetKeyRotationStatus", request).await?;
        let on = status.key_rotation_enabled;
        if !on {
            let request = self.cloud.kms.enable_key_rotation().key_id(key).send();
            self.cloud.call(Service::Kms, "EnableKeyRotation", request).await?;
        }
        self.step("key's rotation", !on, ROTATION);
        Ok(())
    }
}
