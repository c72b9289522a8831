//! What comes from another process: a request from a spawner's caller, a record from init. It is understood or refused, and a
//! request that is understood is the same when it is sent again.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    holdfast_sandbox::fuzzing::request(bytes);
    holdfast_sandbox::fuzzing::record(bytes);
});
