//! What a sandbox takes, beside its peers: `cargo lab bench sandbox`, which prepares the peers, runs this and judges its
//! figures. By itself it measures nothing: it is told where everything lies by a file. Behind
//! the file's path parts can be named ([`PARTS`]); none means all.
//!
//! What is compared is measured in rounds, each way once in a round and in another order each time, so that the
//! machine's noise and what the run before left behind (the kernel takes network namespaces apart later) meet all
//! alike. A program that ends otherwise than it should ends the bench: a tool that refuses to work is fast.
//!
//! Figures go to standard output as they come, a line of JSON each ([`figures::Figure`]).

#![allow(clippy::unwrap_used, reason = "a bench fails by a panic")]

mod figures;
mod flat;
mod inside;
mod live;
mod proc;
mod setting;
mod start;
mod throughput;
mod ways;

use self::setting::Setting;

/// A part's name, and what it measures.
type Part = (&'static str, fn(&Setting));

const PARTS: [Part; 6] = [
    ("warm", start::warm),
    ("whole", start::whole),
    ("throughput", throughput::measure),
    ("inside", inside::measure),
    ("live", live::measure),
    ("flat", flat::measure),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [setting, wanted @ ..] = words.as_slice() else {
        eprintln!("this is run by `cargo lab bench sandbox`, which prepares what it needs");
        std::process::exit(1);
    };
    let setting = Setting::read(setting.as_ref());
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure(&setting);
        }
    }
}
