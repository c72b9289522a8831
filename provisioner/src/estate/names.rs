//! Names in AWS, which are also how what can't be tagged is found again.
//!
//! IAM's and Budgets' names are global in an account, so the region is in them; those of the region's own services
//! needn't carry it. `spec` bounds the parts so that the longest fits AWS's limit (64 for a role).

use super::Scope;

impl Scope {
    /// The prefix of everything's name.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("holdfast-{}-{what}", self.estate)
    }

    /// A name that is unique in the account.
    pub(crate) fn global_name(&self, what: &str) -> String {
        format!("holdfast-{}-{}-{what}", self.estate, self.region)
    }

    /// The path of the estate's roles and instance profiles: what `ListRoles` is filtered by.
    pub(crate) fn iam_path(&self) -> String {
        format!("/holdfast/{}/{}/", self.region, self.estate)
    }

    /// The name of the estate's key.
    pub(crate) fn alias_name(&self) -> String {
        format!("alias/holdfast/{}", self.estate)
    }

    /// The name of the estate's backup vault and plan; AWS takes 50 characters for either.
    pub(crate) fn vault_name(&self) -> String {
        format!("holdfast-{}", self.estate)
    }

    /// The name of the estate's budget.
    pub(crate) fn budget_name(&self) -> String {
        format!("holdfast-{}-{}", self.estate, self.region)
    }

    /// The name of a log group; without a part, what the names of all of the estate's begin with.
    pub(crate) fn log_group_name(&self, part: &str) -> String {
        format!("/holdfast/{}/{part}", self.estate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_of_an_estate_fits_what_a_backup_plan_is_called() {
        let scope = Scope {
            estate: "a".repeat(32).parse().unwrap(),
            account: "111111111111".parse().unwrap(),
            region: "ap-northeast-1".parse().unwrap(),
            vpc: None,
        };
        assert!("a".repeat(33).parse::<crate::spec::EstateName>().is_err());
        let name = scope.vault_name();
        // AWS Backup Developer Guide, "Creating a backup plan": 1 to 50 of these characters.
        assert!(name.len() <= 50 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{name}");
    }
}
