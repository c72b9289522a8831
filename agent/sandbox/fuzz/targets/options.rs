//! The command line, a word a line: it is understood or refused, and so is the request that it stands for.

#![no_main]
#![allow(dead_code, reason = "the command's own modules, of which it uses more")]

#[path = "../../src/cli.rs"]
mod cli;
#[path = "../../src/units.rs"]
mod units;

use clap::Parser;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let words: Vec<&str> = text.split('\n').collect();
    // Those read files.
    if words.iter().any(|word| word.starts_with("--policy") || word.starts_with("--seccomp")) {
        return;
    }
    let Ok(options) = cli::Options::try_parse_from(std::iter::once("holdfast-sandbox").chain(words)) else { return };
    if let Ok(request) = options.request() {
        let _ = request.check();
    }
});
