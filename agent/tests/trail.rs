//! What is recorded, that nothing acknowledged is lost, and that nothing starts unrecorded.

#![allow(clippy::unwrap_used, reason = "a test may say that something can't fail")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use holdfast_audit::verify::{self, Options, Report, Trust};
use holdfast_audit::{Record, object};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::Value;
use support::{Agent, NOBODY, group_id, until};

/// An agent whose records go into a directory, as they go into a bucket.
fn shipping_agent(more: &str) -> (Agent, PathBuf) {
    let agent = Agent::prepare("");
    let store = agent.path("store");
    agent.rewrite_config(|text| {
        format!("{text}[audit]\nship = \"file://{}\"\nwriter = \"host-under-test\"\n{more}", store.display())
    });
    (agent, store)
}

/// Every record in a store, in the order of its streams.
fn records(store: &Path) -> Vec<Record> {
    let mut lines = Vec::new();
    for stored in verify::list_directory(store).unwrap() {
        let bytes = verify::read_directory(store, &stored).unwrap();
        lines.extend(object::decode(&bytes).unwrap());
    }
    lines.iter().map(|line| Record::parse(line).unwrap()).collect()
}

fn verified(store: &Path) -> Report {
    let read = |object: &verify::StoredObject| verify::read_directory(store, object);
    let listing = verify::list_directory(store).unwrap();
    verify::verify(listing, read, &Trust::new(), Options { trust_new_writers: true }).unwrap().0
}

fn named<'a>(records: &'a [Record], name: &str) -> Vec<&'a Record> {
    records.iter().filter(|record| record.event_name == name).collect()
}

#[test]
fn a_job_s_start_and_end_are_recorded_with_who_what_and_how_it_ended_and_no_secret() {
    let (mut agent, store) = shipping_agent("");
    agent.restart();
    let script = agent.path("script.sh");
    fs::write(&script, "echo SECRET-FILE").unwrap();
    let file = format!("{}:/tmp/script.sh", script.display());
    let ran = agent.run_with_stdin(
        &["--env", "TOKEN=SECRET-ENV", "--file", &file, "--", "sh", "-c", "cat; exit 4", "SECRET-ARGUMENT"],
        b"SECRET-STDIN",
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (4, "SECRET-STDIN"));
    assert_eq!(agent.client_as(NOBODY, group_id(), &["run", "--ro", "/etc:/data", "--", "true"]).code, 125);
    assert!(agent.stop().success());

    let report = verified(&store);
    assert!(report.intact, "{report:?}");
    let records = records(&store);
    let starts = named(&records, "StartJob");
    let (start, refused) = (starts[0], starts[1]);
    assert_eq!(start.user_identity.principal_id.as_deref(), Some("uid:0"));
    assert_eq!(start.event_source, "agent.holdfast");
    assert_eq!(start.request_parameters["program"], "sh");
    assert_eq!(start.request_parameters["argumentCount"], 3);
    assert_eq!(start.request_parameters["environment"][0], "TOKEN");
    assert_eq!(start.request_parameters["limits"]["mode"], "rlimit-only", "a weaker kind of limits is on the record");
    let end = named(&records, "EndJob")[0];
    assert_eq!(end.request_id, start.request_id);
    assert_eq!(end.response_elements["outcome"]["code"], 4);
    assert_eq!(refused.error_code.as_deref(), Some("AccessDenied"));
    assert_eq!(refused.user_identity.principal_id, Some(format!("uid:{NOBODY}")));
    let names: Vec<_> = records.iter().map(|record| record.event_name.as_str()).collect();
    assert!(names.contains(&"StartAgent") && names.contains(&"StopAgent"), "{names:?}");

    for stored in verify::list_directory(&store).unwrap() {
        let lines = object::decode(&verify::read_directory(&store, &stored).unwrap()).unwrap();
        assert!(lines.iter().all(|line| !line.contains("SECRET")), "{lines:?}");
    }
    assert!(!agent.log().contains("SECRET"), "{}", agent.log());
}

#[test]
fn arguments_are_recorded_where_the_configuration_says_so() {
    let (mut agent, store) = shipping_agent("arguments = \"record\"\n");
    agent.restart();
    assert_eq!(agent.run(&["--", "echo", "as said"]).code, 0);
    assert!(agent.stop().success());
    let records = records(&store);
    assert_eq!(named(&records, "StartJob")[0].request_parameters["arguments"][0], "as said");
}

#[test]
fn a_look_and_a_kill_are_recorded_too() {
    let (mut agent, store) = shipping_agent("");
    agent.restart();
    let job = agent.detach(&["--", "sleep", "1000"]);
    agent.client(&["ps"]).ok();
    agent.client(&["logs", &job]).ok();
    agent.client(&["kill", &job]).ok();
    agent.wait_for_state(&job, "ended");
    assert!(agent.stop().success());
    let records = records(&store);
    assert!(named(&records, "ListJobs")[0].read_only);
    assert_eq!(named(&records, "GetJobLogs")[0].request_parameters["jobId"], job.as_str());
    let kill = named(&records, "SignalJob")[0];
    assert_eq!((kill.request_parameters["signal"].as_u64(), kill.read_only), (Some(9), false));
}

#[test]
fn what_the_store_has_confirmed_is_told() {
    let (mut agent, _store) = shipping_agent("");
    agent.restart();
    let job = agent.detach(&["--", "true"]);
    until("its records are confirmed", || {
        let job = agent.inspect(&job);
        (job["records"]["end"]["confirmed"] == true && job["records"]["start"]["confirmed"] == true).then_some(())
    });
    let status = agent.client(&["status", "--json"]).ok().json();
    assert!(status["trail"]["confirmed"].as_u64() <= status["trail"]["recorded"].as_u64(), "{status}");
}

/// A put into a directory that was killed leaves `….json.gz#1`, which a bucket never shows.
fn remove_staged(store: &Path) {
    for stored in verify::list_directory(store).unwrap() {
        if stored.key.contains(".json.gz#") {
            fs::remove_file(store.join(&stored.key)).unwrap();
        }
    }
}

#[test]
fn a_killed_agent_loses_no_acknowledged_event_and_every_start_has_an_end() {
    let (mut agent, store) = shipping_agent("");
    let mut acknowledged = BTreeSet::new();
    for _ in 0..4 {
        agent.restart();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(agent);
        let starters: Vec<_> = (0..3)
            .map(|_| {
                let (agent, seen, stop) = (shared.clone(), seen.clone(), stop.clone());
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Acquire) {
                        // The id is printed only when the start's record is acknowledged.
                        let ran = agent.client(&["run", "--detach", "--", "true"]);
                        if ran.code == 0 {
                            seen.lock().unwrap().push(ran.stdout.trim().to_owned());
                        }
                    }
                })
            })
            .collect();
        until("some jobs were started", || (seen.lock().unwrap().len() >= 10).then_some(()));
        support::send(shared.pid(), nix::sys::signal::Signal::SIGKILL);
        stop.store(true, Ordering::Release);
        for starter in starters {
            starter.join().unwrap();
        }
        agent = Arc::into_inner(shared).unwrap();
        agent.kill();
        acknowledged.extend(seen.lock().unwrap().drain(..));
    }
    agent.restart();
    assert!(agent.stop().success());

    remove_staged(&store);
    let report = verified(&store);
    assert!(report.intact, "{:?}", report.findings);
    assert_eq!(report.streams.len(), 5);
    let records = records(&store);
    let mut jobs: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for record in &records {
        let id = record.request_id.clone().unwrap_or_default();
        match record.event_name.as_str() {
            "StartJob" => jobs.entry(id).or_default().0 += 1,
            "EndJob" => jobs.entry(id).or_default().1 += 1,
            _ => {}
        }
    }
    for id in &acknowledged {
        assert_eq!(jobs.get(id).map(|(starts, _)| *starts), Some(1), "the start of {id} was acknowledged and is lost");
    }
    for (id, (_, ends)) in &jobs {
        assert!(*ends >= 1, "job {id} has a start and no end");
    }
    assert!(acknowledged.len() >= 40);
}

#[test]
fn a_spawner_s_death_is_recorded_and_so_is_its_jobs_end() {
    let (mut agent, store) = shipping_agent("");
    agent.restart();
    let job = agent.detach(&["--", "sleep", "1000"]);
    agent.wait_for_state(&job, "running");
    support::send(agent.spawner(), nix::sys::signal::Signal::SIGKILL);
    agent.wait_for_state(&job, "ended");
    until("there is another", || (agent.client(&["status", "--json"]).json()["spawner"] == true).then_some(()));
    assert!(agent.stop().success());
    let records = records(&store);
    assert_eq!(named(&records, "EndSpawner")[0].error_code.as_deref(), Some("SpawnerDied"));
    assert_eq!(named(&records, "StartSpawner").len(), 1);
    assert_eq!(named(&records, "EndJob")[0].error_code.as_deref(), Some("SpawnerDied"));
}

/// Asks for the list of jobs, over and over on one connection, until the agent refuses: each answer is a record.
fn fill_spool(agent: &Agent) -> String {
    let mut stream = UnixStream::connect(agent.socket()).unwrap();
    let mut buffer = vec![0; 64 << 10];
    for _ in 0..5_000 {
        stream.write_all(b"GET /v1/jobs HTTP/1.1\r\nhost: agent\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !ends_an_answer(&answer) {
            let length = stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the agent closed the connection");
            answer.extend_from_slice(&buffer[..length]);
        }
        if !answer.starts_with(b"HTTP/1.1 200") {
            return String::from_utf8(answer).unwrap();
        }
    }
    panic!("the spool never filled");
}

fn ends_an_answer(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}

#[test]
fn a_full_spool_refuses_starts_but_what_runs_can_be_ended() {
    let mut agent = Agent::start("[audit]\nmax_bytes = \"256K\"\n");
    let running = agent.detach(&["--wall", "50s", "--", "sleep", "1000"]);
    let refusal = fill_spool(&agent);
    assert!(refusal.starts_with("HTTP/1.1 503") && refusal.contains("TrailUnavailable"), "{refusal}");
    let refused = agent.run(&["--", "true"]);
    assert_eq!(refused.code, 125, "{refused:?}");
    assert!(refused.stderr.contains("full"), "{refused:?}");
    let status = agent.client(&["status", "--json"]).ok().json();
    assert!(status["trail"]["problem"].as_str().unwrap().contains("full"), "{status}");
    let pid = support::children(agent.spawner())[0];
    agent.client(&["kill", &running]).ok();
    until("it is ended though its end can't be recorded", || (!support::is_alive(pid)).then_some(()));
    until("its end is held", || {
        let held = agent.client(&["status", "--json"]).json()["trail"]["held"].as_u64().unwrap();
        (held >= 1).then_some(())
    });
    // The next agent has the marker of a job whose end is not recorded, and a full spool still closes.
    assert!(agent.stop().success());
    assert!(agent.path("state/jobs").join(&running).exists());
}

/// A small file system that is gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf, size: &str) -> Self {
        fs::create_dir_all(&path).unwrap();
        mount(Some("tmpfs"), &path, Some("tmpfs"), MsFlags::empty(), Some(format!("size={size}").as_str())).unwrap();
        Self(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// The newest record on the host's disk; this look itself isn't recorded.
fn sequence(agent: &Agent) -> u64 {
    agent.client(&["status", "--json"]).ok().json()["trail"]["recorded"].as_u64().unwrap()
}

#[test]
fn a_full_disk_refuses_starts_until_there_is_room_again() {
    let mut agent = Agent::prepare("");
    let disk = SmallDisk::mount(agent.path("state"), "4m");
    agent.restart();
    assert_eq!(agent.run(&["--", "true"]).code, 0);
    let filler = disk.0.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    let before = sequence(&agent);
    let refused = agent.run(&["--", "true"]);
    assert_eq!(refused.code, 125, "{refused:?}");
    assert!(refused.stderr.contains("No space"), "{refused:?}");
    assert!(sequence(&agent) > before, "the refusal is recorded as long as there is room in the spool");
    // Until the room that the spool has written ahead is used up.
    let refusal = fill_spool(&agent);
    assert!(refusal.contains("no space for the audit spool"), "{refusal}");
    fs::remove_file(filler).unwrap();
    until("there is room again", || (agent.run(&["--", "true"]).code == 0).then_some(()));
    until("what was held is recorded", || {
        (agent.client(&["status", "--json"]).json()["trail"]["held"] == 0).then_some(())
    });
    assert!(agent.stop().success());
}

#[test]
fn a_spool_that_can_t_be_written_keeps_the_agent_from_starting() {
    let agent = Agent::prepare("");
    fs::create_dir_all(agent.path("state")).unwrap();
    fs::write(agent.path("state/spool"), "in the way").unwrap();
    let ran = support::Ran::from(agent.serve().output().unwrap());
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("state/spool") && ran.stderr.contains("audit"), "{ran:?}");
}

#[test]
fn one_changed_byte_in_the_store_is_found() {
    let (mut agent, store) = shipping_agent("");
    agent.restart();
    assert_eq!(agent.run(&["--", "true"]).code, 0);
    assert!(agent.stop().success());
    assert!(verified(&store).intact);
    let stored = verify::list_directory(&store).unwrap().remove(0);
    let path = store.join(&stored.key);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let report = verified(&store);
    assert!(!report.intact);
    let found: Vec<Value> = report.findings.iter().map(|finding| serde_json::to_value(finding).unwrap()).collect();
    assert!(found[0].to_string().contains(&stored.key), "{found:?}");
}
