//! How long a sandbox takes from start to end of `/bin/true`, with all protections of the default policy:
//! `cargo bench -p holdfast-sandbox`.
//!
//! Three ways, taken in turn in one run so that the machine's noise meets them alike: the command as a whole process
//! (the static binary, as it is shipped), the warm spawner, and `bwrap --unshare-all`, which makes the same namespaces
//! and fewer protections. Medians and ratios are printed. A run whose program fails ends the bench: a tool that
//! refuses to work is fast.

#![allow(clippy::unwrap_used, reason = "a bench fails by a panic")]

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Command, Stdio as Redirect};
use std::time::{Duration, Instant};

use holdfast_sandbox::{Limits, LimitsMode, Policy, Request, Spawner, Stdio};

/// What is measured, and its name.
type Way<'a> = (&'static str, Box<dyn FnMut() + 'a>);

const ROUNDS: usize = 500;
const WARM_UP: usize = 20;

fn main() {
    let binary = static_binary();
    let spawner = Spawner::start(&binary).unwrap();
    let limits = Limits { mode: LimitsMode::RlimitOnly, ..Limits::default() };
    let policy = Policy { limits, ..Policy::default() };
    let request = Request { policy, program: "/bin/true".to_owned(), args: vec![], files: vec![] };
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let stdio = Stdio { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd(), passed: &[] };

    let mut ways: [Way<'_>; 4] = [
        ("fork and exec of /bin/true, no sandbox", Box::new(|| run(Command::new("/bin/true")))),
        (
            "holdfast-sandbox, warm spawner",
            Box::new(|| assert_eq!(spawner.spawn(&request, stdio).unwrap().outcome().unwrap().code, Some(0))),
        ),
        ("holdfast-sandbox, whole process", Box::new(|| run(command(&binary)))),
        ("bwrap --unshare-all, whole process", Box::new(|| run(bwrap()))),
    ];
    let mut times: [Vec<Duration>; 4] = Default::default();
    for round in 0..ROUNDS + WARM_UP {
        for ((_, way), times) in ways.iter_mut().zip(&mut times) {
            let begin = Instant::now();
            way();
            if round >= WARM_UP {
                times.push(begin.elapsed());
            }
        }
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    let median = |at: usize| times[at][ROUNDS / 2].as_secs_f64() * 1000.0;
    println!("start to end of /bin/true, {ROUNDS} rounds, ms: median, p10, p99, and the median in terms of bwrap's");
    for (at, (name, _)) in ways.iter().enumerate() {
        let part = |of: usize| times[at][ROUNDS * of / 100].as_secs_f64() * 1000.0;
        println!("{name:40} {:7.2} {:7.2} {:7.2}   {:.2}", median(at), part(10), part(99), median(at) / median(3));
    }
}

fn run(mut command: Command) {
    let status = command.stdin(Redirect::null()).stdout(Redirect::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

fn command(binary: &PathBuf) -> Command {
    let mut command = Command::new(binary);
    command.args(["--limits", "rlimit-only", "--", "/bin/true"]);
    command
}

fn bwrap() -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"]);
    command
}

/// The static release build, as it is shipped. Its own target directory, since the flags differ from the bench's.
fn static_binary() -> PathBuf {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("static");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--package", "holdfast-sandbox", "--target", &triple, "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success(), "the static build failed");
    target.join(triple).join("release/holdfast-sandbox")
}
