//! The initramfs: a cpio archive in the `newc` format, as the kernel's `early-userspace/buffer-format.rst` has it.
//!
//! Each path of the machine that is added stands at the same path inside, with the directories and symbolic links on the
//! way, and a program with the shared libraries that it needs.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::error::LabError;

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_777;
/// As many as the kernel follows.
const LINKS: usize = 40;

/// An archive that grows.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    has: BTreeSet<PathBuf>,
}

impl Archive {
    /// A file of this machine, with the libraries that it needs.
    pub(super) fn program(&mut self, path: &Path) -> Result<(), LabError> {
        self.add(path)?;
        for library in libraries(path)? {
            self.add(&library)?;
        }
        Ok(())
    }

    /// A file of this machine, or a directory with all that is in it.
    pub(super) fn add(&mut self, path: &Path) -> Result<(), LabError> {
        let real = self.way_to(path)?;
        if self.has.contains(&real) {
            return Ok(());
        }
        let failed = || LabError::file("read", path);
        let metadata = fs::metadata(&real).map_err(failed())?;
        if !metadata.is_dir() {
            let content = fs::read(&real).map_err(failed())?;
            self.file(&real, metadata.permissions().mode() & 0o7777, &content);
            return Ok(());
        }
        self.directory(&real);
        for entry in fs::read_dir(&real).map_err(failed())? {
            self.add(&entry.map_err(failed())?.path())?;
        }
        Ok(())
    }

    /// A file at a path of the guest, whose directories are made.
    pub(super) fn file(&mut self, path: &Path, mode: u32, content: &[u8]) {
        if let Some(parent) = path.parent() {
            self.directory(parent);
        }
        self.entry(path, FILE | mode, content);
    }

    /// The archive's bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(Path::new("TRAILER!!!"), 0, b"");
        self.bytes
    }

    fn directory(&mut self, path: &Path) {
        let mut above: Vec<&Path> = path.ancestors().filter(|it| it.parent().is_some()).collect();
        above.reverse();
        for path in above {
            self.entry(path, DIRECTORY, b"");
        }
    }

    /// Adds the symbolic links that `path` leads through; returns the path without any.
    fn way_to(&mut self, path: &Path) -> Result<PathBuf, LabError> {
        let failed = || LabError::file("read", path);
        let mut rest: Vec<OsString> = components(&std::path::absolute(path).map_err(failed())?);
        let (mut real, mut followed) = (PathBuf::from("/"), 0);
        while let Some(name) = rest.pop() {
            if name == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&name);
            if !fs::symlink_metadata(&next).map_err(failed())?.is_symlink() {
                real = next;
                continue;
            }
            followed += 1;
            if followed > LINKS {
                return Err(failed()(io::Error::from(io::ErrorKind::InvalidInput)));
            }
            let target = fs::read_link(&next).map_err(failed())?;
            self.directory(&real);
            self.entry(&next, LINK, target.as_os_str().as_bytes());
            if target.is_absolute() {
                real = PathBuf::from("/");
            }
            rest.extend(components(&target));
        }
        Ok(real)
    }

    fn entry(&mut self, path: &Path, mode: u32, content: &[u8]) {
        let path = path.strip_prefix("/").unwrap_or(path);
        if !self.has.insert(Path::new("/").join(path)) {
            return;
        }
        let name = path.as_os_str().as_bytes();
        // Number, mode, owner (root), links, time, size, three device numbers and a fourth, length of the name, checksum.
        let size = content.len();
        let fields = [self.has.len(), mode as usize, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The names in a path, the last first.
fn components(path: &Path) -> Vec<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(name).collect()
}

/// The shared libraries that a program loads when it starts, its loader among them; none where it is static, or no program.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, LabError> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .map_err(|source| LabError::Start { program: "ldd".to_owned(), source })?;
    // It fails for whatever is not linked dynamically.
    Ok(if output.status.success() { library_paths(&output.stdout) } else { Vec::new() })
}

/// Lines of ldd(1): `name => /path (0x…)` or `/path (0x…)`; what the kernel maps has no path.
fn library_paths(printed: &[u8]) -> Vec<PathBuf> {
    let lines = printed.split(|byte| *byte == b'\n').map(|line| OsStr::from_bytes(line.trim_ascii()));
    let path = |line: &OsStr| {
        let text = line.to_str()?;
        let path = text.split_once("=> ").map_or(text, |(_, path)| path).split(" (").next()?;
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    lines.filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_holds_files_directories_and_links_as_cpio_reads_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir_all(path.join("real/deep")).unwrap();
        fs::write(path.join("real/deep/file"), "four").unwrap();
        std::os::unix::fs::symlink("real/../real", path.join("link")).unwrap();
        let mut archive = Archive::default();
        archive.add(&path.join("link/deep")).unwrap();
        archive.add(&path.join("link/deep/file")).unwrap();
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let inside = path.strip_prefix("/").unwrap().display().to_string();
        for (name, content) in [("link", "real/../real"), ("real/deep/file", "four")] {
            let name = format!("{inside}/{name}\0");
            let (head, rest) = text.split_once(&name).unwrap_or_else(|| panic!("{name:?}: {text:?}"));
            assert!(rest.trim_start_matches('\0').starts_with(content), "{rest:?}");
            // The header is thirteen fields of eight digits behind its magic.
            let header = &head[head.len() - 110..];
            assert!(header.starts_with("070701"), "{header}");
            assert_eq!(usize::from_str_radix(&header[54..62], 16).unwrap(), content.len());
        }
        assert_eq!(text.matches("real/deep/file\0").count(), 1);
        assert!(text.contains("TRAILER!!!\0"));
    }

    #[test]
    fn libraries_are_the_paths_that_ldd_prints() {
        let printed = b"\tlinux-vdso.so.1 (0x0)\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\t/lib64/ld-linux.so.2 (0x2)\n";
        assert_eq!(library_paths(printed), [Path::new("/lib/libc.so.6"), Path::new("/lib64/ld-linux.so.2")]);
    }
}
