//! Runs a second with all processors at it: one caller for each, which starts a run when its last has ended.

use std::thread;
use std::time::{Duration, Instant};

use holdfast_sandbox::Spawner;

use crate::figures::{tell, tell_times};
use crate::setting::Setting;
use crate::ways::{WarmFloor, Way, cores, floor_command, our_command, warm, whole};

/// Each way has a slice in turn.
const SLICES: usize = 6;
const SLICE: Duration = Duration::from_secs(2);

pub(crate) fn measure(setting: &Setting) {
    let spawners: Vec<Spawner> = (0..cores()).map(|_| Spawner::start(&setting.sandbox).unwrap()).collect();
    let each = |way: &dyn Fn() -> Way<'static>| (0..cores()).map(|_| way()).collect();
    let mut ways: [(&str, Vec<Way<'_>>); 5] = [
        ("warm floor", each(&|| WarmFloor::start(setting).way())),
        ("warm ours", spawners.iter().map(warm).collect()),
        ("whole floor", each(&|| whole(floor_command(setting)))),
        ("whole ours", each(&|| whole(our_command(setting)))),
        ("whole bwrap", each(&|| whole(setting.peer("bwrap")))),
    ];
    let mut times: [Vec<Duration>; 5] = Default::default();
    let mut rates: [Vec<f64>; 5] = Default::default();
    for _ in 0..SLICES {
        for (at, (_, callers)) in ways.iter_mut().enumerate() {
            let begin = Instant::now();
            let taken = slice(callers);
            rates[at].push(taken.len() as f64 / begin.elapsed().as_secs_f64());
            times[at].extend(taken);
        }
    }
    for (at, (name, _)) in ways.iter().enumerate() {
        rates[at].sort_by(f64::total_cmp);
        tell(&format!("runs a second: {name}"), rates[at][SLICES / 2]);
        tell_times(&format!("under load: {name}"), &mut times[at]);
    }
}

/// How long each run of a slice took.
fn slice(callers: &mut [Way<'_>]) -> Vec<Duration> {
    let begin = Instant::now();
    let call = |way: &mut Way<'_>| {
        let mut times = Vec::new();
        while begin.elapsed() < SLICE {
            times.push(way());
        }
        times
    };
    thread::scope(|scope| {
        let threads: Vec<_> = callers.iter_mut().map(|way| scope.spawn(move || call(way))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}
