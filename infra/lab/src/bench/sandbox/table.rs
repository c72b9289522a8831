//! How long each takes to run `/bin/true`, as a table for README.

use std::fmt;

use super::Figures;
use crate::error::LabError;

/// What there is of each: its name in the figures, and in the table. In `slow` rounds are those of tens of milliseconds,
/// compared with the floor of the same rounds.
const ROWS: [(&str, &str, &str); 11] = [
    ("warm: ", "floor", "the kernel's floor, from a warm process"),
    ("warm: ", "ours", "**`holdfast-sandbox`, from its warm spawner**"),
    ("warm: ", "prepared", "**`holdfast-sandbox`, made ahead**"),
    ("whole: ", "exec", "no sandbox: fork and exec"),
    ("whole: ", "floor", "the kernel's floor, as a whole process"),
    ("whole: ", "ours", "**`holdfast-sandbox`, as a whole process**"),
    ("whole: ", "unshare", "`unshare`, all namespaces"),
    ("whole: ", "bwrap", "`bwrap --unshare-all`"),
    ("whole: ", "crun", "`crun run`, its default configuration"),
    ("slow: ", "runc", "`runc run`, the same configuration"),
    ("slow: ", "firejail", "`firejail`, no network, no capabilities, seccomp"),
];

/// The rows, each with its figures.
pub(super) struct Table(Vec<String>);

impl Table {
    pub(super) fn of(figures: &Figures) -> Result<Table, LabError> {
        let bwrap = figures.value("whole: bwrap")?;
        let row = |(rounds, name, words): &(&str, &str, &str)| {
            let figure = figures.get(&format!("{rounds}{name}"))?;
            let (median, p10, p99) = (figure.value, figure.p10.unwrap_or_default(), figure.p99.unwrap_or_default());
            let floor = median / figures.value(&format!("{rounds}floor"))?;
            Ok(format!("| {words} | {median:.2} | {p10:.2} | {p99:.2} | {floor:.2} | {:.2} |", median / bwrap))
        };
        ROWS.iter().map(row).collect::<Result<_, LabError>>().map(Table)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| start to end of `/bin/true` | median, ms | p10 | p99 | of its floor | of bwrap |")?;
        writeln!(formatter, "|---|---|---|---|---|---|")?;
        self.0.iter().try_for_each(|row| writeln!(formatter, "{row}"))
    }
}
