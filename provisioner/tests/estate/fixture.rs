//! A lab with a spec for its account.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_lab::{Account, Call, Faults, Lab, Layout};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take that isn't broken, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// What the spec of everything has after the first group of hosts.
const MORE: &str = r#"
[[hosts.volumes]]
name = "data"
device = "/dev/sdf"
gib = 20
[[hosts]]
name = "builder"
mode = "fleet"
count = 2
max = 4
[backup]
schedule = "daily"
"#;

/// A lab of a test's own.
pub(crate) struct Fixture {
    lab: Lab,
    faults: Faults,
    directory: TempDir,
}

impl Fixture {
    /// Starts a lab and writes the smallest spec with two hosts for its account.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::start(&directory.path().join("lab")).unwrap();
        let faults = Faults::start(lab.plain_endpoint()).unwrap();
        let fixture = Self { lab, faults, directory };
        fixture.write_spec(&fixture.spec());
        fixture
    }

    /// Another lab with all that is in this one, and the same spec.
    pub(crate) fn copy(&self) -> Self {
        let lab = self.lab.copy().unwrap();
        let faults = Faults::start(lab.plain_endpoint()).unwrap();
        let copy = Self { lab, faults, directory: tempfile::tempdir().unwrap() };
        copy.write_spec(&std::fs::read_to_string(self.path("estate.toml")).unwrap());
        copy
    }

    /// The lab.
    pub(crate) fn lab(&self) -> &Lab {
        &self.lab
    }

    /// What is between `provision` and the lab.
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The calls that changed something since the script of faults began.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.faults.calls().into_iter().filter(Call::is_change).map(|call| call.operation).collect()
    }

    /// The spec that a test begins with.
    pub(crate) fn spec(&self) -> String {
        format!(
            r#"
name = "judge"
region = "eu-central-1"
account = "{}"
description = "Runs the programs of contestants"
[tags]
Project = "contest"
Department = "engineering"
Environment = "Test"
[network]
cidr = "10.0.0.0/16"
[bastion]
allow = ["203.0.113.0/24"]
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUrpDh2nMgNHq3qSZqdLHfCT7qWkiOSxuzRW2uYXkFo ops"]
[image]
id = "{}"
[[hosts]]
name = "worker"
count = 2
[budget]
monthly_usd = 200
alert = ["ops@example.org"]
"#,
            self.lab.account_id(Account::Workloads),
            self.lab.stock_image()
        )
    }

    /// One with something of every kind.
    pub(crate) fn spec_of_everything(&self) -> String {
        let network = "cidr = \"10.0.0.0/16\"";
        let hosts = "count = 2";
        self.spec().replace(network, &format!("{network}\negress = \"nat\"")).replace(hosts, &format!("{hosts}{MORE}"))
    }

    /// Makes this the spec.
    pub(crate) fn write_spec(&self, text: &str) {
        std::fs::write(self.path("estate.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `provision` with these arguments, through the faults.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        self.lab.point(&mut command, Account::Workloads).unwrap();
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("AWS_ENDPOINT_URL", self.faults.endpoint())
            .env("XDG_STATE_HOME", self.path("state"))
            .stdin(Stdio::null());
        command
    }

    /// Runs `provision` to its end.
    pub(crate) fn provision(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs `provision` to its end, with two attempts for each call.
    pub(crate) fn impatiently(&self, arguments: &[&str]) -> Output {
        self.command(arguments).env("AWS_MAX_ATTEMPTS", "2").output().unwrap()
    }

    /// Starts `provision`.
    pub(crate) fn start_provision(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Applies the spec, which must do.
    pub(crate) fn apply(&self) {
        succeed(&self.provision(&["apply", "--yes"]));
    }

    /// Runs `provision` until its end is another than that the estate is locked.
    pub(crate) fn once_unlocked(&self, arguments: &[&str]) -> Output {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let output = self.provision(arguments);
            if !text(&output.stderr).contains("the estate is locked") {
                return output;
            }
            assert!(Instant::now() < deadline, "still locked: {}", text(&output.stderr));
        }
    }

    /// The ids and actions of the plan's changes, such as `update budget`.
    pub(crate) fn plan(&self) -> Vec<String> {
        let output = self.provision(&["plan", "--json"]);
        succeed(&output);
        let file: Value = serde_json::from_slice(&output.stdout).unwrap();
        let plan = file.get("plan").unwrap_or(&file);
        let changes = plan["changes"].as_array().unwrap();
        changes.iter().map(|change| format!("{} {}", string(&change["action"]), string(&change["id"]))).collect()
    }

    /// All that is in the account, by boto3.
    pub(crate) fn inventory(&self) -> Value {
        let mut variables: BTreeMap<_, _> = self.lab.env(Account::Workloads).unwrap().into_iter().collect();
        variables.insert("AWS_ENDPOINT_URL".to_owned(), self.lab.plain_endpoint().to_owned());
        READER.lock().unwrap_or_else(PoisonError::into_inner).read(&variables)
    }

    /// What a few lines of Python print as JSON; `ec2`, `s3`, `client` are theirs, as are `ours`, `locks` and `image`.
    pub(crate) fn boto(&self, lines: &str) -> Value {
        let image = self.lab.stock_image();
        let prelude = "import boto3, json, time\nclient = lambda name: boto3.client(name, region_name='eu-central-1')\n\
                       ec2, s3, kms, iam = map(client, ('ec2', 's3', 'kms', 'iam'))\n\
                       ours = [{'Name': 'tag:holdfast:estate', 'Values': ['judge']}]\n\
                       account = client('sts').get_caller_identity()['Account']\n\
                       locks = f'holdfast-{account}-eu-central-1'\n\
                       out = None\n";
        self.python(&["-c", &format!("{prelude}image = '{image}'\n{lines}\nprint(json.dumps(out, default=str))")])
    }

    fn python(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(Layout::of_this_workspace().venv().join("bin/python"));
        self.lab.point(&mut command, Account::Workloads).unwrap();
        let output = command.args(arguments).output().unwrap();
        succeed(&output);
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Who reads inventories for all tests of this process, and ends with it.
static READER: LazyLock<Mutex<Reader>> = LazyLock::new(|| Mutex::new(Reader::start()));

/// A running `inventory.py`.
struct Reader {
    /// It ends once nobody can ask it any more.
    _python: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reader {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/estate/inventory.py");
        let mut command = Command::new(Layout::of_this_workspace().venv().join("bin/python"));
        let mut python = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (asked, answers) = (python.stdin.take().unwrap(), BufReader::new(python.stdout.take().unwrap()));
        Self { _python: python, asked, answers }
    }

    fn read(&mut self, variables: &BTreeMap<String, String>) -> Value {
        writeln!(self.asked, "{}", serde_json::to_string(variables).unwrap()).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer["failed"].is_null(), "{}", answer["failed"].as_str().unwrap_or_default());
        answer["found"].take()
    }
}

/// Says all that a failed process said.
pub(crate) fn succeed(output: &Output) {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).join("\n");
    assert!(output.status.success(), "{}\n{said}", output.status);
}

/// Output as text with single spaces: messages are wrapped to fit a terminal.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Asserts that two inventories are the same, and says only where they aren't.
pub(crate) fn assert_same(found: &Value, expected: &Value, when: &str) {
    let mut differences = Vec::new();
    differ(found, expected, String::new(), &mut differences);
    assert!(differences.is_empty(), "{when}:\n{}", differences.join("\n"));
}

fn differ(found: &Value, expected: &Value, path: String, all: &mut Vec<String>) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let keys: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
            for key in keys {
                let (found, expected) = (&found.get(key), &expected.get(key));
                let null = Value::Null;
                differ(found.unwrap_or(&null), expected.unwrap_or(&null), format!("{path}/{key}"), all);
            }
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
                differ(found, expected, format!("{path}/{index}"), all);
            }
        }
        (found, expected) if found != expected => all.push(format!("{path}: {found}, not {expected}")),
        _ => {}
    }
}
