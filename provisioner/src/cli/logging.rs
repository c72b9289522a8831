//! What is logged: to stderr, by `-v` or `RUST_LOG`.
//!
//! Stops a leak: the AWS SDK and its HTTP client log whole requests at their finer levels, session tokens and bodies
//! included. So whatever the user asks for, crates that aren't Holdfast's log nothing finer than `info`.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Holdfast's own crates, by the beginnings of their modules' paths.
const OWN: &[&str] = &["provision", "holdfast"];

/// Starts logging; `verbose` counts the `-v`.
pub(super) fn start(verbose: u8) {
    let own_level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let wanted = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if verbose == 0 => EnvFilter::builder().parse_lossy(directives),
        _ => EnvFilter::builder()
            .with_default_directive(LevelFilter::WARN.into())
            .parse_lossy(format!("provision={own_level},holdfast_audit={own_level}")),
    };
    let without_secrets = filter_fn(|metadata| may_log(metadata.target(), *metadata.level()));
    let layer = fmt::layer()
        .with_writer(anstream::stderr)
        .with_ansi(anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never)
        .with_target(verbose > 1)
        .without_time();
    // A second start, in a test's process, leaves the first in place.
    let _ = tracing_subscriber::registry().with(layer.with_filter(wanted).with_filter(without_secrets)).try_init();
}

fn may_log(target: &str, level: tracing::Level) -> bool {
    level <= tracing::Level::INFO || OWN.iter().any(|own| target.starts_with(own))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_sdk_never_logs_requests() {
        for target in ["aws_smithy_runtime::client::http", "aws_sigv4", "hyper::proto", "rustls::client"] {
            assert!(!may_log(target, Level::DEBUG) && !may_log(target, Level::TRACE), "{target}");
            assert!(may_log(target, Level::WARN) && may_log(target, Level::INFO), "{target}");
        }
        assert!(may_log("provision::cloud", Level::TRACE) && may_log("holdfast_audit::spool", Level::DEBUG));
    }
}
