//! A spec in a few lines.

use std::path::Path;

use super::text::{columns, count};
use crate::spec::{Audit, Egress, HostGroup, Mode, Network, Place, Spec, Zones};

/// What a valid spec asks for, in each of these environments.
pub(crate) fn summary(specs: &[&Spec], path: &Path) -> String {
    let estates: Vec<String> = specs.iter().map(|spec| estate(spec)).collect();
    format!("{} is a valid spec\n{}", path.display(), estates.join("\n"))
}

fn estate(spec: &Spec) -> String {
    let trail = match &spec.audit {
        Some(audit) => format!("audit trail in account {}, region {}", audit.account, audit.region),
        None => "no audit trail beyond the machine that runs `provision`".to_owned(),
    };
    let accepted = spec
        .accepted
        .iter()
        .map(|accepted| format!("  accepted risk of {}: {} ({})\n", accepted.setting, accepted.risk, accepted.reason));
    format!(
        "  estate {} for {} in account {}, region {}\n  {}\n  bastion ({}), open to {}\n{}  \
         budget of {} US dollars in a month\n  {trail}\n{}",
        spec.name,
        spec.tags.environment,
        spec.account,
        spec.region,
        network(&spec.network),
        spec.bastion.instance_type,
        count(spec.bastion.allow.len() as u64, "range"),
        spec.hosts.iter().map(group).collect::<String>(),
        spec.budget.monthly_usd,
        accepted.collect::<String>(),
    )
}

fn network(network: &Network) -> String {
    let place = match &network.place {
        Place::Made { cidr, zones } => {
            let zones = match zones {
                Zones::Count(number) => u64::from(*number),
                Zones::Named(zones) => zones.len() as u64,
            };
            format!("network {cidr} in {}", count(zones, "zone"))
        }
        Place::Existing { vpc, .. } => format!("network {vpc}, which is there"),
    };
    match network.egress {
        Egress::None => format!("{place}, with no way out but to S3"),
        Egress::Endpoints => format!("{place}, with ways to AWS's services"),
        Egress::Nat => format!("{place}, with a way to the internet"),
    }
}

fn group(group: &HostGroup) -> String {
    let hosts = count(u64::from(group.count), "host");
    match group.mode {
        Mode::Instances => format!("  {hosts} of {} ({})\n", group.name, group.instance_type),
        Mode::Fleet { min, max } => {
            format!("  {hosts} of fleet {} ({}), {min} to {max}\n", group.name, group.instance_type)
        }
    }
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
    let schema = ("provision schema > estate.schema.json".to_owned(), "lets editors complete it".to_owned());
    let next: Vec<_> = [schema].into_iter().chain(spec.audit.iter().map(make_trail)).chain([plan]).collect();
    format!("wrote {}; next\n{}", path.display(), columns(&next))
}
