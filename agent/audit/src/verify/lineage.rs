//! What streams say of each other, and what the trust file remembers of them.
//!
//! Each genesis names the stream before it in its spool, with the last record and the chain's value there. So a tail that no seal
//! covered can't be cut once there is a next stream; and a spool that was set back to an earlier state (a restored snapshot)
//! names as last what was not the last.

use std::collections::BTreeMap;

use super::stream::Outcome;
use super::{Ending, Finding, Kind, StreamId, Trust};
use crate::seal::Ended;

/// Checks what each genesis says of the stream before.
pub(super) fn check(walked: &mut [Outcome], findings: &mut Vec<Finding>) {
    let places: BTreeMap<StreamId, usize> =
        walked.iter().enumerate().map(|(place, outcome)| (outcome.id.clone(), place)).collect();
    let mut named: BTreeMap<StreamId, String> = BTreeMap::new();
    let claims: Vec<(StreamId, Ended)> = walked
        .iter()
        .filter_map(|outcome| Some((outcome.id.clone(), outcome.genesis.as_ref()?.previous.clone()?)))
        .collect();
    for (claimant, ended) in claims {
        let before = StreamId { stream: ended.stream.clone(), ..claimant.clone() };
        let by = &claimant.stream;
        if let Some(other) = named.insert(before.clone(), by.clone()) {
            let detail = format!("both stream {other} and stream {by} say that they follow it");
            findings.push(before.finding(Kind::RolledBack, ended.sequence, detail));
        }
        match places.get(&before).and_then(|place| walked.get_mut(*place)) {
            None => {
                let detail = format!("the stream is missing; stream {by} follows it");
                findings.push(Finding { through: Some(ended.sequence), ..before.finding(Kind::Removed, 1, detail) });
            }
            Some(outcome) => findings.extend(compare(outcome, &ended, by)),
        }
    }
}

/// Whether a stream ends as the next one found it.
fn compare(outcome: &mut Outcome, ended: &Ended, by: &str) -> Option<Finding> {
    let report = &outcome.report;
    if report.last < ended.sequence {
        let detail = format!("stream {by} follows record {}, which is missing", ended.sequence);
        let finding = outcome.id.finding(Kind::Cut, report.last + 1, detail);
        return Some(Finding { through: Some(ended.sequence), ..finding });
    }
    if report.last > ended.sequence {
        let detail =
            format!("the stream goes on to record {}, stream {by} follows record {}", report.last, ended.sequence);
        return Some(outcome.id.finding(Kind::RolledBack, ended.sequence + 1, detail));
    }
    if report.head != ended.head {
        // A change that the walk has named shows here only if it is in the last record.
        outcome.doubt_up_to(ended.sequence);
        let detail = format!("stream {by} chains the stream's last record as something else");
        return Some(outcome.id.finding(Kind::Altered, ended.sequence, detail));
    }
    if report.ending == Ending::Open {
        outcome.report.ending = Ending::Adopted;
        outcome.report.next_due = None;
    }
    None
}

/// Whether each stream extends what the trust file remembers.
pub(super) fn check_checkpoints(walked: &mut [Outcome], trust: &Trust, findings: &mut Vec<Finding>) {
    for (account, writer, stream, checkpoint) in trust.checkpoints() {
        let sequence = checkpoint.sequence;
        let found = walked.iter_mut().find(|outcome| {
            (outcome.id.account.as_str(), outcome.id.writer.as_str(), outcome.id.stream.as_str())
                == (account, writer, stream)
        });
        let finding = |kind, first, detail: String| {
            let id = StreamId {
                organization: String::new(),
                account: account.into(),
                writer: writer.into(),
                stream: stream.into(),
            };
            id.finding(kind, first, detail)
        };
        match found {
            None => {
                let detail = format!("the stream is missing; it was verified up to record {sequence}");
                findings.push(Finding { through: Some(sequence), ..finding(Kind::Removed, 1, detail) });
            }
            Some(outcome) if outcome.report.last < sequence => {
                let detail = format!("the stream was verified up to record {sequence}, which is missing");
                let first = outcome.report.last + 1;
                findings.push(Finding { through: Some(sequence), ..finding(Kind::Cut, first, detail) });
            }
            Some(outcome) if outcome.at_checkpoint.is_some_and(|head| head != checkpoint.head) => {
                let detail = "it, or a record before it, is not what was verified before".to_owned();
                outcome.doubt_up_to(sequence);
                findings.push(finding(Kind::Altered, sequence, detail));
            }
            Some(_) => {}
        }
    }
}
