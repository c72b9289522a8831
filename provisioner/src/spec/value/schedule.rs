//! When backups are made.

use super::{Refusal, quote};

/// A time in every day or week, as AWS Backup's six-field `cron(…)` in UTC; `daily` and `weekly` are short for two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule(String);

/// Five in the morning, which is AWS Backup's own default.
const DAILY: &str = "cron(0 5 ? * * *)";
const WEEKLY: &str = "cron(0 5 ? * SUN *)";

/// The fields of a cron expression: name, least, most, and names that stand for numbers
/// (EventBridge Scheduler User Guide, "Cron-based schedules", which AWS Backup takes over).
const FIELDS: [(&str, u32, u32, &[&str]); 6] = [
    ("minutes", 0, 59, &[]),
    ("hours", 0, 23, &[]),
    ("day of month", 1, 31, &[]),
    ("month", 1, 12, &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]),
    ("day of week", 1, 7, &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]),
    ("year", 1970, 2199, &[]),
];

impl Schedule {
    /// The `cron(…)` expression.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Schedule {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let cron = match text {
            "daily" => DAILY,
            "weekly" => WEEKLY,
            cron => cron,
        };
        check(cron)?;
        Ok(Self(cron.to_owned()))
    }
}

fn check(text: &str) -> Result<(), Refusal> {
    let expected = "\"daily\", \"weekly\" or six fields in UTC, such as \"cron(30 3 ? * * *)\"";
    let refuse = |why: String| Refusal::new(format!("{} isn't a schedule: {why}", quote(text)), expected);
    let Some(inner) = text.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')')) else {
        return Err(Refusal::new(format!("{} isn't a schedule", quote(text)), expected));
    };
    let fields: Vec<&str> = inner.split_ascii_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(refuse(format!("it has {} fields, not six", fields.len()))
            .help("minutes, hours, day of month, month, day of week and year, with ? for one of the two days"));
    }
    for (field, (name, least, most, names)) in fields.iter().zip(FIELDS) {
        let is_number = |part: &str| {
            part.parse().is_ok_and(|number: u32| (least..=most).contains(&number)) || names.contains(&part)
        };
        let is_range = |part: &str| match part.split_once('-') {
            Some((from, to)) => is_number(from) && is_number(to),
            None => part == "*" || is_number(part),
        };
        let is_part = |part: &str| match part.split_once('/') {
            Some((range, step)) => is_range(range) && step.parse().is_ok_and(|step: u32| (1..=most).contains(&step)),
            None => is_range(part),
        };
        let is_day = name.starts_with("day");
        if !(field.split(',').all(is_part) || (is_day && matches!(*field, "?" | "L"))) {
            return Err(refuse(format!("its {name} is {}", quote(field))));
        }
    }
    if (fields[2] == "?") == (fields[4] == "?") {
        return Err(refuse("one of its two days must be ?, and the other not".to_owned()));
    }
    Ok(())
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.0
    }
}

impl TryFrom<String> for Schedule {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short_for_expressions() {
        assert_eq!("daily".parse::<Schedule>().unwrap().as_str(), DAILY);
        assert_eq!("weekly".parse::<Schedule>().unwrap().as_str(), WEEKLY);
    }

    #[test]
    fn expressions_are_what_aws_backup_takes() {
        for text in
            ["cron(30 3 ? * * *)", "cron(0 0/6 * * ? *)", "cron(0 1,13 1 JAN-JUN ? 2026-2030)", "cron(0 5 L * ? *)"]
        {
            assert_eq!(text.parse::<Schedule>().unwrap().as_str(), text);
        }
        for (text, said) in [
            ("hourly", "isn't a schedule"),
            ("cron(0 5 * * *)", "5 fields"),
            ("cron(60 5 ? * * *)", "minutes"),
            ("cron(0 5 ? * FUN *)", "day of week"),
            ("cron(0 5 * * * *)", "one of its two days"),
            ("cron(0 5 ? * ? *)", "one of its two days"),
            ("rate(1 day)", "isn't a schedule"),
        ] {
            let refusal = text.parse::<Schedule>().unwrap_err();
            assert!(refusal.problem.contains(said), "{text}: {}", refusal.problem);
        }
    }
}
