//! `audit verify`: what the stored trail proves, against what the auditor remembers.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use holdfast_audit::verify::{Ending, Finding, Kind, Options, Report, StreamReport, Trust, verify};
use tokio::runtime::Handle;

use super::source::Source;
use super::{Answer, TrailError, VerifyArguments, place};
use crate::render::text::{count, table};

/// Verifies a trail and moves the trust file's checkpoints if nothing was found.
pub async fn run(arguments: &VerifyArguments) -> Result<Answer, TrailError> {
    let path = arguments.trust.clone().map_or_else(place::trust, Ok)?;
    let known = Trust::load(&path)?;
    let first_use = known.is_none();
    let trust = known.unwrap_or_else(Trust::new);
    let source = Arc::new(Source::open(&arguments.source).await?);
    let listing = source.list().await?;
    let options = Options { trust_new_writers: first_use || arguments.trust_new_writers };
    let name = source.name().to_owned();
    let (report, trust) = {
        // Verification is a plain function that reads as it goes; the runtime's threads are not for that.
        let handle = Handle::current();
        let read = move |object: &_| handle.block_on(source.read(object));
        tokio::task::spawn_blocking(move || verify(listing, read, &trust, options)).await??
    };
    if report.intact {
        trust.save(&path)?;
    }
    let json = serde_json::to_value(&report)?;
    Ok(Answer { text: text(&name, &report, &path, first_use), json, differences: !report.intact })
}

fn text(name: &str, report: &Report, trust: &Path, first_use: bool) -> String {
    let mut text = String::new();
    let found = report.findings.len() as u64;
    let verdict = if report.intact { "intact".to_owned() } else { count(found, "finding") };
    // Writing to a string can't fail.
    let _ = writeln!(
        text,
        "{name}: {verdict}; {} in {} of {}",
        count(report.records, "record"),
        count(report.objects, "object"),
        count(report.streams.len() as u64, "stream")
    );
    for finding in &report.findings {
        let _ = writeln!(text, "  {}", finding_line(finding));
    }
    let heading = ["WRITER", "STREAM", "INTACT UP TO", "AT", "SEALED", "END"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(report.streams.iter().map(stream_row)).collect();
    text.push_str(&table(&rows));
    for note in &report.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    if report.intact {
        let trust = trust.display();
        let _ = match first_use {
            true => writeln!(text, "  note: first verification; what is trusted from now on is in {trust}"),
            false => writeln!(text, "  note: the checkpoints in {trust} moved to here"),
        };
    }
    text
}

fn finding_line(finding: &Finding) -> String {
    let kind = match finding.kind {
        Kind::Altered => "altered",
        Kind::Removed => "removed",
        Kind::Reordered => "reordered",
        Kind::Cut => "cut",
        Kind::Forged => "forged",
        Kind::Duplicated => "duplicated",
        Kind::RolledBack => "rolled back",
        Kind::Foreign => "foreign",
        Kind::UnknownWriter => "unknown writer",
    };
    let mut line = kind.to_owned();
    if let Some(sequence) = finding.sequence {
        let _ = write!(line, ": record {sequence}");
        if let Some(through) = finding.through.filter(|through| *through > sequence) {
            let _ = write!(line, " to {through}");
        }
    }
    if let (Some(stream), Some(writer)) = (&finding.stream, &finding.writer) {
        let _ = write!(line, " of stream {stream} by {writer}");
    }
    let _ = write!(line, ": {}", finding.detail);
    if let Some(key) = &finding.key {
        let _ = write!(line, " ({key})");
    }
    line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn stream_row(stream: &StreamReport) -> [String; 6] {
    let ending = match stream.ending {
        Ending::Closed => "closed",
        Ending::Adopted => "adopted",
        Ending::Open => "open",
    };
    let time = stream.intact_time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    [
        stream.writer.clone(),
        stream.stream.clone(),
        format!("{} of {}", stream.intact_through, stream.last),
        time.unwrap_or_default(),
        stream.sealed_through.to_string(),
        ending.to_owned(),
    ]
}
