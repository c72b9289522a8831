//! A request: what to run, in which sandbox, with which files; and how it travels.
//!
//! It travels from the caller to the spawner as a memfd that is sealed against every change: what the spawner checks is
//! what it uses, though the sender still has a descriptor for the same memory (a check of bytes that the other side
//! can still write is no check). Format, integers little-endian:
//!
//! ```text
//! 8 bytes  "HFSBXRQ1"
//! u32      length of the JSON
//! JSON     {"policy":…,"program":…,"args":[…],"files":[{"path":…,"mode":…,"length":…}]}
//! bytes    the files' contents, one after the other, to the end of the memfd
//! ```

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::policy::{BOX, Policy, PolicyError, inside};

const MAGIC: &[u8; 8] = b"HFSBXRQ1";
const SEALS: SealFlag =
    SealFlag::F_SEAL_SEAL.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_WRITE);

/// One program to run in one sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The sandbox.
    pub policy: Policy,
    /// The program: a path inside, or a name that is looked up in the inside's `PATH`.
    pub program: String,
    /// Its arguments, without its name.
    pub args: Vec<String>,
    /// Files to be made inside before it starts.
    pub files: Vec<InputFile>,
}

/// A file that is made in the sandbox's own memory, owned by its user. The host's trees are never written to: a path
/// below a bound directory is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// An absolute path inside.
    pub path: PathBuf,
    /// Permission bits, as chmod(2) takes them; setuid, setgid and sticky are refused.
    pub mode: u32,
    /// The content.
    pub data: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    policy: Policy,
    program: String,
    args: Vec<String>,
    files: Vec<FileHeader>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileHeader {
    path: PathBuf,
    mode: u32,
    length: u64,
}

impl Request {
    /// Refuses what can't work, without looking at the host.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), PolicyError> {
        check_words(&self.program, &self.args)?;
        self.check_sandbox()
    }

    /// The same, of all but the program.
    pub(crate) fn check_sandbox(&self) -> Result<(), PolicyError> {
        self.policy.check()?;
        self.files.iter().try_for_each(|file| check_file(file, &self.policy))
    }

    /// The request in a sealed memfd.
    pub(crate) fn seal(&self) -> Result<OwnedFd> {
        seal(|to| self.write(to))
    }

    pub(crate) fn write(&self, to: &mut impl Write) -> std::io::Result<()> {
        let files = self.files.iter().map(|file| FileHeader {
            path: file.path.clone(),
            mode: file.mode,
            length: file.data.len() as u64,
        });
        let header = Header {
            policy: self.policy.clone(),
            program: self.program.clone(),
            args: self.args.clone(),
            files: files.collect(),
        };
        let json = serde_json::to_vec(&header)?;
        let length = u32::try_from(json.len()).map_err(|_| std::io::Error::from_raw_os_error(libc::E2BIG))?;
        to.write_all(MAGIC)?;
        to.write_all(&length.to_le_bytes())?;
        to.write_all(&json)?;
        self.files.iter().try_for_each(|file| to.write_all(&file.data))
    }

    /// Reads a request, if nobody can change it any more.
    pub(crate) fn unseal(fd: OwnedFd) -> Result<Request> {
        decode(&unseal(fd)?).map_err(Error::Protocol)
    }
}

/// What `write` writes, in a memfd that nobody can change any more.
pub(crate) fn seal(write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<OwnedFd> {
    let fd = memfd_create(c"holdfast-request", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)
        .context("memfd_create for a request")?;
    let mut file = File::from(fd);
    write(&mut file).map_err(|error| Error::System { call: "write to a request's memfd", errno: errno_of(&error) })?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SEALS)).context("fcntl(F_ADD_SEALS) of a request")?;
    Ok(file.into())
}

/// What is in such a memfd.
pub(crate) fn unseal(fd: OwnedFd) -> Result<Vec<u8>> {
    let seals = fcntl(fd.as_fd(), FcntlArg::F_GET_SEALS).context("fcntl(F_GET_SEALS) of a request")?;
    if !SealFlag::from_bits_truncate(seals).contains(SEALS) {
        return Err(Error::Protocol("a request that its sender can still change".to_owned()));
    }
    let mut file = File::from(fd);
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.read_to_end(&mut bytes))
        .map_err(|error| Error::System { call: "read of a request's memfd", errno: errno_of(&error) })?;
    Ok(bytes)
}

fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// A program and its arguments.
pub(crate) fn check_words(program: &str, args: &[String]) -> Result<(), PolicyError> {
    let refuse = |what, value: &str, why| Err(PolicyError::Value { what, value: value.to_owned(), why });
    if program.is_empty() {
        return refuse("the program's name", "", "is empty");
    }
    for word in std::iter::once(program).chain(args.iter().map(String::as_str)) {
        if word.contains('\0') {
            return refuse("the argument", word, "has a NUL in it, where it would end");
        }
    }
    Ok(())
}

fn check_file(file: &InputFile, policy: &Policy) -> Result<(), PolicyError> {
    let refuse = |why| Err(PolicyError::Path { what: "the file", path: file.path.clone(), why });
    let path = inside("the file", &file.path)?;
    if file.mode & !0o777 != 0 {
        return refuse("has a mode beyond 0777: setuid, setgid and sticky mean nothing inside");
    }
    if path == Path::new("/")
        || path.starts_with("/proc")
        || (path.starts_with("/dev") && !path.starts_with("/dev/shm"))
    {
        return refuse("lies where the sandbox puts its own: choose another path, such as one in /tmp");
    }
    let covers = |target: &Path| inside("", target).is_ok_and(|target| path.starts_with(target));
    let tmpfs = policy.tmpfs.iter().filter(|it| covers(&it.target)).map(|it| it.target.components().count()).max();
    let kept = policy.box_directory.is_some().then_some(Path::new(BOX));
    let trees = policy.mounts.iter().map(|it| it.target.as_path()).chain(kept);
    let bind = trees.filter(|it| covers(it)).map(|it| it.components().count()).max();
    let in_usr = ["/usr", "/bin", "/sbin", "/lib", "/lib64"].iter().any(|top| path.starts_with(top));
    let in_memory = path.starts_with("/tmp") || path.starts_with("/dev/shm");
    match (bind, tmpfs) {
        (None, None) if (policy.root.is_some() || !policy.image_layers.is_empty()) && !in_memory => refuse(
            "lies in the root directory of the host: write it there, or choose another path, such as one in /tmp",
        ),
        (Some(bind), tmpfs) if tmpfs.is_none_or(|tmpfs| tmpfs < bind) => {
            refuse("lies in a host's tree that is bound inside: write it there on the host, or choose another path")
        }
        (None, None) if in_usr => refuse("lies in the host's /usr: choose another path, such as one in /tmp"),
        _ => Ok(()),
    }
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Request, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin as a request does")?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or("it is cut in its length")?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| "its length is out of range")?;
    let (json, mut rest) = rest.split_at_checked(length).ok_or("it is cut in its JSON")?;
    let header: Header = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let mut files = Vec::with_capacity(header.files.len());
    for file in header.files {
        let length = usize::try_from(file.length).map_err(|_| "a file's length is out of range")?;
        let (data, after) = rest.split_at_checked(length).ok_or("it is cut in a file")?;
        files.push(InputFile { path: file.path, mode: file.mode, data: data.to_vec() });
        rest = after;
    }
    if !rest.is_empty() {
        return Err("it has bytes after its end".to_owned());
    }
    Ok(Request { policy: header.policy, program: header.program, args: header.args, files })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Access, Bind, Limits, LimitsMode, Tmpfs};
    use proptest::prelude::*;

    fn request(files: Vec<InputFile>) -> Request {
        let limits = Limits { mode: LimitsMode::RlimitOnly, ..Limits::default() };
        Request { policy: Policy { limits, ..Policy::default() }, program: "true".to_owned(), args: vec![], files }
    }

    fn file(path: &str) -> InputFile {
        InputFile { path: path.into(), mode: 0o644, data: b"x".to_vec() }
    }

    #[test]
    fn a_file_never_lands_in_a_host_tree() {
        let mut request = request(vec![]);
        request.policy.mounts = vec![Bind { source: "/h".into(), target: "/data".into(), mode: Access::Rw }];
        request.policy.tmpfs = vec![Tmpfs { target: "/data/own".into(), size: 4096 }];
        for (path, taken) in [
            ("/tmp/a", true),
            ("/input/a", true),
            ("/data/own/a", true),
            ("/dev/shm/a", true),
            ("/data/a", false),
            ("/usr/bin/a", false),
            ("/lib/a", false),
            ("/proc/a", false),
            ("/dev/a", false),
            ("/", false),
            ("a", false),
            ("/tmp/../data/a", false),
        ] {
            request.files = vec![file(path)];
            assert_eq!(request.check().is_ok(), taken, "{path}");
        }
        request.files = vec![InputFile { mode: 0o4755, ..file("/tmp/a") }];
        assert!(request.check().is_err());
    }

    #[test]
    fn a_memfd_that_can_still_change_is_refused() {
        let fd = memfd_create(c"open", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
        let mut memory = File::from(fd);
        request(vec![]).write(&mut memory).unwrap();
        assert!(matches!(Request::unseal(memory.into()), Err(Error::Protocol(_))));
    }

    proptest! {
        #[test]
        fn a_request_survives_its_memfd(args in proptest::collection::vec("\\PC*", 0..4),
                                        data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let sent = Request { args, ..request(vec![InputFile { data, ..file("/tmp/a") }, file("/tmp/b")]) };
            prop_assert_eq!(Request::unseal(sent.seal().unwrap()).unwrap(), sent);
        }

        #[test]
        fn a_cut_or_foreign_request_is_an_error(cut in 0usize..100, noise in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = Vec::new();
            request(vec![file("/tmp/a")]).write(&mut bytes).unwrap();
            let kept = bytes.len().saturating_sub(cut + 1);
            prop_assert!(decode(&bytes[..kept]).is_err());
            prop_assert!(decode(&noise).is_err());
        }
    }
}
