//! Which certificates a client of the lab trusts.
//!
//! `cargo lab env` gives a bundle of the lab's authority *and* the system's: the variables are meant for a person's
//! shell, where `cargo`, `git` and `pip` read `SSL_CERT_FILE` too and would fail with the lab's authority alone. No
//! call goes to AWS for that: each has the lab's endpoint, and AWS knows none of the lab's credentials. Tests get the
//! lab's authority alone, so that a client that strays from the lab fails.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::certificates::write;
use crate::error::LabError;

/// Where Debian, Fedora, SUSE, and macOS or Alpine keep theirs; OpenSSL's and curl's builds look there.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Writes `bundle.pem` beside the authority: the authority, then what the system trusts.
pub(crate) fn bundle(authority: &Path) -> Result<PathBuf, LabError> {
    let path = authority.with_file_name("bundle.pem");
    let mut text = fs::read_to_string(authority).map_err(LabError::file("read", authority))?;
    if let Some(system) = system_bundle(&path) {
        text.push_str(&fs::read_to_string(&system).map_err(LabError::file("read", &system))?);
    }
    write(&path, 0o644, &text)?;
    Ok(path)
}

/// What the caller's environment names, unless that is the bundle to be written; else the system's. A system without
/// any trusts nobody, and so does a bundle made there.
fn system_bundle(own: &Path) -> Option<PathBuf> {
    let named = env::var_os("SSL_CERT_FILE").map(PathBuf::from).filter(|path| path != own);
    named.into_iter().chain(SYSTEM_BUNDLES.map(PathBuf::from)).find(|path| path.is_file())
}
