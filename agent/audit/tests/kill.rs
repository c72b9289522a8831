//! A real process, really killed: what it was told is on disk is on disk.
//!
//! The test runs itself anew as the child, which appends without end and prints each acknowledgement; the parent kills it in the
//! middle and looks at what is left.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use holdfast_audit::verify::Trust;
use holdfast_audit::{Config, Record, Trail};
use support::{Store, check, config, event, ship};

const DIRECTORY: &str = "HOLDFAST_AUDIT_TEST_CHILD";

fn settings(directory: &Path) -> Config {
    Config { segment_bytes: 20_000, ..config(directory) }
}

/// The child's part; without the variable there is nothing to do in this process.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let (trail, _) = Trail::open(settings(Path::new(&directory))).unwrap();
    std::thread::scope(|scope| {
        for producer in 0..4 {
            let trail = &trail;
            scope.spawn(move || {
                for number in 0.. {
                    let id = number * 4 + producer;
                    trail.append(event(id)).unwrap();
                    // One write to the pipe: a line is there whole or not at all.
                    let mut out = std::io::stdout().lock();
                    out.write_all(format!("acknowledged {id}\n").as_bytes()).unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
}

#[test]
fn kill_9_between_any_two_records_loses_no_acknowledged_event() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::new();
    let mut expected = Vec::new();
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let acknowledged =
            |line: String| line.split_once("acknowledged ").and_then(|(_, id)| id.trim().parse::<u64>().ok());
        // A different number each time, so that it dies at different places of a segment and of a batch.
        let mut seen: Vec<u64> = lines.by_ref().filter_map(acknowledged).take(5 + round * 7).collect();
        child.kill().unwrap();
        // What it had printed before it died was acknowledged, too.
        seen.extend(lines.filter_map(acknowledged));
        child.wait().unwrap();
        assert!(seen.len() >= 5 + round * 7, "the child ended by itself");

        let (trail, recovery) = Trail::open(settings(directory.path())).unwrap();
        assert_eq!(recovery.damaged, []);
        assert!(recovery.previous.is_some_and(|previous| !previous.closed));
        let mut outbox = trail.outbox().unwrap();
        let before: Vec<String> = store.keys().cloned().collect();
        ship(&mut outbox, &mut store);
        let mut stored = Vec::new();
        for (key, bytes) in store.iter().filter(|(key, _)| !before.contains(key)) {
            for line in holdfast_audit::object::decode(bytes).unwrap() {
                let number = Record::parse(&line).unwrap().request_parameters["number"].as_u64();
                stored.extend(number.map(|number| (key.clone(), number)));
            }
        }
        for id in &seen {
            assert!(
                stored.iter().any(|(_, number)| number == id),
                "round {round}: the acknowledged event {id} is lost"
            );
        }
        expected.push(seen.len());
        trail.close().unwrap();
        ship(&mut outbox, &mut store);
    }
    let (report, _) = check(&store, &Trust::new());
    assert!(report.intact, "{:#?}", report.findings);
    assert!(report.records as usize > expected.iter().sum());
}
