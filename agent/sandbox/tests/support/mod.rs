//! A directory of its own for each test, with the sandbox and the attacking program in it, gone when the test ends.
//!
//! Tests run as root and as nobody; a caller that is not root runs only as itself. Nothing is skipped.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use holdfast_sandbox::Outcome;
use tempfile::TempDir;

const NOBODY: u32 = 65_534;

/// Who runs the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Caller,
    Nobody,
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A test that can't show its claim without root fails, and says why: a skipped one would be taken for a passed one.
pub(crate) fn need_root(why: &str) {
    assert!(is_root(), "run this test as root: {why}");
}

/// Everybody that a test can be.
pub(crate) fn everyone() -> Vec<Who> {
    if is_root() { vec![Who::Caller, Who::Nobody] } else { vec![Who::Caller] }
}

pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Fixture {
        let directory = tempfile::Builder::new().prefix("holdfast-").tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let fixture = Fixture { directory };
        fixture.add(Path::new(env!("CARGO_BIN_EXE_holdfast-sandbox")), "sandbox");
        fixture.add(&c_program("attack"), "attack");
        fixture
    }

    /// Nobody may not look into the build's directory; a link is cheaper than a copy, where it can be made.
    fn add(&self, program: &Path, name: &str) {
        let to = self.path(name);
        fs::hard_link(program, &to).or_else(|_| fs::copy(program, &to).map(drop)).unwrap();
    }

    /// With the program that kills another at a system call.
    pub(crate) fn with_tracer() -> Fixture {
        let fixture = Fixture::new();
        fixture.add(&c_program("tracer"), "tracer");
        fixture
    }

    /// With the program that does work of known cost.
    pub(crate) fn with_workload() -> Fixture {
        let fixture = Fixture::new();
        fixture.add(&c_program("workload"), "workload");
        fixture
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file that everybody may read and write.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        path
    }

    /// A directory that everybody may write to.
    pub(crate) fn open_directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        path
    }

    /// The command, without options.
    pub(crate) fn bare(&self, who: Who) -> Command {
        as_who(Command::new(self.path("sandbox")), who)
    }

    /// The command, executed by another: it gets the command's path and arguments behind its own.
    pub(crate) fn wrapped(&self, who: Who, by: &[&str]) -> Command {
        let mut command = as_who(Command::new(by[0]), who);
        command.args(&by[1..]).arg(self.path("sandbox"));
        command
    }

    /// The command with limits that can be had here; options and the program are still to be added.
    pub(crate) fn sandbox(&self, who: Who) -> Command {
        let mut command = self.bare(who);
        command.args(["--limits", "rlimit-only", "--wall", "20s"]);
        command
    }

    /// Runs a program and reads its result.
    pub(crate) fn outcome(&self, who: Who, options: &[&str], program: &[&str]) -> (Output, Outcome) {
        let mut command = self.sandbox(who);
        command.args(options).args(["--result", "-", "--"]).args(program).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let json = text.lines().last().unwrap_or_else(|| panic!("no result: {output:?}"));
        (output.clone(), serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {output:?}")))
    }

    /// The command on a machine that has no cgroup v2.
    pub(crate) fn without_cgroups(&self) -> PathBuf {
        let rights = if is_root() { "" } else { "--map-root-user" };
        let hide = "mount -t tmpfs none /sys/fs/cgroup && exec \"$0\" \"$@\"";
        let sandbox = self.path("sandbox");
        let script = format!("#!/bin/sh\nexec unshare --mount {rights} sh -c '{hide}' {} \"$@\"\n", sandbox.display());
        self.script("without-cgroups", &script)
    }

    /// A script that can be executed. Another process writes it: were it open here, it would be in a child that another
    /// test's thread forks just then, and could not be executed (ETXTBSY).
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let write = "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\"";
        assert!(Command::new("sh").args(["-c", write]).arg(&path).arg(text).status().unwrap().success());
        path
    }

    /// The attacking program without a sandbox.
    pub(crate) fn attack_outside(&self, who: Who, attack: &[&str]) -> Command {
        let mut command = as_who(Command::new(self.path("attack")), who);
        command.args(attack);
        command
    }

    /// The attacking program in a sandbox.
    pub(crate) fn attack_inside(&self, who: Who, options: &[&str], attack: &[&str]) -> Command {
        let mut command = self.sandbox(who);
        command.arg("--ro").arg(format!("{}:/attack", self.path("attack").display()));
        command.args(options).args(["--", "/attack"]).args(attack);
        command
    }

    /// Shows that an attack works without the sandbox and is refused in it.
    pub(crate) fn wall_holds(&self, options: &[&str], attack: &[&str]) {
        breached(&mut self.attack_outside(Who::Caller, attack), attack);
        self.held(options, attack);
    }

    /// Shows that an attack is refused inside, whoever runs it.
    pub(crate) fn held(&self, options: &[&str], attack: &[&str]) {
        for who in everyone() {
            let output = self.attack_inside(who, options, attack).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.code() == Some(10) && text.starts_with("held"), "{attack:?} as {who:?}: {output:?}");
        }
    }
}

/// Shows that an attack works.
pub(crate) fn breached(command: &mut Command, attack: &[&str]) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{attack:?} does not work without the wall, so the test shows nothing: {output:?}"
    );
}

/// The same command as another user.
pub(crate) fn as_who(mut command: Command, who: Who) -> Command {
    if who == Who::Nobody {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// The attacking program, built once for all tests.
/// A program of `attacks/`, built where it is not newer.
pub(crate) fn c_program(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/attacks/{name}.c"));
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let time = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
    if time(&built) <= time(&source) {
        // Tests run at once: each builds its own, and the last rename wins.
        let own = built.with_extension(format!("{}-{:?}", std::process::id(), std::thread::current().id()));
        let compiled = Command::new("cc")
            .args(["-O1", "-Wall", "-Werror", "-pthread", "-o"])
            .arg(&own)
            .arg(source)
            .status()
            .unwrap();
        assert!(compiled.success());
        fs::rename(own, &built).unwrap();
    }
    built
}

/// Ends a child when the test does, also when it panics.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is true; a test that waits longer than ten seconds has failed.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes whose command line or environment has `mark` in it, as the host sees them.
pub(crate) fn marked(mark: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let has = |file: &str| {
            fs::read(entry.path().join(file))
                .is_ok_and(|text| text.windows(mark.len()).any(|part| part == mark.as_bytes()))
        };
        let zombie = fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| stat.contains(") Z "));
        if pid != std::process::id().cast_signed() && !zombie && (has("cmdline") || has("environ")) {
            found.push(pid);
        }
    }
    found
}

/// Whether nobody holds a lock on the ranges of ids that lie in `/run/holdfast/id-ranges` and belong to this uid.
pub(crate) fn range_is_free(uid: u32) -> bool {
    use nix::fcntl::{FcntlArg, fcntl};
    let file = fs::OpenOptions::new().read(true).write(true).open("/run/holdfast/id-ranges").unwrap();
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: i64::from((uid - 0x7000_0000) / 65_536),
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock)).unwrap();
    lock.l_type == libc::F_UNLCK as i16
}

/// The uid of a process.
pub(crate) fn uid_of(pid: i32) -> Option<u32> {
    fs::metadata(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
}

/// The inode of a mount namespace or another.
pub(crate) fn namespace(pid: i32, kind: &str) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/{kind}")).ok().map(|it| it.ino())
}

/// The only child: a runner's is init, init's is the program.
pub(crate) fn init_of(runner: i32) -> i32 {
    let children = fs::read_to_string(format!("/proc/{runner}/task/{runner}/children")).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}
