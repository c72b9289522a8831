//! What a sandbox is compared with: Debian's packages, and small C programs that are built here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::error::LabError;
use crate::layout::Layout;
use crate::packages;
use crate::run::{run, succeeds};

/// Programs and Debian's packages of them.
const PACKAGES: [(&str, &str); 6] = [
    ("bwrap", "bubblewrap"),
    ("crun", "crun"),
    ("runc", "runc"),
    ("firejail", "firejail"),
    ("unshare", "util-linux"),
    ("cc", "gcc"),
];

/// Where a machine with cgroup v2 alone has it.
const CGROUP: &str = "/sys/fs/cgroup";

/// Installs and builds what is compared, and writes down where it lies, for the bench.
pub(super) fn prepare(layout: &Layout, sandbox: &Path) -> Result<PathBuf, LabError> {
    let is_missing = |(program, _): &&(&str, &str)| !succeeds(Command::new("which").arg(program));
    let missing: Vec<&str> = PACKAGES.iter().filter(is_missing).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        packages::install("the benchmark's peers", &missing)?;
    }
    let directory = layout.lab().join("bench-sandbox");
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(LabError::file("clear", &directory))?;
    }
    let sources = layout.workspace().join("agent/sandbox/benches/sandbox");
    let root = root(&directory)?;
    let bundle = bundle(&directory, &root)?.to_string_lossy().into_owned();
    let peers = json!([
        peer("unshare", false, "unshare --user --map-root-user --pid --fork --mount-proc --net --ipc --uts --cgroup"),
        peer("bwrap", false, "bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev"),
        // The program of these two is in the bundle's configuration.
        oci("crun", false, &["crun", "--cgroup-manager=disabled", "run", "--bundle", &bundle, "holdfast-bench"]),
        oci("runc", true, &["runc", "run", "--bundle", &bundle, "holdfast-bench"]),
        peer(
            "firejail",
            true,
            "firejail --quiet --noprofile --net=none --private-dev --caps.drop=all --seccomp --nonewprivs"
        ),
    ]);
    let setting = json!({
        "sandbox": sandbox,
        "floor": build(&sources, &directory, "floor")?,
        "load": build(&sources, &directory, "load")?,
        "runs": runs(),
        "root": root,
        "peers": peers,
    });
    let path = directory.join("setting.json");
    fs::write(&path, setting.to_string()).map_err(LabError::file("write", &path))?;
    Ok(path)
}

/// How many runs one spawner is to bear: `HOLDFAST_BENCH_RUNS` gives fewer, for trying.
fn runs() -> usize {
    std::env::var("HOLDFAST_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(100_000)
}

fn peer(name: &str, slow: bool, command: &str) -> Value {
    let words: Vec<&str> = command.split_ascii_whitespace().chain(["/bin/true"]).collect();
    json!({ "name": name, "slow": slow, "command": words })
}

fn oci(name: &str, slow: bool, command: &[&str]) -> Value {
    json!({ "name": name, "slow": slow, "command": command })
}

/// Static, so that nothing of a C library's loading is in what the floor takes.
fn build(sources: &Path, directory: &Path, name: &str) -> Result<PathBuf, LabError> {
    let built = directory.join(name);
    let source = sources.join(format!("{name}.c"));
    run(Command::new("cc").args(["-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&built).arg(source))?;
    Ok(built)
}

/// The least that `/bin/true` needs.
fn root(directory: &Path) -> Result<PathBuf, LabError> {
    let root = directory.join("root");
    for name in ["proc", "dev", "sys"] {
        let path = root.join(name);
        fs::create_dir_all(&path).map_err(LabError::file("make", &path))?;
    }
    let linked = run(Command::new("ldd").arg("/bin/true"))?;
    let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
    let libraries = linked.split_ascii_whitespace().filter(|word| word.starts_with('/'));
    for path in libraries.chain(["/bin/true"]) {
        let to = root.join(path.trim_start_matches('/'));
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(LabError::file("make", parent))?;
        }
        fs::copy(path, &to).map_err(LabError::file("write", &to))?;
    }
    Ok(root)
}

/// What `crun spec` gives, with `/bin/true` for its program, and without cgroups, which a hybrid machine can't give.
fn bundle(directory: &Path, root: &Path) -> Result<PathBuf, LabError> {
    let bundle = directory.join("bundle");
    fs::create_dir_all(&bundle).map_err(LabError::file("make", &bundle))?;
    run(Command::new("crun").arg("spec").current_dir(&bundle))?;
    let path = bundle.join("config.json");
    let text = fs::read_to_string(&path).map_err(LabError::file("read", &path))?;
    let not_understood =
        |what: &str| LabError::Benchmark { what: format!("`crun spec`: {what}"), evidence: text.clone() };
    let mut config: Value = serde_json::from_str(&text).map_err(|error| not_understood(&error.to_string()))?;
    config["process"]["args"] = json!(["/bin/true"]);
    config["process"]["terminal"] = json!(false);
    config["root"] = json!({ "path": root, "readonly": true });
    config["linux"].as_object_mut().ok_or_else(|| not_understood("no `linux`"))?.remove("resources");
    let mounts = config["mounts"].as_array_mut().ok_or_else(|| not_understood("no `mounts`"))?;
    mounts.retain(|mount| mount["type"] != "cgroup");
    fs::write(&path, config.to_string()).map_err(LabError::file("write", &path))?;
    Ok(bundle)
}

/// The same command where crun and runc find cgroup v2: crun refuses a hybrid machine, so there it is mounted in a mount
/// namespace that all who are measured share.
pub(super) fn with_cgroup_v2(command: &Command) -> Command {
    let script = format!(
        "test -e {CGROUP}/cgroup.controllers || mount -t cgroup2 none {CGROUP} || exit 125; \
         exec \"$@\""
    );
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        wrapped.current_dir(directory);
    }
    wrapped
}
