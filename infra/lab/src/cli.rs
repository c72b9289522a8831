//! The command line of the lab.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use holdfast_lab::{Account, Identity};

const EXAMPLES: &str = "\
Examples:
  cargo lab up                              start it, or say that it is up
  eval \"$(cargo lab env)\"                   point this shell at it, as the workloads account
  eval \"$(cargo lab env --account audit)\"   … as the audit account
  cargo lab env --instance i-0123456789abcdef0 --json
  cargo lab faults faults.toml              put a proxy before it that throttles, refuses, cuts, kills
  cargo lab down                            end it

Exit codes: 0 done, 1 error.";

const SCRIPT: &str = "\
The script, TOML: each [[fault]] names calls and what happens to them.
  service    who signs: ec2, iam, s3, kms, ...          any where left out
  operation  RunInstances, or its beginning: Describe*  any where left out
  call       the first of these calls, from 1           1
  times      how many from it on, or \"all\"             1
  action     \"throttle\"                refused as the service refuses who calls too often
             { refuse = { status = 500, code = \"InternalError\", message = \"...\" } }
             { delay_ms = 2000 }         passed on late
             { cut = \"before\" }        its connection ends: the call is not taken
             { cut = \"after\" }         ... or is taken and never answered
             { kill = \"before\" }       SIGKILL to the process that calls; or \"after\"
             { clock_ahead = 3600 }      taken by a service whose clock is an hour ahead
             \"hold\"                    never answered

Examples:
  cargo lab faults                       do nothing, and list each call: number, service, operation
  cargo lab faults faults.toml           with this in it, the fifth call is taken and its answer lost:
    [[fault]]
    call = 5
    action = { cut = \"after\" }";

const VM: &str = "\
The machine has no disk and no network. In it are the program, every argument that is the absolute path of a file here,
and the shared libraries of both, each at its own path. What the program prints comes to standard output; it reads from
the terminal, where there is one. QEMU and Debian's cloud kernel are got where they are missing; the kernel is not installed.

Examples:
  cargo lab vm -- cat /sys/fs/cgroup/cgroup.controllers
  cargo lab vm -- sh -c '/bin/ls -l /dev; /usr/bin/id' /bin/ls /usr/bin/id

Exit codes: the program's own, 128 + the signal that ended it; 1 also where the machine failed.";

/// The cloud in a box: a strict control plane on this machine, and what runs against it.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the control plane, installing what it needs; twice is one lab.
    Up(UpArguments),
    /// End the control plane that `up` started; all that was made in it is gone.
    Down,
    /// Print the variables that point any AWS SDK or the AWS CLI at the lab.
    Env(EnvArguments),
    /// Put a proxy before the lab that is up: it does to calls what a script says, and lists them, until Ctrl-C.
    #[command(after_help = SCRIPT)]
    Faults(FaultsArguments),
    /// Show all that Holdfast does, once, in a lab of the demo's own: launch, contain, prove.
    Demo,
    /// Count and time what a program takes, beside its peers.
    Bench {
        /// Which program.
        #[arg(value_enum)]
        what: Bench,
    },
    /// Run a program of this machine as root in a virtual machine of its own: cgroup v2, a kernel of a known version.
    #[command(after_help = VM)]
    Vm(VmArguments),
    /// Run every check of the project: formatting, lints, dependencies, documentation, tests, the demo.
    Test(TestArguments),
}

#[derive(Debug, Args)]
pub(crate) struct VmArguments {
    /// The program, by path or by name, and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM ARGS")]
    pub(crate) program: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// Kill `provision` at every call that it makes, not only at changes and one read of each kind: takes much longer.
    #[arg(long)]
    pub(crate) exhaustive: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FaultsArguments {
    /// The script; without one nothing happens to any call.
    pub(crate) script: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// Hide what is made, changed and deleted from N requests after it, as AWS's eventual consistency does; 0 ends it.
    #[arg(long, value_name = "N")]
    pub(crate) eventual: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct EnvArguments {
    /// Act as the operator in this account.
    #[arg(long, value_enum, default_value_t = AccountName::Workloads, conflicts_with = "instance")]
    account: AccountName,
    /// Act as this instance, with the credentials of its profile's role.
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Print a JSON object instead of `export` lines.
    #[arg(long)]
    pub(crate) json: bool,
}

impl EnvArguments {
    /// Whom the variables act as.
    pub(crate) fn identity(&self) -> Identity {
        match (&self.instance, self.account) {
            (Some(id), _) => Identity::Instance(id.clone()),
            (None, AccountName::Workloads) => Account::Workloads.into(),
            (None, AccountName::Audit) => Account::Audit.into(),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AccountName {
    Workloads,
    Audit,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Bench {
    /// `provision`, built for release, beside Ansible's modules.
    Provision,
    /// `holdfast-sandbox`, built for release, beside the kernel's floor, unshare, bwrap, crun, runc and firejail; as root.
    Sandbox,
}
