//! Layout of plain text: wrapped lines, aligned columns.

use super::WIDTH;

/// `text` behind a label that takes `indent` columns with its space, wrapped, with further lines below the first.
///
/// Line ends in `text` are kept, so an example to copy stays as it is.
pub(crate) fn labelled(label: &str, indent: usize, text: &str) -> String {
    let mut shown = format!("{label} ");
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            shown.push('\n');
            shown.push_str(&" ".repeat(indent));
        }
        shown.push_str(&wrap(line, WIDTH - indent).join(&format!("\n{}", " ".repeat(indent))));
    }
    shown
}

/// Breaks a line at spaces so that each part takes at most `width` characters; a word longer than that stays whole.
pub(crate) fn wrap(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    let mut used = 0;
    for word in line.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if used > 0 && used + length > width {
            lines.push(current.trim_end().to_owned());
            current.clear();
            used = 0;
        }
        current.push_str(word);
        used += word.chars().count();
    }
    lines.push(current.trim_end().to_owned());
    lines
}

/// Two columns, indented, the second wrapped below itself.
pub(crate) fn columns(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(first, _)| first.chars().count()).max().unwrap_or_default();
    rows.iter().map(|(first, second)| labelled(&format!("  {first:width$} "), width + 4, second) + "\n").collect()
}

/// Aligned columns, indented by two; a row's empty last cells take no room.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("  {}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Aligned columns, indented by two: text first, then figures, which end below each other.
pub(crate) fn figures<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..N).map(width).collect();
    let cell = |(column, text): (usize, &String)| match column {
        0 => format!("{text:width$}", width = widths[column]),
        _ => format!("{text:>width$}", width = widths[column]),
    };
    rows.iter()
        .map(|row| format!("  {}\n", row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end()))
        .collect()
}

/// `1 host`, `2 hosts`.
pub(crate) fn count(number: impl Into<u64>, noun: &str) -> String {
    match number.into() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_words_stay_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable x", 4), ["unbreakable", "x"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("    keeps indent", 40), ["    keeps indent"]);
    }

    #[test]
    fn further_lines_stand_below_the_first() {
        assert_eq!(labelled("error:", 7, "a\nb"), "error: a\n       b");
        let long = labelled("error:", 7, &"word ".repeat(40));
        assert!(long.lines().all(|line| line.len() <= WIDTH));
        assert!(long.lines().skip(1).all(|line| line.starts_with("       word")));
    }

    #[test]
    fn nouns_agree_with_their_number() {
        assert_eq!(count(1u32, "host"), "1 host");
        assert_eq!(count(0u32, "host"), "0 hosts");
    }
}
