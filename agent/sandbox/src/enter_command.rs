//! `exec`: a program in a sandbox that runs already.

use std::error::Error;
use std::process::ExitCode;

use holdfast_sandbox::{ExecRequest, Running, execute_sealed_copy};

use crate::cli::ExecOptions;
use crate::run;

/// Runs the program in the sandbox, and gives its exit code.
pub(crate) fn exec(options: &ExecOptions) -> Result<ExitCode, Box<dyn Error>> {
    // The descriptors that are to be passed on stay open across it.
    execute_sealed_copy()?;
    let passed = run::inherit(&options.io.pass_fd)?;
    let (program, args) = options.program.split_first().ok_or("no program was given")?;
    let request = ExecRequest { program: program.clone(), args: args.to_vec() };
    request.check()?;
    let sandbox = Running::find(&options.sandbox)?;
    let limits = &sandbox.policy().limits;
    run::report(&options.io, &passed, limits, |stdio| sandbox.exec(&request, stdio))
}
