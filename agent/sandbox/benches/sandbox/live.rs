//! A thousand sandboxes at once: what each takes, how long their start takes, and that all of them go.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use holdfast_sandbox::{Access, Bind, Policy, Request, Sandbox, Spawner};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::figures::tell;
use crate::proc;
use crate::setting::Setting;
use crate::ways::{Null, policy};

const LIVE: usize = 1000;

pub(crate) fn measure(setting: &Setting) {
    // Two descriptors for each sandbox here, and as many in the spawner, which inherits the limit.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let spawner = Spawner::start(&setting.sandbox).unwrap();
    let pid = proc::pid_of(spawner.pidfd());
    let null = Null::open();
    let request = load(setting, "pause");
    // One run, so that what the spawner makes once is made.
    drop(spawner.spawn(&request, null.stdio()).unwrap());
    until("the first sandbox is gone", || proc::children_of(pid).is_empty());
    let (private, resident) = proc::memory_of(pid);
    tell("spawner: resident, KiB", resident);
    let kernel = proc::kernel_memory();
    let begin = Instant::now();
    let sandboxes: Vec<Sandbox> = (0..LIVE).map(|_| spawner.spawn(&request, null.stdio()).unwrap()).collect();
    until("a thousand programs run", || sandboxes.iter().all(|sandbox| is_running(sandbox.pid())));
    tell("live: started in, s", begin.elapsed().as_secs_f64());
    let inits: f64 = sandboxes.iter().map(|sandbox| proc::memory_of(sandbox.pid()).0).sum();
    let (private_now, resident_now) = proc::memory_of(pid);
    // What the spawner shared with its children while it wrote to it is its own now, so growth counts from private.
    tell("live: private beside each program, KiB", (inits + (private_now - private).max(0.0)) / LIVE as f64);
    tell("live: init's private, KiB", inits / LIVE as f64);
    tell("live: spawner resident, KiB", resident_now);
    tell("live: kernel memory of each, KiB", (proc::kernel_memory() - kernel) / LIVE as f64);
    assert_eq!(sandboxes.iter().map(Sandbox::pid).collect::<BTreeSet<_>>().len(), LIVE);
    let begin = Instant::now();
    drop(sandboxes);
    until("all sandboxes are gone", || proc::children_of(pid).is_empty() && proc::locks_of(pid) == 0.0);
    tell("live: gone in, s", begin.elapsed().as_secs_f64());
}

fn is_running(init: i32) -> bool {
    matches!(proc::children_of(init).as_slice(), [program] if proc::name_of(*program) == "load")
}

/// `load.c`, in a sandbox.
pub(crate) fn load(setting: &Setting, what: &str) -> Request {
    let bind = Bind { source: setting.load.clone(), target: "/load".into(), mode: Access::Ro };
    let policy = Policy { mounts: vec![bind], ..policy() };
    Request { policy, program: "/load".to_owned(), args: vec![what.to_owned()], files: vec![] }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < deadline, "not within two minutes: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
