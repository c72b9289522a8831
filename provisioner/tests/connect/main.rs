//! `provision connect` and `provision ssh-config` against real sshd processes, in network namespaces that have the
//! addresses which the lab gave the estate's machines:
//!
//! ```text
//! laptop ── 198.51.100.2 ─── bastion's public address │ bastion │ private address ─── private address ── worker 0
//! ```
//!
//! The bastion forwards no packets, so a host is reached by SSH through it or not at all. It takes root for the
//! namespaces, iproute2 and openssh-server; without one of them the test fails and says so.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a fixture that fails is a test that fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use holdfast_lab::{Account, Lab};
use serde_json::Value;
use tempfile::TempDir;

const LAPTOP: &str = "198.51.100.2";
const SSHD: &str = "/usr/sbin/sshd";

/// Runs a program that must succeed.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs {program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?} needs root and iproute2, openssh-server: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn ip(arguments: &str) {
    run("ip", &arguments.split(' ').collect::<Vec<_>>());
}

/// Namespaces that end with this, and with them their links.
struct Namespaces([String; 3]);

impl Namespaces {
    fn new() -> Self {
        let names = ["laptop", "bastion", "host"].map(|name| format!("hf-{}-{name}", std::process::id()));
        for name in &names {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        Self(names)
    }

    /// Joins two by a link, and gives its ends these addresses and nothing else.
    fn join(&self, link: &str, (left, left_address): (usize, &str), (right, right_address): (usize, &str)) {
        let (left, right) = (&self.0[left], &self.0[right]);
        ip(&format!("-n {left} link add {link}a type veth peer name {link}b netns {right}"));
        for (at, end, own, other) in
            [(left, "a", left_address, right_address), (right, "b", right_address, left_address)]
        {
            ip(&format!("-n {at} addr add {own}/32 dev {link}{end}"));
            ip(&format!("-n {at} link set {link}{end} up"));
            ip(&format!("-n {at} route add {other}/32 dev {link}{end} src {own}"));
        }
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.0 {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// A process that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An sshd in a namespace, with a new host key, which is returned.
fn sshd(namespace: &str, directory: &Path, authorized: &Path, address: &str) -> (Running, String) {
    fs::create_dir_all("/run/sshd").expect("sshd's directory can be made, as root");
    let (key, config) = (directory.join("host_key"), directory.join("sshd_config"));
    fs::create_dir(directory).unwrap();
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
    let text = format!(
        "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nUsePAM yes\nStrictModes no\n\
         AllowAgentForwarding yes\n",
        key.display(),
        authorized.display()
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, SSHD, "-D", "-e", "-f"]).arg(&config);
    let log = fs::File::create(directory.join("log")).unwrap();
    let child = command.stdin(Stdio::null()).stderr(log).spawn().expect("this test needs openssh-server");
    (Running(child), fs::read_to_string(key.with_extension("pub")).unwrap().trim().to_owned())
}

struct Stage {
    directory: TempDir,
    lab: Lab,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("connect-lab");
        fs::create_dir_all(&home).unwrap();
        let lab = Lab::start(&home).expect("the lab starts");
        let spec = include_str!("../../../infra/examples/minimal.toml")
            .replace("111111111111", lab.account_id(Account::Workloads))
            .replace("eu-central-1", lab.control_plane().region())
            .replace("ami-0123456789abcdef0", lab.stock_image());
        let (spec, _) = spec.split_once("[audit]").unwrap();
        fs::write(directory.path().join("estate.toml"), spec).unwrap();
        Self { directory, lab }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn provision(&self, arguments: &[&str]) -> Output {
        let home = self.directory.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.args(arguments).current_dir(home).stdin(Stdio::null()).env_clear();
        command.env("HOME", home).env("XDG_STATE_HOME", home.join("state"));
        // `ssh` alone runs in the laptop's namespace; provision must reach the lab.
        command.env("PATH", format!("{}:/usr/bin:/bin:/usr/sbin", self.path("bin").display()));
        command.env("SSH_AUTH_SOCK", self.path("agent"));
        self.lab.point(&mut command, Account::Workloads).unwrap();
        command.output().unwrap()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.provision(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn connect(&self, host: &str, known_hosts: &Path, command: &str) -> Output {
        let (known_hosts, identity) = (known_hosts.to_str().unwrap(), self.path("id"));
        let arguments = ["connect", host, "--user", "root", "--known-hosts", known_hosts, "--identity"];
        self.provision(&[&arguments[..], &[identity.to_str().unwrap(), "--", command]].concat())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[test]
fn a_host_is_reached_through_the_bastion_and_in_no_other_way() {
    let stage = Stage::new();
    stage.done(&["apply", "--yes"]);
    let estate: Value = serde_json::from_str(&stage.done(&["output"])).unwrap();
    let (bastion, worker) = (&estate["bastion"], &estate["hosts"]["worker"][0]);
    let (public, inner) = (text(&bastion["public_address"]), text(&bastion["private_address"]));
    let address = text(&worker["private_address"]);
    assert_eq!(stage.done(&["output", "hosts.worker.0.private_address"]), format!("{address}\n"));

    let namespaces = Namespaces::new();
    let [laptop, at_bastion, at_host] = &namespaces.0;
    namespaces.join("out", (0, LAPTOP), (1, public));
    namespaces.join("in", (1, inner), (2, address));

    let id = stage.path("id");
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", id.to_str().unwrap()]);
    let authorized = id.with_extension("pub");
    let (bastion_sshd, bastion_key) = sshd(at_bastion, &stage.path("bastion"), &authorized, public);
    let (_host, host_key) = sshd(at_host, &stage.path("host"), &authorized, address);
    let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(stage.path("agent")).stdout(Stdio::null()).spawn();
    let _agent = Running(agent.expect("this test needs openssh-client"));

    fs::create_dir(stage.path("bin")).unwrap();
    let wrapper = stage.path("bin/ssh");
    fs::write(&wrapper, format!("#!/bin/sh\nexec ip netns exec {laptop} /usr/bin/ssh \"$@\"\n")).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let (bastion_id, worker_id) = (text(&bastion["instance"]), text(&worker["instance"]));
    let known = stage.path("known_hosts");
    fs::write(&known, format!("{bastion_id} {bastion_key}\n{worker_id} {host_key}\n")).unwrap();

    // The two sshd need a moment until they listen.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !stage.connect("bastion", &known, "true").status.success() {
        let log = fs::read_to_string(stage.path("bastion/log")).unwrap();
        assert!(Instant::now() < deadline, "the bastion's sshd doesn't answer: {log}");
    }

    // The host sees the bastion as its client, the bastion the laptop.
    let way = |host: &str| {
        let output = stage.connect(host, &known, "echo $SSH_CONNECTION");
        assert!(output.status.success(), "{host}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        let words: Vec<_> = said.split_whitespace().map(ToOwned::to_owned).collect();
        (words[0].clone(), words[2].clone())
    };
    assert_eq!(way("bastion"), (LAPTOP.to_owned(), public.to_owned()));
    for host in ["worker-0", "worker/0", "judge-worker-0", worker_id, address] {
        assert_eq!(way(host), (inner.to_owned(), address.to_owned()), "{host}");
    }

    // The remote command's exit code is this one's, and no agent was taken along.
    assert_eq!(stage.connect("worker-0", &known, "exit 7").status.code(), Some(7));
    let agent = stage.connect("worker-0", &known, "echo agent=$SSH_AUTH_SOCK").stdout;
    assert_eq!(String::from_utf8(agent).unwrap(), "agent=\n");

    // Plain ssh with the printed configuration goes the same way.
    let (known_text, id_text) = (known.to_str().unwrap(), id.to_str().unwrap());
    let options = ["ssh-config", "--user", "root", "--known-hosts", known_text, "--identity", id_text];
    fs::write(stage.path("config"), stage.done(&options)).unwrap();
    let config = stage.path("config");
    let plain =
        ["netns", "exec", laptop, "ssh", "-F", config.to_str().unwrap(), "judge-worker-0", "echo $SSH_CONNECTION"];
    assert!(run("ip", &plain).starts_with(&format!("{inner} ")));

    // A host key that isn't known under this instance's id is refused, at either hop.
    for wrong in [
        format!("{bastion_id} {bastion_key}\n{worker_id} {bastion_key}\n"),
        format!("{bastion_id} {bastion_key}\n"),
        format!("{bastion_id} {host_key}\n{worker_id} {host_key}\n"),
    ] {
        let path = stage.path("wrong_hosts");
        fs::write(&path, wrong).unwrap();
        let output = stage.connect("worker-0", &path, "true");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("Host key verification failed"), "{said}");
    }

    // There is no way past the bastion: not from the laptop to its address.
    let past = ["netns", "exec", laptop, "ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", address, "true"];
    let output = Command::new("ip").args(past).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("Network is unreachable"), "{output:?}");

    // Nor once its sshd is gone: the host's is there still, and nobody gets to it.
    drop(bastion_sshd);
    let output = stage.connect("worker-0", &known, "true");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("Connection refused"), "{said}");

    let nobody = stage.provision(&["connect", "worker-9"]);
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(nobody.status.code() == Some(1) && said.contains("no running host worker-9"), "{said}");
}
