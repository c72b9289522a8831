//! `audit list` and `audit show`: records as they are stored. What is shown here is not verified; `audit verify` does that.

use std::time::Duration;

use holdfast_audit::Record;
use holdfast_audit::object;
use jiff::Timestamp;
use serde_json::Value;

use super::source::{Source, may_hold, originals};
use super::{Answer, ListArguments, ShowArguments, TrailError};
use crate::render::text::table;

/// A record with the line that it was read from.
struct Listed {
    record: Record,
    line: String,
}

/// What to list.
#[derive(Default)]
struct Filter {
    since: Option<Timestamp>,
    writer: Option<String>,
    event: Option<String>,
}

/// An object that doesn't read, and what is wrong with it.
type Unreadable = (String, String);

/// Lists records, oldest first.
pub async fn run(arguments: &ListArguments) -> Result<Answer, TrailError> {
    let since = arguments.since.as_deref().map(|text| parse_since(text, Timestamp::now())).transpose()?;
    let filter = Filter { since, writer: arguments.writer.clone(), event: arguments.event.clone() };
    let source = Source::open(&arguments.source).await?;
    let (records, unreadable) = records(&source, &filter).await?;
    // A list with holes would pass for the whole.
    if let Some((key, reason)) = unreadable.first() {
        let (from, count) = (source.name().to_owned(), unreadable.len());
        return Err(TrailError::Unreadable { from, count, key: key.clone(), reason: reason.clone() });
    }
    let json = records.iter().map(|listed| serde_json::from_str(&listed.line)).collect::<Result<Vec<Value>, _>>()?;
    let text = if records.is_empty() { format!("no such records in {}\n", source.name()) } else { rows(&records) };
    Ok(Answer { text, json: Value::Array(json), differences: false })
}

/// Shows one record.
pub async fn show(arguments: &ShowArguments) -> Result<Answer, TrailError> {
    let source = Source::open(&arguments.source).await?;
    let (records, unreadable) = records(&source, &Filter::default()).await?;
    let listed = records.into_iter().find(|listed| listed.record.event_id == arguments.id);
    let from = source.name().to_owned();
    match (listed, unreadable.into_iter().next()) {
        (Some(listed), _) => {
            let json: Value = serde_json::from_str(&listed.line)?;
            let text = serde_json::to_string_pretty(&json)? + "\n";
            Ok(Answer { text, json, differences: false })
        }
        // It may be in there.
        (None, Some((key, reason))) => Err(TrailError::Unreadable { from, count: 1, key, reason }),
        (None, None) => Err(TrailError::NoSuchEvent { from, id: arguments.id.clone() }),
    }
}

async fn records(source: &Source, filter: &Filter) -> Result<(Vec<Listed>, Vec<Unreadable>), TrailError> {
    let (mut records, mut unreadable) = (Vec::new(), Vec::new());
    for (key, object) in originals(source.list().await?) {
        let wanted = filter.since.is_none_or(|since| may_hold(&key, since))
            && filter.writer.as_ref().is_none_or(|writer| key.writer.contains(writer));
        if !wanted {
            continue;
        }
        match object::decode(&source.read(&object).await?) {
            Ok(lines) => {
                for line in lines {
                    match Record::parse(&line) {
                        Ok(record) => records.push(Listed { record, line }),
                        Err(error) => unreadable.push((object.key.clone(), error.to_string())),
                    }
                }
            }
            Err(error) => unreadable.push((object.key, error.to_string())),
        }
    }
    records.retain(|Listed { record, .. }| {
        filter.since.is_none_or(|since| record.event_time >= since)
            && filter.event.as_ref().is_none_or(|event| record.event_name == *event)
    });
    records.sort_by(|a, b| {
        let order = |listed: &Listed| (listed.record.link().time, listed.record.link().sequence);
        order(a).cmp(&order(b))
    });
    Ok((records, unreadable))
}

fn rows(records: &[Listed]) -> String {
    let heading = ["TIME", "WHO", "SOURCE", "EVENT", "OF", "OUTCOME"].map(str::to_owned);
    let row = |Listed { record, .. }: &Listed| {
        [
            record.event_time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            who(record),
            record.event_source.trim_end_matches(".holdfast").to_owned(),
            record.event_name.clone(),
            of(record),
            outcome(record),
        ]
        .map(|cell| printable(&cell))
    };
    let rows: Vec<_> = std::iter::once(heading).chain(records.iter().map(row)).collect();
    table(&rows)
}

/// The acting user's short name.
fn who(record: &Record) -> String {
    let identity = &record.user_identity;
    let session = identity.arn.as_deref().and_then(|arn| arn.rsplit('/').next()).map(str::to_owned);
    let own = record.link().writer.rsplit(':').next().map(str::to_owned);
    match identity.kind.as_str() {
        // The trail's own records are the writer's.
        _ if record.event_source == holdfast_audit::record::TRAIL => own.unwrap_or_default(),
        _ => identity.user_name.clone().or(session).or_else(|| identity.principal_id.clone()).unwrap_or_default(),
    }
}

/// What it was done to, if that is one thing.
fn of(record: &Record) -> String {
    let text = |field: &str| record.request_parameters.get(field).and_then(Value::as_str).map(str::to_owned);
    ["id", "estate", "job", "bucket", "program"].iter().find_map(|field| text(field)).unwrap_or_default()
}

fn outcome(record: &Record) -> String {
    let phase = record.request_parameters.get("phase").and_then(Value::as_str);
    match (&record.error_code, phase) {
        (Some(code), _) => code.clone(),
        (None, Some("intent")) => "intended".into(),
        (None, _) => "done".into(),
    }
}

/// Records hold what callers chose; a terminal's control characters stay out of a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A time, a day, or a time span before now.
fn parse_since(text: &str, now: Timestamp) -> Result<Timestamp, TrailError> {
    let wrong = || TrailError::Time(text.into());
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        let midnight = day.to_zoned_datetime(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
        return Ok(midnight.timestamp());
    }
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text.get(..text.len() - 1).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
    let span = Duration::from_secs(number.checked_mul(seconds).ok_or_else(wrong)?);
    now.checked_sub(span).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_points_days_or_spans() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let since = |text| parse_since(text, now).map(|time| time.to_string()).ok();
        assert_eq!(since("2026-11-24T09:00:00Z").as_deref(), Some("2026-11-24T09:00:00Z"));
        assert_eq!(since("2026-11-23").as_deref(), Some("2026-11-23T00:00:00Z"));
        assert_eq!(since("90m").as_deref(), Some("2026-11-24T10:30:00Z"));
        assert_eq!(since("7d").as_deref(), Some("2026-11-17T12:00:00Z"));
        for wrong in ["", "d", "7", "-1d", "7w", "99999999999999999999d", "soon", "é"] {
            assert_eq!(since(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }
}
