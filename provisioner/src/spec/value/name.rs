//! Names that the user gives, which end up inside names that AWS bounds.

use super::{Refusal, checked_string, quote};
use crate::rule;

/// IAM's limit for a role's name (IAM User Guide, "IAM and AWS STS quotas"). Roles are global in an account, so the
/// region is part of the name: `holdfast-<estate>-<region>-<purpose>`.
const ROLE_NAME: usize = 64;
/// The longest region name in use, such as `ap-northeast-1`.
const LONGEST_REGION: usize = 14;
/// What an estate's name may take of a role's name, beside the region and the longest purpose, `bastion`.
const ESTATE_NAME: usize = ROLE_NAME - "holdfast-".len() - "-".len() - LONGEST_REGION - "-bastion".len();
/// Names of roles that an estate has beside its groups': the bastion's and those of services.
const OWN_ROLES: &[&str] = &["backup", "bastion", "flow-logs"];
/// A group's name is part of a launch template's (128) and of a host's `Name`, which people read in columns.
const GROUP_NAME: usize = 32;

checked_string! {
    /// The name of an estate: a lower-case letter, then letters, digits and single hyphens, at most 32 characters.
    EstateName, check_estate
}

checked_string! {
    /// The name of a group of hosts: the same characters as [`EstateName`]; those of an estate's own roles,
    /// `backup`, `bastion` and `flow-logs`, are taken.
    GroupName, check_group
}

checked_string! {
    /// The name of a data volume in its group: the same characters as [`EstateName`]; `root` is taken.
    VolumeName, check_volume
}

fn check_estate(text: &str) -> Result<(), Refusal> {
    check(text, "an estate's name", ESTATE_NAME).map_err(|refusal| refusal.under(&rule::NAMES))
}

fn check_group(text: &str) -> Result<(), Refusal> {
    check(text, "a group's name", GROUP_NAME).map_err(|refusal| refusal.under(&rule::NAMES))?;
    if OWN_ROLES.contains(&text) {
        return Err(Refusal::new(
            format!("{} is the name of a role that an estate has itself", quote(text)),
            "another name",
        )
        .help("name the group after what its hosts do, such as \"worker\""));
    }
    Ok(())
}

fn check_volume(text: &str) -> Result<(), Refusal> {
    check(text, "a volume's name", GROUP_NAME).map_err(|refusal| refusal.under(&rule::NAMES))?;
    if text == "root" {
        return Err(Refusal::new("`root` is the name of the volume that a host boots from", "another name")
            .help("`root_gib` of the group is the root volume's size"));
    }
    Ok(())
}

fn check(text: &str, what: &str, limit: usize) -> Result<(), Refusal> {
    let expected = format!("lower-case letters, digits and single hyphens, at most {limit}");
    if text.is_empty() {
        return Err(Refusal::new(format!("{what} can't be empty"), expected));
    }
    let refuse = |why: &str| {
        let refusal = Refusal::new(format!("{} isn't {what}: {why}", quote(text)), expected.clone());
        match nearest_name(text, limit) {
            Some(name) => refusal.help(format!("\"{name}\" would do")),
            None => refusal,
        }
    };
    if text.len() > limit {
        return Err(refuse(&format!("it has {} characters, and {limit} fit AWS's names", text.chars().count())));
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(refuse("it must begin with a lower-case letter"));
    }
    if let Some(odd) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        return Err(refuse(&format!("'{}' is not allowed", odd.escape_debug())));
    }
    if text.ends_with('-') || text.contains("--") {
        return Err(refuse("hyphens stand alone and between other characters"));
    }
    Ok(())
}

/// What the user may have meant, if lower-casing and hyphens make a name of it.
fn nearest_name(text: &str, limit: usize) -> Option<String> {
    let mut name = String::new();
    for c in text.trim().chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => name.push(c),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let start = name.find(|c: char| c.is_ascii_lowercase())?;
    let name: String = name[start..].chars().take(limit).collect();
    let name = name.trim_end_matches('-');
    (!name.is_empty() && name != text).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_name_with_the_longest_parts_fits_iam() {
        let name = format!("holdfast-{}-{}-bastion", "x".repeat(ESTATE_NAME), "x".repeat(LONGEST_REGION));
        assert_eq!(name.len(), ROLE_NAME);
    }

    #[test]
    fn good_names_pass() {
        for name in ["judge", "a", "contest-2026", "x1-y2-z3", &"e".repeat(32)] {
            assert_eq!(name.parse::<EstateName>().map(String::from).as_deref(), Ok(name));
        }
    }

    #[test]
    fn bad_names_are_refused_with_a_name_that_passes() {
        for name in ["Judge", "my_estate", "-x", "x-", "a--b", "1st", "über", "a b", &"e".repeat(33)] {
            let refusal = name.parse::<EstateName>().unwrap_err();
            let help = refusal.help.unwrap();
            let proposed = help.split('"').nth(1).unwrap();
            assert!(proposed.parse::<EstateName>().is_ok(), "{name} → {proposed}");
        }
        assert!("".parse::<EstateName>().is_err());
    }

    #[test]
    fn a_group_cannot_be_called_bastion() {
        assert!("bastion".parse::<GroupName>().is_err());
        assert!("bastion".parse::<EstateName>().is_ok());
    }
}
