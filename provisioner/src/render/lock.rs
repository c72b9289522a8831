//! The estate's lock as text.

use std::fmt::Write;

use super::plan::title;
use super::text::{columns, count};
use crate::apply::LockState;
use crate::estate::Scope;

/// Who holds the lock, since when, and until when.
pub(crate) fn text(scope: &Scope, lock: &LockState) -> String {
    let seconds = |number: i64| count(number.unsigned_abs(), "second");
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
    match &lock.holder {
        Some(holder) => {
            row("held by", holder.holder.clone());
            row("to", holder.reason.clone());
            row("since", format!("{:.0}", holder.since));
        }
        None => row("held by", "somebody whose lock can't be read".to_owned()),
    }
    row("renewed", format!("{} ago", seconds(lock.renewed_seconds_ago)));
    let left = lock.expires_in_seconds;
    row("expires", if lock.expired { format!("{} ago", seconds(left)) } else { format!("in {}", seconds(left)) });
    let mut shown = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(shown, "The lock of {}\n{}", title(scope), columns(&rows));
    shown
}

/// What became of it.
pub(crate) fn removed(scope: &Scope, was_locked: bool, removed: bool) -> String {
    match (was_locked, removed) {
        (false, _) => format!("Not locked: {}\n", title(scope)),
        (true, true) => format!("Unlocked {}\n", title(scope)),
        (true, false) => {
            format!("Left alone: the lock of {} was renewed, taken over or given back meanwhile\n", title(scope))
        }
    }
}
