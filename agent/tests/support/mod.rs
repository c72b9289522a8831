//! An agent of a test's own: its directory, configuration, socket and process, gone when it is dropped.
//!
//! These tests are run as root, as the agent is: it makes id ranges, and the tests become other users.

#![allow(dead_code, reason = "each test program uses a part of this")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// For what takes milliseconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const AGENT: &str = env!("CARGO_BIN_EXE_holdfast-agent");
/// A user that every system has and that owns nothing.
pub(crate) const NOBODY: u32 = 65_534;
/// A group that every Debian has, which stands for `holdfast`.
pub(crate) const GROUP: &str = "users";

pub(crate) struct Agent {
    dir: TempDir,
    process: Option<Child>,
}

/// What a command that has ended left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        Self {
            code: output.status.code().unwrap_or_else(|| 1000 + output.status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// Waits for a condition; panics with its name when time is over.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The sandbox's command: `HOLDFAST_SANDBOX`, or built here, since cargo builds no other package's binary for a test.
pub(crate) fn sandbox_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(binary) = std::env::var_os("HOLDFAST_SANDBOX") {
            return binary.into();
        }
        let built = Path::new(AGENT).parent().unwrap();
        let profile = match built.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "holdfast-sandbox", "--bin", "holdfast-sandbox"])
            .args(["--profile", profile, "--target-dir"])
            .arg(built.parent().unwrap())
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status()
            .unwrap();
        assert!(status.success(), "holdfast-sandbox does not build");
        built.join("holdfast-sandbox")
    })
}

impl Agent {
    /// An agent that runs, with these lines of configuration beside the usual ones.
    pub(crate) fn start(config: &str) -> Self {
        let mut agent = Self::prepare(config);
        agent.restart();
        agent
    }

    /// Its directory and configuration, without a process.
    pub(crate) fn prepare(config: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("holdfast-agent-").tempdir_in("/tmp").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let usual =
            format!("state = {:?}\ngroup = {GROUP:?}\nsandbox = {:?}\n", dir.path().join("state"), sandbox_binary());
        let jobs = if config.contains("[jobs]") { "" } else { "[jobs]\nlimits = \"rlimit-only\"\nstop = \"1s\"\n" };
        fs::write(dir.path().join("agent.toml"), format!("{usual}{jobs}{config}")).unwrap();
        Self { dir, process: None }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("run/agent.sock")
    }

    /// The daemon's command line.
    pub(crate) fn serve(&self) -> Command {
        let mut command = Command::new(AGENT);
        command.args(["serve", "--config"]).arg(self.path("agent.toml")).arg("--socket").arg(self.socket());
        command.stdin(Stdio::null());
        command
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.start_with(|_| ());
    }

    /// The same, with something changed about its process.
    pub(crate) fn start_with(&mut self, change: impl FnOnce(&mut Command)) {
        let log = self.log_file();
        let mut command = self.serve();
        change(&mut command);
        self.start_command(command, log);
    }

    /// The same, by another program that becomes it.
    pub(crate) fn start_through(&mut self, words: &[&str]) {
        let serve = self.serve();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(serve.get_program()).args(serve.get_args()).stdin(Stdio::null());
        let log = self.log_file();
        self.start_command(command, log);
    }

    pub(crate) fn log_file(&self) -> fs::File {
        fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap()
    }

    pub(crate) fn start_command(&mut self, mut command: Command, log: fs::File) {
        self.process = Some(command.stderr(log).spawn().unwrap());
        until("the agent answers", || {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the agent ended: {}", self.log());
            (self.client(&["status"]).code == 0).then_some(())
        });
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(AGENT);
        command.arg("--socket").arg(self.socket()).args(args).stdin(Stdio::null());
        command
    }

    /// Runs a client command as root.
    pub(crate) fn client(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Runs a program as root in a new sandbox.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.client(&[&["run"], args].concat())
    }

    /// The same with input.
    pub(crate) fn run_with_stdin(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut child = self.spawn(&[&["run"], args].concat());
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A program may end without reading all.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output.into()
    }

    /// A client command that goes on, its streams piped.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a client command as another user, in one group only.
    pub(crate) fn client_as(&self, uid: u32, gid: u32, args: &[&str]) -> Ran {
        // The build's directory need not be open to others.
        let binary = self.path("client");
        if !binary.exists() {
            fs::hard_link(AGENT, &binary).or_else(|_| fs::copy(AGENT, &binary).map(drop)).unwrap();
        }
        let mut command = Command::new(binary);
        command.arg("--socket").arg(self.socket()).args(args).stdin(Stdio::null());
        command.current_dir("/").uid(uid).gid(gid).output().unwrap().into()
    }

    pub(crate) fn inspect(&self, job: &str) -> Value {
        self.client(&["inspect", job]).ok().json()
    }

    /// Starts a program and doesn't wait; the job's id.
    pub(crate) fn detach(&self, args: &[&str]) -> String {
        self.client(&[&["run", "--detach"], args].concat()).ok().stdout.trim().to_owned()
    }

    pub(crate) fn wait_for_state(&self, job: &str, state: &str) -> Value {
        until(&format!("job {job} is {state}"), || {
            let job = self.inspect(job);
            (job["state"] == state).then_some(job)
        })
    }

    /// SIGKILL, as the kernel's out-of-memory killer sends it.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// SIGTERM, as systemd sends it.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        send(self.pid(), nix::sys::signal::Signal::SIGTERM);
        self.stop_already_asked()
    }

    /// Waits for the end of a daemon that was told to stop.
    pub(crate) fn stop_already_asked(&mut self) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        until("the agent ends", || process.try_wait().unwrap())
    }

    pub(crate) fn rewrite_config(&self, change: impl FnOnce(String) -> String) {
        let path = self.path("agent.toml");
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    }

    /// The spawner's process.
    pub(crate) fn spawner(&self) -> u32 {
        let children = children(self.pid());
        assert_eq!(children.len(), 1, "the agent's only child is its spawner");
        children[0]
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the agent's log\n{}", self.log());
        }
    }
}

pub(crate) fn send(pid: u32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

/// Processes whose parent is `pid`.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|children| children.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

pub(crate) fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

pub(crate) fn group_id() -> u32 {
    nix::unistd::Group::from_name(GROUP).unwrap().unwrap().gid.as_raw()
}
