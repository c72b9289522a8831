//! A lab of a test's own, and the shared one through the real binary.

#![allow(clippy::unwrap_used, reason = "fixtures may fail like tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use holdfast_lab::{Account, Identity, Lab, LabError, Layout, Quota};

/// A target directory of its own for `cargo lab`; what was started there is ended when this is dropped.
struct Target(tempfile::TempDir);

impl Target {
    /// Shares the interpreters and packages that this build's labs have.
    fn new() -> Target {
        let layout = Layout::of_this_workspace();
        holdfast_lab::prepare(&layout).unwrap();
        let target = Target(tempfile::tempdir().unwrap());
        fs::create_dir(target.lab()).unwrap();
        for part in ["venv", "evaluator"] {
            std::os::unix::fs::symlink(layout.lab().join(part), target.lab().join(part)).unwrap();
        }
        target
    }

    fn lab(&self) -> PathBuf {
        self.0.path().join("lab")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-lab"));
        command.args(arguments).env("CARGO_TARGET_DIR", self.0.path()).output().unwrap()
    }

    fn env(&self) -> BTreeMap<String, String> {
        serde_json::from_str(&text(&self.run(&["env", "--json"]))).unwrap()
    }

    fn pid(&self) -> i64 {
        let state = fs::read_to_string(self.lab().join("state.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&state).unwrap()["process"]["pid"].as_i64().unwrap()
    }

    fn kill(&self) {
        text(&Command::new("kill").args(["-KILL", &self.pid().to_string()]).output().unwrap());
        wait_until("env says that no lab is up", || !self.run(&["env"]).status.success());
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let output = self.run(&["down"]);
        if !output.status.success() && !std::thread::panicking() {
            panic!("{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Whether something accepts connections there.
fn listens(endpoint: &str) -> bool {
    TcpStream::connect(endpoint.rsplit_once("//").unwrap().1).is_ok()
}

/// Whether a process has something of this directory's on its command line, as a control plane has its certificate. Its port
/// would prove nothing once it has ended: another test's lab may have been given the same.
fn runs(directory: &Path) -> bool {
    let directory = directory.to_str().unwrap();
    fs::read_dir("/proc").unwrap().flatten().any(|process| {
        // What ends meanwhile, and what is no process, has none.
        fs::read_to_string(process.path().join("cmdline")).is_ok_and(|line| line.contains(directory))
    })
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "not within 60 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn twice_up_is_one_lab_and_down_ends_it() {
    let target = Target::new();
    let first = text(&target.run(&["up"]));
    assert!(first.starts_with("the lab is up\n"), "{first}");
    let second = text(&target.run(&["up"]));
    assert_eq!(second, first.replacen("the lab is up", "the lab is up already", 1));

    let endpoint = target.env()["AWS_ENDPOINT_URL"].clone();
    assert!(listens(&endpoint) && runs(&target.lab()));
    assert_eq!(text(&target.run(&["down"])), "the lab is down\n");
    assert!(!runs(&target.lab()));
    assert_eq!(text(&target.run(&["down"])), "no lab was up\n");
    assert!(!target.lab().join("state.json").exists());
}

#[test]
fn a_lab_that_was_killed_is_cleaned_up_and_can_be_started_again() {
    let target = Target::new();
    text(&target.run(&["up"]));
    let killed = target.pid();
    target.kill();
    let error = target.run(&["env"]);
    assert_eq!(error.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&error.stderr), "error: no lab is up: run `cargo lab up`\n");

    assert!(text(&target.run(&["up"])).starts_with("the lab is up\n"));
    assert_ne!(target.pid(), killed);
    target.kill();
    assert!(text(&target.run(&["down"])).starts_with("the control plane had ended already"));
}

#[test]
fn the_state_is_readable_by_its_owner_alone() {
    let target = Target::new();
    text(&target.run(&["up"]));
    for file in ["state.json", "control-plane/server.key"] {
        let mode = fs::metadata(target.lab().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_system_without_python_is_told_which_packages_it_lacks() {
    let target = Target::new();
    fs::remove_file(target.lab().join("venv")).unwrap();
    let programs = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast-lab"))
        .arg("up")
        .env("CARGO_TARGET_DIR", target.0.path())
        .env("PATH", programs.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("`sudo apt-get install python3 python3-venv`"), "{error}");
    assert!(!target.lab().join("state.json").exists());
}

#[test]
fn usage_errors_end_with_1_and_help_with_0() {
    let target = Target::new();
    assert_eq!(target.run(&["upp"]).status.code(), Some(1));
    let help = target.run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("eval \"$(cargo lab env)\""));
}

#[test]
fn labs_of_tests_stand_side_by_side_and_end_with_their_value() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = Lab::start(directories[0].path()).unwrap();
    let other = Lab::start(directories[1].path()).unwrap();
    assert_ne!(one.endpoint(), other.endpoint());
    assert_ne!(one.account_id(Account::Workloads), one.account_id(Account::Audit));
    assert!(listens(one.endpoint()) && runs(directories[0].path()));
    drop(one);
    assert!(!runs(directories[0].path()));
    assert!(listens(other.endpoint()) && runs(directories[1].path()));
}

/// Set for the process that is killed below: the directory of its lab.
const HELD: &str = "HOLDFAST_LAB_HELD";

#[test]
fn a_lab_ends_with_the_process_that_holds_it_also_when_that_is_killed() {
    if let Some(directory) = std::env::var_os(HELD) {
        let lab = Lab::start(Path::new(&directory)).unwrap();
        println!("endpoint {}", lab.endpoint());
        loop {
            std::thread::park();
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let name = "a_lab_ends_with_the_process_that_holds_it_also_when_that_is_killed";
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(HELD, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(Result::unwrap);
    let endpoint = lines.filter_map(|line| line.split_once("endpoint ").map(|(_, url)| url.to_owned())).next().unwrap();
    assert!(listens(&endpoint) && runs(directory.path()));
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_until("the control plane has ended", || !runs(directory.path()));
}

/// What an AWS client would do to have an instance with a role, in the environment's Python.
const START_INSTANCE: &str = r#"
import boto3, json, sys
iam, ec2 = boto3.client("iam"), boto3.client("ec2")
trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
role = iam.create_role(RoleName="host", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
iam.create_instance_profile(InstanceProfileName="host")
iam.add_role_to_instance_profile(InstanceProfileName="host", RoleName="host")
started = ec2.run_instances(ImageId=sys.argv[1], InstanceType="t3.micro", MinCount=1, MaxCount=1, IamInstanceProfile={"Name": "host"})
print(role["Role"]["RoleId"], started["Instances"][0]["InstanceId"])
"#;

const WHO: &str = "import boto3; print(boto3.client('sts').get_caller_identity()['UserId'])";

#[test]
fn an_instance_acts_as_its_role_under_its_own_name() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::start(directory.path()).unwrap();
    let python = |script: &str, identity: Identity| {
        let mut command = Command::new(Layout::of_this_workspace().venv().join("bin/python"));
        command.args(["-c", script, lab.stock_image()]);
        lab.point(&mut command, identity).unwrap();
        text(&command.output().unwrap()).trim().to_owned()
    };
    let started = python(START_INSTANCE, Account::Workloads.into());
    let (role, instance) = started.split_once(' ').unwrap();
    assert_eq!(python(WHO, instance.into()), format!("{role}:{instance}"));
}

#[test]
fn an_instance_that_is_not_there_has_no_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::start(directory.path()).unwrap();
    let error = lab.env("i-0123456789abcdef0").unwrap_err();
    assert!(matches!(&error, LabError::Call { .. }));
    assert!(error.to_string().contains("there is no instance i-0123456789abcdef0"), "{error}");
}

/// Tries a launch and an address, and prints what became of each.
const TRY: &str = "
import boto3, sys
from botocore.exceptions import ClientError
ec2 = boto3.client('ec2')
def outcome(make):
    try:
        return make()
    except ClientError as error:
        return error.response['Error']['Code']
def launch():
    request = {'ImageId': sys.argv[1], 'InstanceType': 't3.micro', 'MinCount': 1, 'MaxCount': 1}
    started = ec2.run_instances(SubnetId=subnet, **request)['Instances'][0]['InstanceId']
    for _ in range(4):
        found = ec2.describe_instances(Filters=[{'Name': 'instance-id', 'Values': [started]}])['Reservations']
        states = [i['State']['Name'] for r in found for i in r['Instances']]
    return ','.join(states) or 'unseen'
subnets = ec2.describe_subnets()['Subnets'] or [ec2.create_subnet(
    VpcId=ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId'], CidrBlock='10.0.0.0/24')['Subnet']]
subnet = subnets[0]['SubnetId']
print(outcome(launch), outcome(lambda: ec2.allocate_address()['Domain']))
";

#[test]
fn what_aws_does_now_and_then_a_lab_does_on_demand() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::start(directory.path()).unwrap();
    let outcomes = || {
        let mut command = Command::new(Layout::of_this_workspace().venv().join("bin/python"));
        command.args(["-c", TRY, lab.stock_image()]);
        lab.point(&mut command, Account::Workloads).unwrap();
        text(&command.output().unwrap()).trim().to_owned()
    };
    assert_eq!(outcomes(), "running vpc");
    lab.slow_launches(1, 1000).unwrap();
    assert_eq!(outcomes(), "pending vpc");
    lab.fail_launches(1, "Server.InternalError").unwrap();
    assert_eq!(outcomes(), "terminated vpc");
    lab.set_eventual(100).unwrap();
    assert_eq!(outcomes(), "unseen vpc");
    lab.set_eventual(0).unwrap();
    lab.limit_capacity("t3.micro", "", 0).unwrap();
    lab.set_quota(Quota::Addresses, 0).unwrap();
    assert_eq!(outcomes(), "InsufficientInstanceCapacity AddressLimitExceeded");
    let error = lab.add_recovery_point("nowhere").unwrap_err().to_string();
    assert!(error.contains("there is no backup vault nowhere"), "{error}");
}

#[test]
fn the_labs_own_calls_are_closed_to_who_lacks_the_secret() {
    let directory = tempfile::tempdir().unwrap();
    let lab = Lab::start(directory.path()).unwrap();
    let address = lab.plain_endpoint().strip_prefix("http://").unwrap();
    for (path, status) in [("/_holdfast/instance-credentials", "403"), ("/moto-api/data.json", "404")] {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
}
