//! A service whose clock isn't the caller's.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::message::Message;
use super::operation::Operation;
use super::script::Refusal;

/// How far a signature's time may be from the service's: EC2 and S3 allow 15 minutes, others 5.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>,
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
fn allowed_seconds(service: &str) -> i64 {
    if matches!(service, "ec2" | "s3") { 900 } else { 300 }
}

/// What time it is for a service whose clock is so many seconds ahead.
pub(super) fn ahead(seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
}

/// What a service says to a request that is signed too far from its time; nothing where it isn't.
pub(super) fn refusal(request: &Message, operation: &Operation, now: SystemTime) -> Option<Refusal> {
    let signed = request.header("x-amz-date").and_then(|date| DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok())?;
    let signed = TimeZone::UTC.to_timestamp(signed).ok()?;
    let now = Timestamp::try_from(now).ok()?;
    if (now.as_second() - signed.as_second()).abs() <= allowed_seconds(&operation.service) {
        return None;
    }
    let (status, code) = match operation.service.as_str() {
        "ec2" => (400, "RequestExpired"),
        "s3" => (403, "RequestTimeTooSkewed"),
        "iam" | "sts" | "autoscaling" => (403, "SignatureDoesNotMatch"),
        _ => (400, "InvalidSignatureException"),
    };
    let message = if now < signed {
        format!("Signature not yet current: {signed} is still later than {now}")
    } else {
        format!("Signature expired: {signed} is now earlier than {now}")
    };
    Some(Refusal { status, code: code.to_owned(), message })
}

/// `Wed, 25 Nov 2026 02:15:43 GMT`
pub(super) fn http_date(now: SystemTime) -> String {
    let now = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
