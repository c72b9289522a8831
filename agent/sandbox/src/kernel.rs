//! What this kernel and this machine's settings can do for a sandbox, what is missing, and what to do.
//!
//! Only looked at, nothing is changed. Whether a sandbox can be made is best seen by making one: the command does both.

use std::fs::read_to_string;

use crate::landlock;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub name: &'static str,
    /// How it is here.
    pub found: String,
    /// What is missing and what to do; nothing where it is as it should be.
    pub advice: Option<String>,
}

/// Linux 6.1 has memory.peak, pids.peak, Landlock ABI 2.
const LEAST_KERNEL: (u32, u32) = (6, 1);
/// What cgroup limits need.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// Settings that refuse namespaces: file, and the value that refuses.
const REFUSING: &[(&str, &str)] = &[
    ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
    ("/proc/sys/user/max_user_namespaces", "0"),
    ("/proc/sys/user/max_pid_namespaces", "0"),
    ("/proc/sys/user/max_mnt_namespaces", "0"),
    ("/proc/sys/user/max_net_namespaces", "0"),
];

/// Looks at this machine.
#[must_use]
pub fn examine() -> Vec<Finding> {
    let release = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let controllers = read_to_string("/sys/fs/cgroup/cgroup.controllers").ok();
    let actions = read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    vec![
        kernel(release.trim()),
        namespaces(|path| read_to_string(path).ok()),
        seccomp(actions.trim()),
        second_wall(landlock::abi()),
        cgroups(controllers.as_deref().map(str::trim)),
    ]
}

fn kernel(release: &str) -> Finding {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (major, minor) = LEAST_KERNEL;
    let advice = (version < LEAST_KERNEL).then(|| format!("Linux {major}.{minor} or later is needed"));
    Finding { name: "kernel", found: format!("Linux {release}"), advice }
}

fn namespaces(read: impl Fn(&str) -> Option<String>) -> Finding {
    let refusing = REFUSING.iter().filter(|(path, value)| read(path).is_some_and(|text| text.trim() == *value));
    let refusing: Vec<String> = refusing.map(|(path, value)| format!("{path} is {value}")).collect();
    let found = if refusing.is_empty() { "no setting refuses them".to_owned() } else { refusing.join(", ") };
    let advice =
        (!refusing.is_empty()).then(|| "change it with sysctl, or run as root where it is about others".to_owned());
    Finding { name: "namespaces", found, advice }
}

fn seccomp(actions: &str) -> Finding {
    let has = |action| actions.split(' ').any(|it| it == action);
    let missing = !(has("errno") && has("kill_process"));
    let advice =
        missing.then(|| "a kernel with CONFIG_SECCOMP_FILTER is needed: nothing runs without the filter".to_owned());
    let found = if actions.is_empty() { "absent".to_owned() } else { actions.to_owned() };
    Finding { name: "seccomp", found, advice }
}

fn second_wall(abi: Result<u32, nix::errno::Errno>) -> Finding {
    let (found, advice) = match abi {
        Ok(abi @ 3..) => (format!("ABI {abi}"), None),
        Ok(2) => (
            "ABI 2".to_owned(),
            Some("truncate(2) is not restricted: give files by pipes, or use Linux 6.2 or later".to_owned()),
        ),
        Ok(abi) => (
            format!("ABI {abi}"),
            Some(
                "the file tree has one wall: Linux 5.19 or later with `landlock` in its boot parameter lsm= has two"
                    .to_owned(),
            ),
        ),
        Err(errno) => (
            errno.to_string(),
            Some("something around this refuses Landlock's calls: see that container's seccomp profile".to_owned()),
        ),
    };
    Finding { name: "landlock", found, advice }
}

fn cgroups(controllers: Option<&str>) -> Finding {
    let missing: Vec<&str> = match controllers {
        Some(text) => CONTROLLERS.into_iter().filter(|it| text.split(' ').all(|has| has != *it)).collect(),
        None => CONTROLLERS.to_vec(),
    };
    let found = match controllers {
        Some(text) => format!("v2 with {text}"),
        None => "no cgroup v2 at /sys/fs/cgroup".to_owned(),
    };
    let advice = (!missing.is_empty()).then(|| {
        format!(
            "{} are missing: boot with systemd.unified_cgroup_hierarchy=1, or delegate them to this cgroup; without them only \
             `--limits rlimit-only` runs, which limits each process and not their sum",
            missing.join(", ")
        )
    });
    Finding { name: "cgroups", found, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_advice_and_what_is_there_has_none() {
        for (finding, is_fine) in [
            (kernel("6.1.0-13-cloud-amd64"), true),
            (kernel("5.15.0"), false),
            (kernel(""), false),
            (namespaces(|_| None), true),
            (namespaces(|path| path.ends_with("max_net_namespaces").then(|| "0\n".to_owned())), false),
            (seccomp("kill_process kill_thread trap errno"), true),
            (seccomp(""), false),
            (second_wall(Ok(7)), true),
            (second_wall(Ok(2)), false),
            (second_wall(Ok(0)), false),
            (second_wall(Err(nix::errno::Errno::EPERM)), false),
            (cgroups(Some("cpuset cpu io memory pids")), true),
            (cgroups(Some("cpu memory")), false),
            (cgroups(None), false),
        ] {
            assert_eq!(finding.advice.is_none(), is_fine, "{finding:?}");
        }
    }
}
