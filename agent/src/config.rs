//! `/etc/holdfast/agent.toml`: what root decides about this host's agent.
//!
//! Every key has a default, so an absent file is a valid configuration; an unknown key is an error, since a typing
//! mistake in `allow_mounts` must not pass for a rule. `infra/examples/agent.toml` shows every key.
//!
//! Two keys are about trust and are checked when the agent starts, not when a job asks:
//! - The agent is root and acts for callers who are not (a *confused deputy*). So who isn't an operator binds only
//!   directories that `allow_mounts` names, and exactly those: below them the caller might own a directory and swap
//!   a symbolic link between the check and the mount.
//! - A directory named there, and every directory above it, must belong to root (or to the agent's own user) and be
//!   writable by no one else: otherwise its name could be made to mean another one.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quantity::{Size, Span};

/// Where the configuration is unless `--config` names another file.
pub const DEFAULT_PATH: &str = "/etc/holdfast/agent.toml";
/// Where the socket is unless `--socket` or the configuration names another path.
pub const DEFAULT_SOCKET: &str = "/run/holdfast/agent.sock";

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The API's socket.
    pub socket: PathBuf,
    /// The group whose members may run jobs. Without such a group only root may.
    pub group: String,
    /// Lasting state: the trail's spool and key, and markers of the jobs that run.
    pub state: PathBuf,
    /// The static `holdfast-sandbox`; beside the agent's own binary if absent.
    pub sandbox: Option<PathBuf>,
    /// Host directories that callers other than operators may bind, and how.
    pub allow_mounts: Vec<AllowedMount>,
    /// Bounds on jobs.
    pub jobs: Jobs,
    /// Where records of this agent's doings go.
    pub audit: Audit,
}

/// `[jobs]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jobs {
    /// Jobs at once; another start is refused.
    pub max: usize,
    /// Ended jobs that are remembered for `ps`, `logs` and `inspect`; the oldest goes first.
    pub keep: usize,
    /// Bytes of output kept for each job, stdout and stderr together; the newest are kept.
    pub log_bytes: Size,
    /// The largest request, input files included (in base64: three bytes make four).
    pub request_bytes: Size,
    /// What a request that says nothing about limits gets.
    pub limits: LimitsDefault,
    /// The wall-clock time of a job that asks for none.
    pub wall: Span,
    /// The most wall-clock time that a job may ask for.
    pub max_wall: Span,
    /// How long a stopping agent waits for its jobs before it ends them.
    pub stop: Span,
}

/// How strictly a job's limits are to be enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitsDefault {
    /// By cgroup v2, or the job doesn't start.
    Required,
    /// By rlimits, which bound each process and not the job.
    RlimitOnly,
}

/// `[[allow_mounts]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedMount {
    /// The host's directory or file, exactly.
    pub path: PathBuf,
    /// Whether it may be bound writable too.
    #[serde(default)]
    pub writable: bool,
}

/// `[audit]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Where records are shipped: `s3://BUCKET`, `file:///DIR`, or `none` (they stay in the spool).
    pub ship: String,
    /// The organisation's id (`o-…`), part of every object's key.
    pub org: String,
    /// The bucket's region.
    pub region: String,
    /// The account that the trail belongs to, each record's `recipientAccountId`; the host's own if absent.
    pub recipient_account: Option<String>,
    /// Who writes, where no cloud says so (`file://`, `none`); the host's name if absent.
    pub writer: Option<String>,
    /// The account, where no cloud says so.
    pub account: Option<String>,
    /// The id of the image that the host was started from.
    pub image: Option<String>,
    /// The launch (template and version) that started the host.
    pub launch: Option<String>,
    /// The most that unshipped records may take; at that size starts are refused.
    pub max_bytes: Size,
    /// Whether a program's arguments are recorded, or only their number: a secret may be among them.
    pub arguments: Arguments,
    /// What happens to starts while records can't be kept.
    pub on_full: OnFull,
}

/// Whether records hold the arguments of programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arguments {
    /// Their number only.
    Omit,
    /// Every argument: say so only where no secret is ever passed that way.
    Record,
}

/// What happens to starts while records can't be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFull {
    /// They are refused.
    Refuse,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            socket: DEFAULT_SOCKET.into(),
            group: "holdfast".into(),
            state: "/var/lib/holdfast".into(),
            sandbox: None,
            allow_mounts: Vec::new(),
            jobs: Jobs::default(),
            audit: Audit::default(),
        }
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            max: 64,
            keep: 256,
            log_bytes: Size(1 << 20),
            request_bytes: Size(16 << 20),
            limits: LimitsDefault::Required,
            wall: Span(Duration::from_secs(60)),
            max_wall: Span(Duration::from_secs(3_600)),
            stop: Span(Duration::from_secs(30)),
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            ship: "none".into(),
            org: "o-none".into(),
            region: "local".into(),
            recipient_account: None,
            writer: None,
            account: None,
            image: None,
            launch: None,
            max_bytes: Size(1 << 30),
            arguments: Arguments::Omit,
            on_full: OnFull::Refuse,
        }
    }
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named can't be read.
    #[error("cannot read the configuration {path}: {error}; name another file with --config")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It isn't TOML, or has a key or value that doesn't exist. `toml` shows line, column and text.
    #[error("the configuration {path} is broken:\n{error}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where, and what was expected.
        error: Box<toml::de::Error>,
    },
    /// A value is out of its range.
    #[error("the configuration {path}: {key} {problem}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Somebody else could make an allowed mount mean another directory.
    #[error("the configuration {path}: allow_mounts names {mount}, but {reason}; change that, or take the entry out")]
    Mount {
        /// The file.
        path: PathBuf,
        /// The entry.
        mount: PathBuf,
        /// Which directory on the way to it isn't safe, and why.
        reason: String,
    },
}

impl Config {
    /// Reads the file that was named, or the default one; only the default one may be absent.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let path = named.unwrap_or(Path::new(DEFAULT_PATH));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(ConfigError::Read { path: path.into(), error }),
        };
        let config: Self =
            toml::from_str(&text).map_err(|error| ConfigError::Parse { path: path.into(), error: Box::new(error) })?;
        config.check_values(path)?;
        for mount in &config.allow_mounts {
            check_owned_by_trusted(&mount.path).map_err(|reason| ConfigError::Mount {
                path: path.into(),
                mount: mount.path.clone(),
                reason,
            })?;
        }
        Ok(config)
    }

    fn check_values(&self, path: &Path) -> Result<(), ConfigError> {
        let wrong =
            |key, problem: &str| Err(ConfigError::Value { path: path.into(), key, problem: problem.to_owned() });
        if self.jobs.max == 0 || self.jobs.max > 4_096 {
            return wrong("jobs.max", "must be between 1 and 4096");
        }
        if self.jobs.wall.0.is_zero() || self.jobs.max_wall.0.is_zero() {
            return wrong("jobs.wall and jobs.max_wall", "must be longer than nothing, since they end jobs that hang");
        }
        if self.audit.max_bytes.0 < 256 << 10 {
            return wrong("audit.max_bytes", "must be at least 256K");
        }
        if !self.state.is_absolute() {
            return wrong("state", "must be an absolute path");
        }
        Ok(())
    }
}

/// That nobody but root and the agent's own user can change what `path` names.
fn check_owned_by_trusted(path: &Path) -> Result<(), String> {
    if !path.is_absolute() || path.components().any(|part| matches!(part, Component::ParentDir | Component::CurDir)) {
        return Err("it is not an absolute path without `.` and `..`".into());
    }
    let own = nix::unistd::geteuid().as_raw();
    let directories = path.ancestors().skip(1);
    for part in std::iter::once(path).chain(directories) {
        let metadata =
            part.symlink_metadata().map_err(|error| format!("{} can't be looked at: {error}", part.display()))?;
        if metadata.file_type().is_symlink() {
            return Err(format!("{} is a symbolic link", part.display()));
        }
        // The entry itself may belong to anyone: its name is fixed by the directory that holds it.
        if part == path {
            continue;
        }
        if metadata.uid() != 0 && metadata.uid() != own {
            return Err(format!("{} belongs to uid {}", part.display(), metadata.uid()));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(format!("{} is writable by others than its owner", part.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.toml");
        fs::write(&path, text).unwrap();
        Config::load(Some(&path))
    }

    /// A directory whose whole path is root's alone; `/tmp` is everybody's.
    fn trusted_dir() -> tempfile::TempDir {
        tempfile::Builder::new().prefix("holdfast-agent-test").tempdir_in("/var/lib").unwrap()
    }

    #[test]
    fn an_empty_file_is_a_valid_configuration() {
        let config = load("").unwrap();
        assert_eq!(config.jobs.limits, LimitsDefault::Required);
        assert_eq!(config.audit.arguments, Arguments::Omit);
    }

    #[test]
    fn the_example_is_a_valid_configuration() {
        let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/examples/agent.toml")).unwrap();
        let config = load(&text).unwrap();
        assert_eq!(config.jobs.limits, LimitsDefault::Required);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let message = load("[jobs]\nmax = 3\nmaximum = 4\n").unwrap_err().to_string();
        assert!(message.contains("line 3"), "{message}");
        assert!(message.contains("maximum"), "{message}");
    }

    #[test]
    fn a_value_that_is_no_size_says_how_to_write_one() {
        let message = load("[jobs]\nlog_bytes = \"much\"\n").unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains("512M"), "{message}");
    }

    #[test]
    fn only_the_default_file_may_be_absent() {
        let message = Config::load(Some(Path::new("/nonexistent/agent.toml"))).unwrap_err().to_string();
        assert!(message.contains("/nonexistent/agent.toml"), "{message}");
    }

    #[test]
    fn a_mount_below_a_directory_of_another_user_is_refused() {
        let dir = trusted_dir();
        let theirs = dir.path().join("theirs");
        fs::create_dir_all(theirs.join("inner")).unwrap();
        let entry = |path: &Path| format!("[[allow_mounts]]\npath = {:?}\n", path.to_str().unwrap());
        load(&entry(&theirs.join("inner"))).unwrap();

        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o777)).unwrap();
        let message = load(&entry(&theirs.join("inner"))).unwrap_err().to_string();
        assert!(message.contains("writable by others"), "{message}");

        symlink(&theirs, dir.path().join("link")).unwrap();
        let message = load(&entry(&dir.path().join("link"))).unwrap_err().to_string();
        assert!(message.contains("symbolic link"), "{message}");
    }
}
