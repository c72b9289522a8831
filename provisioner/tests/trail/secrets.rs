//! Secrets are planted wherever `provision` can come by them, and looked for in everything that leaves it: output at its
//! most talkative, plan files, the trail on disk and in the bucket, tags, user data, errors.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, Write};
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use holdfast_lab::{Account, Layout};
use serde_json::Value;

use super::{Ran, World, ran};

/// In the environment, where shells and pipelines have others' secrets too.
const IN_ENVIRONMENT: &str = "ghp-planted-0Zr1bqPvW8dK3mXy";
/// In the credentials file, of another profile than the one that is used.
const IN_FILE: &str = "planted/Vd7qhTn2+LkS0eWmYxRbGzUcJpAoF4iK1";
/// In a spec: AWS's own example of a secret access key.
const IN_SPEC: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

struct Planted {
    world: World,
    secrets: Vec<String>,
}

impl Planted {
    fn new() -> Self {
        let world = World::new();
        let variables = world.lab.env(Account::Workloads).unwrap();
        let is_secret = |name: &str| matches!(name, "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN");
        let mut secrets: Vec<_> =
            variables.into_iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value).collect();
        assert_eq!(secrets.len(), 2);
        let file = format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\naws_session_token = {}\n\n\
             [other]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {IN_FILE}\n",
            access_key(&world),
            secrets[0],
            secrets[1]
        );
        fs::write(world.path("credentials"), file).unwrap();
        secrets.extend([IN_ENVIRONMENT, IN_FILE, IN_SPEC].map(str::to_owned));
        Self { world, secrets }
    }

    /// The operator, who logs in by a file.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command(Account::Workloads, arguments);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            command.env_remove(name);
        }
        command
            .env("AWS_SHARED_CREDENTIALS_FILE", self.world.path("credentials"))
            .env("GITHUB_TOKEN", IN_ENVIRONMENT)
            .env("RUST_LOG", "trace");
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> Ran {
        let ended = ran(&mut self.command(arguments)).ended_with(code);
        self.looks_clean(&ended.stdout, &format!("{arguments:?}'s result"));
        self.looks_clean(&ended.stderr, &format!("what {arguments:?} said"));
        ended
    }

    #[track_caller]
    fn looks_clean(&self, text: &str, what: &str) {
        for (place, secret) in self.secrets.iter().enumerate() {
            assert!(!text.contains(secret), "secret {place} is in {what}");
        }
    }

    /// Everything in an account, by boto3, user data decoded.
    fn account(&self) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/estate/inventory.py");
        let variables: BTreeMap<_, _> = self.world.lab.env(Account::Workloads).unwrap().into_iter().collect();
        let mut asked = tempfile::tempfile().unwrap();
        writeln!(asked, "{}", serde_json::to_string(&variables).unwrap()).unwrap();
        asked.rewind().unwrap();
        let mut command = Command::new(Layout::of_this_workspace().venv().join("bin/python"));
        self.world.lab.point(&mut command, Account::Workloads).unwrap();
        let text = ran(command.arg(script).stdin(asked)).ended_with(0).stdout;
        let decoded = user_data(&serde_json::from_str(&text).unwrap());
        assert!(decoded.contains("#cloud-config"), "there is user data to look at: {decoded}");
        text + &decoded
    }
}

fn access_key(world: &World) -> String {
    let variables = world.lab.env(Account::Workloads).unwrap();
    variables.into_iter().find(|(name, _)| name == "AWS_ACCESS_KEY_ID").unwrap().1
}

fn user_data(value: &Value) -> String {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match (name.as_str(), value.as_str()) {
                ("UserData", Some(text)) => String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap(),
                _ => user_data(value),
            })
            .collect(),
        Value::Array(items) => items.iter().map(user_data).collect(),
        _ => String::new(),
    }
}

/// All files below a directory as text, those of the trail unpacked.
fn all_text(world: &World, directory: &Path) -> String {
    let script = "import gzip, pathlib, sys\n\
                  for path in pathlib.Path(sys.argv[1]).rglob('*'):\n\
                  \x20   if path.is_file():\n\
                  \x20       data = path.read_bytes()\n\
                  \x20       data = gzip.decompress(data) if data[:2] == b'\\x1f\\x8b' else data\n\
                  \x20       print(data.decode('utf-8', 'replace'))";
    let mut command = Command::new(Layout::of_this_workspace().venv().join("bin/python"));
    world.lab.point(&mut command, Account::Audit).unwrap();
    ran(command.args(["-c", script]).arg(directory)).ended_with(0).stdout
}

#[test]
fn no_secret_is_in_any_output_log_tag_user_data_record_or_error() {
    let planted = Planted::new();
    let world = &planted.world;
    world.init().ended_with(0);

    planted.run(&["plan", "-vvv", "-o", "plan.json"], 0);
    planted.looks_clean(&fs::read_to_string(world.path("plan.json")).unwrap(), "the plan's file");
    planted.run(&["apply", "--plan", "plan.json", "--yes", "-vvv"], 0);
    for arguments in [&["plan", "-vvv", "--json"][..], &["status", "-vvv", "--json"], &["drift", "-vvv"]] {
        planted.run(arguments, 0);
    }

    planted.looks_clean(&planted.account(), "the account");
    world.copy("trail");
    let trail = all_text(world, &world.path("trail"));
    assert!(trail.contains("\"ApplyPlan\""), "there are records to look at");
    planted.looks_clean(&trail, "the trail");
    planted.looks_clean(&all_text(world, &world.path("operator")), "the operator's state directory");

    // Errors: of a spec with a secret in it, of keys that nobody knows, of an endpoint that isn't there.
    let spec = fs::read_to_string(world.path("estate.toml")).unwrap();
    fs::write(world.path("estate.toml"), spec.replace("Runs the programs of contestants", IN_SPEC)).unwrap();
    for arguments in [&["validate"][..], &["validate", "--json"], &["plan", "-vvv"]] {
        planted.run(arguments, 1);
    }
    fs::write(world.path("estate.toml"), &spec).unwrap();
    for (name, value) in [("AWS_PROFILE", "other"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9")] {
        let mut command = planted.command(&["status", "-vvv"]);
        let ended = ran(command.env(name, value)).ended_with(1);
        planted.looks_clean(&ended.stderr, name);
        planted.looks_clean(&ended.stdout, name);
    }
    planted.run(&["destroy", "--yes", "-vvv"], 0);
}
