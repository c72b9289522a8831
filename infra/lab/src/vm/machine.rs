//! One boot of QEMU, watched from its start to its end.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::VmEnded;
use crate::error::LabError;
use crate::run::tail;

pub(super) const QEMU: &str = "qemu-system-x86_64";
/// A boot takes 3 s without KVM on an idle machine.
const BOOT_LIMIT: Duration = Duration::from_secs(120);
/// With KVM it takes less than one, and a guest whose instructions KVM can't emulate stands still.
const KVM_BOOT_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accelerator {
    Kvm,
    Tcg,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        })
    }
}

/// A machine that can be booted.
pub(super) struct Machine {
    directory: TempDir,
    command: Command,
    boot_limit: Duration,
}

/// Ends QEMU with the value, also when its owner panics.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or does now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Machine {
    pub(super) fn new(kernel: &Path, initramfs: Vec<u8>, accelerator: Accelerator) -> Result<Machine, LabError> {
        let directory = tempfile::Builder::new().prefix("holdfast-vm-").tempdir();
        let directory = directory.map_err(LabError::file("make a directory in", &std::env::temp_dir()))?;
        let path = directory.path();
        fs::write(path.join("initramfs"), initramfs).map_err(LabError::file("write", &path.join("initramfs")))?;
        let (processor, boot_limit) = match accelerator {
            Accelerator::Kvm => ("host", KVM_BOOT_LIMIT),
            Accelerator::Tcg => ("max", BOOT_LIMIT),
        };
        // QEMU has no option to end with its parent.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", QEMU, "-M", "pc", "-accel", &accelerator.to_string(), "-cpu", processor]);
        command.args(["-smp", "1", "-m", "512", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        command.arg("-kernel").arg(kernel);
        command.args(["-append", "console=ttyS0 quiet mitigations=off panic=-1", "-initrd", "initramfs"]);
        command.args(["-serial", "file:console", "-serial", "stdio", "-serial", "file:status"]);
        command.current_dir(path);
        Ok(Machine { directory, command, boot_limit })
    }

    /// With an image as its disk. A name that has a comma in it QEMU takes with two.
    pub(super) fn with_disk(mut self, image: &Path) -> Machine {
        let file = image.display().to_string().replace(',', ",,");
        self.command.args(["-drive", &format!("if=none,id=disk,format=raw,snapshot=on,file={file}")]);
        self.command.args(["-device", "nvme,drive=disk,serial=lab"]);
        self
    }

    /// Boots and waits for the end; with `stdout` a pipe, returns what came through it.
    pub(super) fn run(
        mut self,
        stdin: Stdio,
        stdout: Stdio,
        limit: Option<Duration>,
    ) -> Result<(VmEnded, String), LabError> {
        let said = self.directory.path().join("qemu");
        let log = fs::File::create(&said).map_err(LabError::file("write", &said))?;
        let child = self.command.stdin(stdin).stdout(stdout).stderr(log).spawn();
        let child = child.map_err(|source| LabError::Start { program: "setpriv".to_owned(), source })?;
        let mut running = Running(child);
        let reader = running.0.stdout.take().map(|mut pipe| {
            thread::spawn(move || {
                let mut text = Vec::new();
                // What can't be read any more was not printed.
                let _ = pipe.read_to_end(&mut text);
                text
            })
        });
        let watched = self.watch(&mut running, limit);
        // Ends QEMU where the watch gave up, and so the pipe.
        drop(running);
        let printed = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        watched.map(|ended| (ended, printed.clone())).map_err(|reason| {
            let console = ["console", "qemu"].map(|name| self.text(name)).join("\n");
            LabError::Vm { reason, console: format!("{}\n{}", tail(&console), tail(&printed)) }
        })
    }

    /// How the program ended, or why that is not known.
    fn watch(&self, running: &mut Running, limit: Option<Duration>) -> Result<VmEnded, String> {
        let begin = Instant::now();
        let mut up = None;
        loop {
            let over = running.0.try_wait().map_err(|error| format!("wait for QEMU: {error}"))?;
            let status = self.text("status");
            if let Some(over) = over {
                return ended(&status).ok_or_else(|| match status.lines().find_map(|it| it.strip_prefix("error ")) {
                    Some(error) => error.to_owned(),
                    None => format!("QEMU ended ({over}) before its program did"),
                });
            }
            if up.is_none() && status.starts_with("up") {
                up = Some(Instant::now());
            }
            match up {
                None if begin.elapsed() > self.boot_limit => {
                    return Err(format!("it was not up within {} s", self.boot_limit.as_secs()));
                }
                Some(up) if limit.is_some_and(|limit| up.elapsed() > limit) => {
                    return Err(format!("its program took longer than {} s", limit.unwrap_or_default().as_secs()));
                }
                _ => thread::sleep(POLL),
            }
        }
    }

    fn text(&self, name: &str) -> String {
        // Before QEMU has made the file it says nothing.
        fs::read(self.directory.path().join(name))
            .map(|it| String::from_utf8_lossy(&it).into_owned())
            .unwrap_or_default()
    }
}

/// The guest's last word: `exit N` or `signal N`.
fn ended(status: &str) -> Option<VmEnded> {
    let (kind, number) = status.lines().last()?.split_once(' ')?;
    let number = number.parse().ok()?;
    match kind {
        "exit" => Some(VmEnded::Exited(number)),
        "signal" => Some(VmEnded::Signaled(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_guests_last_word_is_an_end() {
        assert_eq!(ended("up\nexit 130\n"), Some(VmEnded::Exited(130)));
        assert_eq!(ended("up\nsignal 9\n").map(VmEnded::exit_code), Some(137));
        for none in ["", "up\n", "up\nerror exit 1\n", "up\nexit many\n"] {
            assert_eq!(ended(none), None, "{none:?}");
        }
    }
}
