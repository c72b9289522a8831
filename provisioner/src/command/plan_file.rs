//! A plan in a file, for `apply --plan`: what was seen is what is done.
//!
//! It is JSON, and all that an apply needs, so the spec may have changed or gone since: the plan, and where its
//! changes are recorded.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CommandError;
use crate::plan::{Plan, PlanError, Purpose};
use crate::spec::Audit;

/// What a plan's file holds, and `plan --json` prints.
#[derive(Debug, Serialize)]
pub(super) struct PlanFile {
    pub(super) plan: Plan,
    /// The trail that the spec names, if it does.
    pub(super) audit: Option<Audit>,
}

/// The same while the plan's own version isn't known yet.
#[derive(Deserialize)]
struct Unchecked {
    plan: Value,
    audit: Option<Audit>,
}

impl PlanFile {
    pub(super) fn write(&self, path: &Path) -> Result<(), CommandError> {
        let mut text = serde_json::to_string_pretty(self).map_err(CommandError::Json)?;
        text.push('\n');
        fs::write(path, text).map_err(|source| CommandError::WriteFile { path: path.to_owned(), source })
    }

    pub(super) fn read(path: &Path) -> Result<Self, CommandError> {
        let text =
            fs::read_to_string(path).map_err(|source| CommandError::ReadPlan { path: path.to_owned(), source })?;
        let refuse = |source| CommandError::Plan { path: path.to_owned(), source };
        let Unchecked { plan, audit } = serde_json::from_str(&text).map_err(|error| refuse(PlanError::Json(error)))?;
        let plan = Plan::from_json(&plan.to_string()).map_err(refuse)?;
        match plan.purpose {
            Purpose::Apply => Ok(Self { plan, audit }),
            Purpose::Destroy => Err(CommandError::OtherPurpose { path: path.to_owned(), purpose: "destroy" }),
        }
    }
}
