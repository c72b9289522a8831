//! A request: what to run, in which sandbox, with which files; and how it travels.
//!
//! It travels from the caller to the spawner as a message's body (`channel.rs`). Format, integers little-endian:
//!
//! ```text
//! 8 bytes  "HFSBXRQ1"
//! u32      length of the JSON
//! JSON     {"policy":…,"program":…,"args":[…],"files":[{"path":…,"mode":…,"length":…}]}
//! bytes    the files' contents, one after the other, to the end
//! ```

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::policy::{BOX, Policy, PolicyError, inside};

const MAGIC: &[u8; 8] = b"HFSBXRQ1";

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

    /// The beginning of its bytes; what follows is the content of its files.
    pub(crate) fn header(&self) -> Result<Vec<u8>> {
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
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0; 4]);
        serde_json::to_writer(&mut bytes, &header).map_err(|error| Error::Protocol(error.to_string()))?;
        let length = u32::try_from(bytes.len() - MAGIC.len() - 4)
            .map_err(|_| Error::System { call: "the length of a request", errno: Errno::E2BIG })?;
        bytes[MAGIC.len()..MAGIC.len() + 4].copy_from_slice(&length.to_le_bytes());
        Ok(bytes)
    }

    /// All of its bytes, in parts.
    pub(crate) fn parts<'a>(&'a self, header: &'a [u8]) -> Vec<&'a [u8]> {
        std::iter::once(header).chain(self.files.iter().map(|file| file.data.as_slice())).collect()
    }
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

    fn bytes(request: &Request) -> Vec<u8> {
        request.parts(&request.header().unwrap()).concat()
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

    proptest! {
        #[test]
        fn a_request_arrives_as_it_was_sent(args in proptest::collection::vec("\\PC*", 0..4),
                                        data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let sent = Request { args, ..request(vec![InputFile { data, ..file("/tmp/a") }, file("/tmp/b")]) };
            prop_assert_eq!(decode(&bytes(&sent)).unwrap(), sent);
        }

        #[test]
        fn a_cut_or_foreign_request_is_an_error(cut in 0usize..100, noise in proptest::collection::vec(any::<u8>(), 0..64)) {
            let bytes = bytes(&request(vec![file("/tmp/a")]));
            let kept = bytes.len().saturating_sub(cut + 1);
            prop_assert!(decode(&bytes[..kept]).is_err());
            prop_assert!(decode(&noise).is_err());
        }
    }
}
