//! The trail from the operator's and the auditor's side: made, shipped into, listed, verified, tampered with. Through the real
//! binary, against a lab for each test, since a test here spoils a trail for others.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on fails")]

mod secrets;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use holdfast_lab::{Account, Identity, Lab, Layout};
use serde_json::Value;
use tempfile::TempDir;

/// An operator and an auditor with a directory each, and a lab.
struct World {
    lab: Lab,
    directory: TempDir,
}

/// How a command ended.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl World {
    fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::start(&directory.path().join("lab")).unwrap();
        let spec = include_str!("../../../infra/examples/minimal.toml")
            .replace("111111111111", lab.account_id(Account::Workloads))
            .replace("222222222222", lab.account_id(Account::Audit))
            .replace("eu-central-1", lab.control_plane().region())
            .replace("ami-0123456789abcdef0", lab.stock_image());
        fs::write(directory.path().join("estate.toml"), spec).unwrap();
        World { lab, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn bucket(&self) -> String {
        format!("holdfast-trail-{}-{}", self.lab.account_id(Account::Audit), self.lab.control_plane().region())
    }

    fn run(&self, identity: impl Into<Identity>, arguments: &[&str]) -> Ran {
        ran(&mut self.command(identity, arguments))
    }

    fn command(&self, identity: impl Into<Identity>, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        self.lab.point(&mut command, identity).unwrap();
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        // Operator and auditor are different people with different machines.
        let state = self.path(if arguments[0] == "audit" { "auditor" } else { "operator" });
        command.env("XDG_STATE_HOME", state);
        command
    }

    fn init(&self) -> Ran {
        let (account, region) = (self.lab.account_id(Account::Audit), self.lab.control_plane().region());
        self.run(Account::Audit, &["audit", "init", "--account", account, "--region", region])
    }

    fn audit(&self, arguments: &[&str]) -> Ran {
        self.run(Account::Audit, &[&["audit"], arguments].concat())
    }

    fn apply(&self) -> Ran {
        self.run(Account::Workloads, &["apply", "--yes"])
    }

    fn script(&self, identity: impl Into<Identity>, arguments: &[&str]) -> String {
        let mut command = Command::new(Layout::of_this_workspace().venv().join("bin/python"));
        self.lab.point(&mut command, identity).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trail/bucket.py");
        let (verb, rest) = arguments.split_first().unwrap();
        command.arg(script).arg(verb).arg(self.bucket()).args(rest).env("PYTHONDONTWRITEBYTECODE", "1");
        ran(&mut command).ended_with(0).stdout
    }

    /// The trail, copied into a directory: all its files, sorted.
    fn copy(&self, name: &str) -> Vec<PathBuf> {
        let directory = self.path(name);
        self.script(Account::Audit, &["copy", directory.to_str().unwrap()]);
        let mut files = Vec::new();
        let mut waiting = vec![directory];
        while let Some(path) = waiting.pop() {
            for entry in fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { waiting.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }

    fn from(&self, copy: &str) -> String {
        format!("file://{}", self.path(copy).display())
    }

    fn first_key(&self) -> String {
        let copy = self.path("keys");
        let files = self.copy("keys");
        files[0].strip_prefix(copy).unwrap().to_str().unwrap().to_owned()
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ran {
    #[track_caller]
    fn ended_with(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

#[test]
fn init_makes_a_locked_bucket_and_a_second_run_changes_nothing() {
    let world = World::new();
    let refused = world.run(
        Account::Workloads,
        &["audit", "init", "--account", world.lab.account_id(Account::Audit), "--region", "eu-central-1"],
    );
    assert!(refused.ended_with(1).stderr.contains("use credentials of"));

    let first = world.init().ended_with(0);
    assert!(first.stdout.ends_with(&format!("is ready for records of {}\n", world.lab.control_plane().organization())));
    let settings: Value = serde_json::from_str(&world.script(Account::Audit, &["settings"])).unwrap();
    assert_eq!(settings["versioning"], "Enabled");
    assert_eq!(settings["algorithm"], "aws:kms");
    assert_eq!(settings["bucketKey"], true);
    assert_eq!(settings["ownership"], "BucketOwnerEnforced");
    assert_eq!((&settings["retention"]["Mode"], &settings["retention"]["Days"]), (&"GOVERNANCE".into(), &30.into()));
    assert!(settings["public"].as_object().unwrap().values().all(|blocked| blocked == true));

    let again = world.init().ended_with(0);
    assert!(again.stdout.ends_with("is as it should be; nothing was changed\n"), "{}", again.stdout);
    assert_eq!(serde_json::from_str::<Value>(&world.script(Account::Audit, &["settings"])).unwrap(), settings);

    // Longer is set, shorter refused; what can't be undone needs somebody to ask.
    let (account, region) = (world.lab.account_id(Account::Audit), world.lab.control_plane().region());
    let init = |more: &[&str]| world.audit(&[&["init", "--account", account, "--region", region], more].concat());
    assert!(init(&["--retention-days", "90"]).ended_with(0).stdout.contains("90 days, governance (set now)"));
    assert!(init(&["--retention-days", "7"]).ended_with(1).stderr.contains("90 days"));
    assert!(init(&["--compliance"]).ended_with(1).stderr.contains("asks twice"));
    let kept = init(&["--json"]).ended_with(0).json();
    assert_eq!(kept["changed"], 0);
}

#[test]
fn nothing_is_changed_where_the_named_trail_is_not_there() {
    let world = World::new();
    let refused = world.apply().ended_with(1);
    assert!(refused.stderr.contains("provision audit init --account"), "{}", refused.stderr);
    let status = world.run(Account::Workloads, &["status"]).ended_with(0);
    assert!(status.stdout.contains("There is nothing of it"), "{}", status.stdout);

    // Once it is there, the same command goes through, and the refused run is on record, too.
    world.init().ended_with(0);
    world.apply().ended_with(0);
    let records = world.audit(&["list", "--event", "ApplyPlan", "--json"]).ended_with(0).json();
    let codes: Vec<_> = records.as_array().unwrap().iter().map(|record| record["errorCode"].as_str()).collect();
    assert_eq!(codes, [None, Some("NotRecorded"), None]);
    let report = world.audit(&["verify", "--json"]).ended_with(0).json();
    assert_eq!((&report["intact"], report["streams"].as_array().unwrap().len()), (&true.into(), 2));
}

#[test]
fn an_apply_is_in_the_trail_with_who_what_and_what_came_of_it() {
    let world = World::new();
    world.init().ended_with(0);
    world.apply().ended_with(0);

    let records = world.audit(&["list", "--json"]).ended_with(0).json();
    let records = records.as_array().unwrap();
    let names: Vec<_> = records.iter().map(|record| record["eventName"].as_str().unwrap()).collect();
    assert_eq!(
        (names[0], names[1], names[names.len() - 2], names[names.len() - 1]),
        ("StartStream", "ApplyPlan", "EndPlan", "CloseStream")
    );
    let who = &records[1]["userIdentity"];
    assert_eq!(who["type"], "AssumedRole");
    assert_eq!(who["accountId"], world.lab.account_id(Account::Workloads));
    assert!(who["arn"].as_str().unwrap().ends_with("/ops"), "{who}");
    // Each act's intent comes before its outcome, under one request id.
    let vpc: Vec<_> = records.iter().filter(|record| record["eventName"] == "CreateVPC").collect();
    let phases: Vec<_> = vpc.iter().map(|record| record["requestParameters"]["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["intent", "outcome"]);
    assert_eq!(vpc[0]["requestID"], vpc[1]["requestID"]);
    assert!(vpc[1]["responseElements"]["attributes"]["id"].as_str().unwrap().starts_with("vpc-"), "{}", vpc[1]);

    // Filters, one record whole, and the table.
    let id = vpc[1]["eventID"].as_str().unwrap();
    assert_eq!(&world.audit(&["show", id, "--json"]).ended_with(0).json(), vpc[1]);
    let table = world.audit(&["list", "--event", "CreateVPC", "--since", "1h", "--writer", "ops"]).ended_with(0).stdout;
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(world.audit(&["list", "--since", "2999-01-01"]).ended_with(0).stdout.contains("no such records"));
    assert!(world.audit(&["list", "--since", "soon"]).ended_with(1).stderr.contains("is no time"));

    // Nothing of a secret is in what is stored.
    let secrets = world.lab.env(Account::Workloads).unwrap();
    let stored = serde_json::to_string(records).unwrap();
    for (name, value) in secrets.iter().filter(|(name, _)| name.contains("SECRET") || name.contains("TOKEN")) {
        assert!(!stored.contains(value.as_str()), "{name} is in the trail");
    }
}

#[test]
fn verify_holds_an_untouched_trail_for_intact_and_names_a_flipped_byte_in_a_copy() {
    let world = World::new();
    world.init().ended_with(0);
    world.apply().ended_with(0);
    let first = world.audit(&["verify"]).ended_with(0);
    assert!(first.stdout.contains("first verification"), "{}", first.stdout);
    world.run(Account::Workloads, &["destroy", "--yes"]).ended_with(0);
    let second = world.audit(&["verify", "--json"]).ended_with(0).json();
    assert_eq!(second["streams"].as_array().unwrap().len(), 2);

    for file in world.copy("copy") {
        let from = world.from("copy");
        let untouched = fs::read(&file).unwrap();
        for at in [0, untouched.len() / 2, untouched.len() - 1] {
            let mut bytes = untouched.clone();
            bytes[at] ^= 0x10;
            fs::write(&file, bytes).unwrap();
            let report = world.audit(&["verify", "--from", &from, "--json"]).ended_with(2).json();
            let stream = file.parent().unwrap().file_name().unwrap().to_str().unwrap();
            let findings = report["findings"].as_array().unwrap();
            assert!(findings.iter().all(|finding| finding["stream"] == stream), "{findings:?}");
        }
        fs::write(&file, untouched).unwrap();
    }
    world.audit(&["verify", "--from", &world.from("copy")]).ended_with(0);
}

#[test]
fn a_second_version_a_delete_marker_and_a_cut_end_are_named() {
    let world = World::new();
    world.init().ended_with(0);
    world.apply().ended_with(0);
    world.audit(&["verify"]).ended_with(0);
    let key = world.first_key();

    let last = world.copy("cut").pop().unwrap();
    fs::remove_file(last).unwrap();
    let cut = world.audit(&["verify", "--from", &world.from("cut")]).ended_with(2).stdout;
    assert!(cut.contains("cut: record"), "{cut}");

    world.script(Account::Audit, &["overwrite", &key]);
    let doubled = world.audit(&["verify"]).ended_with(2).stdout;
    assert!(doubled.contains("duplicated: record 1") && doubled.contains(&key), "{doubled}");
    world.script(Account::Audit, &["hide", &key]);
    let hidden = world.audit(&["verify"]).ended_with(2).stdout;
    assert!(hidden.contains("removed: record 1") && hidden.contains("delete marker"), "{hidden}");
    // What was written first is still what is listed.
    assert!(world.audit(&["list", "--event", "ApplyPlan"]).ended_with(0).stdout.contains("ApplyPlan"));
}

#[test]
fn a_hosts_role_puts_below_its_own_prefix_and_nothing_else() {
    let world = World::new();
    world.init().ended_with(0);
    world.apply().ended_with(0);
    let status = world.run(Account::Workloads, &["status", "--json"]).ended_with(0).stdout;
    let instance = status.split('"').find(|text| text.starts_with("i-")).unwrap().to_owned();
    let variables = world.lab.env(instance.as_str()).unwrap();
    assert!(variables.iter().any(|(name, _)| name == "AWS_ACCESS_KEY_ID"));

    // Its own prefix ends in its user id, which STS says.
    let mut command = Command::new(Layout::of_this_workspace().venv().join("bin/python"));
    world.lab.point(&mut command, instance.as_str()).unwrap();
    command.args(["-c", "import boto3; print(boto3.client('sts').get_caller_identity()['UserId'])"]);
    let user = ran(&mut command).ended_with(0).stdout.trim().to_owned();
    let organization = world.lab.control_plane().organization();
    let account = world.lab.account_id(Account::Workloads);
    let key = |user: &str| format!("Holdfast/{organization}/{account}/2026/11/24/{user}/stream/1.json.gz");
    let elsewhere = key(&user).replace(&instance, "i-00000000000000000");
    let came = world.script(instance.as_str(), &["attempt", &key(&user), &elsewhere]);
    let denied =
        ["list", "read", "delete", "overwrite", "write elsewhere"].map(|name| format!("{name}: AccessDenied\n"));
    assert_eq!(came, denied.concat() + "write below its own prefix: done\n");

    // It is no record, and so it is named.
    let report = world.audit(&["verify"]).ended_with(2).stdout;
    assert!(report.contains("foreign") && report.contains("/stream/1.new"), "{report}");
}
