//! What the fuzz targets reach of the private parts; cargo-fuzz alone builds it.

use crate::policy::LimitsMode;
use crate::seccomp::{self, Changes, SeccompProfile};
use crate::{record, request};

/// Reads a request's bytes. One that is understood is the same when it is written and read again.
pub fn request(bytes: &[u8]) {
    let Ok(read) = request::decode(bytes) else { return };
    let header = read.header().unwrap_or_default();
    assert_eq!(request::decode(&read.parts(&header).concat()).as_ref(), Ok(&read));
    let _ = read.check();
}

/// Reads what comes out of a sandbox's pipe: init's record, and the figures of its cgroup.
pub fn record(bytes: &[u8]) {
    let (record, figures) = record::split(bytes);
    if let Ok(outcome) = record::decode(record, LimitsMode::Required, figures) {
        let _ = (outcome.exit_code(), serde_json::to_string(&outcome));
    }
}

/// Makes a filter of a profile that was not refused.
pub fn filter(profile: &SeccompProfile) {
    let _ = seccomp::own(profile, Changes::default());
}
