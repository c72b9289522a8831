//! `holdfast-agent`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast_agent::cli::main()
}
