//! What an estate costs in a month, by the price table that is kept beside this file.
//!
//! - [`Money`] is whole millionths of a dollar: no sum is rounded before it is shown.
//! - [`Table`] has AWS's public On-Demand prices, with their date and source.
//! - [`Estimate`] is what kinds say that they are charged for ([`crate::kind::Operations::usage`]) times the table.
//!   What the table doesn't have is named as not priced, and makes the whole a lower bound; it is never taken for 0.
//!
//! Everything is counted as if it ran all month. What depends on use isn't estimated at all: traffic, logs, requests,
//! snapshots and backups.

mod estimate;
mod money;
mod report;
mod table;

pub use estimate::{Cost, Estimate, Line};
pub use money::{Money, NoMoney};
pub use report::Report;
pub use table::Table;
