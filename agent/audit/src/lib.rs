//! Holdfast's audit trail: who did what, in a form that nobody can change unseen.
//!
//! A producer appends [`Event`]s to a [`Trail`]; each becomes a [record] in a hash [chain], is on disk before the call
//! returns ([`spool`]), and is shipped as an [object] into a store in another account. [Seals](seal) bind segments to keys that
//! no longer exist. [`verify`] tells from the stored objects alone whether anything was changed, removed or put in.
//!
//! ```text
//! Event → record → chain → frame → segment file (fdatasync) → acknowledged
//!                                        └─→ outbox → object → store → cursor moves, segment removed
//! ```
//!
//! The core is synchronous and knows neither AWS nor tokio; the feature `ship` adds what puts objects into S3 or a directory.
#![forbid(unsafe_code)]

pub mod chain;
mod cursor;
mod error;
pub mod filesystem;
pub mod frame;
pub mod key;
pub mod object;
mod outbox;
pub mod record;
pub mod seal;
pub mod segment;
#[cfg(feature = "ship")]
pub mod ship;
pub mod spool;
mod trail;
pub mod verify;
mod writer;

pub use chain::Hash;
pub use error::{Error, Result};
pub use key::PublicKey;
pub use outbox::{Batch, Outbox};
pub use record::{Event, Identity, Origin, Record, Source};
#[cfg(feature = "ship")]
pub use ship::{Destination, Shipper};
pub use spool::Recovery;
pub use trail::{Config, Pending, Receipt, Trail};
