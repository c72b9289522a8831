//! Group commit: how many records a second reach the disk, and how long the slowest wait.
//!
//! `cargo bench -p holdfast-audit`; `TMPDIR` chooses the disk.

use std::path::Path;
use std::time::{Duration, Instant};

use holdfast_audit::{Config, Event, Identity, Origin, Source, Trail};
use serde_json::json;

const SECONDS: u64 = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for producers in [1, 4, 16, 64] {
        let directory = tempfile::tempdir()?;
        let (count, mut waits) = run(directory.path(), producers)?;
        waits.sort_unstable();
        let at = |percent: usize| waits.get(waits.len() * percent / 100).copied().unwrap_or_default();
        println!("{producers:>3} producers: {:>7} records/s, median {:?}, p99 {:?}", count / SECONDS, at(50), at(99));
    }
    Ok(())
}

fn run(directory: &Path, producers: u64) -> Result<(u64, Vec<Duration>), holdfast_audit::Error> {
    let origin = Origin {
        organization: "o-exampleorg".into(),
        account: "111111111111".into(),
        recipient_account: "111111111111".into(),
        region: "eu-central-1".into(),
        writer: "AROAEXAMPLE:i-0123456789abcdef0".into(),
        program: "bench/1".into(),
        host: None,
        image: None,
        launch: None,
    };
    let config = Config::new(directory.join("spool"), directory.join("writer.key"), origin);
    let (trail, _) = Trail::open(Config { max_bytes: u64::MAX, ..config })?;
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let producer = || {
        let mut waits = Vec::new();
        while Instant::now() < until {
            let started = Instant::now();
            let event = Event::new(Source::Agent, "StartJob", Identity::local_user(1000, Some("judge")))
                .request(json!({ "program": "/usr/bin/true", "args": [], "job": "0198c0de" }));
            trail.append(event)?;
            waits.push(started.elapsed());
        }
        Ok(waits)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..producers).map(|_| scope.spawn(producer)).collect();
        let mut waits = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(result) => waits.extend(result?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok((waits.len() as u64, waits))
    })
}
