//! Estates, made, changed, interrupted and ended by the real binary against a lab of each test's own.
//!
//! What is in an account is read by boto3 (`inventory.py`), not by Holdfast's own eyes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a fixture that fails is a test that fails")]

mod backups;
mod calls;
mod circumstances;
mod converge;
mod crash;
mod destroy;
mod drift;
mod fixture;
mod fleet;
mod launches;
mod lock;
mod machines;
mod network;
mod others;
mod rolling;
