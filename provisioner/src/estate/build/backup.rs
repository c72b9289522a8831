//! Backups: a vault, a plan, and the role that AWS Backup works as.

use std::collections::BTreeMap;

use holdfast_policies as policies;

use super::{BuildError, Builder, Draft, id, policy};
use crate::estate::{Kind, Ref, ResourceId, tags};
use crate::kind::backup_plan::{BackupPlan, Rule, Selection};
use crate::kind::backup_vault::BackupVault;
use crate::kind::role::Role;

/// The role's name in the estate.
const BACKUP: &str = "backup";
/// AWS's own policy for what AWS Backup calls to back up. Which calls those are is AWS's to change, and the role is
/// AWS Backup's alone.
const MANAGED: &str = "service-role/AWSBackupServiceRolePolicyForBackup";
/// A backup begins within an hour and ends within a day, so that none meets the next.
const START_WINDOW_MINUTES: i64 = 60;
const COMPLETION_WINDOW_MINUTES: i64 = 24 * 60;

impl Builder<'_> {
    pub(super) fn backup(&mut self) -> Result<(), BuildError> {
        let Some(backup) = &self.spec.backup else { return Ok(()) };
        let region = self.region()?;
        let role = Role {
            description: "What AWS Backup may do".to_owned(),
            trust: policy(&policies::backup_trust())?,
            policies: BTreeMap::new(),
            attached: vec![format!("arn:{}:iam::aws:policy/{MANAGED}", region.partition())],
        };
        let (of, name) = (id(Kind::Role, BACKUP), self.scope.global_name(BACKUP));
        let description = "What AWS Backup may do";
        self.add(Draft { id: of.clone(), kind: Kind::Role, name, description, properties: role }, &[])?;

        let vault = BackupVault { key: self.key_arn() };
        let (kept_in, name) = (ResourceId::only(Kind::BackupVault), self.scope.vault_name());
        let description = "Where the backups of the estate are kept";
        let draft =
            Draft { id: kept_in.clone(), kind: Kind::BackupVault, name: name.clone(), description, properties: vault };
        self.add(draft, &[])?;
        self.keep(backup.keep);

        let plan = BackupPlan {
            rules: vec![Rule {
                name: "scheduled".to_owned(),
                vault: Ref::id(&kept_in),
                schedule: backup.schedule.to_string(),
                start_window_minutes: Some(START_WINDOW_MINUTES),
                completion_window_minutes: Some(COMPLETION_WINDOW_MINUTES),
                delete_after_days: Some(i64::from(backup.retention_days)),
            }],
            selections: vec![Selection {
                name: "estate".to_owned(),
                role: Ref::attribute(&of, "arn"),
                tags: BTreeMap::from([(tags::BACKUP.to_owned(), self.scope.estate.to_string())]),
                resources: Vec::new(),
            }],
        };
        let id = ResourceId::only(Kind::BackupPlan);
        let description = "When the volumes of the estate are backed up";
        self.add(Draft { id, kind: Kind::BackupPlan, name, description, properties: plan }, &[])
    }
}
