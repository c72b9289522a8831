//! What the spool asks of a file system, and nothing more, so that a test can take its place.
//!
//! The real one is [`Disk`]. The crash tests use one in memory that forgets what was not synced, tears writes and runs out of
//! space; the spool can't tell them apart.
//!
//! # Rules that the spool relies on
//! - After [`SegmentFile::sync`] has returned, what was written before is there after a power cut.
//! - [`Filesystem::replace`] and [`Filesystem::publish`] put a whole file in place or none, and it is there after a power cut.
//! - After a failed sync nothing is known: Linux marks the pages clean and a second fsync would succeed without having
//!   written them (the PostgreSQL list's "fsyncgate", 2018). The spool never tries again.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that is written at offsets and synced.
pub trait SegmentFile: Send {
    /// Writes all of `bytes` at `offset`.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes all that was written durable: `fdatasync(2)`.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to `length` bytes and makes that durable.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// The few operations on files that the spool needs.
pub trait Filesystem: Send + Sync {
    /// Makes a directory and its parents, mode 0700.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// The paths of the files in a directory, in no order.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;
    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Exactly these bytes of a file.
    fn read_range(&self, path: &Path, range: Range<u64>) -> io::Result<Vec<u8>>;
    /// Makes `path` hold `bytes`, atomically and durably, in the place of what was there. Mode 0600.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// The same, but an existing file stays as it is; whether it was put in place.
    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<bool>;
    /// Opens an existing file for writing at offsets.
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// Moves a file, durably.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file, durably.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Takes the lock on `path` for as long as the value lives; `None` if another has it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>>;
}

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Filesystem for Disk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn read_range(&self, path: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        File::open(path)?.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let staged = stage(path, bytes)?;
        std::fs::rename(&staged, path)?;
        sync_parent(path)
    }

    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
        let staged = stage(path, bytes)?;
        // link(2) fails where the name is taken; rename(2) would replace it.
        let linked = std::fs::hard_link(&staged, path);
        std::fs::remove_file(&staged)?;
        let placed = match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            other => other.map(|()| true)?,
        };
        sync_parent(path)?;
        Ok(placed)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)?;
        sync_parent(to)?;
        sync_parent(from)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)?;
        sync_parent(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl SegmentFile for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_all()
    }
}

/// Writes `bytes` durably to a new file beside `path`.
fn stage(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{}{STAGED}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    let staged = path.with_file_name(name);
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&staged)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(staged)
}

/// Keeps the names apart that threads of one process stage under.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// How the name of a file ends that a crash left before it was put in place.
pub(crate) const STAGED: &str = ".staged";

/// A name is durable once its directory is.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
