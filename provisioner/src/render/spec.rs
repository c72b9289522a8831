//! A spec in a few lines.

use std::path::Path;

use super::text::{columns, count};
use crate::spec::{Audit, Place, Spec};

/// What a valid spec asks for.
pub(crate) fn summary(spec: &Spec, path: &Path) -> String {
    let trail = match &spec.audit {
        Some(audit) => format!("audit trail in account {}, region {}", audit.account, audit.region),
        None => "no audit trail beyond the machine that runs `provision`".to_owned(),
    };
    let network = match &spec.network.place {
        Place::Made { cidr, .. } => cidr.to_string(),
        Place::Existing { vpc, .. } => vpc.to_string(),
    };
    let groups = spec
        .hosts
        .iter()
        .map(|group| format!("  {} of {} ({})\n", count(group.count, "host"), group.name, group.instance_type));
    format!(
        "{} is a valid spec\n  estate {} in account {}, region {}\n  network {}\n  bastion ({}), open to {}\n{}  \
         budget of {} US dollars in a month\n  {trail}\n",
        path.display(),
        spec.name,
        spec.account,
        spec.region,
        network,
        spec.bastion.instance_type,
        count(spec.bastion.allow.len() as u64, "range"),
        groups.collect::<String>(),
        spec.budget.monthly_usd,
    )
}

/// What `init` wrote, and what comes next.
pub(crate) fn written(spec: &Spec, path: &Path) -> String {
    let file = if path == Path::new("estate.toml") { String::new() } else { format!(" -f {}", path.display()) };
    let plan =
        (format!("provision plan{file}"), format!("shows what estate {} would be, and makes nothing", spec.name));
    let make_trail = |audit: &Audit| {
        let command = format!("provision audit init --account {} --region {}", audit.account, audit.region);
        (command, "makes its trail, with the audit account's credentials".to_owned())
    };
    let next: Vec<_> = spec.audit.iter().map(make_trail).chain([plan]).collect();
    format!("wrote {}; next\n{}", path.display(), columns(&next))
}
