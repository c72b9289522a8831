//! Who may read the trail: those that were named, else those that may already, else who makes it.

use std::str::FromStr;

use holdfast_policies::{AccountId, PrincipalArn, Readers};
use serde_json::Value;

use super::Init;
use crate::cloud::{CloudError, Service, found};
use crate::trail::TrailError;

/// The statement of the bucket's policy that names the readers.
const STATEMENT: &str = "ReadingByOthers";

impl Init<'_> {
    pub(super) async fn readers(&mut self) -> Result<Readers, TrailError> {
        let account = AccountId::from_str(self.arguments.account.as_str())?;
        let (named, changed) = if self.arguments.reader.is_empty() {
            match self.present_readers().await? {
                Some(present) => (present, false),
                None => (vec![self.caller().await?], true),
            }
        } else {
            let present = self.present_readers().await?.unwrap_or_default();
            let changed = self.arguments.reader.iter().any(|reader| !present.contains(reader))
                || present.iter().any(|reader| !self.arguments.reader.contains(reader));
            (self.arguments.reader.clone(), changed)
        };
        let mut principals = named.iter().map(|arn| PrincipalArn::from_str(arn)).collect::<Result<Vec<_>, _>>()?;
        principals.sort_by_key(ToString::to_string);
        principals.dedup();
        let readers = Readers::new(&account, principals)?;
        self.step("readers", changed, named.join(", "));
        Ok(readers)
    }

    /// The readers that the bucket's policy has, if there are a bucket and a policy.
    async fn present_readers(&self) -> Result<Option<Vec<String>>, TrailError> {
        let policy = self.present_policy().await?;
        Ok(policy.as_deref().and_then(readers_of))
    }

    /// The bucket's policy, if there are a bucket and a policy.
    pub(super) async fn present_policy(&self) -> Result<Option<String>, TrailError> {
        let request = self.cloud.s3.get_bucket_policy().bucket(self.bucket.to_string()).send();
        let answer = self.cloud.call(Service::S3, "GetBucketPolicy", request).await;
        Ok(found(answer, &["NoSuchBucket", "NoSuchBucketPolicy"])?.and_then(|answer| answer.policy))
    }

    /// The caller as policies know it: for a session its role, whose ARN has a path that the session's has not.
    async fn caller(&self) -> Result<String, TrailError> {
        let arn = &self.cloud.identity().arn;
        let role = arn.split(":assumed-role/").nth(1).and_then(|rest| rest.split('/').next());
        let Some(role) = role else { return Ok(arn.clone()) };
        let request = self.cloud.iam.get_role().role_name(role).send();
        let answer = self.cloud.call(Service::Iam, "GetRole", request).await?;
        let arn = answer.role.map(|role| role.arn);
        Ok(arn.ok_or_else(|| CloudError::incomplete(Service::Iam, "GetRole", "role"))?)
    }
}

/// The readers that a policy of the trail's bucket names.
fn readers_of(policy: &str) -> Option<Vec<String>> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let statements = policy.get("Statement")?.as_array()?;
    let statement = statements.iter().find(|statement| statement.get("Sid").is_some_and(|sid| sid == STATEMENT))?;
    let readers = statement.pointer("/Condition/ArnNotLike/aws:PrincipalArn")?;
    // IAM writes a list of one as a string.
    match readers {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => many.iter().map(|reader| reader.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use holdfast_policies::{KmsKeyArn, OrgId, Region, TrailBucket, TrailBucketName, trail_bucket};

    use super::*;

    fn policy(readers: &[&str]) -> String {
        let account = AccountId::from_str("222222222222").unwrap();
        let region = Region::from_str("eu-central-1").unwrap();
        let readers = readers.iter().map(|arn| PrincipalArn::from_str(arn).unwrap()).collect();
        let trail = TrailBucket {
            bucket: TrailBucketName::new(&account, &region),
            org: OrgId::from_str("o-exampleorg1").unwrap(),
            key: KmsKeyArn::from_str("arn:aws:kms:eu-central-1:222222222222:key/0c5fd1a3-6d0c-4a8e-9a0e-1f1f3f0f8a11")
                .unwrap(),
            readers: Readers::new(&account, readers).unwrap(),
        };
        trail_bucket(&trail).to_json().unwrap()
    }

    #[test]
    fn the_readers_are_read_back_from_the_policy_that_names_them() {
        let one = "arn:aws:iam::222222222222:role/auditor";
        let other = "arn:aws:iam::222222222222:user/ops";
        assert_eq!(readers_of(&policy(&[one])), Some(vec![one.to_owned()]));
        assert_eq!(readers_of(&policy(&[one, other])), Some(vec![one.to_owned(), other.to_owned()]));
        assert_eq!(readers_of("{}"), None);
    }
}
