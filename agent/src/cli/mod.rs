//! The command line: one verb for the daemon, the rest for its clients, which speak to it through its API alone.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::config::{ConfigError, DEFAULT_SOCKET};
use crate::quantity::{Processors, Size, Span};

pub(crate) mod client;
mod run;
mod show;

use client::ClientError;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    error, usage too

`run` ends with the program's own exit code, or with
  124  time ended it (--wall, --cpu-time)
  125  it could not be started: the agent, the sandbox, or the usage
  126  the program can't be executed
  127  there is no such program
  128+ the signal that ended it, added to 128";

const EXAMPLES: &str = "\
Examples:
  holdfast-agent serve
  holdfast-agent run --rm --limits rlimit-only --wall 10s -- python3 -c 'print(6 * 7)'
  holdfast-agent run --file solution.py:/tmp/solution.py -- python3 /tmp/solution.py < input.txt
  holdfast-agent ps --all
  holdfast-agent logs 3f9a1c02b7de
  holdfast-agent inspect 3f9a1c02b7de";

/// Runs programs in sandboxes on this host, and records what it does.
#[derive(Debug, Parser)]
#[command(name = "holdfast-agent", version, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
struct Cli {
    /// The agent's socket.
    #[arg(long, global = true, env = "HOLDFAST_SOCKET", value_name = "PATH", help_heading = "Global options")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The daemon: serves the API on the socket until SIGTERM.
    Serve(Serve),
    /// Runs one program in a sandbox, its stdin, stdout and stderr here, and ends as it ends.
    Run(Box<Run>),
    /// Lists jobs that run: your own, or everybody's as root.
    Ps(Ps),
    /// Prints what is kept of a job's output, stdout to stdout and stderr to stderr.
    Logs(JobArg),
    /// Prints all that is known of a job, as JSON.
    Inspect(JobArg),
    /// Ends a job (SIGKILL), or sends it another signal.
    Kill(Kill),
    /// Tells how the agent is, and how much of its audit trail the central store has confirmed.
    Status(Format),
}

#[derive(Debug, Args)]
struct Serve {
    /// The configuration [default: /etc/holdfast/agent.toml, which may be absent].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Format {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Ps {
    /// List the jobs that have ended too, as far back as the agent remembers.
    #[arg(long, short)]
    all: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
struct JobArg {
    /// The job's id, as `ps` shows it.
    job: String,
}

#[derive(Debug, Args)]
struct Kill {
    /// The signal's number.
    #[arg(long, value_name = "N", default_value_t = 9)]
    signal: u8,
    /// The job's id, as `ps` shows it.
    job: String,
}

/// What `run` takes.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Forget the job when it has ended: no `logs`, no `inspect`.
    #[arg(long)]
    rm: bool,
    /// Print the job's id and don't wait; its stdin is empty.
    #[arg(long, short, conflicts_with = "interactive")]
    detach: bool,
    /// Pass stdin on even if it is a terminal; a file or a pipe always is.
    #[arg(long, short)]
    interactive: bool,
    /// Memory, such as 512M.
    #[arg(long, value_name = "SIZE")]
    memory: Option<Size>,
    /// Processes and threads.
    #[arg(long, value_name = "N")]
    pids: Option<u64>,
    /// Processors at once, such as 1.5; with `--limits required` alone.
    #[arg(long, value_name = "N")]
    cpu: Option<Processors>,
    /// The share of busy processors, 1 to 10000 (others have 100); with `--limits required` alone.
    #[arg(long, value_name = "N")]
    cpu_weight: Option<u16>,
    /// CPU time, such as 10s.
    #[arg(long, value_name = "TIME")]
    cpu_time: Option<Span>,
    /// Wall-clock time, such as 1m; the agent's configuration bounds it.
    #[arg(long, value_name = "TIME")]
    wall: Option<Span>,
    /// How strictly limits hold: `required` by cgroup v2 or no run; `rlimit-only` for each process alone (recorded).
    #[arg(long, value_name = "MODE")]
    limits: Option<crate::api::types::LimitsMode>,
    /// The filter of system calls: `strict` is for programs that only compute (no other process, no socket).
    #[arg(long, value_name = "FILTER", default_value = "default", hide_possible_values = true)]
    seccomp: crate::api::types::Seccomp,
    /// A host directory or file, seen inside, not writable. The configuration says which ones callers but root may bind.
    #[arg(long, value_name = "HOST[:INSIDE]")]
    ro: Vec<String>,
    /// The same, writable, as far as the sandbox's user may write there.
    #[arg(long, value_name = "HOST[:INSIDE]")]
    rw: Vec<String>,
    /// A writable directory in memory.
    #[arg(long, value_name = "PATH=SIZE")]
    tmpfs: Vec<String>,
    /// A variable for the program; without a value, this command's own. Values are never recorded.
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// A file to copy in, read with your own rights.
    #[arg(long, value_name = "HOST:INSIDE")]
    file: Vec<String>,
    /// The directory inside in which it starts.
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// The host name inside.
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// The program and its arguments.
    #[arg(required = true, last = true, value_names = ["PROGRAM", "ARGS"])]
    command: Vec<String>,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A bad value on the command line.
    #[error("{option} {value}: {problem}")]
    Usage {
        /// The option.
        option: &'static str,
        /// What it was given.
        value: String,
        /// What is wrong with that, and what is right.
        problem: String,
    },
    /// A file of `--file` can't be read.
    #[error("--file {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A file of `--file` has more bytes than any request may.
    #[error("--file {path}: it has more than {most}: bind it with --ro, or pass it on stdin")]
    LargeFile {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        most: Size,
    },
    /// The agent could not be asked, or said no.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// stdout or stderr can't be written.
    #[error("cannot write output: {0}")]
    Output(#[from] std::io::Error),
    /// The daemon's configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The daemon could not start, or failed.
    #[error(transparent)]
    Serve(#[from] crate::serve::ServeError),
    /// The job is of another time: its end isn't known.
    #[error("{0}")]
    Lost(String),
}

/// Parses the command line, does what it says, and tells how that went.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
                _ => failure_code(std::env::args().skip(1).take_while(|word| word != "--").any(|word| word == "run")),
            };
            // Nothing more can be done where the terminal is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let failure = failure_code(matches!(cli.command, Command::Run(_)));
    match dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            // As a program ends whose reader is gone, such as `logs | head`.
            ExitCode::from(128 + 13)
        }
        Err(error) => {
            tell(error);
            ExitCode::from(failure)
        }
    }
}

/// A line for people, on stderr. One that can't be written is lost: there is nowhere else to say so, and `eprintln!` would
/// panic.
fn tell(text: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr(), "holdfast-agent: {text}");
}

/// `run` leaves 1 to the program that it runs, as docker does.
fn failure_code(is_run: bool) -> u8 {
    if is_run { 125 } else { 1 }
}

fn dispatch(cli: Cli) -> Result<u8, CliError> {
    let socket = cli.socket.clone().unwrap_or_else(|| DEFAULT_SOCKET.into());
    match cli.command {
        Command::Serve(options) => {
            crate::serve::serve(options.config.as_deref(), cli.socket)?;
            Ok(0)
        }
        Command::Run(options) => on_runtime(run::run(&socket, *options)),
        Command::Ps(Ps { all, format }) => on_runtime(show::ps(&socket, all, format.json)),
        Command::Logs(JobArg { job }) => on_runtime(show::logs(&socket, &job)),
        Command::Inspect(JobArg { job }) => on_runtime(show::inspect(&socket, &job)),
        Command::Kill(Kill { signal, job }) => on_runtime(show::kill(&socket, &job, signal)),
        Command::Status(format) => on_runtime(show::status(&socket, format.json)),
    }
}

/// Runs a client command. A read of stdin that still waits in its thread must not keep the process.
fn on_runtime(command: impl Future<Output = Result<u8, CliError>>) -> Result<u8, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}
