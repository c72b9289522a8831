//! A plan in a file, for `apply --plan`: what was seen is what is done.
//!
//! It is JSON, and all that an apply needs, so the spec may have changed or gone since: the plan, and where its
//! changes are recorded. It names its version and carries a digest of itself, so a file that was cut, merged or edited
//! isn't taken for what somebody saw. The digest is no signature: who may write the file may also write another.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::CommandError;
use crate::plan::{Plan, PlanError, Purpose, made_by};
use crate::spec::Audit;

/// A plan and where it is recorded.
#[derive(Debug)]
pub(super) struct PlanFile {
    pub(super) plan: Plan,
    /// The trail that the spec names, if it does.
    pub(super) audit: Option<Audit>,
}

/// What a plan's file holds, and `plan --json` prints.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    made_by: String,
    digest: String,
    /// Not a [`Plan`] yet: its version is to be seen first.
    plan: Value,
    audit: Value,
}

impl Sealed {
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.made_by.as_str(), &self.plan.to_string(), &self.audit.to_string()] {
            hash.update(part);
            hash.update([0]);
        }
        hex::encode(hash.finalize())
    }
}

impl PlanFile {
    /// The file's content.
    pub(super) fn seal(&self) -> Result<Sealed, CommandError> {
        let plan = serde_json::to_value(&self.plan).map_err(CommandError::Json)?;
        let audit = serde_json::to_value(&self.audit).map_err(CommandError::Json)?;
        let mut sealed = Sealed { made_by: made_by().to_owned(), digest: String::new(), plan, audit };
        sealed.digest = sealed.digest();
        Ok(sealed)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), CommandError> {
        let mut text = serde_json::to_string_pretty(&self.seal()?).map_err(CommandError::Json)?;
        text.push('\n');
        fs::write(path, text).map_err(|source| CommandError::WriteFile { path: path.to_owned(), source })
    }

    pub(super) fn read(path: &Path) -> Result<Self, CommandError> {
        let text =
            fs::read_to_string(path).map_err(|source| CommandError::ReadPlan { path: path.to_owned(), source })?;
        let file = Self::parse(&text).map_err(|source| CommandError::Plan { path: path.to_owned(), source })?;
        match file.plan.purpose {
            Purpose::Apply => Ok(file),
            Purpose::Destroy => Err(CommandError::OtherPurpose { path: path.to_owned(), purpose: "destroy" }),
        }
    }

    fn parse(text: &str) -> Result<Self, PlanError> {
        let sealed: Sealed = serde_json::from_str(text).map_err(PlanError::Json)?;
        if sealed.made_by != made_by() {
            return Err(PlanError::OtherVersion { by: sealed.made_by });
        }
        if sealed.digest != sealed.digest() {
            return Err(PlanError::Edited);
        }
        let plan = Plan::from_json(&sealed.plan.to_string())?;
        let audit = serde_json::from_value(sealed.audit).map_err(PlanError::Json)?;
        Ok(Self { plan, audit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::Scope;
    use crate::plan::World;

    #[test]
    fn a_plan_is_read_as_it_was_written_and_not_otherwise() {
        let scope = Scope {
            estate: "judge".parse().unwrap(),
            account: "111111111111".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
            vpc: None,
        };
        let file = PlanFile { plan: Plan::destroy(&World::new(scope, vec![])), audit: None };
        let text = serde_json::to_string_pretty(&file.seal().unwrap()).unwrap();
        assert_eq!(PlanFile::parse(&text).unwrap().plan, file.plan);
        for (from, to) in [
            ("\"judge\"", "\"other\""),
            ("\"111111111111\"", "\"222222222222\""),
            ("\"audit\": null", "\"audit\": {\"account\": \"222222222222\", \"region\": \"eu-central-1\"}"),
            ("\"changes\": []", "\"changes\": [], \"left\": []"),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(matches!(PlanFile::parse(&text.replace(from, to)), Err(PlanError::Edited)), "{from}");
        }
        let newer = text.replace(made_by(), "provision 99.0.0");
        assert!(matches!(PlanFile::parse(&newer), Err(PlanError::OtherVersion { by }) if by == "provision 99.0.0"));
        assert!(matches!(PlanFile::parse("{}"), Err(PlanError::Json(_))));
    }
}
