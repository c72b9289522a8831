//! The command line: options to a [`Request`]. No decisions but what each option means.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use holdfast_sandbox::{Access, Bind, Limits, LimitsMode, Policy, Request, Tmpfs};

use crate::units::{Limit, duration, size, thousandths};

const AFTER: &str = "\
Sizes are bytes, or a number with K, M or G (powers of 1024). Times are seconds, or a number with ms, s, m or h.

Examples:
  A shell command, in the default view of the host (its /usr, read-only; an own /tmp; no network):
    holdfast-sandbox -- sh -c 'id; ls /'
  A program with a directory to read, one to write, and ten seconds:
    holdfast-sandbox --memory 256M --cpu 1.5 --ro ./tests:/tests --rw ./out:/out --wall 10s -- /tests/run --to /out
  The result as JSON, on a machine without cgroup v2:
    holdfast-sandbox --limits rlimit-only --result result.json -- python3 -c 'print(1)'

Standard input and output are the caller's. A file given there can be opened anew by the program, with the rights that
the file's modes give its user (unprivileged: you); a pipe can't, and a directory is refused.

Exit codes:
  the program's own; 128 + the signal that ended it (137 also where memory did); 124 where its time (wall or CPU) ended it;
  125 where the sandbox could not be made, or the options are wrong; 126 not executable; 127 not found";

/// Run one program, contained: own namespaces, read-only view of the host, no capabilities, a system call filter,
/// limits. Nothing of it is left when it ends.
#[derive(Debug, Parser)]
#[command(name = "holdfast-sandbox", version, after_help = AFTER, max_term_width = 110, args_override_self = true)]
pub(crate) struct Options {
    /// Show a host path inside, read-only (INSIDE: the same path)
    #[arg(long, value_name = "HOST[:INSIDE]")]
    ro: Vec<String>,
    /// Show a host path inside, writable as far as its file modes allow
    #[arg(long, value_name = "HOST[:INSIDE]")]
    rw: Vec<String>,
    /// An empty writable file system in memory (/tmp=64M and /dev/shm=64M are there already)
    #[arg(long, value_name = "PATH=SIZE", value_parser = tmpfs)]
    tmpfs: Vec<Tmpfs>,
    /// A variable for the program; none is passed on from here
    #[arg(long, value_name = "K=V", value_parser = variable)]
    env: Vec<(String, String)>,
    /// The working directory, a path inside
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    cwd: PathBuf,
    /// The host name inside
    #[arg(long, value_name = "NAME", default_value = "sandbox")]
    hostname: String,
    /// Memory of the sandbox as a whole (with rlimit-only: private memory of each process), or `none`
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = Limit::<u64>::parse_with(size))]
    memory: Limit<u64>,
    /// Processes and threads, or `none`
    #[arg(long, value_name = "N", default_value = "256", value_parser = Limit::<u32>::parse_with(count))]
    pids: Limit<u32>,
    /// Processors at once, such as 1.5, or `none`; with --limits required alone
    #[arg(long, value_name = "N", default_value = "none", value_parser = Limit::<u32>::parse_with(thousandths))]
    cpu: Limit<u32>,
    /// The share of busy processors, 1 to 10000 (others have 100); with --limits required alone
    #[arg(long, value_name = "N", default_value = "none", value_parser = Limit::<u16>::parse_with(weight))]
    cpu_weight: Limit<u16>,
    /// CPU time of each process, in whole seconds (rounded up), or `none`
    #[arg(long, value_name = "T", default_value = "none", value_parser = Limit::<Duration>::parse_with(duration))]
    cpu_time: Limit<Duration>,
    /// Wall clock; at its end everything inside is killed. Or `none`
    #[arg(long, value_name = "T", default_value = "60s", value_parser = Limit::<Duration>::parse_with(duration))]
    wall: Limit<Duration>,
    /// Whether limits on the sandbox as a whole are demanded
    #[arg(long, value_enum, default_value_t = Mode::Required)]
    limits: Mode,
    /// Write the result as JSON to a file, or to standard output (-)
    #[arg(long, value_name = "FILE|-")]
    pub(crate) result: Option<PathBuf>,
    /// The program (a path inside, or a name that is looked up in PATH) and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM ARGS")]
    program: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// Demanded: a cgroup v2 of its own, or nothing runs
    Required,
    /// Each process alone is limited; memory and CPU time of all together are not
    RlimitOnly,
}

impl Options {
    /// The request that the options stand for, relative host paths made absolute.
    pub(crate) fn request(&self) -> std::io::Result<Request> {
        let ro = self.ro.iter().map(|text| bind(text, Access::Ro));
        let rw = self.rw.iter().map(|text| bind(text, Access::Rw));
        let policy = Policy {
            mounts: ro.chain(rw).collect::<std::io::Result<_>>()?,
            tmpfs: self.tmpfs.clone(),
            env: self.env.iter().cloned().collect(),
            cwd: self.cwd.clone(),
            hostname: self.hostname.clone(),
            limits: Limits {
                memory: self.memory.0,
                pids: self.pids.0,
                millicpus: self.cpu.0,
                cpu_weight: self.cpu_weight.0,
                cpu_time: self.cpu_time.0,
                wall: self.wall.0,
                mode: match self.limits {
                    Mode::Required => LimitsMode::Required,
                    Mode::RlimitOnly => LimitsMode::RlimitOnly,
                },
            },
        };
        let (program, args) =
            self.program.split_first().map_or_else(Default::default, |(first, rest)| (first.clone(), rest.to_vec()));
        Ok(Request { policy, program, args, files: Vec::new() })
    }
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
