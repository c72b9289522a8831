//! `audit init`: the trail's key and bucket in the central account.
//!
//! Each step looks first and changes only what is not as it should be, so a second run changes nothing and says so, and a run that
//! was cut short is gone on with. In order: who may read, the key and its alias, the bucket (with object lock from its
//! first moment), who may reach it, how it encrypts, how long it keeps, and last the policy that lets writers in.
//!
//! What it never does: shorten a retention that is set, drop a reader that is there, or delete.

mod bucket;
mod key;
mod readers;

use std::str::FromStr;

use holdfast_policies as policies;
use serde::Serialize;
use serde_json::json;

use super::recorder::organization;
use super::{Answer, Ask, InitArguments, TrailError};
use crate::cloud::Cloud;
use crate::render::text::columns;

/// One step and what it came to.
#[derive(Debug, Serialize)]
struct Step {
    /// What was looked at.
    what: &'static str,
    /// Whether it was changed.
    changed: bool,
    /// How it is now.
    state: String,
}

/// All that the steps work with.
struct Init<'a> {
    cloud: Cloud,
    arguments: &'a InitArguments,
    organization: policies::OrgId,
    bucket: policies::TrailBucketName,
    steps: Vec<Step>,
}

impl Init<'_> {
    fn step(&mut self, what: &'static str, changed: bool, state: impl Into<String>) {
        self.steps.push(Step { what, changed, state: state.into() });
    }
}

/// Makes the trail, or sets it right.
pub async fn run(arguments: &InitArguments, ask: Ask<'_>) -> Result<Answer, TrailError> {
    let cloud = Cloud::connect(&arguments.account, &arguments.region).await?;
    let account = policies::AccountId::from_str(arguments.account.as_str())?;
    let region = policies::Region::from_str(arguments.region.as_str())?;
    let organization =
        organization(&cloud).await?.ok_or_else(|| TrailError::NoOrganization(arguments.account.to_string()))?;
    let bucket = policies::TrailBucketName::new(&account, &region);
    if arguments.compliance {
        confirm_compliance(&bucket.to_string(), ask)?;
    }
    let organization = policies::OrgId::from_str(&organization)?;
    let mut init = Init { cloud, arguments, organization, bucket, steps: Vec::new() };
    let readers = init.readers().await?;
    let key = init.key(&readers).await?;
    init.make_bucket().await?;
    init.block_public_access().await?;
    init.own_objects().await?;
    init.encrypt(&key).await?;
    init.retain().await?;
    init.let_writers_in(&key, &readers).await?;
    Ok(answer(&init))
}

/// Nobody can undo it, so two different answers are needed.
fn confirm_compliance(bucket: &str, ask: Ask<'_>) -> Result<(), TrailError> {
    let first = "In compliance mode no record can be deleted before its retention ends: not by an administrator, not by root,\n\
                 not by AWS, and the account can't be closed without paying for them. Go on? [yes/no] ";
    let second = format!("This can't be undone. The bucket's name to go on ({bucket}): ");
    if ask(first, "yes")? && ask(&second, bucket)? { Ok(()) } else { Err(TrailError::NotConfirmed) }
}

fn answer(init: &Init<'_>) -> Answer {
    let changed = init.steps.iter().filter(|step| step.changed).count();
    let rows: Vec<_> = init
        .steps
        .iter()
        .map(|step| (step.what.to_owned(), format!("{}{}", step.state, if step.changed { " (set now)" } else { "" })))
        .collect();
    let bucket = &init.bucket;
    let last = match changed {
        0 => format!("s3://{bucket} is as it should be; nothing was changed\n"),
        _ => format!("s3://{bucket} is ready for records of {}\n", init.organization),
    };
    let json = json!({
        "bucket": bucket.to_string(),
        "organization": init.organization.to_string(),
        "changed": changed,
        "steps": init.steps,
    });
    Answer { text: columns(&rows) + &last, json, differences: false }
}
