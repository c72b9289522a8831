//! The command line: options to a [`Request`]. No decisions but what each option means.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use holdfast_sandbox::{
    Access, Allow, Bind, Dev, Landlock, Limits, LimitsMode, Name, Network, Policy, Proc, Request, Seccomp, Tmpfs,
};

use crate::units::{Limit, cpus, duration, size, thousandths};

const AFTER: &str = "\
Sizes are bytes, or a number with K, M or G (powers of 1024). Times are seconds, or a number with ms, s, m or h.

Examples:
  A shell command, in the default view of the host (its /usr, read-only; an own /tmp; no network):
    holdfast-sandbox -- sh -c 'id; ls /'
  A program with a directory to read, one to write, and ten seconds:
    holdfast-sandbox --memory 256M --cpu 1.5 --ro ./tests:/tests --rw ./out:/out --wall 10s -- /tests/run --to /out
  A judge's run, on a root file system of its own:
    holdfast-sandbox --root ./root --ro ./program:/program --stdin 1.in --stdout 1.out \\
      --wall 10s --cpu-time 2s --memory 256M --stack 256M --output-limit 64M --pids 16 --result 1.json -- /program
  Compile in one run, and run what came out in the next, with less:
    holdfast-sandbox --box ./job --ro ./main.c:/main.c -- cc -O2 -o main /main.c
    holdfast-sandbox --box ./job --memory 64M --seccomp strict -- ./main
  What this machine lacks, and what a run would do:
    holdfast-sandbox check
    holdfast-sandbox --explain --rw ./out:/out -- /tests/run
  A shell in a sandbox that runs:
    holdfast-sandbox --name build --rw ./out:/out --wall 10m -- /out/run &
    holdfast-sandbox exec build -- sh
  The result as JSON, on a machine without cgroup v2:
    holdfast-sandbox --limits rlimit-only --result result.json -- python3 -c 'print(1)'

Standard input and output are the caller's. What the program opens anew by /proc/self/fd has no right that the
descriptor has not. A directory is refused.

Exit codes:
  the program's own; 128 + the signal that ended it (137 also for too much memory or output); 124 where its time (wall
    or CPU) ended it;
  125 where the sandbox could not be made, or the options are wrong; 126 not executable; 127 not found";

/// Run one program, contained: own namespaces, read-only view of the host, no capabilities, a system call filter,
/// limits. Nothing of it is left when it ends.
#[derive(Debug, Parser)]
#[command(name = "holdfast-sandbox", version, after_help = AFTER, max_term_width = 110, args_override_self = true,
          args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, disable_help_subcommand = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    /// A policy to begin with (TOML, or JSON where the name ends in .json; `schema` prints what it takes); options change it, or add to its lists
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A directory that is the root inside, read-only, instead of the default view; it needs /tmp, and,
    /// unless they are none, /proc and /dev
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Layers of an image that are the root inside, as overlayfs puts them together: the first is the uppermost. Read-only,
    /// unless --disk is given
    #[arg(long, value_name = "A:B:C", conflicts_with = "root")]
    image_layers: Option<String>,
    /// A directory that is /box inside, writable, and kept for the next run: made (mode 0700) if it isn't there, else your
    /// own and empty, or a box; its files are in DIR/files. One sandbox at a time can have it
    #[arg(long = "box", value_name = "DIR")]
    box_directory: Option<PathBuf>,
    /// Show a host path inside, read-only (INSIDE: the same path)
    #[arg(long, value_name = "HOST[:INSIDE]")]
    ro: Vec<String>,
    /// Show a host path inside, writable as far as its file modes allow
    #[arg(long, value_name = "HOST[:INSIDE]")]
    rw: Vec<String>,
    /// An empty writable file system in memory (/tmp=64M and /dev/shm=64M are there already)
    #[arg(long, value_name = "PATH=SIZE", value_parser = tmpfs)]
    tmpfs: Vec<Tmpfs>,
    /// /proc: the sandbox's own, masked, or none (a program that only computes needs none) [default: own]
    #[arg(long, value_enum)]
    proc: Option<ProcShown>,
    /// /dev: null, zero, full, random, urandom, tty, pts, shm, or none [default: minimal]
    #[arg(long, value_enum)]
    dev: Option<DevShown>,
    /// A variable for the program; none is passed on from here
    #[arg(long, value_name = "K=V", value_parser = variable)]
    env: Vec<(String, String)>,
    /// The working directory, a path inside [default: /box where there is one, else /tmp]
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// The program's user id inside, never 0 [default: 1000]
    #[arg(long, value_name = "ID")]
    uid: Option<u32>,
    /// Its group id inside [default: 1000]
    #[arg(long, value_name = "ID")]
    gid: Option<u32>,
    /// The host name inside [default: sandbox]
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Memory of the sandbox as a whole (with rlimit-only: private memory of each process), or `none` [default: 1G]
    #[arg(long, value_name = "SIZE", value_parser = Limit::<u64>::parse_with(size))]
    memory: Option<Limit<u64>>,
    /// Processes and threads, or `none` [default: 256]
    #[arg(long, value_name = "N", value_parser = Limit::<u32>::parse_with(count))]
    pids: Option<Limit<u32>>,
    /// Processors at once, such as 1.5, or `none`; with --limits required alone [default: none]
    #[arg(long, value_name = "N", value_parser = Limit::<u32>::parse_with(thousandths))]
    cpu: Option<Limit<u32>>,
    /// The share of busy processors, 1 to 10000 (others have 100); with --limits required alone [default: none]
    #[arg(long, value_name = "N", value_parser = Limit::<u16>::parse_with(weight))]
    cpu_weight: Option<Limit<u16>>,
    /// CPU time of each process, in whole seconds (rounded up), or `none` [default: none]
    #[arg(long, value_name = "T", value_parser = Limit::<Duration>::parse_with(duration))]
    cpu_time: Option<Limit<Duration>>,
    /// Wall clock; at its end everything inside is killed. Or `none` [default: 60s]
    #[arg(long, value_name = "T", value_parser = Limit::<Duration>::parse_with(duration))]
    wall: Option<Limit<Duration>>,
    /// SIGTERM at the end of the wall clock, and SIGKILL this much later [default: SIGKILL at once]
    #[arg(long, value_name = "T", value_parser = duration)]
    wall_grace: Option<Duration>,
    /// The CPUs that the program may run on, such as 0,2-3; it can't change them [default: all]
    #[arg(long, value_name = "LIST")]
    cpus_allowed: Option<String>,
    /// Each file that is written [default: 4G]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    file_size: Option<u64>,
    /// What can be written to /tmp and, with --image-layers, to the root, both together, in memory, as a part of --memory; and as much
    /// again to --box, by a project quota of its file system [default: 64M for /tmp, a read-only root, an unbounded box]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    disk: Option<u64>,
    /// Open files of each process [default: 1024, which a program can raise to 16384]
    #[arg(long, value_name = "N", value_parser = count)]
    open_files: Option<u32>,
    /// Each process's stack [default: 8M, which a program can raise to 64M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    stack: Option<u64>,
    /// Standard output and error together; a program that writes more is ended, and what is more is not passed on
    #[arg(long, value_name = "SIZE", value_parser = size)]
    output_limit: Option<u64>,
    /// Whether limits on the sandbox as a whole are demanded [default: required]
    #[arg(long, value_enum)]
    limits: Option<Mode>,
    /// The network: none, or the sandbox's own loopback [default: loopback]
    #[arg(long, value_enum)]
    net: Option<Net>,
    /// The filter of system calls: default, strict (it only computes: threads, but no other process, no socket), or a
    /// profile of OCI's form (docker's), which takes away from the default and gives nothing [default: default]
    #[arg(long, value_name = "default|strict|FILE")]
    seccomp: Option<PathBuf>,
    /// Allow what the filter of system calls refuses: `ptrace`, for debuggers and LeakSanitizer
    #[arg(long, value_enum, value_name = "WHAT")]
    allow: Vec<Allowed>,
    /// The same addresses in each run
    #[arg(long)]
    no_aslr: bool,
    /// Landlock as a second wall for the file tree, behind the mounts [default: auto]
    #[arg(long, value_enum)]
    landlock: Option<SecondWall>,
    /// Let the program make sandboxes of its own inside: no Landlock, and namespaces and mounts are not filtered
    #[arg(long)]
    nested: bool,
    /// A name by which `exec` finds the sandbox while it runs: letters, digits, `-`, `_` and `.`
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) name: Option<Name>,
    #[command(flatten)]
    pub(crate) io: Io,
    /// Run nothing: print what would be done, step by step, and which attack each step stops
    #[arg(long)]
    pub(crate) explain: bool,
    /// The program (a path inside, or a name that is looked up in PATH) and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM ARGS")]
    program: Vec<String>,
}

/// What a program is given, and where its result goes.
#[derive(Debug, Args)]
pub(crate) struct Io {
    /// Standard input from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) stdin: Option<PathBuf>,
    /// Standard output to a file, which is made or emptied
    #[arg(long, value_name = "FILE")]
    pub(crate) stdout: Option<PathBuf>,
    /// Standard error to a file; the same file as standard output's is opened once
    #[arg(long, value_name = "FILE")]
    pub(crate) stderr: Option<PathBuf>,
    /// Pass on a descriptor that is open here, by the same number: 3 to 63; repeat it for others
    #[arg(long, value_name = "N")]
    pub(crate) pass_fd: Vec<i32>,
    /// Write the result as JSON to a file, or to standard output (-)
    #[arg(long, value_name = "FILE|-")]
    pub(crate) result: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// Demanded: a cgroup v2 of its own, or nothing runs
    Required,
    /// Each process alone is limited; memory and CPU time of all together are not
    RlimitOnly,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Net {
    /// No interface is up
    None,
    /// 127.0.0.1 and ::1, the sandbox's own
    Loopback,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProcShown {
    /// The sandbox's own, masked
    Own,
    /// Not there
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DevShown {
    /// What every program expects, and no way to the host's disks and memory
    Minimal,
    /// Not there
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Allowed {
    /// ptrace and process_vm_readv, among the sandbox's own processes
    Ptrace,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SecondWall {
    /// Where the kernel has it (ABI 2 or later); a warning elsewhere
    Auto,
    /// Nothing runs without it
    Required,
    /// Not used
    Off,
}

impl From<Mode> for LimitsMode {
    fn from(asked: Mode) -> LimitsMode {
        match asked {
            Mode::Required => LimitsMode::Required,
            Mode::RlimitOnly => LimitsMode::RlimitOnly,
        }
    }
}

impl From<ProcShown> for Proc {
    fn from(asked: ProcShown) -> Proc {
        match asked {
            ProcShown::Own => Proc::Own,
            ProcShown::None => Proc::None,
        }
    }
}

impl From<DevShown> for Dev {
    fn from(asked: DevShown) -> Dev {
        match asked {
            DevShown::Minimal => Dev::Minimal,
            DevShown::None => Dev::None,
        }
    }
}

impl From<SecondWall> for Landlock {
    fn from(asked: SecondWall) -> Landlock {
        match asked {
            SecondWall::Auto => Landlock::Auto,
            SecondWall::Required => Landlock::Required,
            SecondWall::Off => Landlock::Off,
        }
    }
}

/// What else the command does.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say what this kernel can do, what is missing, and what to do about it
    Check,
    /// Print the JSON Schema of --policy files, for editors (`#:schema` in a TOML file's first line)
    Schema,
    /// Run a program in a sandbox that runs already and has a name, behind the same walls
    Exec(ExecOptions),
}

const AFTER_EXEC: &str = "\
The program has the sandbox's view, ids, variables, limits and filters. It counts to the sandbox's limits, as two processes,
and ends with it; what it leaves running stays until then. Where Landlock is on, it can signal the sandbox's other
processes but does not see them in /proc, nor do they see it.

Only the user who runs a sandbox can enter it: root finds names in /run/holdfast/sandboxes, others in
$XDG_RUNTIME_DIR/holdfast/sandboxes. With --limits required, who is not root must be in the same delegated cgroup as the
runner (`systemd-run --user --scope`).

Exit codes:
  the program's own; 128 + the signal that ended it (137 where the sandbox ended); 124 where its CPU time ended it;
  125 where the sandbox can't be entered, or the options are wrong; 126 not executable; 127 not found";

/// `exec`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_EXEC)]
pub(crate) struct ExecOptions {
    /// The sandbox's name, or the process id of its init or its runner
    #[arg(value_name = "NAME|PID")]
    pub(crate) sandbox: String,
    #[command(flatten)]
    pub(crate) io: Io,
    /// The program (a path inside, or a name that is looked up in PATH) and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM ARGS")]
    pub(crate) program: Vec<String>,
}

impl Options {
    /// The request that the options stand for, relative host paths made absolute.
    pub(crate) fn request(&self) -> Result<Request, Box<dyn Error>> {
        let mut policy = self.policy.as_deref().map(read_policy).transpose()?.unwrap_or_default();
        if let Some(root) = &self.root {
            policy.root = Some(std::path::absolute(root)?);
        }
        if let Some(layers) = &self.image_layers {
            policy.image_layers = layers.split(':').map(std::path::absolute).collect::<Result<_, _>>()?;
        }
        if let Some(directory) = &self.box_directory {
            policy.box_directory = Some(std::path::absolute(directory)?);
        }
        for (texts, mode) in [(&self.ro, Access::Ro), (&self.rw, Access::Rw)] {
            for text in texts {
                policy.mounts.push(bind(text, mode)?);
            }
        }
        policy.tmpfs.extend(self.tmpfs.iter().cloned());
        policy.env.extend(self.env.iter().cloned());
        set(&mut policy.proc, self.proc.map(Proc::from));
        set(&mut policy.dev, self.dev.map(Dev::from));
        set(&mut policy.cwd, self.cwd.clone().map(Some));
        set(&mut policy.hostname, self.hostname.clone());
        set(&mut policy.uid, self.uid);
        set(&mut policy.gid, self.gid);
        set(&mut policy.landlock, self.landlock.map(Landlock::from));
        set(
            &mut policy.net,
            self.net.map(|net| match net {
                Net::None => Network::None,
                Net::Loopback => Network::Loopback,
            }),
        );
        set(&mut policy.seccomp, self.seccomp.as_deref().map(read_seccomp).transpose()?);
        policy.allow.extend(self.allow.iter().map(|Allowed::Ptrace| Allow::Ptrace));
        policy.aslr &= !self.no_aslr;
        policy.nested |= self.nested;
        self.change(&mut policy.limits)?;
        let (program, args) =
            self.program.split_first().map_or_else(Default::default, |(first, rest)| (first.clone(), rest.to_vec()));
        Ok(Request { policy, program, args, files: Vec::new() })
    }

    fn change(&self, limits: &mut Limits) -> Result<(), String> {
        set(&mut limits.memory, self.memory.map(|limit| limit.0));
        set(&mut limits.pids, self.pids.map(|limit| limit.0));
        set(&mut limits.millicpus, self.cpu.map(|limit| limit.0));
        set(&mut limits.cpu_weight, self.cpu_weight.map(|limit| limit.0));
        set(&mut limits.cpu_time, self.cpu_time.map(|limit| limit.0));
        set(&mut limits.wall, self.wall.map(|limit| limit.0));
        set(&mut limits.file_size, self.file_size.map(Some));
        set(&mut limits.disk, self.disk.map(Some));
        set(&mut limits.open_files, self.open_files.map(Some));
        set(&mut limits.stack, self.stack.map(Some));
        set(&mut limits.output, self.output_limit.map(Some));
        set(&mut limits.mode, self.limits.map(LimitsMode::from));
        set(&mut limits.wall_grace, self.wall_grace.map(Some));
        let cpus = self.cpus_allowed.as_deref().map(cpus).transpose();
        set(&mut limits.cpus_allowed, cpus.map_err(|why| format!("--cpus-allowed takes {why}"))?);
        Ok(())
    }
}

fn set<T>(value: &mut T, asked: Option<T>) {
    if let Some(asked) = asked {
        *value = asked;
    }
}

/// All of a policy, by serde's names of [`Policy`]; a key that it hasn't is an error.
fn read_policy(path: &Path) -> Result<Policy, Box<dyn Error>> {
    let failed = |error: &dyn std::fmt::Display| format!("the policy {} can't be used: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    match path.extension().is_some_and(|it| it == "json") {
        true => serde_json::from_str(&text).map_err(|error| failed(&error).into()),
        false => toml::from_str(&text).map_err(|error| failed(&error).into()),
    }
}

/// `default`, `strict`, or a file with a profile.
fn read_seccomp(named: &Path) -> Result<Seccomp, Box<dyn Error>> {
    let failed =
        |error: &dyn std::fmt::Display| format!("the seccomp profile {} can't be used: {error}", named.display());
    match named.to_str() {
        Some("default") => return Ok(Seccomp::Default),
        Some("strict") => return Ok(Seccomp::Strict),
        _ => {}
    }
    let text = std::fs::read_to_string(named).map_err(|error| failed(&error))?;
    Ok(Seccomp::Profile(serde_json::from_str(&text).map_err(|error| failed(&error))?))
}

/// `HOST[:INSIDE]`. A host path with a colon in it can't be said here; the library can.
fn bind(text: &str, mode: Access) -> std::io::Result<Bind> {
    let (source, target) = text.split_once(':').map_or((text, None), |(source, target)| (source, Some(target)));
    if source.is_empty() {
        let why = format!("`{text}` has no host path: --ro and --rw take HOST or HOST:INSIDE");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, why));
    }
    // Not canonicalized: which file a link names is decided once, when it is opened.
    let source = std::path::absolute(source)?;
    let target = target.map_or_else(|| source.clone(), PathBuf::from);
    Ok(Bind { source, target, mode })
}

fn tmpfs(text: &str) -> Result<Tmpfs, String> {
    let (path, text) = text.split_once('=').ok_or("a path and a size, such as /scratch=64M")?;
    Ok(Tmpfs { target: path.into(), size: size(text)? })
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a name and a value, such as LANG=C")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn name(text: &str) -> Result<Name, String> {
    text.parse().map_err(|error: holdfast_sandbox::PolicyError| error.to_string())
}

fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "a whole number, or none".to_owned())
}

fn weight(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "a whole number from 1 to 10000, or none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_sound_and_their_defaults_are_the_librarys() {
        Options::command().debug_assert();
        let options = Options::try_parse_from(["holdfast-sandbox", "--", "true"]).unwrap();
        let request = options.request().unwrap();
        assert_eq!(request.policy, Policy::default());
        assert_eq!((request.program.as_str(), request.args.len()), ("true", 0));
    }

    #[test]
    fn a_path_means_itself_inside_unless_told_otherwise() {
        let read_only = |text| bind(text, Access::Ro).unwrap();
        assert_eq!(read_only("/a").target, PathBuf::from("/a"));
        assert_eq!((read_only("/a:/b").source, read_only("/a:/b").target), ("/a".into(), "/b".into()));
        assert!(read_only("a").source.is_absolute());
        for nothing in ["", ":/b"] {
            assert!(bind(nothing, Access::Ro).unwrap_err().to_string().contains("no host path"), "{nothing}");
        }
    }

    #[test]
    fn what_comes_after_the_dashes_is_the_programs() {
        let options = Options::try_parse_from(["x", "--wall", "1", "--", "ls", "--wall", "-x"]).unwrap();
        assert_eq!(options.request().unwrap().args, ["--wall", "-x"]);
        let options =
            Options::try_parse_from(["x", "--wall", "1", "--wall=2", "--ro=/a", "--ro=/b", "--", "ls"]).unwrap();
        let policy = options.request().unwrap().policy;
        assert_eq!((policy.limits.wall, policy.mounts.len()), (Some(Duration::from_secs(2)), 2));
        assert!(Options::try_parse_from(["x", "ls"]).is_err());
    }
}
