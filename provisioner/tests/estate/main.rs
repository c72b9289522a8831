//! Estates, made, changed, interrupted and ended by the real binary against a lab of each test's own.
//!
//! What is in an account is read by boto3 (`inventory.py`), not by Holdfast's own eyes.

mod converge;
mod crash;
mod destroy;
mod fixture;
mod lock;
mod proxy;
