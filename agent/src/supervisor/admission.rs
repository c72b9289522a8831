//! Whether a job may run, and exactly what is handed to the sandbox.
//!
//! Attacks stopped here:
//! - *Confused deputy*: the agent is root and binds what it is asked to bind. Whoever isn't an operator gets only the
//!   paths that `allow_mounts` names, compared as whole paths (see [`crate::config`] for why not what is below them).
//! - *A job that never ends*: every job has a wall clock, at most the configured one.
//! - *A request that fills the host's memory*: its size is bounded before it is read, and the arguments and variables,
//!   which every listing carries, once more.

use std::path::Path;
use std::time::Duration;

use holdfast_sandbox::{self as sandbox, Access, Bind, InputFile, Policy, Request};

use crate::api::error::{Code, Refusal};
use crate::api::peer::Role;
use crate::api::types::{JobSpec, Limits, LimitsMode, Mount, Seccomp};
use crate::config::{AllowedMount, Config, LimitsDefault};

/// The most that arguments and variables may take together, in bytes. Linux takes 128 KiB for one of them.
const MAX_WORDS: usize = 128 << 10;
/// The most mounts, tmpfs among them; each is a path of up to 4 KiB in warnings, records and listings.
const MAX_MOUNTS: usize = 64;
/// The most files that are brought in.
const MAX_FILES: usize = 1_024;
const DEFAULT_FILE_MODE: u32 = 0o644;

/// A job that may run.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) request: Request,
    /// The limits that hold, with the defaults filled in.
    pub(crate) limits: Limits,
}

/// Checks `spec` against the configuration and the caller's role, and makes the sandbox's request of it.
pub(crate) fn admit(spec: JobSpec, role: Role, config: &Config) -> Result<Admitted, Refusal> {
    check_words(&spec)?;
    check_counts(&spec)?;
    if role != Role::Operator {
        for mount in &spec.mounts {
            check_mount(mount, &config.allow_mounts)?;
        }
    }
    let policy_limits = limits(&spec.limits, config)?;
    let limits = Limits {
        memory: policy_limits.memory,
        pids: policy_limits.pids.map(u64::from),
        millicpus: policy_limits.millicpus,
        cpu_weight: policy_limits.cpu_weight,
        cpu_time_ms: policy_limits.cpu_time.map(millis),
        wall_ms: policy_limits.wall.map(millis),
        mode: Some(match policy_limits.mode {
            sandbox::LimitsMode::Required => LimitsMode::Required,
            sandbox::LimitsMode::RlimitOnly => LimitsMode::RlimitOnly,
        }),
    };
    let defaults = Policy::default();
    let request = Request {
        policy: Policy {
            mounts: spec.mounts.into_iter().map(bind).collect(),
            tmpfs: spec
                .tmpfs
                .into_iter()
                .map(|tmpfs| sandbox::Tmpfs { target: tmpfs.target.into(), size: tmpfs.size })
                .collect(),
            env: spec.env,
            cwd: spec.cwd.map(Into::into),
            hostname: spec.hostname.unwrap_or(defaults.hostname),
            seccomp: match spec.seccomp {
                Seccomp::Default => sandbox::Seccomp::Default,
                Seccomp::Strict => sandbox::Seccomp::Strict,
            },
            limits: policy_limits,
            ..defaults
        },
        program: spec.program,
        args: spec.args,
        files: spec
            .files
            .into_iter()
            .map(|file| InputFile {
                path: file.path.into(),
                mode: file.mode.unwrap_or(DEFAULT_FILE_MODE),
                data: file.data.0,
            })
            .collect(),
    };
    request.check().map_err(|error| Refusal::new(Code::InvalidRequest, error.to_string()))?;
    Ok(Admitted { request, limits })
}

/// NULs are looked for here, since the sandbox's own message would quote the argument: it may be a secret.
fn check_words(spec: &JobSpec) -> Result<(), Refusal> {
    let words = || spec.args.iter().chain(spec.env.keys()).chain(spec.env.values()).chain([&spec.program]);
    if words().any(|word| word.contains('\0')) {
        return Err(Refusal::new(
            Code::InvalidRequest,
            "an argument or a variable has a NUL in it, where it would end",
        ));
    }
    let bytes: usize = words().map(String::len).sum();
    if bytes > MAX_WORDS {
        let message = format!(
            "arguments and variables have {bytes} bytes, at most {MAX_WORDS} are taken: pass large input as a file or on stdin"
        );
        return Err(Refusal::new(Code::InvalidRequest, message));
    }
    Ok(())
}

fn check_counts(spec: &JobSpec) -> Result<(), Refusal> {
    for (what, count, most) in
        [("mounts", spec.mounts.len() + spec.tmpfs.len(), MAX_MOUNTS), ("files", spec.files.len(), MAX_FILES)]
    {
        if count > most {
            let message = format!(
                "{count} {what} are asked for, at most {most} are taken: name a directory above them, or send an archive"
            );
            return Err(Refusal::new(Code::InvalidRequest, message));
        }
    }
    Ok(())
}

fn check_mount(mount: &Mount, allowed: &[AllowedMount]) -> Result<(), Refusal> {
    let entry = allowed.iter().find(|entry| entry.path == Path::new(&mount.source));
    let message = match entry {
        Some(entry) if entry.writable || !mount.writable => return Ok(()),
        Some(_) => format!(
            "{} may be bound, but not writable: `writable = true` in allow_mounts of the agent's configuration allows it",
            mount.source
        ),
        None => format!(
            "you may not bind {}: only what allow_mounts in the agent's configuration names, and not what is below it",
            mount.source
        ),
    };
    Err(Refusal::new(Code::AccessDenied, message))
}

fn bind(mount: Mount) -> Bind {
    Bind {
        source: mount.source.into(),
        target: mount.target.into(),
        mode: if mount.writable { Access::Rw } else { Access::Ro },
    }
}

fn limits(asked: &Limits, config: &Config) -> Result<sandbox::Limits, Refusal> {
    let defaults = sandbox::Limits::default();
    let most = config.jobs.max_wall.0;
    let wall = asked.wall_ms.map_or(config.jobs.wall.0.min(most), Duration::from_millis);
    if wall > most {
        let message = format!(
            "a wall clock of {wall:?} is longer than the {most:?} that jobs.max_wall in the agent's configuration allows"
        );
        return Err(Refusal::new(Code::InvalidRequest, message));
    }
    let pids = asked.pids.map(u32::try_from).transpose();
    Ok(sandbox::Limits {
        memory: asked.memory.or(defaults.memory),
        pids: pids
            .map_err(|_| Refusal::new(Code::InvalidRequest, "more processes than Linux counts: ask for fewer"))?
            .or(defaults.pids),
        millicpus: asked.millicpus,
        cpu_weight: asked.cpu_weight,
        cpu_time: asked.cpu_time_ms.map(Duration::from_millis),
        wall: Some(wall),
        mode: match (asked.mode, config.jobs.limits) {
            (Some(LimitsMode::Required), _) | (None, LimitsDefault::Required) => sandbox::LimitsMode::Required,
            (Some(LimitsMode::RlimitOnly), _) | (None, LimitsDefault::RlimitOnly) => sandbox::LimitsMode::RlimitOnly,
        },
        ..defaults
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::{Base64, File};

    fn config() -> Config {
        let mut config = Config::default();
        config.jobs.limits = LimitsDefault::RlimitOnly;
        config.allow_mounts = vec![
            AllowedMount { path: "/srv/data".into(), writable: false },
            AllowedMount { path: "/srv/out".into(), writable: true },
        ];
        config
    }

    fn spec(mounts: &[(&str, bool)]) -> JobSpec {
        let mount = |(source, writable): &(&str, bool)| Mount {
            source: (*source).into(),
            target: "/inside".into(),
            writable: *writable,
        };
        JobSpec { program: "true".into(), mounts: mounts.iter().map(mount).collect(), ..JobSpec::default() }
    }

    #[test]
    fn a_caller_who_is_not_an_operator_binds_only_what_the_configuration_names() {
        for (source, writable, allowed) in [
            ("/srv/data", false, true),
            ("/srv/data/", false, true),
            ("/srv/data", true, false),
            ("/srv/out", true, true),
            ("/srv/out/link-of-the-caller", false, false),
            ("/srv/data/../../etc", false, false),
            ("/srv/datax", false, false),
            ("/srv", false, false),
            ("/etc", false, false),
        ] {
            let result = admit(spec(&[(source, writable)]), Role::Runner, &config());
            assert_eq!(result.is_ok(), allowed, "{source} writable={writable}");
            if let Err(refusal) = result {
                assert_eq!(refusal.code, Code::AccessDenied, "{source}");
            }
        }
        assert!(admit(spec(&[("/etc", false)]), Role::Operator, &config()).is_ok());
    }

    #[test]
    fn limits_are_required_unless_somebody_says_otherwise() {
        let mut config = config();
        config.jobs.limits = LimitsDefault::Required;
        let admitted = admit(spec(&[]), Role::Operator, &config).unwrap();
        assert_eq!(admitted.limits.mode, Some(LimitsMode::Required));
        let mut asked = spec(&[]);
        asked.limits.mode = Some(LimitsMode::RlimitOnly);
        assert_eq!(admit(asked, Role::Runner, &config).unwrap().limits.mode, Some(LimitsMode::RlimitOnly));
    }

    #[test]
    fn every_job_has_a_wall_clock_that_the_configuration_bounds() {
        let admitted = admit(spec(&[]), Role::Runner, &config()).unwrap();
        assert_eq!(admitted.request.policy.limits.wall, Some(config().jobs.wall.0));
        let mut asked = spec(&[]);
        asked.limits.wall_ms = Some(u64::MAX);
        assert_eq!(admit(asked, Role::Operator, &config()).unwrap_err().code, Code::InvalidRequest);
    }

    #[test]
    fn processors_and_the_filter_reach_the_sandbox_and_rlimits_alone_bound_no_processor() {
        let mut asked = spec(&[]);
        asked.limits = Limits {
            millicpus: Some(1500),
            cpu_weight: Some(50),
            mode: Some(LimitsMode::Required),
            ..Limits::default()
        };
        asked.seccomp = Seccomp::Strict;
        let Admitted { request, limits } = admit(asked.clone(), Role::Runner, &config()).unwrap();
        assert_eq!((request.policy.limits.millicpus, request.policy.limits.cpu_weight), (Some(1500), Some(50)));
        assert_eq!((limits.millicpus, limits.cpu_weight), (Some(1500), Some(50)));
        assert_eq!(request.policy.seccomp, sandbox::Seccomp::Strict);
        asked.limits.mode = Some(LimitsMode::RlimitOnly);
        assert_eq!(admit(asked, Role::Runner, &config()).unwrap_err().code, Code::InvalidRequest);
    }

    #[test]
    fn a_refusal_never_quotes_an_argument() {
        let mut asked = spec(&[]);
        asked.args = vec!["--password=hunter2\0".into()];
        assert!(!admit(asked, Role::Operator, &config()).unwrap_err().message.contains("hunter2"));
    }

    #[test]
    fn mounts_and_files_are_bounded_in_number() {
        let sources: Vec<_> = (0..=MAX_MOUNTS).map(|i| format!("/srv/{i}")).collect();
        let mounts: Vec<_> = sources.iter().map(|source| (source.as_str(), false)).collect();
        assert_eq!(admit(spec(&mounts), Role::Operator, &config()).unwrap_err().code, Code::InvalidRequest);
        let mut asked = spec(&[]);
        let file = File { path: "/tmp/x".into(), mode: None, data: Base64::default() };
        asked.files = vec![file; MAX_FILES + 1];
        assert_eq!(admit(asked, Role::Operator, &config()).unwrap_err().code, Code::InvalidRequest);
    }

    #[test]
    fn arguments_and_variables_are_bounded_together() {
        let mut asked = spec(&[]);
        asked.args = vec!["x".repeat(MAX_WORDS)];
        assert_eq!(admit(asked, Role::Operator, &config()).unwrap_err().code, Code::InvalidRequest);
    }
}
