//! The lab's certificate authority and the control plane's certificate.
//!
//! A new authority for each start; its key never leaves this function, so nothing else can be signed with it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::error::LabError;

/// What the certificate is for.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Files of PEM in a lab's directory.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    /// The authority, for clients to trust.
    pub(crate) authority: PathBuf,
    /// The control plane's certificate.
    pub(crate) server: PathBuf,
    /// Its private key, readable by its owner alone.
    pub(crate) server_key: PathBuf,
}

/// Makes them anew in a directory.
pub(crate) fn make(directory: &Path) -> Result<Certificates, LabError> {
    let files = Certificates {
        authority: directory.join("ca.pem"),
        server: directory.join("server.pem"),
        server_key: directory.join("server.key"),
    };
    let authority_key = KeyPair::generate()?;
    let authority = authority_params();
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);

    let mut server = CertificateParams::new(LOOPBACK.map(String::from))?;
    server.distinguished_name.push(DnType::CommonName, "holdfast lab control plane");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let server_key = KeyPair::generate()?;
    let server_certificate = server.signed_by(&server_key, &issuer)?;

    write(&files.authority, 0o644, &authority_certificate.pem())?;
    write(&files.server, 0o644, &server_certificate.pem())?;
    write(&files.server_key, 0o600, &server_key.serialize_pem())?;
    Ok(files)
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "holdfast lab authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

/// Replaces a file whose mode must hold from its first byte.
pub(crate) fn write(path: &Path, mode: u32, text: &str) -> Result<(), LabError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(LabError::file("replace", path)(error));
        }
        _ => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(LabError::file("make", path))?;
    file.write_all(text.as_bytes()).map_err(LabError::file("write", path))
}
