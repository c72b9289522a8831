//! Records: CloudTrail's fields, and Holdfast's own below one of them.
//!
//! Existing readers (Athena's CloudTrail tables, jq recipes, SIEM parsers) take these lines, because every field that
//! CloudTrail documents keeps its name, type and meaning:
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>.
//!
//! # Format
//! One line of JSON without line feeds. First CloudTrail's fields, in the order of [`Body`]; last
//! ```text
//! "additionalEventData":{"holdfast":{ …Link… }}}
//! ```
//! - `eventSource` is `agent.holdfast`, `provision.holdfast` or, for the trail's own records, `trail.holdfast`. Never
//!   `*.amazonaws.com`: a host must not be able to write what looks like a service's record.
//! - `eventType` is `ActivityLog` and `eventCategory` is `ActivityAuditLog`: CloudTrail's words for events from outside AWS.
//! - `eventTime` has whole seconds in UTC, `holdfast.time` the same instant to the nanosecond, `holdfast.bootMicros` the time
//!   since the machine started, which a changed wall clock does not move.
//! - The line of a seal or genesis ends in its signature, see [`crate::seal`].
//!
//! # Invariants
//! - What a producer gives is bounded: a parameter object larger than [`MAX_PARAMETERS`] is replaced by its size and digest,
//!   a text longer than [`MAX_TEXT`] characters is cut. So no caller can make a record that can't be stored, nor stop the
//!   trail by asking for something long. The hard limit of a line is [`MAX_LINE`].
//! - What is fixed for a stream comes from [`Origin`] alone; a producer can't name another writer, account or host.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::chain::Hash;
use crate::error::{Error, Result};
use crate::seal::{Genesis, Seal};

/// The largest line, in bytes.
pub const MAX_LINE: usize = 256 * 1024;
/// The largest `requestParameters` or `responseElements`, in bytes of JSON.
pub const MAX_PARAMETERS: usize = 16 * 1024;
/// The longest text of one field, in characters. CloudTrail cuts `errorMessage` and `userAgent` at 1 KB.
pub const MAX_TEXT: usize = 1024;
/// The most resources that one record names.
pub const MAX_RESOURCES: usize = 100;

/// The `eventSource` of the trail's own records.
pub const TRAIL: &str = "trail.holdfast";

const EVENT_VERSION: &str = "1.11";

/// Which part of Holdfast an event comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// `agent.holdfast`
    Agent,
    /// `provision.holdfast`
    Provision,
}

impl Source {
    /// The `eventSource`.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Agent => "agent.holdfast",
            Source::Provision => "provision.holdfast",
        }
    }
}

/// Who acted: CloudTrail's `userIdentity`.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// `IAMUser`, `AssumedRole`, `Root`, … or `Unknown` for a user of the host.
    #[serde(rename = "type")]
    pub kind: String,
    /// The `aws:userid`, or `uid:1000` for a user of the host.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub principal_id: Option<String>,
    /// The principal's ARN.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub arn: Option<String>,
    /// The account that owns the principal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account_id: Option<String>,
    /// The user's name, on AWS or on the host.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_name: Option<String>,
}

impl Identity {
    /// The caller as `sts:GetCallerIdentity` names it.
    pub fn from_caller(user_id: &str, arn: &str, account: &str) -> Identity {
        // arn:aws:iam::111111111111:user/path/name, arn:aws:sts::111111111111:assumed-role/role/session, …:root
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        let (kind, user_name) = match resource.split_once('/') {
            Some(("user", path)) => ("IAMUser", path.rsplit('/').next()),
            Some(("assumed-role", _)) => ("AssumedRole", None),
            Some(("federated-user", name)) => ("FederatedUser", Some(name)),
            _ if resource == "root" => ("Root", None),
            _ => ("Unknown", None),
        };
        Identity {
            kind: kind.into(),
            principal_id: Some(user_id.into()),
            arn: Some(arn.into()),
            account_id: Some(account.into()),
            user_name: user_name.map(Into::into),
        }
    }

    /// A user of the host, as the peer credentials of a UNIX socket name it.
    pub fn local_user(uid: u32, name: Option<&str>) -> Identity {
        Identity {
            kind: "Unknown".into(),
            principal_id: Some(format!("uid:{uid}")),
            user_name: name.map(|name| cut(name.into())),
            ..Identity::default()
        }
    }

    /// The program itself, for what no caller asked for: a deadline, a start, an end.
    pub fn program(name: &str) -> Identity {
        Identity { kind: "Unknown".into(), principal_id: Some(cut(name.into())), ..Identity::default() }
    }
}

/// What an event touched.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Resource {
    /// Its ARN, where it has one.
    #[serde(rename = "ARN", skip_serializing_if = "Option::is_none", default)]
    pub arn: Option<String>,
    /// Its CloudFormation type (`AWS::EC2::VPC`) or Holdfast's (`Holdfast::Job`).
    #[serde(rename = "type")]
    pub kind: String,
}

/// What is fixed for a stream: where records go and whose they are.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Origin {
    /// The organisation's id (`o-…`), the second part of each object's key.
    pub organization: String,
    /// The writer's account.
    pub account: String,
    /// The account whose resources the records are about: `recipientAccountId`.
    pub recipient_account: String,
    /// The region, as `awsRegion`.
    pub region: String,
    /// The writer: its `aws:userid`, `AROA…:i-…` for a host.
    pub writer: String,
    /// What program writes, as `userAgent`: `holdfast-agent/0.1.0`.
    pub program: String,
    /// The instance's id, on a host.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<String>,
    /// The image that the host started from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image: Option<String>,
    /// What the host was launched as: group, generation and index.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub launch: Option<String>,
}

impl Origin {
    /// Whether each part of the key is safe in a key, and cannot be taken for another part.
    pub fn check(&self) -> Result<()> {
        let word = |value: &str| {
            (1..=256).contains(&value.len())
                && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:-".contains(&b))
                && value != "."
                && value != ".."
        };
        let fields = [
            ("the organisation", &self.organization),
            ("the account", &self.account),
            ("the recipient account", &self.recipient_account),
            ("the region", &self.region),
            ("the writer", &self.writer),
        ];
        for (field, value) in fields {
            if !word(value) {
                let expected = "letters, digits and _+=,.@:- are allowed, at most 256";
                return Err(Error::Origin { field, value: value.clone(), expected });
            }
        }
        Ok(())
    }
}

/// What a producer knows of one event.
#[derive(Clone, Debug)]
pub struct Event {
    pub(crate) source: &'static str,
    pub(crate) name: String,
    pub(crate) identity: Identity,
    pub(crate) time: Timestamp,
    pub(crate) boot_micros: u64,
    read_only: bool,
    request: Value,
    response: Value,
    error: Option<(String, String)>,
    request_id: Option<String>,
    source_address: Option<String>,
    resources: Vec<Resource>,
}

impl Event {
    /// An event that happens now. `name` is a verb and a noun as AWS's are: `StartJob`.
    pub fn new(source: Source, name: impl Into<String>, identity: Identity) -> Event {
        Event::from_part(source.as_str(), name.into(), identity)
    }

    pub(crate) fn from_part(source: &'static str, name: String, identity: Identity) -> Event {
        Event {
            source,
            name: cut(name),
            identity,
            time: Timestamp::now(),
            boot_micros: boot_micros(),
            read_only: false,
            request: Value::Null,
            response: Value::Null,
            error: None,
            request_id: None,
            source_address: None,
            resources: Vec::new(),
        }
    }

    /// Whether the event changed nothing.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Event {
        self.read_only = read_only;
        self
    }

    /// What was asked for: `requestParameters`. No secrets: what goes in here is kept for years.
    #[must_use]
    pub fn request(mut self, parameters: Value) -> Event {
        self.request = bound(parameters);
        self
    }

    /// What came of it: `responseElements`.
    #[must_use]
    pub fn response(mut self, elements: Value) -> Event {
        self.response = bound(elements);
        self
    }

    /// That it failed: `errorCode` (a word) and `errorMessage`.
    #[must_use]
    pub fn failed(mut self, code: impl Into<String>, message: impl Into<String>) -> Event {
        self.error = Some((cut(code.into()), cut(message.into())));
        self
    }

    /// What ties an intent to its outcome, or a call to its log lines: `requestID`.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Event {
        self.request_id = Some(cut(id.into()));
        self
    }

    /// Where the caller is: `sourceIPAddress`.
    #[must_use]
    pub fn source_address(mut self, address: impl Into<String>) -> Event {
        self.source_address = Some(cut(address.into()));
        self
    }

    /// Adds what it touched; beyond [`MAX_RESOURCES`] nothing more is named.
    #[must_use]
    pub fn resource(mut self, kind: impl Into<String>, arn: Option<String>) -> Event {
        if self.resources.len() < MAX_RESOURCES {
            self.resources.push(Resource { arn: arn.map(cut), kind: cut(kind.into()) });
        }
        self
    }

    /// The part of the line that does not depend on the chain, and the event's id. Done by the producer's own thread.
    pub(crate) fn render(&self, origin: &Origin) -> Result<Rendered> {
        let event_id = Uuid::new_v4().to_string();
        let body = Body {
            event_version: EVENT_VERSION,
            user_identity: &self.identity,
            event_time: DateTimePrinter::new().precision(Some(0)).timestamp_to_string(&self.time),
            event_source: self.source,
            event_name: &self.name,
            aws_region: &origin.region,
            source_ip_address: self.source_address.as_deref(),
            user_agent: &origin.program,
            error_code: self.error.as_ref().map(|(code, _)| code.as_str()),
            error_message: self.error.as_ref().map(|(_, message)| message.as_str()),
            request_parameters: &self.request,
            response_elements: &self.response,
            request_id: self.request_id.as_deref(),
            event_id: &event_id,
            read_only: self.read_only,
            resources: &self.resources,
            event_type: "ActivityLog",
            management_event: true,
            recipient_account_id: &origin.recipient_account,
            event_category: "ActivityAuditLog",
        };
        let mut text = serde_json::to_string(&body)
            .map_err(|error| Error::Render { event: self.name.clone(), reason: error.to_string() })?;
        text.truncate(text.len() - 1);
        text.push_str(LINK_OPENS);
        Ok(Rendered { name: self.name.clone(), event_id, time: self.time, boot_micros: self.boot_micros, text })
    }
}

const LINK_OPENS: &str = r#","additionalEventData":{"holdfast":"#;
/// How every line ends: Holdfast's object, `additionalEventData`, the record.
pub(crate) const LINE_CLOSES: &str = "}}}";

/// A line up to the chain's part.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) name: String,
    pub(crate) event_id: String,
    pub(crate) time: Timestamp,
    pub(crate) boot_micros: u64,
    text: String,
}

impl Rendered {
    /// The whole line.
    pub(crate) fn line(&self, link: &Link) -> Result<String> {
        let link = serde_json::to_string(link)
            .map_err(|error| Error::Render { event: self.name.clone(), reason: error.to_string() })?;
        let mut line = String::with_capacity(self.text.len() + link.len() + 2);
        line.push_str(&self.text);
        line.push_str(&link);
        line.push_str(&LINE_CLOSES[1..]);
        if line.len() > MAX_LINE {
            return Err(Error::TooLarge { event: self.name.clone(), bytes: line.len(), max: MAX_LINE });
        }
        Ok(line)
    }
}

/// CloudTrail's fields, in the order in which they are written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    event_version: &'static str,
    user_identity: &'a Identity,
    event_time: String,
    event_source: &'static str,
    event_name: &'a str,
    aws_region: &'a str,
    #[serde(rename = "sourceIPAddress", skip_serializing_if = "Option::is_none")]
    source_ip_address: Option<&'a str>,
    user_agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
    request_parameters: &'a Value,
    response_elements: &'a Value,
    #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(rename = "eventID")]
    event_id: &'a str,
    read_only: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    resources: &'a [Resource],
    event_type: &'static str,
    management_event: bool,
    recipient_account_id: &'a str,
    event_category: &'static str,
}

/// The chain's part of a record: `additionalEventData.holdfast`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Of this format: [`FORMAT`].
    pub format: u32,
    /// One chain: a boot of an agent, a run of `provision`.
    pub stream: String,
    /// The record's place in the stream, from 1.
    pub sequence: u64,
    /// The chain's value before this record, see [`crate::chain`].
    pub previous: Hash,
    /// The instant of `eventTime`, finer.
    pub time: Timestamp,
    /// Microseconds since the machine started.
    pub boot_micros: u64,
    /// The organisation, as in the object's key.
    pub organization: String,
    /// The writer's account, as in the object's key.
    pub account: String,
    /// The writer, as in the object's key.
    pub writer: String,
    /// The instance.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<String>,
    /// Its image.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image: Option<String>,
    /// What it was launched as.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub launch: Option<String>,
    /// In a stream's first record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub genesis: Option<Genesis>,
    /// In a segment's last record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seal: Option<Seal>,
}

/// The number of this format of records.
pub const FORMAT: u32 = 1;

/// A record as a reader sees it. Fields that Holdfast does not look at stay in the line.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// When, in whole seconds.
    pub event_time: Timestamp,
    /// Which part of Holdfast.
    pub event_source: String,
    /// What.
    pub event_name: String,
    /// Who.
    pub user_identity: Identity,
    /// That it failed, and how.
    #[serde(default)]
    pub error_code: Option<String>,
    /// The failure in words.
    #[serde(default)]
    pub error_message: Option<String>,
    /// What was asked for.
    #[serde(default)]
    pub request_parameters: Value,
    /// What came of it.
    #[serde(default)]
    pub response_elements: Value,
    /// Ties intent and outcome together.
    #[serde(rename = "requestID", default)]
    pub request_id: Option<String>,
    /// The record's own id.
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// Whether it changed nothing.
    pub read_only: bool,
    /// The account it is about.
    pub recipient_account_id: String,
    /// Holdfast's part.
    pub additional_event_data: Additional,
}

/// The container of Holdfast's part.
#[derive(Clone, Debug, Deserialize)]
pub struct Additional {
    /// Holdfast's part.
    pub holdfast: Link,
}

impl Record {
    /// Reads a stored line.
    pub fn parse(line: &str) -> serde_json::Result<Record> {
        serde_json::from_str(line)
    }

    /// The chain's part.
    pub fn link(&self) -> &Link {
        &self.additional_event_data.holdfast
    }
}

/// Cuts a text at [`MAX_TEXT`] characters, saying so.
fn cut(text: String) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        None => text,
        Some(_) => text.chars().take(MAX_TEXT - 1).chain(['…']).collect(),
    }
}

/// Puts size and digest in the place of what is too large: of an object's largest fields first, so that the others stay.
fn bound(mut value: Value) -> Value {
    let omitted = |text: &str| json!({ "omitted": true, "bytes": text.len(), "sha256": Hash::of(text.as_bytes()) });
    while let text = value.to_string()
        && text.len() > MAX_PARAMETERS
    {
        let fields = value.as_object_mut().into_iter().flatten();
        let sized = fields.map(|(_, field)| (field.to_string(), field));
        match sized.max_by_key(|(text, _)| text.len()).filter(|(text, _)| text.len() > OMITTED) {
            Some((text, field)) => *field = omitted(&text),
            None => return omitted(&text),
        }
    }
    value
}

/// What takes the place of something too large is not larger than this, in bytes.
const OMITTED: usize = 128;

/// Microseconds since the machine started, time asleep included where the system has such a clock.
fn boot_micros() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    #[cfg(target_os = "linux")]
    let clock = ClockId::CLOCK_BOOTTIME;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::CLOCK_MONOTONIC;
    // Both clocks are always there and can't fail; 0 would say "not known".
    clock_gettime(clock).map_or(0, |time| {
        let micros = i128::from(time.tv_sec()) * 1_000_000 + i128::from(time.tv_nsec()) / 1_000;
        u64::try_from(micros).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_named_by_its_digest_and_the_rest_stays() {
        let long = "x".repeat(MAX_PARAMETERS);
        let bounded = bound(json!({ "estate": "judge", "changes": [long] }));
        assert_eq!(bounded["estate"], "judge");
        assert_eq!(bounded["changes"]["omitted"], true);
        let many: serde_json::Map<_, _> = (0..3000).map(|n| (format!("field{n}"), json!(n))).collect();
        assert_eq!(bound(Value::Object(many))["omitted"], true);
        assert_eq!(bound(json!(long))["bytes"], MAX_PARAMETERS + 2);
        assert_eq!(bound(json!({ "small": 1 })), json!({ "small": 1 }));
    }

    #[test]
    fn a_callers_arn_says_what_it_is() {
        let kind = |arn| Identity::from_caller("AIDAX", arn, "111111111111");
        let user = kind("arn:aws:iam::111111111111:user/ops/ann");
        assert_eq!((user.kind.as_str(), user.user_name.as_deref()), ("IAMUser", Some("ann")));
        assert_eq!(kind("arn:aws:sts::111111111111:assumed-role/role/ann").kind, "AssumedRole");
        assert_eq!(kind("arn:aws:iam::111111111111:root").kind, "Root");
        assert_eq!(kind("nonsense").kind, "Unknown");
    }

    #[test]
    fn an_origin_can_not_leave_its_prefix() {
        let origin = |writer: &str| Origin {
            organization: "o-1".into(),
            account: "111111111111".into(),
            recipient_account: "111111111111".into(),
            region: "eu-central-1".into(),
            writer: writer.into(),
            program: "test".into(),
            host: None,
            image: None,
            launch: None,
        };
        assert!(origin("AROAX:i-0123").check().is_ok());
        for writer in ["", ".", "..", "a/b", "a b", "a*", "ä"] {
            assert!(origin(writer).check().is_err(), "{writer:?}");
        }
    }
}
