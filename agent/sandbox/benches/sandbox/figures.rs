//! What is printed.

use std::time::Duration;

use serde::Serialize;

/// One figure: a line of JSON.
#[derive(Serialize)]
struct Figure<'a> {
    what: &'a str,
    /// The median, of what was taken many times.
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p10: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Option<f64>,
}

/// Tells one number.
pub(crate) fn tell(what: &str, value: f64) {
    print(&Figure { what, value, p10: None, p99: None });
}

/// Tells how many milliseconds something took: median, 10th and 99th percentile.
pub(crate) fn tell_times(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let part = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    print(&Figure { what, value: part(50), p10: Some(part(10)), p99: Some(part(99)) });
}

fn print(figure: &Figure<'_>) {
    println!("{}", serde_json::to_string(figure).unwrap());
}
