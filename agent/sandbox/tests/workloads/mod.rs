//! Results against work of known cost (`attacks/workload.c`), the same with figures of rusage and of a cgroup.
//!
//! The work measures itself, by the kernel's own accounting, up to the moment at which it ends. What a busy machine adds is in
//! both figures, so the tolerance is for a process's end alone.

use std::process::Output;

use holdfast_sandbox::{EndedBy, Outcome, Source};

/// What a run is told to have used, and what it says itself.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    user_us: u64,
    system_us: u64,
    switches: u64,
}

/// Reads what the work printed, and the result behind it.
pub(crate) fn read(output: &Output) -> Ran {
    let text = String::from_utf8_lossy(&output.stdout);
    let (own, json) = text.trim_end().split_once('\n').unwrap_or_else(|| panic!("{output:?}"));
    let outcome: Outcome = serde_json::from_str(json).unwrap();
    assert_eq!((outcome.ended_by, outcome.code), (EndedBy::Exited, Some(0)), "{output:?}");
    let own: Vec<u64> = own.split(' ').map(|figure| figure.parse().unwrap()).collect();
    Ran { outcome, user_us: own[0], system_us: own[1], switches: own[2] }
}

/// How much work there is, and how much of a result may be a process's end.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) millis: u64,
    pub(crate) tolerance_us: u64,
}

/// All that every result has. `run` is given options and the work.
pub(crate) fn check(scale: Scale, run: &dyn Fn(&[&str], &[&str]) -> Ran) {
    let Scale { millis, tolerance_us } = scale;
    let within = |what: &str, told: u64, own: u64| {
        assert!((own..=own + tolerance_us).contains(&told), "{what}: told {told} µs, used {own} µs");
    };
    let total = |ran: &Ran| ran.outcome.user_us.unwrap() + ran.outcome.system_us.unwrap();
    let (amount, part) = (millis.to_string(), (millis / 4).to_string());

    let user = run(&[], &["user", &amount]);
    let system = run(&[], &["system", &amount]);
    for (what, ran, told, own) in [
        ("user time", &user, user.outcome.user_us, user.user_us),
        ("system time", &system, system.outcome.system_us, system.system_us),
    ] {
        within(what, total(ran), ran.user_us + ran.system_us);
        assert!(own >= millis * 1000, "{what}: {own}");
        // A cgroup's time is divided into the two by its own count of ticks.
        let least = if ran.outcome.times_from == Some(Source::Rusage) { own } else { own * 9 / 10 };
        assert!((least..=own + tolerance_us).contains(&told.unwrap()), "{what}: told {told:?}, used {own}");
    }
    for work in ["threads", "children"] {
        let ran = run(&[], &[work, "4", &part]);
        within(work, total(&ran), ran.user_us + ran.system_us);
        assert!(total(&ran) >= millis * 1000, "{work}: {}", total(&ran));
    }
    // Whom nobody waited for is counted, though the program's own figures haven't it.
    let ran = run(&[], &["orphans", "4", &part]);
    assert!(total(&ran) >= millis * 1000 && ran.user_us < millis * 1000, "{}", total(&ran));

    let idle = run(&[], &["idle", &amount]);
    within("idle", total(&idle), idle.user_us + idle.system_us);
    assert!(idle.outcome.wall_us.unwrap() >= millis * 1000 && total(&idle) < idle.outcome.wall_us.unwrap());

    // Two that want one processor take it from each other.
    let ran = run(&["--cpus-allowed", "0"], &["children", "2", &amount]);
    let switches = ran.outcome.involuntary_switches.unwrap();
    assert!(ran.switches > 0 && switches >= ran.switches, "told {switches}, had {}", ran.switches);

    let moved = run(&[], &["move", "3000000"]);
    let nothing = run(&[], &["idle", "0"]);
    let read = |ran: &Ran| ran.outcome.read_bytes.unwrap();
    // Its own last line is written too; the libraries' heads are read by both.
    assert!((3_000_000..3_000_100).contains(&moved.outcome.written_bytes.unwrap()), "{:?}", moved.outcome);
    assert_eq!(read(&moved) - read(&nothing), 3_000_000);
}
