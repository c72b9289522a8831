//! `/init` of the lab's virtual machine: makes an ordinary system of what the initramfs holds, runs one program, says how
//! it ended, and ends the machine.
//!
//! ```text
//! ttyS0  the kernel's console
//! ttyS1  the program's standard output and error; its input too, where a person is there to type
//! ttyS2  to the lab: "up" when the program is about to start, then "exit N", "signal N" or "error …"
//! ```
//!
//! pivot_root(2) can't leave the initramfs, which every sandbox has to: so the tree is mounted once more over itself, as
//! switch_root(8) does with a disk.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, ExitCode, Stdio};

use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::termios::{SetArg, cfmakeraw, tcdrain, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, chroot};

/// What the lab puts beside the program: its words, each with a NUL behind it.
const COMMAND: &str = "/lab/command";
/// There where standard input is to be the serial line.
const TYPED: &str = "/lab/typed";
/// Modules of the kernel, named by their order.
const MODULES: &str = "/lab/modules";
const NEW_ROOT: &str = "/lab/root";

/// Type, mount point, options.
const MOUNTS: [(&str, &str, Option<&str>); 6] = [
    ("proc", "/proc", None),
    ("sysfs", "/sys", None),
    ("devtmpfs", "/dev", None),
    ("devpts", "/dev/pts", Some("ptmxmode=0666")),
    ("tmpfs", "/dev/shm", Some("mode=1777")),
    ("cgroup2", "/sys/fs/cgroup", None),
];

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("this is the first process of the lab's virtual machine: see `cargo lab vm --help`");
        return ExitCode::FAILURE;
    }
    if let Err(error) = serve() {
        // The console is all that is left to say it on; the lab shows its last lines.
        eprintln!("/init: {error}");
    }
    // Returns only where it is refused; then the kernel panics over the end of its first process, and reboots too.
    match reboot(RebootMode::RB_AUTOBOOT) {
        Ok(never) => match never {},
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    switch_root()?;
    for (kind, target, options) in MOUNTS {
        fs::create_dir_all(target)?;
        mount(Some(kind), target, Some(kind), MsFlags::empty(), options)
            .map_err(|errno| format!("mount {kind} at {target}: {errno}"))?;
    }
    // Not mounted, since files of the lab's may lie there: the whole tree is in memory anyway.
    for (directory, mode) in [("/tmp", 0o1777), ("/run", 0o755), ("/etc", 0o755)] {
        fs::create_dir_all(directory)?;
        fs::set_permissions(directory, Permissions::from_mode(mode))?;
    }
    load_modules()?;
    let mut status = line("/dev/ttyS2")?;
    let program = line("/dev/ttyS1")?;
    writeln!(status, "up")?;
    match run(&program) {
        Ok(ended) => writeln!(status, "{ended}")?,
        Err(error) => writeln!(status, "error {error}")?,
    }
    tcdrain(&program)?;
    tcdrain(&status)?;
    Ok(())
}

fn load_modules() -> Result<(), Box<dyn Error>> {
    if !fs::exists(MODULES)? {
        return Ok(());
    }
    let mut modules = fs::read_dir(MODULES)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    modules.sort();
    for module in modules {
        finit_module(&File::open(&module)?, c"", ModuleInitFlags::empty())
            .map_err(|errno| format!("load {}: {errno}", module.display()))?;
    }
    Ok(())
}

fn switch_root() -> Result<(), Box<dyn Error>> {
    let none = None::<&str>;
    fs::create_dir_all(NEW_ROOT)?;
    mount(Some("/"), NEW_ROOT, none, MsFlags::MS_BIND, none)?;
    std::env::set_current_dir(NEW_ROOT)?;
    mount(Some("."), "/", none, MsFlags::MS_MOVE, none)?;
    chroot(".")?;
    std::env::set_current_dir("/")?;
    Ok(())
}

/// A serial line that changes nothing of what passes.
fn line(path: &str) -> io::Result<File> {
    let line = File::options().read(true).write(true).open(path)?;
    let mut settings = tcgetattr(&line)?;
    // A person sees what is typed, and a line feed goes back to the line's start.
    if !(path == "/dev/ttyS1" && fs::exists(TYPED)?) {
        cfmakeraw(&mut settings);
    }
    tcsetattr(line.as_fd(), SetArg::TCSANOW, &settings)?;
    Ok(line)
}

/// Runs the program to its end, and reaps whatever else ends here.
fn run(line: &File) -> Result<String, Box<dyn Error>> {
    let words = fs::read(COMMAND)?;
    let mut words = words.split_inclusive(|byte| *byte == 0).map(|word| {
        let word = word.strip_suffix(b"\0").unwrap_or(word).to_vec();
        std::ffi::OsString::from_vec(word)
    });
    // A boot without a program only shows that the machine boots.
    let Some(program) = words.next() else { return Ok("exit 0".to_owned()) };
    let stdin = if fs::exists(TYPED)? { line.try_clone()?.into() } else { Stdio::null() };
    let mut command = Command::new(&program);
    command.args(words).env_clear().envs([("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"), ("HOME", "/tmp")]);
    command.stdin(stdin).stdout(line.try_clone()?).stderr(line.try_clone()?);
    let child = command.spawn().map_err(|error| format!("start {}: {error}", program.display()))?;
    let child = Pid::from_raw(i32::try_from(child.id())?);
    loop {
        match waitpid(None, None)? {
            WaitStatus::Exited(pid, code) if pid == child => return Ok(format!("exit {code}")),
            WaitStatus::Signaled(pid, signal, _) if pid == child => return Ok(format!("signal {}", signal as i32)),
            _ => {}
        }
    }
}
