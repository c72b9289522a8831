//! A token bucket for each service, below what AWS allows an account, so that others in it can still call.
//!
//! AWS refuses what is over its limits, and the SDK's adaptive mode then slows down; these buckets keep it from coming
//! to that, since a throttled account throttles everybody in it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// A service of AWS that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// EC2 Auto Scaling.
    AutoScaling,
    /// AWS Backup.
    Backup,
    /// Elastic Compute Cloud.
    Ec2,
    /// Identity and Access Management.
    Iam,
    /// Key Management Service.
    Kms,
    /// Simple Storage Service.
    S3,
    /// CloudWatch Logs.
    Logs,
    /// Budgets.
    Budgets,
    /// Organizations.
    Organizations,
    /// Security Token Service.
    Sts,
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::AutoScaling => "Auto Scaling",
            Self::Backup => "Backup",
            Self::Ec2 => "EC2",
            Self::Iam => "IAM",
            Self::Kms => "KMS",
            Self::S3 => "S3",
            Self::Logs => "CloudWatch Logs",
            Self::Budgets => "Budgets",
            Self::Organizations => "Organizations",
            Self::Sts => "STS",
        })
    }
}

/// What one bucket holds and how fast it fills.
struct Rate {
    service: Service,
    changes: bool,
    burst: f64,
    per_second: f64,
}

/// EC2's own buckets are 100 filled by 20 a second for filtered reads and 50 by 5 for changes (EC2 API Reference,
/// "Request throttling"); KMS allows 5 a second for most changes (KMS Developer Guide, "Request quotas"), CloudWatch Logs
/// 5 a second and more for all that is called here (its User Guide, "CloudWatch Logs quotas"). IAM, Auto Scaling, Backup
/// and Budgets publish none: these are what is known not to be refused.
const RATES: &[Rate] = &[
    Rate { service: Service::AutoScaling, changes: false, burst: 20.0, per_second: 10.0 },
    Rate { service: Service::AutoScaling, changes: true, burst: 10.0, per_second: 4.0 },
    Rate { service: Service::Ec2, changes: false, burst: 80.0, per_second: 18.0 },
    Rate { service: Service::Ec2, changes: true, burst: 40.0, per_second: 4.5 },
    Rate { service: Service::Iam, changes: false, burst: 30.0, per_second: 15.0 },
    Rate { service: Service::Iam, changes: true, burst: 15.0, per_second: 4.0 },
    Rate { service: Service::Kms, changes: false, burst: 50.0, per_second: 20.0 },
    Rate { service: Service::Kms, changes: true, burst: 5.0, per_second: 4.0 },
    Rate { service: Service::S3, changes: false, burst: 100.0, per_second: 100.0 },
    Rate { service: Service::S3, changes: true, burst: 100.0, per_second: 100.0 },
    Rate { service: Service::Backup, changes: false, burst: 15.0, per_second: 8.0 },
    Rate { service: Service::Backup, changes: true, burst: 8.0, per_second: 3.0 },
    Rate { service: Service::Logs, changes: false, burst: 5.0, per_second: 5.0 },
    Rate { service: Service::Logs, changes: true, burst: 5.0, per_second: 5.0 },
    Rate { service: Service::Budgets, changes: false, burst: 10.0, per_second: 5.0 },
    Rate { service: Service::Budgets, changes: true, burst: 8.0, per_second: 2.0 },
    Rate { service: Service::Organizations, changes: false, burst: 2.0, per_second: 1.0 },
    Rate { service: Service::Sts, changes: false, burst: 10.0, per_second: 10.0 },
];

/// The names of calls that change nothing begin with these.
const READS: &[&str] = &["Describe", "Get", "List", "Head"];

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    burst: f64,
    per_second: f64,
    filled: Instant,
}

impl Bucket {
    /// Takes a token, in advance if need be, and says how long to wait for it.
    fn take(&mut self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * self.per_second).min(self.burst) - 1.0;
        self.filled = now;
        if self.tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.tokens / self.per_second) }
    }
}

/// The buckets of one [`Cloud`](super::Cloud).
#[derive(Debug)]
pub(super) struct Throttle(HashMap<(Service, bool), Mutex<Bucket>>);

impl Throttle {
    pub(super) fn new() -> Self {
        let filled = Instant::now();
        Self(
            RATES
                .iter()
                .map(|&Rate { service, changes, burst, per_second }| {
                    ((service, changes), Mutex::new(Bucket { tokens: burst, burst, per_second, filled }))
                })
                .collect(),
        )
    }

    /// Waits until a call may be made.
    pub(super) async fn take(&self, service: Service, operation: &str) {
        let changes = !READS.iter().any(|read| operation.starts_with(read));
        let Some(bucket) = self.0.get(&(service, changes)) else { return };
        // A poisoned lock means a panic between two arithmetic operations: the number is as good as any.
        let wait = bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_a_burst_pass_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket { tokens: 2.0, burst: 2.0, per_second: 4.0, filled: start };
        assert_eq!(bucket.take(start), Duration::ZERO);
        assert_eq!(bucket.take(start), Duration::ZERO);
        assert_eq!(bucket.take(start), Duration::from_millis(250));
        assert_eq!(bucket.take(start), Duration::from_millis(500));
        assert_eq!(bucket.take(start + Duration::from_secs(60)), Duration::ZERO);
    }
}
