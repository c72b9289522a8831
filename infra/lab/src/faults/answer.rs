//! Refusals in each service's own words, so that an SDK takes them for the service's.

use std::time::SystemTime;

use super::clock;
use super::message::Message;
use super::operation::Operation;
use super::script::Refusal;

/// How services say that they are called too often.
/// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
pub(super) fn throttled(operation: &Operation) -> Refusal {
    let (status, code) = match operation.service.as_str() {
        "ec2" => (503, "RequestLimitExceeded"),
        "s3" => (503, "SlowDown"),
        "iam" | "sts" | "autoscaling" => (400, "Throttling"),
        _ => (400, "ThrottlingException"),
    };
    Refusal { status, code: code.to_owned(), message: "Rate exceeded".to_owned() }
}

/// The answer's bytes, by a clock that says this time.
pub(super) fn refusal(request: &Message, operation: &Operation, refusal: &Refusal, now: SystemTime) -> Vec<u8> {
    let Refusal { status, code, message } = refusal;
    let id = "00000000-0000-0000-0000-00000000fa17";
    let (kind, body) = match operation.service.as_str() {
        "ec2" => (
            "text/xml",
            format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>{}</Message></Error></Errors>\
                 <RequestID>{id}</RequestID></Response>",
                escaped(message)
            ),
        ),
        "iam" | "sts" | "autoscaling" => (
            "text/xml",
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message></Error>\
                 <RequestId>{id}</RequestId></ErrorResponse>",
                escaped(message)
            ),
        ),
        "s3" => (
            "application/xml",
            format!(
                "<Error><Code>{code}</Code><Message>{}</Message><RequestId>{id}</RequestId></Error>",
                escaped(message)
            ),
        ),
        _ => ("application/json", serde_json::json!({ "__type": code, "message": message }).to_string()),
    };
    let body = if request.method() == "HEAD" { String::new() } else { body };
    format!(
        "HTTP/1.1 {status} Refused\r\nDate: {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         x-amzn-RequestId: {id}\r\nx-amzn-ErrorType: {code}\r\n\r\n{body}",
        clock::http_date(now),
        body.len()
    )
    .into_bytes()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
