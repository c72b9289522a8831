//! Drift as text: what others changed, and what can't be seen.

use std::fmt::Write;

use owo_colors::{AnsiColors, OwoColorize};

use super::plan::title;
use super::text::{count, labelled};
use super::value;
use crate::plan::{Drift, Drifted, What};

/// How an event is shown: sign, word, colour.
fn look(what: What) -> (char, &'static str, AnsiColors) {
    match what {
        What::Gone => ('-', "gone", AnsiColors::Red),
        What::Changed => ('~', "changed", AnsiColors::Yellow),
        What::Added => ('+', "added", AnsiColors::Magenta),
    }
}

/// The whole of it.
pub(crate) fn text(drift: &Drift) -> String {
    let mut shown = format!("{}\n\n", format!("Drift of {}", title(&drift.scope)).bold());
    for one in &drift.resources {
        write_one(&mut shown, one);
    }
    if !drift.resources.is_empty() {
        shown.push('\n');
    }
    // Writing to a string can't fail, here and below.
    for note in &drift.notes {
        let _ = writeln!(shown, "{}", labelled("  note:", 8, note));
    }
    if !drift.undecided.is_empty() {
        let ids: Vec<_> = drift.undecided.iter().map(ToString::to_string).collect();
        let text =
            format!("the spec has changed since the last apply, so these may differ for that: {}", ids.join(", "));
        let _ = writeln!(shown, "{}", labelled("  note:", 8, &text));
    }
    let _ = writeln!(shown, "What isn't compared:");
    for (kind, list) in &drift.uncompared {
        for one in list {
            let _ = writeln!(shown, "{}", labelled(&format!("  {kind}:"), 6, &format!("{} ({})", one.what, one.why)));
        }
    }
    let conclusion = match drift.resources.len() {
        0 => "Nothing that is compared changed since the last apply".to_owned(),
        number => format!(
            "{} changed since the last apply; `provision apply` puts it right",
            count(number as u64, "resource")
        ),
    };
    let _ = writeln!(shown, "\n{conclusion}");
    shown
}

fn write_one(shown: &mut String, one: &Drifted) {
    let (sign, word, colour) = look(one.what);
    let physical = one.physical.as_deref().filter(|physical| *physical != one.name);
    let names = [Some(one.name.as_str()), physical].into_iter().flatten().collect::<Vec<_>>().join("  ");
    let head = format!("{sign} {word:7} {}", one.id);
    let _ = writeln!(shown, "{}", labelled(&format!("  {} ", head.color(colour)), 14, &names));
    for difference in &one.differences {
        let label = format!("      {}:", difference.property);
        let _ = writeln!(shown, "{}", labelled(&label, 10, &value::change(&difference.old, &difference.new)));
    }
}
