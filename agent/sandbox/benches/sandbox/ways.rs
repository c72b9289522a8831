//! The ways to run `/bin/true`, and the rounds in which they are compared.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio as Redirect};
use std::thread;
use std::time::{Duration, Instant};

use holdfast_sandbox::{Limits, LimitsMode, Policy, Request, Spawner, Stdio};

use crate::figures::tell_times;
use crate::proc;
use crate::setting::Setting;

/// Runs a program once; returns how long that took, from start to end, without what was made ahead.
pub(crate) type Way<'a> = Box<dyn FnMut() -> Duration + Send + 'a>;

/// How many rounds are taken and not counted.
const WARM_UP: usize = 20;

/// Takes ways in rounds, and tells how long each took.
pub(crate) fn compare(ways: &mut [(String, Way<'_>)], rounds: usize) {
    let mut times = vec![Vec::with_capacity(rounds); ways.len()];
    let mut order: Vec<usize> = (0..ways.len()).collect();
    let mut dice = Dice::default();
    for round in 0..WARM_UP + rounds {
        dice.shuffle(&mut order);
        for at in &order {
            let time = ways[*at].1();
            if round >= WARM_UP {
                times[*at].push(time);
            }
        }
    }
    for ((name, _), times) in ways.iter().zip(&mut times) {
        tell_times(name, times);
    }
}

/// The same order in each run of the bench, and no pattern in it: Marsaglia's xorshift64.
struct Dice(u64);

impl Default for Dice {
    fn default() -> Dice {
        Dice(88_172_645_463_325_252)
    }
}

impl Dice {
    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            order.swap(last, (self.0 % (last as u64 + 1)) as usize);
        }
    }
}

/// How long something takes.
pub(crate) fn timed(run: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    run();
    begin.elapsed()
}

/// A whole process each time.
pub(crate) fn whole(words: Vec<String>) -> Way<'static> {
    Box::new(move || {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Redirect::null()).stdout(Redirect::null());
        timed(|| {
            let status = command.status().unwrap();
            assert!(status.success(), "{words:?}: {status}");
        })
    })
}

/// Our command, as a whole process.
pub(crate) fn our_command(setting: &Setting) -> Vec<String> {
    [path(&setting.sandbox), "--limits", "rlimit-only", "--", "/bin/true"].map(str::to_owned).to_vec()
}

/// The floor, as a whole process.
pub(crate) fn floor_command(setting: &Setting) -> Vec<String> {
    [path(&setting.floor), "once", path(&setting.root), "/bin/true"].map(str::to_owned).to_vec()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The policy that everything here has: the default one, but that nothing is asked of cgroups.
pub(crate) fn policy() -> Policy {
    Policy { limits: Limits { mode: LimitsMode::RlimitOnly, ..Limits::default() }, ..Policy::default() }
}

/// A program under [`policy`].
pub(crate) fn request(program: &str) -> Request {
    Request { policy: policy(), program: program.to_owned(), args: vec![], files: vec![] }
}

/// `/dev/null`, for all three.
pub(crate) struct Null(File);

impl Null {
    pub(crate) fn open() -> Null {
        Null(File::options().read(true).write(true).open("/dev/null").unwrap())
    }

    pub(crate) fn stdio(&self) -> Stdio<'_> {
        Stdio { stdin: self.0.as_fd(), stdout: self.0.as_fd(), stderr: self.0.as_fd(), passed: &[] }
    }
}

/// A warm spawner's.
pub(crate) fn warm(spawner: &Spawner) -> Way<'_> {
    let (null, request) = (Null::open(), request("/bin/true"));
    Box::new(move || {
        timed(|| assert_eq!(spawner.spawn(&request, null.stdio()).unwrap().outcome().unwrap().code, Some(0)))
    })
}

/// A warm spawner's, of sandboxes that are there already: each run takes the one that was made after the run before, and
/// only what is left to be done counts.
pub(crate) fn prepared(spawner: &Spawner) -> Way<'_> {
    let (null, policy) = (Null::open(), policy());
    let prepare = move || {
        let prepared = spawner.prepare(&policy, &[]).unwrap();
        let pid = proc::pid_of(prepared.pidfd());
        while !proc::waits_in_poll(pid) {
            thread::sleep(Duration::from_micros(200));
        }
        prepared
    };
    let mut next = Some(prepare());
    Box::new(move || {
        let ready = next.take().unwrap_or_else(&prepare);
        let time = timed(|| {
            let sandbox = ready.spawn("/bin/true", &[], null.stdio()).unwrap();
            assert_eq!(sandbox.outcome().unwrap().code, Some(0));
        });
        next = Some(prepare());
        time
    })
}

/// The floor from a small process that is there already.
pub(crate) struct WarmFloor {
    child: Child,
    asks: Option<ChildStdin>,
    answers: ChildStdout,
}

impl WarmFloor {
    pub(crate) fn start(setting: &Setting) -> WarmFloor {
        let mut child = Command::new(&setting.floor)
            .arg("serve")
            .arg(&setting.root)
            .arg("/bin/true")
            .stdin(Redirect::piped())
            .stdout(Redirect::piped())
            .spawn()
            .unwrap();
        WarmFloor { asks: child.stdin.take(), answers: child.stdout.take().unwrap(), child }
    }

    pub(crate) fn way(mut self) -> Way<'static> {
        Box::new(move || {
            timed(|| {
                let mut status = [1];
                self.asks.as_mut().unwrap().write_all(&[0]).unwrap();
                self.answers.read_exact(&mut status).unwrap();
                assert_eq!(status, [0], "the floor failed");
            })
        })
    }
}

impl Drop for WarmFloor {
    fn drop(&mut self) {
        self.asks = None;
        self.child.wait().unwrap();
    }
}

/// How many processors there are.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().unwrap().get()
}
