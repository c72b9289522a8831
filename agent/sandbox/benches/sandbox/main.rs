//! What a sandbox takes, beside its peers: `cargo lab bench sandbox`, which prepares the peers, runs this and judges its
//! figures. By itself it measures nothing: it is told where everything lies by a file, its only argument.
//!
//! What is compared is measured in rounds, each way once in a round and in another order each time, so that the
//! machine's noise and what the run before left behind (the kernel takes network namespaces apart later) meet all
//! alike. A program that ends otherwise than it should ends the bench: a tool that refuses to work is fast.
//!
//! Figures go to standard output as they come, a line of JSON each ([`figures::Figure`]).

#![allow(clippy::unwrap_used, reason = "a bench fails by a panic")]

mod figures;
mod setting;
mod start;
mod ways;

use self::setting::Setting;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [setting] = words.as_slice() else {
        eprintln!("this is run by `cargo lab bench sandbox`, which prepares what it needs");
        std::process::exit(1);
    };
    let setting = Setting::read(setting.as_ref());
    start::warm(&setting);
    start::whole(&setting);
}
