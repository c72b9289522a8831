//! `cargo lab`: parses, hands over, prints.

#![forbid(unsafe_code)]

mod cli;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cli::{Bench, Cli, Command, EnvArguments, FaultsArguments, UpArguments, VmArguments};
use holdfast_lab::{Account, ControlPlane, Deaths, Down, Layout, Up, Vm};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help is no error; usage is exit code 1, as for every command of the project.
            let code = if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
            return if error.print().is_ok() { code } else { ExitCode::FAILURE };
        }
    };
    let layout = Layout::of_this_workspace();
    let result = match cli.command {
        Command::Vm(arguments) => return vm(&layout, arguments),
        Command::Up(arguments) => up(&layout, &arguments),
        Command::Down => down(&layout),
        Command::Env(arguments) => env(&layout, &arguments),
        Command::Faults(arguments) => faults(&layout, &arguments),
        Command::Demo => holdfast_lab::run_demo(&layout).map_err(Box::from),
        Command::Test(arguments) => test(&layout, if arguments.exhaustive { Deaths::All } else { Deaths::Some }),
        Command::Bench { what: Bench::Provision } => holdfast_lab::run_bench_provision(&layout).map_err(Box::from),
        Command::Bench { what: Bench::Sandbox } => holdfast_lab::run_bench_sandbox(&layout).map_err(Box::from),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The program's exit code is the command's.
fn vm(layout: &Layout, arguments: VmArguments) -> ExitCode {
    let mut words = arguments.program.into_iter();
    let program = PathBuf::from(words.next().unwrap_or_default());
    match Vm::of_command(&program, words.collect()).and_then(|vm| vm.show(layout)) {
        Ok(ended) => ExitCode::from(ended.exit_code()),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn up(layout: &Layout, arguments: &UpArguments) -> Result<(), Box<dyn Error>> {
    let (plane, up) = holdfast_lab::up(layout)?;
    if let Some(requests) = arguments.eventual {
        plane.set_eventual(requests)?;
    }
    let said = match up {
        Up::Started => "the lab is up",
        Up::AlreadyUp => "the lab is up already",
    };
    print(&format!("{said}\n{}", summary(&plane)))
}

fn summary(plane: &ControlPlane) -> String {
    format!(
        "  endpoint   {}\n  region     {}\n  accounts   {} workloads, {} audit ({})\n  image      {}\n\
         next: eval \"$(cargo lab env)\"\n",
        plane.endpoint(),
        plane.region(),
        plane.account_id(Account::Workloads),
        plane.account_id(Account::Audit),
        plane.organization(),
        plane.stock_image(),
    )
}

fn down(layout: &Layout) -> Result<(), Box<dyn Error>> {
    print(match holdfast_lab::down(layout)? {
        Down::Ended => "the lab is down\n",
        Down::CleanedUp => "the control plane had ended already; what it left is removed\n",
        Down::NotUp => "no lab was up\n",
    })
}

fn env(layout: &Layout, arguments: &EnvArguments) -> Result<(), Box<dyn Error>> {
    let variables = holdfast_lab::current(layout)?.env(arguments.identity())?;
    if arguments.json {
        let object: BTreeMap<String, String> = variables.into_iter().collect();
        return print(&format!("{}\n", serde_json::to_string_pretty(&object)?));
    }
    print(&holdfast_lab::exports(&variables))
}

/// Goes on until the process is ended: that is what ends the proxy too.
fn faults(layout: &Layout, arguments: &FaultsArguments) -> Result<(), Box<dyn Error>> {
    let script = match &arguments.script {
        Some(path) => std::fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))?,
        None => String::new(),
    };
    let faults = holdfast_lab::run_faults(layout, &script, |call| println!("{call}"))?;
    print(&format!("export AWS_ENDPOINT_URL={}  # after eval \"$(cargo lab env)\"\n", faults.endpoint()))?;
    loop {
        std::thread::park();
    }
}

fn test(layout: &Layout, deaths: Deaths) -> Result<(), Box<dyn Error>> {
    match holdfast_lab::run_checks(layout, deaths) {
        0 => Ok(()),
        failed => Err(format!("{failed} of the checks failed: what each printed is above").into()),
    }
}

fn print(text: &str) -> Result<(), Box<dyn Error>> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}
