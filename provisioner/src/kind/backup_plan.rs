//! When the estate's volumes are backed up: a plan with its rules, and what they select.
//!
//! A plan and its selections are one resource here: a plan without its selection backs nothing up, so a run that was
//! killed between the two leaves a difference, and what somebody else adds to either is one too.

use std::collections::BTreeMap;

use aws_sdk_backup::types::{
    BackupPlanInput, BackupRule, BackupRuleInput, BackupSelection, Condition, ConditionType, Lifecycle,
};
use serde::{Deserialize, Serialize};

use super::backup_vault::{read_tags, retag, write_tags};
use super::{
    Call, Context, Deleted, Discovered, KindError, Made, Observed, Operations, Practice, SOON, Wanted, When, deleted,
    make_by_token, only_id, properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Ref, Scope};

const NOT_FOUND: &[&str] = &["ResourceNotFoundException"];
const EXISTS: &[&str] = &["AlreadyExistsException"];
/// A role or a vault that was just made isn't seen everywhere at once.
const NOT_YET: &[&str] = &["InvalidParameterValueException", "ResourceNotFoundException"];

/// A plan's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackupPlan<L = Ref> {
    /// When what is selected is backed up, to where, for how long.
    pub rules: Vec<Rule<L>>,
    /// What is backed up, and as whom.
    pub selections: Vec<Selection<L>>,
}

/// A rule of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule<L = Ref> {
    /// Its name.
    pub name: String,
    /// The name of the vault.
    pub vault: L,
    /// When, as AWS's `cron(…)` in UTC.
    pub schedule: String,
    /// Within how many minutes after that a backup must have begun.
    pub start_window_minutes: Option<i64>,
    /// Within how many minutes it must have ended.
    pub completion_window_minutes: Option<i64>,
    /// After how many days it is deleted.
    pub delete_after_days: Option<i64>,
}

/// A selection of a plan: what has all these tags or one of these ARNs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selection<L = Ref> {
    /// Its name.
    pub name: String,
    /// The ARN of the role that backs up.
    pub role: L,
    /// What has these tags is selected.
    pub tags: BTreeMap<String, String>,
    /// What has one of these ARNs is.
    pub resources: Vec<String>,
}

pub(super) struct BackupPlans;

// A plan's id is Backup's to choose.
const PLAN: &[&str] = &["arn:{partition}:backup:{region}:{account}:backup-plan:*"];

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "backup:ListBackupPlans", resources: &["*"] },
    Call { when: When::Discover, action: "backup:ListTags", resources: PLAN },
    Call { when: When::Discover, action: "backup:GetBackupPlan", resources: PLAN },
    Call { when: When::Discover, action: "backup:ListBackupSelections", resources: PLAN },
    Call { when: When::Discover, action: "backup:GetBackupSelection", resources: PLAN },
    Call { when: When::Create, action: "backup:CreateBackupPlan", resources: PLAN },
    Call { when: When::Create, action: "backup:CreateBackupSelection", resources: PLAN },
    Call { when: When::Create, action: "backup:TagResource", resources: PLAN },
    Call { when: When::Create, action: "iam:PassRole", resources: ROLE },
    Call { when: When::Change, action: "backup:UpdateBackupPlan", resources: PLAN },
    Call { when: When::Change, action: "backup:DeleteBackupSelection", resources: PLAN },
    Call { when: When::Change, action: "backup:CreateBackupSelection", resources: PLAN },
    Call { when: When::Change, action: "backup:TagResource", resources: PLAN },
    Call { when: When::Change, action: "iam:PassRole", resources: ROLE },
    Call { when: When::Delete, action: "backup:DeleteBackupSelection", resources: PLAN },
    Call { when: When::Delete, action: "backup:DeleteBackupPlan", resources: PLAN },
];

const ROLE: &[&str] = &["arn:{partition}:iam::{account}:role/holdfast/{region}/{estate}/*"];

impl Operations for BackupPlans {
    fn practice(&self) -> Practice {
        Practice {
            what: "Backs the estate's volumes up on a schedule, and deletes backups that are old enough",
            why: "What is selected by tag includes hosts that are made later; a schedule is kept where a person forgets",
            source: "https://docs.aws.amazon.com/aws-backup/latest/devguide/about-backup-plans.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[("advanced settings", "they are about Windows, and hosts are Linux")]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let pages = cloud.backup.list_backup_plans().max_results(1000).into_paginator();
            let plans: Vec<_> =
                cloud.call(Service::Backup, "ListBackupPlans", pages.items().send().try_collect()).await?;
            let mut all = Vec::new();
            for plan in plans {
                // A deleted plan is listed for a while.
                if plan.backup_plan_name.as_deref() != Some(&scope.vault_name()) || plan.deletion_date.is_some() {
                    continue;
                }
                let (Some(id), Some(arn)) = (plan.backup_plan_id, plan.backup_plan_arn) else {
                    return Err(CloudError::incomplete(Service::Backup, "ListBackupPlans", "plan's id or ARN").into());
                };
                let observed = read(cloud, scope, &id, &arn).await?;
                all.extend(observed.map(|one| one.created_at(plan.creation_date)));
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let plan: BackupPlan<String> = wanted.parse()?;
            let backup = &cx.cloud.backup;
            let request = backup
                .create_backup_plan()
                .backup_plan(input(&wanted.resource.name, &plan)?)
                .set_backup_plan_tags(Some(write_tags(&wanted.resource.tags)));
            let make = |attempt| {
                let request = request.clone().creator_request_id(wanted.token(cx.scope, "", attempt));
                async move {
                    let call = || cx.cloud.call(Service::Backup, "CreateBackupPlan", request.clone().send());
                    let made = cx.cloud.patiently(SOON, NOT_YET, call).await?;
                    let id = made.backup_plan_id;
                    Ok(id.ok_or_else(|| CloudError::incomplete(Service::Backup, "CreateBackupPlan", "plan's id"))?)
                }
            };
            let seen = |id: String| async move {
                let answer =
                    cx.cloud.call(Service::Backup, "GetBackupPlan", backup.get_backup_plan().backup_plan_id(id).send());
                let answer = found(answer.await, NOT_FOUND)?;
                Ok(answer.is_some_and(|plan| plan.deletion_date.is_none()))
            };
            let id = make_by_token(&wanted.resource.id, make, seen).await?;
            for selection in &plan.selections {
                select(cx.cloud, &id, selection, &wanted.token(cx.scope, &selection.name, 0)).await?;
            }
            Ok(only_id(&id))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(async move {
            let (new, old): (BackupPlan<String>, BackupPlan<String>) = (wanted.parse()?, current.parse()?);
            if new.rules != old.rules {
                let request = cx.cloud.backup.update_backup_plan().backup_plan_id(&current.physical);
                let request = request.backup_plan(input(&wanted.resource.name, &new)?);
                let call = || cx.cloud.call(Service::Backup, "UpdateBackupPlan", request.clone().send());
                cx.cloud.patiently(SOON, &["InvalidParameterValueException"], call).await?;
            }
            // A selection can't be changed, and its name is unique in its plan.
            let unwanted = |selection: &&Selection<String>| !new.selections.contains(selection);
            let unwanted: Vec<_> = old.selections.iter().filter(unwanted).map(|one| one.name.as_str()).collect();
            deselect(cx.cloud, &current.physical, |name| unwanted.contains(&name)).await?;
            for selection in new.selections.iter().filter(|selection| !old.selections.contains(selection)) {
                select(cx.cloud, &current.physical, selection, &wanted.token(cx.scope, &selection.name, 1)).await?;
            }
            retag(cx.cloud, wanted, current).await
        })
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            deselect(cx.cloud, &current.physical, |_| true).await?;
            let request = cx.cloud.backup.delete_backup_plan().backup_plan_id(&current.physical);
            let call = || cx.cloud.call(Service::Backup, "DeleteBackupPlan", request.clone().send());
            // A selection that was just deleted is seen for some seconds.
            deleted(cx.cloud.patiently(SOON, &["InvalidRequestException"], call).await, NOT_FOUND)
        })
    }
}

/// A plan as Backup takes it.
fn input(name: &str, plan: &BackupPlan<String>) -> Result<BackupPlanInput, KindError> {
    let mut all = BackupPlanInput::builder().backup_plan_name(name);
    for rule in &plan.rules {
        let lifecycle = Lifecycle::builder().set_delete_after_days(rule.delete_after_days).build();
        let rule = BackupRuleInput::builder()
            .rule_name(&rule.name)
            .target_backup_vault_name(&rule.vault)
            .schedule_expression(&rule.schedule)
            .set_start_window_minutes(rule.start_window_minutes)
            .set_completion_window_minutes(rule.completion_window_minutes)
            .lifecycle(lifecycle)
            .build();
        all = all.rules(rule.map_err(|_| incomplete("rule's name or vault"))?);
    }
    Ok(all.build().map_err(|_| incomplete("plan's name or rules"))?)
}

fn incomplete(what: &str) -> CloudError {
    CloudError::incomplete(Service::Backup, "CreateBackupPlan", what)
}

async fn select(cloud: &Cloud, plan: &str, selection: &Selection<String>, token: &str) -> Result<(), KindError> {
    let mut input = BackupSelection::builder()
        .selection_name(&selection.name)
        .iam_role_arn(&selection.role)
        .set_resources((!selection.resources.is_empty()).then(|| selection.resources.clone()));
    for (key, value) in &selection.tags {
        let condition = Condition::builder()
            .condition_type(ConditionType::Stringequals)
            .condition_key(key)
            .condition_value(value)
            .build();
        input = input.list_of_tags(condition.map_err(|_| incomplete("tag's key"))?);
    }
    let input = input.build().map_err(|_| incomplete("selection's name or role"))?;
    let request =
        cloud.backup.create_backup_selection().backup_plan_id(plan).backup_selection(input).creator_request_id(token);
    let call = || cloud.call(Service::Backup, "CreateBackupSelection", request.clone().send());
    // Of a name that is taken the next plan says whether it is as it shall be.
    found(cloud.patiently(SOON, NOT_YET, call).await, EXISTS)?;
    Ok(())
}

/// Deletes the selections with these names.
async fn deselect(cloud: &Cloud, plan: &str, which: impl Fn(&str) -> bool) -> Result<(), KindError> {
    for (id, name) in selections(cloud, plan).await? {
        if which(&name) {
            let request = cloud.backup.delete_backup_selection().backup_plan_id(plan).selection_id(id).send();
            found(cloud.call(Service::Backup, "DeleteBackupSelection", request).await, NOT_FOUND)?;
        }
    }
    Ok(())
}

/// The ids and names of a plan's selections; none where the plan has gone.
async fn selections(cloud: &Cloud, plan: &str) -> Result<Vec<(String, String)>, CloudError> {
    let pages = cloud.backup.list_backup_selections().backup_plan_id(plan).max_results(1000).into_paginator();
    let listed: Result<Vec<_>, _> =
        cloud.call(Service::Backup, "ListBackupSelections", pages.items().send().try_collect()).await;
    let listed = found(listed, NOT_FOUND)?.unwrap_or_default();
    Ok(listed.into_iter().filter_map(|one| Some((one.selection_id?, one.selection_name?))).collect())
}

/// A plan, if it is the estate's.
async fn read(cloud: &Cloud, scope: &Scope, id: &str, arn: &str) -> Result<Option<Observed>, KindError> {
    let Some(tags) = read_tags(cloud, arn).await? else { return Ok(None) };
    let Some(own) = scope.own_id(&tags) else { return Ok(None) };
    let request = cloud.backup.get_backup_plan().backup_plan_id(id).send();
    // Deleted between the list and the look at it.
    let Some(plan) = found(cloud.call(Service::Backup, "GetBackupPlan", request).await, NOT_FOUND)? else {
        return Ok(None);
    };
    let rules = plan.backup_plan.map(|plan| plan.rules).unwrap_or_default();
    let mut selected = Vec::new();
    for (selection, _) in selections(cloud, id).await? {
        let request = cloud.backup.get_backup_selection().backup_plan_id(id).selection_id(selection).send();
        let answer = found(cloud.call(Service::Backup, "GetBackupSelection", request).await, NOT_FOUND)?;
        selected.extend(answer.and_then(|answer| answer.backup_selection).map(read_selection));
    }
    let plan = BackupPlan { rules: rules.into_iter().map(read_rule).collect(), selections: selected };
    let mut observed = Observed::new(Kind::BackupPlan, own.clone(), id, properties(&own, &plan)?).attribute("arn", arn);
    observed.name = scope.vault_name();
    observed.tags = tags;
    Ok(Some(observed))
}

fn read_rule(rule: BackupRule) -> Rule<String> {
    Rule {
        name: rule.rule_name,
        vault: rule.target_backup_vault_name,
        schedule: rule.schedule_expression.unwrap_or_default(),
        start_window_minutes: rule.start_window_minutes,
        completion_window_minutes: rule.completion_window_minutes,
        delete_after_days: rule.lifecycle.and_then(|lifecycle| lifecycle.delete_after_days),
    }
}

fn read_selection(selection: BackupSelection) -> Selection<String> {
    let tags = selection.list_of_tags.unwrap_or_default();
    Selection {
        name: selection.selection_name,
        role: selection.iam_role_arn,
        tags: tags.into_iter().map(|tag| (tag.condition_key, tag.condition_value)).collect(),
        resources: selection.resources.unwrap_or_default(),
    }
}
