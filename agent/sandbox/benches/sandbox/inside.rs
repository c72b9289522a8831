//! What a program takes inside against outside, once it runs: CPU time as it reads it from its own clock, in turn.

use std::io::{PipeReader, Read, pipe};
use std::os::fd::AsFd;
use std::process::{Command, Stdio as Redirect};

use holdfast_sandbox::{Spawner, Stdio};

use crate::figures::tell;
use crate::live::load;
use crate::setting::Setting;

/// A tenth of a second each. The median of the rounds' ratios counts.
const ROUNDS: usize = 60;

pub(crate) fn measure(setting: &Setting) {
    let spawner = Spawner::start(&setting.sandbox).unwrap();
    let (inside, outside) = (|what| inside(&spawner, setting, what), |what| outside(setting, what));
    compare("inside over outside: computing", || inside("compute"), || outside("compute"));
    compare("inside over outside: calling", || inside("calls"), || outside("calls"));
    compare("a filter of one instruction over none: calling", || outside("filtered"), || outside("calls"));
}

fn compare(name: &str, one: impl Fn() -> f64, other: impl Fn() -> f64) {
    let round = |round: usize| {
        // Whoever is second finds another machine: each is first in turn.
        let one_first = round.is_multiple_of(2).then(&one);
        let other = other();
        one_first.unwrap_or_else(&one) / other
    };
    let mut ratios: Vec<f64> = (0..ROUNDS).map(round).collect();
    ratios.sort_by(f64::total_cmp);
    tell(name, ratios[ROUNDS / 2]);
}

fn inside(spawner: &Spawner, setting: &Setting, what: &str) -> f64 {
    let (reader, writer) = pipe().unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let stdio = Stdio { stdin: null.as_fd(), stdout: writer.as_fd(), stderr: writer.as_fd(), passed: &[] };
    let sandbox = spawner.spawn(&load(setting, what), stdio).unwrap();
    drop(writer);
    let time = number(reader);
    assert_eq!(sandbox.outcome().unwrap().code, Some(0));
    time
}

fn outside(setting: &Setting, what: &str) -> f64 {
    let (reader, writer) = pipe().unwrap();
    let mut command = Command::new(&setting.load);
    let mut child = command.arg(what).stdin(Redirect::null()).stdout(writer).spawn().unwrap();
    // Its copy of the writing end.
    drop(command);
    let time = number(reader);
    assert!(child.wait().unwrap().success());
    time
}

fn number(mut reader: PipeReader) -> f64 {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text.trim().parse().unwrap_or_else(|_| panic!("no number: {text:?}"))
}
