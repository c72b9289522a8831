//! One spawner, many runs: whether the last is like the first, and what is left of them.
//!
//! Counters of the kernel are of the whole machine, and network namespaces are taken apart after their processes have
//! ended. So they are read again until they are near what they were, a minute at most; what is told is the growth that
//! is still there then.

use std::thread;
use std::time::{Duration, Instant};

use holdfast_sandbox::Spawner;

use crate::figures::tell;
use crate::proc;
use crate::setting::Setting;
use crate::ways::{WarmFloor, Way, compare, cores, warm};

/// Of which the latency is compared, at the beginning and at the end.
const SAMPLE: usize = 1000;

/// A counter's name, and how far it may be from what it was before nobody waits for it any more.
const COUNTERS: [(&str, f64); 10] = [
    ("spawner's memory, KiB", 0.0),
    ("spawner's descriptors", 0.0),
    ("spawner's locks on ids", 0.0),
    ("spawner's children", 0.0),
    ("mounts seen outside", 0.0),
    ("mounts in the kernel", 500.0),
    ("network namespaces", 100.0),
    ("cgroups", 0.0),
    ("dentries in use", 1000.0),
    ("kernel memory, KiB", 4096.0),
];

pub(crate) fn measure(setting: &Setting) {
    let spawner = Spawner::start(&setting.sandbox).unwrap();
    let pid = proc::pid_of(spawner.pidfd());
    let sample = |when: &str| {
        let mut ways: Vec<(String, Way<'_>)> = vec![
            (format!("{when}: ours"), warm(&spawner)),
            (format!("{when}: floor"), WarmFloor::start(setting).way()),
        ];
        compare(&mut ways, SAMPLE);
    };
    sample("first");
    let before = counters(pid);
    tell("runs of one spawner", setting.runs as f64);
    let callers = cores();
    thread::scope(|scope| {
        for _ in 0..callers {
            let mut way = warm(&spawner);
            scope.spawn(move || {
                for _ in 0..setting.runs / callers {
                    way();
                }
            });
        }
    });
    for ((name, _), growth) in COUNTERS.iter().zip(settled(pid, &before)) {
        tell(&format!("growth: {name}"), growth);
    }
    sample("last");
}

fn counters(pid: i32) -> [f64; COUNTERS.len()] {
    [
        proc::memory_of(pid).1,
        proc::descriptors_of(pid),
        proc::locks_of(pid),
        proc::children_of(pid).len() as f64,
        proc::mounts(),
        proc::objects("mnt_cache"),
        proc::objects("net_namespace"),
        proc::cgroups(),
        proc::dentries_in_use(),
        proc::kernel_memory(),
    ]
}

/// The growth of each counter, when all are as they were or a minute has passed: the least that was seen of each.
fn settled(pid: i32, before: &[f64; COUNTERS.len()]) -> [f64; COUNTERS.len()] {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut least = [f64::INFINITY; COUNTERS.len()];
    loop {
        for ((least, now), before) in least.iter_mut().zip(counters(pid)).zip(before) {
            *least = least.min(now - before);
        }
        if least.iter().zip(COUNTERS).all(|(least, (_, near))| *least <= near) || Instant::now() > deadline {
            return least;
        }
        thread::sleep(Duration::from_millis(500));
    }
}
