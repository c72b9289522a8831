//! What is to happen to which calls, as a script says it.

use std::fmt;

use serde::Deserialize;

use crate::error::LabError;

/// Something that happens to some calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The name that the service signs with (`ec2`, `s3`); any where there is none.
    pub service: Option<String>,
    /// The operation, or its beginning with a `*` after it; any where there is none.
    pub operation: Option<String>,
    /// The first of the matching calls that it happens to, from 1.
    #[serde(default = "first")]
    pub call: u64,
    /// To how many it happens.
    #[serde(default)]
    pub times: Times,
    /// What happens.
    pub action: Action,
}

fn first() -> u64 {
    1
}

/// How many calls in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// Every one from the first on.
    All,
    /// So many.
    #[serde(untagged)]
    Count(u64),
}

impl Default for Times {
    fn default() -> Self {
        Times::Count(1)
    }
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// It is passed on so many milliseconds late.
    DelayMs(u64),
    /// It is refused as the service refuses who calls too often.
    Throttle,
    /// It is refused.
    Refuse(Refusal),
    /// Its connection ends.
    Cut(Moment),
    /// Whoever made it is killed, by SIGKILL.
    Kill(Moment),
    /// It is kept until it is let go ([`Faults::release`](super::Faults::release)); from a script: forever.
    Hold,
    /// It is taken by a service whose clock is so many seconds ahead: refused, unless it is signed by that clock.
    ClockAhead(i64),
}

/// Around which side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The call never arrives.
    Before,
    /// The call is done, and its answer never arrives.
    After,
}

/// A service's refusal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Of HTTP.
    pub status: u16,
    /// AWS's code, `InternalError`.
    pub code: String,
    /// AWS's message.
    #[serde(default)]
    pub message: String,
}

impl Refusal {
    /// One without words.
    pub fn new(status: u16, code: &str) -> Refusal {
        Refusal { status, code: code.to_owned(), message: String::new() }
    }
}

impl Fault {
    /// To the first call of an operation.
    pub fn on(operation: &str, action: Action) -> Fault {
        Fault { service: None, operation: Some(operation.to_owned()), call: 1, times: Times::default(), action }
    }

    /// To the first call.
    pub fn on_any(action: Action) -> Fault {
        Fault { service: None, operation: None, call: 1, times: Times::default(), action }
    }

    /// The same for a service's calls alone.
    pub fn of(self, service: &str) -> Fault {
        Fault { service: Some(service.to_owned()), ..self }
    }

    /// The same from this matching call on.
    pub fn from_call(self, call: u64) -> Fault {
        Fault { call, ..self }
    }

    /// The same for so many calls.
    pub fn times(self, count: u64) -> Fault {
        Fault { times: Times::Count(count), ..self }
    }

    /// The same for every call from the first on.
    pub fn always(self) -> Fault {
        Fault { times: Times::All, ..self }
    }

    /// Whether a call is of those that are counted.
    pub(super) fn names(&self, service: &str, operation: &str) -> bool {
        let of_service = self.service.as_ref().is_none_or(|wanted| wanted == service);
        let of_operation = self.operation.as_ref().is_none_or(|wanted| match wanted.strip_suffix('*') {
            Some(beginning) => operation.starts_with(beginning),
            None => operation == wanted,
        });
        of_service && of_operation
    }

    /// Whether it happens to this one of those that are counted.
    pub(super) fn covers(&self, number: u64) -> bool {
        number >= self.call
            && match self.times {
                Times::All => true,
                Times::Count(count) => number - self.call < count,
            }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::DelayMs(delay) => write!(formatter, "{delay} ms late"),
            Action::Throttle => write!(formatter, "throttled"),
            Action::Refuse(refusal) => write!(formatter, "refused: {} {}", refusal.status, refusal.code),
            Action::Cut(Moment::Before) => write!(formatter, "cut off before it was taken"),
            Action::Cut(Moment::After) => write!(formatter, "cut off after it was taken"),
            Action::Kill(Moment::Before) => write!(formatter, "its caller killed before it was taken"),
            Action::Kill(Moment::After) => write!(formatter, "its caller killed after it was taken"),
            Action::Hold => write!(formatter, "held"),
            Action::ClockAhead(seconds) => write!(formatter, "taken by a clock {seconds} s ahead"),
        }
    }
}

/// A script's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    #[serde(default)]
    fault: Vec<Fault>,
}

/// Reads a script's text.
pub(super) fn parse(text: &str) -> Result<Vec<Fault>, LabError> {
    toml::from_str::<Script>(text).map(|script| script.fault).map_err(|source| LabError::Script(Box::new(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_all_that_can_happen() {
        let script = r#"
            [[fault]]
            action = "throttle"
            operation = "Describe*"
            times = "all"
            [[fault]]
            call = 17
            action = { cut = "after" }
            [[fault]]
            service = "s3"
            times = 3
            action = { refuse = { status = 500, code = "InternalError" } }
            [[fault]]
            operation = "RunInstances"
            action = { kill = "before" }
            [[fault]]
            action = { delay_ms = 250 }
            [[fault]]
            action = { clock_ahead = -3600 }
            [[fault]]
            action = "hold"
        "#;
        let expected = vec![
            Fault::on("Describe*", Action::Throttle).always(),
            Fault::on_any(Action::Cut(Moment::After)).from_call(17),
            Fault::on_any(Action::Refuse(Refusal::new(500, "InternalError"))).of("s3").times(3),
            Fault::on("RunInstances", Action::Kill(Moment::Before)),
            Fault::on_any(Action::DelayMs(250)),
            Fault::on_any(Action::ClockAhead(-3600)),
            Fault::on_any(Action::Hold),
        ];
        assert_eq!(parse(script).unwrap(), expected);
    }

    #[test]
    fn a_script_with_a_slip_is_refused_with_its_line() {
        let error = parse("[[fault]]\noperatoin = \"RunInstances\"\naction = \"throttle\"\n").unwrap_err();
        assert!(error.to_string().contains("operatoin") && error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn a_fault_happens_to_the_calls_that_it_names_alone() {
        let fault = Fault::on("Create*", Action::Throttle).of("ec2").from_call(2).times(2);
        assert!(
            fault.names("ec2", "CreateVpc") && !fault.names("iam", "CreateRole") && !fault.names("ec2", "RunInstances")
        );
        assert_eq!([1, 2, 3, 4].map(|number| fault.covers(number)), [false, true, true, false]);
    }
}
