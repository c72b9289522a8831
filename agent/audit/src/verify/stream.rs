//! The walk along one stream, object by object, record by record.
//!
//! A record states the chain's value before it. Where that is not what the walk computed, either the record before was changed or
//! this one's statement was. The record after this one tells which: it chained this one as it was.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Checkpoint, Ending, Finding, Kind, StreamId, StreamReport};
use crate::chain::Hash;
use crate::key::PublicKey;
use crate::object::{self, Key};
use crate::record::{FORMAT, Link, Record, Source, TRAIL};
use crate::seal::{CLOSE, Genesis, SEAL, START, Seal, is_signed_by};

/// The last record in order.
struct Frontier {
    sequence: u64,
    /// The chain's value after it, from what it states before it.
    value: Hash,
}

/// Two records of which one was changed: the older, or what the newer states.
struct Doubt {
    older: u64,
    newer: u64,
    /// The chain's value after the newer one, had it stated what the walk computed.
    if_restated: Hash,
}

/// The segment that is being read.
struct Segment {
    first: u64,
    count: u64,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
    /// Whether each of its records was read in order.
    whole: bool,
}

impl Segment {
    fn starting(first: u64) -> Segment {
        Segment { first, count: 0, oldest: None, newest: None, whole: true }
    }
}

/// What became of a stream.
pub(super) struct Outcome {
    pub(super) id: StreamId,
    pub(super) report: StreamReport,
    pub(super) findings: Vec<Finding>,
    pub(super) genesis: Option<Genesis>,
    /// The chain's value at the trust file's checkpoint.
    pub(super) at_checkpoint: Option<Hash>,
    times: Vec<(u64, Timestamp)>,
}

pub(super) struct Walk {
    id: StreamId,
    checkpoint: Option<u64>,
    at_checkpoint: Option<Hash>,
    findings: Vec<Finding>,
    records: u64,
    expected: u64,
    frontier: Option<Frontier>,
    doubt: Option<Doubt>,
    /// Whether what came last can't be read.
    unread: bool,
    /// The sequence and time of each record that came in order.
    times: Vec<(u64, Timestamp)>,
    /// The last record that a seal which does not hold leaves in trust.
    vouched: Option<u64>,
    /// Missing sequences: first → last.
    gaps: BTreeMap<u64, u64>,
    /// Objects that don't have the digest in their key: first record, last record, key.
    broken: Vec<(u64, u64, String)>,
    genesis: Option<Genesis>,
    announced: Option<PublicKey>,
    announced_by: Option<u64>,
    segment: Segment,
    sealed_through: u64,
    next_due: Option<Timestamp>,
    closed: bool,
}

impl Walk {
    pub(super) fn new(id: StreamId, checkpoint: Option<&Checkpoint>) -> Walk {
        Walk {
            id,
            checkpoint: checkpoint.map(|checkpoint| checkpoint.sequence),
            at_checkpoint: None,
            findings: Vec::new(),
            records: 0,
            expected: 1,
            frontier: None,
            doubt: None,
            unread: false,
            times: Vec::new(),
            vouched: None,
            gaps: BTreeMap::new(),
            broken: Vec::new(),
            genesis: None,
            announced: None,
            announced_by: None,
            segment: Segment::starting(1),
            sealed_through: 0,
            next_due: None,
            closed: false,
        }
    }

    fn found(&mut self, kind: Kind, sequence: u64, detail: impl Into<String>) {
        self.findings.push(self.id.finding(kind, sequence, detail));
    }

    /// Reads one object.
    pub(super) fn object(&mut self, key: &Key, bytes: &[u8]) {
        let name = key.to_string();
        let whole = Hash::of(bytes) == key.hash;
        let lines = match object::decode(bytes) {
            Ok(lines) => lines,
            Err(error) => {
                let detail = format!("the object does not read: {error}");
                let finding = self.id.finding(Kind::Altered, key.first, detail);
                self.findings.push(Finding { key: Some(name), ..finding });
                self.skip(key.first);
                return;
            }
        };
        for (index, line) in lines.iter().enumerate() {
            self.record(key, key.first + index as u64, line);
        }
        if !whole {
            self.broken.push((key.first, key.first + lines.len() as u64 - 1, name));
        }
    }

    /// Something at `sequence` can't be read; what follows can't be checked against it.
    fn skip(&mut self, sequence: u64) {
        if sequence > self.expected {
            self.gap(sequence);
        }
        self.expected = self.expected.max(sequence + 1);
        self.frontier = None;
        self.unread = true;
        self.segment.whole = false;
    }

    /// Reads one line, whose place in its object says that it should have the sequence `placed`.
    fn record(&mut self, key: &Key, placed: u64, line: &str) {
        self.records += 1;
        let record = match Record::parse(line) {
            Ok(record) if record.link().format == FORMAT => record,
            Ok(record) => {
                let format = record.link().format;
                self.found(Kind::Altered, placed, format!("the record is of format {format}, which is not known here"));
                return self.skip(placed);
            }
            Err(error) => {
                self.found(Kind::Altered, placed, format!("the line is no record: {error}"));
                return self.skip(placed);
            }
        };
        let link = record.link();
        let Some(sequence) = self.place(link, placed) else { return };
        self.check_owner(key, placed, sequence, &record);
        let authentic = self.check_signed(sequence, line, &record);
        self.check_chain(sequence, line, link, authentic);
        let value = link.previous.after(line.as_bytes());
        if self.checkpoint == Some(sequence) {
            self.at_checkpoint = Some(value);
        }
        self.frontier = Some(Frontier { sequence, value });
        self.times.push((sequence, link.time));
        self.unread = false;
        self.expected = sequence + 1;
    }

    /// The record's sequence if it comes in order; `None` if it is there twice or too late.
    fn place(&mut self, link: &Link, placed: u64) -> Option<u64> {
        let continues = match &self.frontier {
            Some(frontier) => link.previous == frontier.value,
            None => self.expected == 1 && link.previous == Hash::ZERO,
        };
        if continues && link.sequence != self.expected {
            let detail = format!("the record says that it is {}", link.sequence);
            self.found(Kind::Altered, self.expected, detail);
            return Some(self.expected);
        }
        if link.sequence >= self.expected {
            if link.sequence > self.expected {
                self.gap(link.sequence);
            }
            return Some(link.sequence);
        }
        match self.gaps.range(..=link.sequence).next_back().map(|(first, last)| (*first, *last)) {
            Some((first, last)) if link.sequence <= last => {
                self.found(
                    Kind::Reordered,
                    link.sequence,
                    format!("the record comes after record {}", self.expected - 1),
                );
                self.gaps.remove(&first);
                if first < link.sequence {
                    self.gaps.insert(first, link.sequence - 1);
                }
                if link.sequence < last {
                    self.gaps.insert(link.sequence + 1, last);
                }
            }
            _ => self.found(
                Kind::Duplicated,
                link.sequence,
                format!("two records have this sequence; one lies at {placed}"),
            ),
        }
        None
    }

    /// Nothing is there from the expected record to before `sequence`.
    fn gap(&mut self, sequence: u64) {
        // What lay in an object that can't be read is not missing, and was named already.
        if !self.unread {
            self.gaps.insert(self.expected, sequence - 1);
        }
        self.frontier = None;
        self.segment.whole = false;
    }

    fn check_owner(&mut self, key: &Key, placed: u64, sequence: u64, record: &Record) {
        let link = record.link();
        let owner =
            |link: &Link| [link.organization.clone(), link.account.clone(), link.writer.clone(), link.stream.clone()];
        let named = [&key.organization, &key.account, &key.writer, &key.stream];
        if owner(link).each_ref() != named {
            let detail = format!(
                "the record is of {}, the object of {}",
                owner(link).join("/"),
                named.map(|s| s.as_str()).join("/")
            );
            self.found(Kind::Foreign, sequence, detail);
        }
        let signed = link.genesis.is_some() || link.seal.is_some();
        let known = match record.event_source.as_str() {
            TRAIL => signed,
            source => !signed && [Source::Agent, Source::Provision].iter().any(|known| known.as_str() == source),
        };
        if !known {
            self.found(Kind::Foreign, sequence, format!("{} does not write such records", record.event_source));
        }
        if placed == key.first {
            if sequence != key.first {
                let detail = format!("the object's key says that it starts with record {}", key.first);
                self.found(Kind::Altered, sequence, detail);
            }
            let date = record.event_time.strftime("%Y/%m/%d").to_string();
            if date != key.date {
                self.found(Kind::Altered, sequence, format!("the object's key says {}, the record {date}", key.date));
            }
        }
        if record.event_time.as_second() != link.time.as_second() {
            self.found(Kind::Altered, sequence, "the record has two times");
        }
    }

    /// Checks a genesis or seal, and counts any other record; whether the line's own signature proves it, if it should
    /// have one.
    fn check_signed(&mut self, sequence: u64, line: &str, record: &Record) -> Option<bool> {
        let link = record.link();
        if self.closed {
            self.found(Kind::Forged, sequence, "a record follows the stream's close");
        }
        let name = record.event_name.as_str();
        let authentic = match (&link.genesis, &link.seal) {
            (Some(genesis), None) if sequence == 1 && name == START => Some(self.check_genesis(line, genesis)),
            (None, Some(seal)) if name == SEAL || name == CLOSE => {
                return Some(self.check_seal(sequence, line, seal, link.previous));
            }
            (None, None) if sequence != 1 => None,
            _ => {
                self.found(Kind::Forged, sequence, "the record starts or seals where none may");
                None
            }
        };
        self.segment.count += 1;
        self.segment.oldest = Some(self.segment.oldest.map_or(link.time, |oldest| oldest.min(link.time)));
        self.segment.newest = Some(self.segment.newest.map_or(link.time, |newest| newest.max(link.time)));
        authentic
    }

    fn check_genesis(&mut self, line: &str, genesis: &Genesis) -> bool {
        let authentic = is_signed_by(line, &genesis.writer_key);
        if authentic {
            self.genesis = Some(genesis.clone());
            self.announced = Some(genesis.next_key);
            self.announced_by = Some(1);
            self.next_due = Some(genesis.next_due);
        } else {
            self.found(Kind::Altered, 1, "the signature of the stream's first record does not hold");
        }
        authentic
    }

    fn check_seal(&mut self, sequence: u64, line: &str, seal: &Seal, previous: Hash) -> bool {
        // Where the announcement is lost, the seal can only be checked against itself; what was lost is a finding already.
        let key = self.announced.unwrap_or(seal.key);
        let authentic = is_signed_by(line, &key);
        if authentic {
            if let Some(untrue) = self.untrue(sequence, seal, previous) {
                self.found(Kind::Forged, sequence, format!("the seal is signed, but {untrue}"));
            } else if self.findings.is_empty() && self.doubt.is_none() && self.gaps.is_empty() {
                self.sealed_through = sequence;
            }
            self.announced = seal.next_key;
            self.next_due = seal.next_due;
            self.closed = seal.next_key.is_none();
        } else {
            let (kind, detail) = if seal.key == key {
                (Kind::Altered, "the seal's signature does not hold".into())
            } else {
                let (by, not) = (seal.key.fingerprint(), key.fingerprint());
                (Kind::Forged, format!("the seal is signed with the key {by}, announced was {not}"))
            };
            self.found(kind, sequence, detail);
            self.doubt_segment();
            self.announced = None;
            self.next_due = None;
        }
        self.announced_by = Some(sequence);
        self.segment = Segment::starting(sequence + 1);
        authentic
    }

    /// No seal vouches for the segment's records: whoever changed one could chain all after it anew.
    fn doubt_segment(&mut self) {
        let before = self.segment.first - 1;
        self.vouched = Some(self.vouched.map_or(before, |vouched| vouched.min(before)));
    }

    /// What a seal says that the walk did not see.
    fn untrue(&self, sequence: u64, seal: &Seal, previous: Hash) -> Option<String> {
        let segment = &self.segment;
        if seal.head != previous || seal.last + 1 != sequence || seal.count != sequence - seal.first {
            return Some("does not fit its own place".into());
        }
        if self.announced_by.is_some_and(|by| by != seal.previous_seal) {
            return Some(format!("names record {} as the seal before", seal.previous_seal));
        }
        let seen = (segment.first, segment.count, segment.oldest, segment.newest);
        if segment.whole && seen != (seal.first, seal.count, seal.oldest, seal.newest) {
            return Some(format!("counts {} records from {} where {} are", seal.count, seal.first, segment.count));
        }
        None
    }

    /// Compares what the record states before it with what was there.
    fn check_chain(&mut self, sequence: u64, line: &str, link: &Link, authentic: Option<bool>) {
        let (older, value) = match &self.frontier {
            Some(frontier) => (frontier.sequence, frontier.value),
            None if sequence == 1 => (0, Hash::ZERO),
            None => {
                self.settle(None);
                return;
            }
        };
        let holds = link.previous == value;
        let settled = self.settle(Some((holds, link.previous)));
        // Where the doubt was about the record before, what this one states is explained; where this one's own signature does
        // not hold, too.
        if holds || settled || authentic == Some(false) {
            return;
        }
        if older == 0 {
            self.found(Kind::Altered, sequence, "the first record states a record before it");
        } else if authentic == Some(true) {
            let detail =
                format!("the signed record {sequence} chains it, or one before it in its segment, as something else");
            self.found(Kind::Altered, older, detail);
            self.doubt_segment();
        } else {
            let restated = line.replacen(&link.previous.to_string(), &value.to_string(), 1);
            let if_restated = value.after(restated.as_bytes());
            self.doubt = Some(Doubt { older, newer: sequence, if_restated });
        }
    }

    /// Decides an open doubt by what the next record states; whether there was one.
    fn settle(&mut self, next: Option<(bool, Hash)>) -> bool {
        let Some(Doubt { older, newer, if_restated }) = self.doubt.take() else { return false };
        match next {
            Some((true, _)) => self.found(Kind::Altered, older, format!("record {newer} chains it as something else")),
            Some((false, stated)) if stated == if_restated => {
                self.found(Kind::Altered, newer, "it states another record before it than is there");
            }
            _ => {
                let detail = format!("record {older} or {newer}, or both, were changed");
                let finding = self.id.finding(Kind::Altered, older, detail);
                self.findings.push(Finding { through: Some(newer), ..finding });
            }
        }
        true
    }

    /// What became of the stream.
    pub(super) fn finish(mut self) -> Outcome {
        self.settle(None);
        for (first, last) in std::mem::take(&mut self.gaps) {
            let finding = self.id.finding(Kind::Removed, first, format!("{} records are missing", last + 1 - first));
            self.findings.push(Finding { through: Some(last), ..finding });
        }
        for (first, last, key) in std::mem::take(&mut self.broken) {
            let named = |finding: &Finding| finding.sequence.is_some_and(|sequence| (first..=last).contains(&sequence));
            if !self.findings.iter().any(named) {
                let detail = "the object does not have the digest that its key names";
                let finding = self.id.finding(Kind::Altered, first, detail);
                self.findings.push(Finding { through: Some(last), key: Some(key), ..finding });
            }
        }
        let last = self.expected - 1;
        let report = StreamReport {
            account: self.id.account.clone(),
            writer: self.id.writer.clone(),
            stream: self.id.stream.clone(),
            records: self.records,
            last,
            intact_through: self.vouched.map_or(last, |vouched| vouched.min(last)),
            intact_time: None,
            sealed_through: self.sealed_through,
            ending: if self.closed { Ending::Closed } else { Ending::Open },
            next_due: self.next_due.filter(|_| !self.closed),
            head: self.frontier.as_ref().map_or(Hash::ZERO, |frontier| frontier.value),
        };
        Outcome {
            id: self.id,
            report,
            findings: self.findings,
            genesis: self.genesis,
            at_checkpoint: self.at_checkpoint,
            times: self.times,
        }
    }
}

impl Outcome {
    /// The chain's value after record `sequence` is not what others know: any record up to it that no seal covers can
    /// be the changed one, all after it chained anew. Where a seal covers that record, its signer can't be trusted either.
    pub(super) fn doubt_up_to(&mut self, sequence: u64) {
        let report = &mut self.report;
        let vouched = if sequence > report.sealed_through { report.sealed_through } else { 0 };
        report.intact_through = report.intact_through.min(vouched);
    }

    /// Settles how far the stream is intact, now that all findings are known.
    pub(super) fn settle(&mut self, findings: &[Finding]) {
        let report = &mut self.report;
        let mine = findings.iter().filter(|finding| {
            (&finding.account, &finding.writer, &finding.stream)
                == (&Some(report.account.clone()), &Some(report.writer.clone()), &Some(report.stream.clone()))
        });
        if let Some(first) = mine.map(|finding| finding.sequence.unwrap_or(1)).min() {
            report.intact_through = report.intact_through.min(first.saturating_sub(1));
        }
        let at = self.times.partition_point(|(sequence, _)| *sequence <= report.intact_through);
        report.intact_time = at.checked_sub(1).and_then(|at| self.times.get(at)).map(|(_, time)| *time);
    }
}
