//! The API itself, spoken by hand: what a client that isn't ours may send.

#![allow(clippy::unwrap_used, reason = "a test may say that something can't fail")]

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};
use support::{Agent, PATIENCE};

struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

fn connect(agent: &Agent) -> UnixStream {
    let stream = UnixStream::connect(agent.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// One request on a connection of its own.
fn ask(agent: &Agent, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let mut stream = connect(agent);
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: agent\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // An agent that has read enough to refuse need not read the rest.
    let _ = stream.write_all(body.as_bytes());
    let mut text = Vec::new();
    // It closes without reading the rest, which the kernel tells as a reset after the answer.
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    Answer { status: head[9..12].parse().unwrap(), body: body.to_owned() }
}

fn start(agent: &Agent, spec: &Value) -> Value {
    let answer = ask(agent, "POST", "/v1/jobs", "", &spec.to_string());
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()
}

#[test]
fn a_job_is_started_awaited_and_forgotten_by_plain_requests() {
    let agent = Agent::start("");
    // "input\n" in base64.
    let job = start(&agent, &json!({ "program": "sh", "args": ["-c", "cat; exit 9"], "stdin": "aW5wdXQK" }));
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let ended = ask(&agent, "GET", &format!("{path}/wait"), "", "").json();
    assert_eq!((&ended["state"], &ended["result"]["exit_code"]), (&json!("ended"), &json!(9)));
    assert_eq!(agent.client(&["logs", job["id"].as_str().unwrap()]).ok().stdout, "input\n");
    assert_eq!(ask(&agent, "DELETE", &path, "", "").status, 204);
    assert_eq!(ask(&agent, "GET", &path, "", "").json()["error"]["code"], "NoSuchJob");
}

#[test]
fn a_job_that_runs_is_not_forgotten_and_not_stopped() {
    let agent = Agent::start("");
    let job = start(&agent, &json!({ "program": "sleep", "args": ["1000"] }));
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let refused = ask(&agent, "DELETE", &path, "", "");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (409, &json!("WrongState")));
    let stop = ask(&agent, "POST", &format!("{path}/signal"), "", "{\"signal\": 19}");
    assert_eq!(stop.status, 400, "SIGSTOP would stop the wall clock");
    assert_eq!(ask(&agent, "POST", &format!("{path}/signal"), "", "{\"signal\": 200}").status, 400);
    assert_eq!(ask(&agent, "POST", &format!("{path}/signal"), "", "{\"signal\": 15}").status, 204);
    let ended = ask(&agent, "GET", &format!("{path}/wait"), "", "").json();
    assert_eq!(ended["result"]["outcome"]["signal"], 15, "{ended}");
}

#[test]
fn a_request_that_makes_no_sense_is_refused_without_its_values_in_the_answer() {
    let agent = Agent::start("[jobs]\nlimits = \"rlimit-only\"\nrequest_bytes = \"64K\"\n");
    for body in [
        "",
        "{\"program\": \"SECRET",
        "{\"program\": \"true\", \"programme\": \"SECRET\"}",
        "{\"program\": \"true\", \"stdin\": \"SECRET is no base64\"}",
        "{\"program\": \"true\", \"limits\": {\"mode\": \"SECRET\"}}",
        "{\"program\": \"true\", \"args\": [\"SECRET\\u0000\"]}",
        "{\"program\": \"true\", \"files\": [{\"path\": \"/proc/x\", \"data\": \"U0VDUkVU\"}]}",
        "{\"program\": \"\"}",
        "[1]",
    ] {
        let answer = ask(&agent, "POST", "/v1/jobs", "", body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        assert_eq!(answer.json()["error"]["code"], "InvalidRequest");
        assert!(!answer.body.contains("SECRET"), "{body}: {}", answer.body);
    }
    let large = json!({ "program": "true", "stdin": "A".repeat(1 << 20) }).to_string();
    let answer = ask(&agent, "POST", "/v1/jobs", "", &large);
    assert!(answer.status == 400 && answer.body.contains("jobs.request_bytes"), "{}", answer.body);
    assert_eq!(ask(&agent, "GET", "/v1/nothing", "", "").status, 404);
    assert_eq!(ask(&agent, "PUT", "/v1/jobs", "", "").status, 404);
    let other = ask(&agent, "POST", "/v1/jobs", "upgrade: websocket\r\n", "{\"program\": \"true\"}");
    assert!(other.status == 400 && other.body.contains("holdfast-stream/1"), "{}", other.body);
    assert_eq!(agent.client(&["ps", "--all", "--json"]).ok().json(), json!([]), "nothing was started");
}

#[test]
fn callers_that_never_finish_their_requests_keep_nobody_from_looking_or_killing() {
    let agent = Agent::start("");
    let job = agent.detach(&["--", "sleep", "1000"]);
    let mut slow: Vec<_> = (0..20).map(|_| connect(&agent)).collect();
    for stream in &mut slow {
        stream.write_all(b"POST /v1/jobs HTTP/1.1\r\nhost: agent\r\ncontent-length: 1000000\r\n\r\n{").unwrap();
    }
    agent.wait_for_state(&job, "running");
    agent.client(&["kill", &job]).ok();
    agent.wait_for_state(&job, "ended");
    drop(slow);
    assert_eq!(agent.run(&["--", "true"]).code, 0, "their places are free again when they have gone");
}

/// Starts a program over an upgraded connection; the stream is past the answer's head.
fn attach(agent: &Agent, spec: &Value) -> UnixStream {
    let mut stream = connect(agent);
    let body = spec.to_string();
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: agent\r\nconnection: upgrade\r\nupgrade: holdfast-stream/1\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

#[test]
fn a_client_that_breaks_the_stream_s_protocol_loses_its_connection_and_its_job() {
    let agent = Agent::start("");
    let too_much_stdin = [&[0][..], &(1_u32 << 20).to_be_bytes(), &vec![b'x'; 1 << 20]].concat();
    let hostile: [(&str, &[u8]); 6] = [
        ("a kind that is not known", &[9, 0, 0, 0, 0]),
        ("a length beyond the bound", &[0, 0xff, 0xff, 0xff, 0xff]),
        ("a frame that only the agent sends", &[1, 0, 0, 0, 1, b'x']),
        ("a signal without a number", &[4, 0, 0, 0, 0]),
        ("more stdin than was granted", &too_much_stdin),
        ("stdin after its end", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'x']),
    ];
    for (what, bytes) in hostile {
        let mut stream = attach(&agent, &json!({ "program": "sleep", "args": ["1000"] }));
        let job = agent.client(&["ps", "--json"]).ok().json()[0]["id"].as_str().unwrap().to_owned();
        let _ = stream.write_all(bytes);
        let mut rest = Vec::new();
        // The end of the connection, however the kernel tells it.
        let _ = stream.read_to_end(&mut rest);
        let ended = agent.wait_for_state(&job, "ended");
        assert_eq!(ended["result"]["outcome"]["ended_by"], "killed", "{what}: {ended}");
    }
    assert_eq!(agent.run(&["--", "true"]).code, 0, "the agent itself is well");
}
