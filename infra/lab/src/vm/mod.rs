//! A virtual machine for one program: Debian's cloud kernel, an initramfs of a few files, QEMU.
//!
//! What the lab's machine may lack is there: cgroup v2 with all its controllers, a kernel of a known version, root without
//! harm. Nothing of the host is changed: the kernel is unpacked from its package and not installed, the initramfs is
//! this machine's files at their own paths, read when the machine is made, and what is written inside is gone with it.
//!
//! A boot takes two to three seconds without KVM, so many cases belong into one. KVM is used where a boot shows that
//! it works: on some machines its device is there, and guests die at once.

mod cpio;
mod machine;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::LabError;
use crate::layout::Layout;
use crate::packages;
use crate::programs::cargo;
use crate::run::{run, show, succeeds};
use cpio::Archive;
use machine::{Accelerator, Machine};

const NEED: &str = "the virtual machine";
const KERNEL_PACKAGE: &str = "linux-image-cloud-amd64";

/// A program to run in a machine of its own, as root, with nothing but the files that are named here.
#[derive(Debug)]
pub struct Vm {
    /// The program: a path of this machine, and the same inside.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Files and directories that are to be there too; programs among them with their libraries.
    pub files: Vec<PathBuf>,
    /// The kernel's modules that are loaded before it starts, in this order: paths such as `fs/overlayfs/overlay.ko`.
    pub modules: Vec<&'static str>,
    /// An image that is the disk `/dev/nvme0n1`. What is written to it is thrown away.
    pub disk: Option<PathBuf>,
    /// How long the program may take.
    pub limit: Option<Duration>,
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmEnded {
    /// With this exit code.
    Exited(u8),
    /// By this signal.
    Signaled(u8),
}

impl VmEnded {
    /// As a shell has it.
    pub fn exit_code(self) -> u8 {
        match self {
            VmEnded::Exited(code) => code,
            VmEnded::Signaled(signal) => 128u8.saturating_add(signal),
        }
    }
}

impl Vm {
    /// A program found as a shell finds it. Arguments that name files of this machine bring these with them.
    pub fn of_command(program: &Path, arguments: Vec<OsString>) -> Result<Vm, LabError> {
        let program = find(program)?;
        let is_file = |word: &&OsString| Path::new(word).is_absolute() && Path::new(word).is_file();
        let files = arguments.iter().filter(is_file).map(PathBuf::from).collect();
        Ok(Vm { program, arguments, files, modules: Vec::new(), disk: None, limit: None })
    }

    /// Boots, with the program's output on standard output, and its input from a terminal where there is one.
    pub fn show(&self, layout: &Layout) -> Result<VmEnded, LabError> {
        let typed = io::IsTerminal::is_terminal(&io::stdin());
        let stdin = if typed { Stdio::inherit() } else { Stdio::null() };
        let (ended, _) = self.machine(layout, typed)?.run(stdin, Stdio::inherit(), self.limit)?;
        Ok(ended)
    }

    /// Boots, and returns what the program printed.
    pub fn output(&self, layout: &Layout) -> Result<(VmEnded, String), LabError> {
        self.machine(layout, false)?.run(Stdio::null(), Stdio::piped(), self.limit)
    }

    fn machine(&self, layout: &Layout, typed: bool) -> Result<Machine, LabError> {
        install_vm(layout)?;
        let mut words = Vec::new();
        for word in std::iter::once(self.program.as_os_str()).chain(self.arguments.iter().map(OsString::as_os_str)) {
            words.extend_from_slice(word.as_bytes());
            words.push(0);
        }
        let mut archive = base(layout, &words)?;
        if typed {
            archive.file(Path::new("/lab/typed"), 0o444, b"");
        }
        archive.program(&self.program)?;
        self.files.iter().try_for_each(|file| archive.program(file))?;
        for (number, module) in self.modules.iter().enumerate() {
            let path = modules(layout).join(module);
            let content = fs::read(&path).map_err(LabError::file("read", &path))?;
            archive.file(Path::new(&format!("/lab/modules/{number:02}")), 0o444, &content);
        }
        let machine = Machine::new(&kernel(layout), archive.finish(), accelerator(layout)?)?;
        Ok(self.disk.iter().fold(machine, |machine, disk| machine.with_disk(disk)))
    }
}

/// QEMU and the kernel, got where they aren't there.
pub fn install_vm(layout: &Layout) -> Result<(), LabError> {
    if !succeeds(Command::new(machine::QEMU).arg("--version")) {
        packages::install(NEED, &["qemu-system-x86"])?;
    }
    let (kernel, modules) = (kernel(layout), modules(layout));
    if kernel.exists() && modules.exists() {
        return Ok(());
    }
    let directory = layout.vm();
    fs::create_dir_all(&directory).map_err(LabError::file("make", &directory))?;
    let unpacked = tempfile::tempdir_in(&directory).map_err(LabError::file("make a directory in", &directory))?;
    let path = unpacked.path();
    packages::download_what_stands_behind(NEED, KERNEL_PACKAGE, path)?;
    let package = only(path, "linux-image-")?;
    run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(path))?;
    let image = only(&path.join("boot"), "vmlinuz-")?;
    let tree = only(&path.join("lib/modules"), "")?.join("kernel");
    // Renamed within one file system: another boot sees a whole kernel with its modules, or none.
    if modules.exists() {
        fs::remove_dir_all(&modules).map_err(LabError::file("remove", &modules))?;
    }
    fs::rename(&tree, &modules).map_err(LabError::file("move", &tree))?;
    fs::rename(&image, &kernel).map_err(LabError::file("move", &image))
}

/// Of the same package as the kernel.
fn modules(layout: &Layout) -> PathBuf {
    layout.vm().join("modules")
}

fn kernel(layout: &Layout) -> PathBuf {
    layout.vm().join("vmlinuz")
}

fn only(directory: &Path, prefix: &str) -> Result<PathBuf, LabError> {
    let entries = fs::read_dir(directory).map_err(LabError::file("read", directory))?;
    let mut names = entries.filter_map(Result::ok).map(|entry| entry.path());
    let has = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_bytes().starts_with(prefix.as_bytes()));
    names.find(has).ok_or_else(|| {
        let missing = io::Error::new(io::ErrorKind::NotFound, format!("no {prefix}* in it"));
        LabError::file("look into", directory)(missing)
    })
}

/// The initramfs without a program.
fn base(layout: &Layout, words: &[u8]) -> Result<Archive, LabError> {
    // As the whole workspace is built otherwise: the dependencies are there already.
    show(cargo(layout, &["build", "--workspace", "--bin", "guest", "--quiet"]).stdout(io::stderr()))?;
    let guest = layout.target().join("debug/guest");
    let mut archive = Archive::default();
    archive.program(&guest)?;
    let content = fs::read(&guest).map_err(LabError::file("read", &guest))?;
    archive.file(Path::new("/init"), 0o755, &content);
    archive.file(Path::new("/lab/command"), 0o444, words);
    Ok(archive)
}

/// Tries KVM once for each boot of this machine, by a boot of the guest.
fn accelerator(layout: &Layout) -> Result<Accelerator, LabError> {
    if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(Accelerator::Tcg);
    }
    let boot = Path::new("/proc/sys/kernel/random/boot_id");
    let boot = fs::read_to_string(boot).map_err(LabError::file("read", boot))?;
    let file = layout.vm().join("accelerator");
    let known = fs::read_to_string(&file).unwrap_or_default();
    for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
        if known == format!("{boot}{accelerator}") {
            return Ok(accelerator);
        }
    }
    let trial = Machine::new(&kernel(layout), base(layout, b"")?.finish(), Accelerator::Kvm)?;
    let works = trial.run(Stdio::null(), Stdio::null(), None).is_ok();
    let accelerator = if works { Accelerator::Kvm } else { Accelerator::Tcg };
    fs::write(&file, format!("{boot}{accelerator}")).map_err(LabError::file("write", &file))?;
    Ok(accelerator)
}

fn find(program: &Path) -> Result<PathBuf, LabError> {
    if program.components().count() > 1 || program.is_absolute() {
        return std::path::absolute(program).map_err(LabError::file("find", program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(program)).find(|it| it.is_file());
    found.ok_or_else(|| LabError::file("find", program)(io::Error::from(io::ErrorKind::NotFound)))
}
