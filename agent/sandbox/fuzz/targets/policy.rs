//! A policy file, TOML or JSON, seccomp profile included: it is read or refused, what is read means the same when it is written
//! and read again, and a profile becomes a filter or is refused.

#![no_main]

use holdfast_sandbox::{Policy, Seccomp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = [serde_json::from_str::<Policy>(text).ok(), toml::from_str(text).ok()];
    for policy in read.into_iter().flatten() {
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), policy, "{json}");
        // A number that TOML hasn't (above 2^63) is an error there, and nothing else.
        if let Ok(toml) = toml::to_string(&policy) {
            assert_eq!(toml::from_str::<Policy>(&toml).unwrap(), policy, "{toml}");
        }
        if policy.check().is_ok()
            && let Seccomp::Profile(profile) = &policy.seccomp
        {
            holdfast_sandbox::fuzzing::filter(profile);
        }
    }
});
