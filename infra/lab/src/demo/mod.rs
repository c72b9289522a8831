//! `cargo lab demo`: the three promises, once, on one machine, in one screenful.
//!
//! Every program in it is the real one, built from this checkout, against a control plane of the demo's own, which ends
//! with it. What each command printed lies whole in `<target dir>/lab/demo`. A step that ends otherwise than the story
//! says fails the demo.

mod host;
mod stage;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use self::host::Host;
use self::stage::{Show, Stage, Step};
use crate::control_plane::{Account, Identity};
use crate::error::LabError;
use crate::lab::Lab;
use crate::layout::Layout;
use crate::programs::Programs;
use crate::venv;

/// The lines of `status` but its list of resources, which the plan has shown.
const STATUS: &[&str] =
    &["Hosts", "running", "Tags", "Department", "Environment", "Project", "holdfast:estate  ", "Budget", "spent"];

/// The lines of the first plan that sum it up.
const PLAN: &[&str] = &["to create", "total", "of the budget"];

/// The lines of `drift` that are the same each time.
const UNCOMPARED: &str = "What isn't compared:";

/// Plays the demo.
pub fn run_demo(layout: &Layout) -> Result<(), LabError> {
    let programs = Programs::build(layout)?;
    let directory = layout.lab().join("demo");
    clear(&directory)?;
    let lab = Lab::start(&directory.join("control-plane"))?;
    let demo = Demo { python: venv::python(layout)?, scripts: layout.sources().join("demo"), programs, lab, directory };
    let mut stage = Stage::new(demo.directory.clone());
    demo.write_spec(demo.lab.stock_image(), 2)?;
    demo.launch(&mut stage)?;
    demo.keep(&mut stage)?;
    let instance = demo.a_host()?;
    demo.contain(&mut stage, &instance)?;
    demo.prove(&mut stage, &instance)?;
    demo.end(&mut stage)
}

/// What every part of the story needs.
struct Demo {
    python: PathBuf,
    scripts: PathBuf,
    programs: Programs,
    lab: Lab,
    directory: PathBuf,
}

impl Demo {
    /// Promise 1: an estate, planned and made through the AWS APIs.
    fn launch(&self, stage: &mut Stage) -> Result<(), LabError> {
        stage.chapter("Launch it right: an estate from one short file");
        let plane = self.lab.control_plane();
        stage.say(&format!(
            "the lab is up: {}, accounts {} (workloads) and {} (audit)",
            plane.endpoint(),
            plane.account_id(Account::Workloads),
            plane.account_id(Account::Audit)
        ));
        let trail = plane.account_id(Account::Audit);
        let init = ["audit", "init", "--account", trail, "--region", plane.region()];
        self.provision(stage, Account::Audit, &init, Show::Last(1))?;
        self.provision(stage, Account::Workloads, &["plan"], Show::With(PLAN))?;
        self.provision(stage, Account::Workloads, &["apply", "--yes"], Show::Last(1))?;
        self.provision(stage, Account::Workloads, &["apply", "--yes"], Show::All)?;
        self.provision(stage, Account::Workloads, &["status"], Show::With(STATUS))?;
        Ok(())
    }

    /// Still promise 1: what others change is put right, what costs too much isn't done, another image comes a batch at a
    /// time.
    fn keep(&self, stage: &mut Stage) -> Result<(), LabError> {
        stage.chapter("Keep it right: what others change, and what the spec does");
        let mut meddle = self.script("meddle.py", Account::Workloads.into())?;
        let typed = "meddle.py         # by the AWS APIs, behind the estate's back";
        stage.run(Step { typed, command: &mut meddle, code: 0, show: Show::All })?;
        let mut drift = self.provision_command(Account::Workloads)?;
        drift.arg("drift");
        stage.run(Step { typed: "provision drift", command: &mut drift, code: 2, show: Show::Without(UNCOMPARED) })?;
        self.provision(stage, Account::Workloads, &["apply", "--yes"], Show::Last(1))?;
        self.provision(stage, Account::Workloads, &["drift"], Show::Last(1))?;

        self.write_spec(self.lab.stock_image(), 40)?;
        stage.say("the spec: forty workers");
        let mut dear = self.provision_command(Account::Workloads)?;
        dear.args(["apply", "--yes"]);
        stage.run(Step { typed: "provision apply --yes", command: &mut dear, code: 1, show: Show::Last(4) })?;

        let mut image = self.script("new_image.py", Account::Workloads.into())?;
        image.arg(self.lab.stock_image());
        let typed = format!("new_image.py {}", self.lab.stock_image());
        let image = stage.run(Step { typed: &typed, command: &mut image, code: 0, show: Show::All })?;
        self.write_spec(image.trim(), 2)?;
        stage.say("the spec: two workers again, from the new image");
        let mut renew = self.provision_command(Account::Workloads)?;
        renew.args(["apply", "--yes"]);
        let show = Show::Told(&["instances/worker"]);
        stage.run(Step { typed: "provision apply --yes", command: &mut renew, code: 0, show })?;
        Ok(())
    }

    /// Promise 2: programs run by the agent, as on the estate's first host.
    fn contain(&self, stage: &mut Stage, instance: &str) -> Result<(), LabError> {
        stage.chapter("Run it contained: programs that strangers wrote");
        let host = Host::start(self.lab.control_plane(), &self.programs, instance, &self.directory.join("host"))?;
        stage.say(&format!("the agent serves as {instance} would, with the role of that host"));

        stage.say("a good program: computes, prints, exits 0");
        self.job(stage, &host, Job { script: "good.py", options: "--wall 3s", argument: None, code: 0 })?;

        stage.say("a greedy one: what it asks for, what it got, and the limit that said no");
        let options = "--memory 128M --pids 16 --cpu-time 1s --wall 20s";
        let said = self.job(stage, &host, Job { script: "greedy.py", options, argument: None, code: 124 })?;
        if said.contains("GOT") {
            return Err(broken("a greedy program got what a limit should have refused", &said));
        }

        stage.say("a hostile one: what it tries, what it was told, and the wall that held");
        // Something to reach on the host, so that a refusal is the sandbox's doing.
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).map_err(LabError::file("listen on", Path::new("127.0.0.1")))?;
        let port = listener.local_addr().map_err(LabError::file("listen on", Path::new("127.0.0.1")))?.port();
        let argument = Some(port.to_string());
        let said = self.job(stage, &host, Job { script: "hostile.py", options: "--wall 3s", argument, code: 124 })?;
        if said.contains("SUCCEEDED") {
            return Err(broken("a hostile program got through a wall", &said));
        }
        let mut jobs = host.command("ps");
        jobs.arg("--all");
        stage.run(Step { typed: "holdfast-agent ps --all", command: &mut jobs, code: 0, show: Show::All })?;
        host.stop()
    }

    /// Runs a script as a job, and shows what it printed and the job's result.
    fn job(&self, stage: &mut Stage, host: &Host, job: Job) -> Result<String, LabError> {
        let inside = format!("/tmp/{}", job.script);
        let file = format!("{}:{inside}", self.scripts.join(job.script).display());
        let mut command = host.command("run");
        command.args(["--limits", "rlimit-only"]).args(job.options.split(' ')).arg("--file").arg(file);
        command.args(["--", "python3", &inside]).args(&job.argument);
        let typed = format!(
            "holdfast-agent run --limits rlimit-only {} --file {}:{inside} -- python3 {inside}",
            job.options, job.script
        );
        let said = stage.run(Step { typed: &typed, command: &mut command, code: job.code, show: Show::All })?;
        let jobs = self.output(host.command("ps").args(["--all", "--json"]))?;
        let jobs: Value = serde_json::from_str(&jobs).unwrap_or_default();
        let is_it = |known: &&Value| known["args"][0] == inside.as_str();
        let outcome = jobs.as_array().into_iter().flatten().find(is_it).map(|known| &known["result"]["outcome"]);
        let Some(outcome) = outcome else { return Err(broken("the agent knows no such job", &jobs.to_string())) };
        stage.say(&result(outcome));
        Ok(said)
    }

    /// Promise 3: both are in the trail, and the trail tells when it was tampered with.
    fn prove(&self, stage: &mut Stage, instance: &str) -> Result<(), LabError> {
        stage.chapter("Prove it: the trail in the audit account");
        let plane = self.lab.control_plane();
        let bucket = format!("holdfast-trail-{}-{}", plane.account_id(Account::Audit), plane.region());
        let from = format!("s3://{bucket}");
        let list = ["audit", "list", "--from", &from];
        self.provision(
            stage,
            Account::Audit,
            &list,
            Show::With(&["ApplyPlan", "instances/worker", "StartJob", "EndJob"]),
        )?;

        let own = self.object_of(&bucket, instance)?;
        let elsewhere = own.replacen(instance, "i-00000000000000000", 1);
        let mut attempts = self.script("attempts.py", Identity::Instance(instance.to_owned()))?;
        attempts.args([&bucket, &own, &elsewhere]);
        let typed = format!("attempts.py s3://{bucket}      # with the credentials of {instance}");
        stage.run(Step { typed: &typed, command: &mut attempts, code: 0, show: Show::All })?;

        self.provision(stage, Account::Audit, &["audit", "verify", "--from", &from], Show::All)?;

        let copy = self.directory.join("tampered");
        let mut tamper = self.script("copy_and_tamper.py", Account::Audit.into())?;
        tamper.arg(&bucket).arg(&copy).arg("ApplyPlan");
        let typed = format!("copy_and_tamper.py s3://{bucket} tampered/");
        stage.run(Step { typed: &typed, command: &mut tamper, code: 0, show: Show::All })?;
        let copy = format!("file://{}", copy.display());
        let mut verify = self.provision_command(Account::Audit)?;
        verify.args(["audit", "verify", "--from", &copy]);
        let step =
            Step { typed: "provision audit verify --from tampered/", command: &mut verify, code: 2, show: Show::All };
        stage.run(step)?;
        Ok(())
    }

    /// The end: nothing is left but what is named.
    fn end(&self, stage: &mut Stage) -> Result<(), LabError> {
        stage.chapter("End it: nothing left but what is named");
        let named = self.provision(stage, Account::Workloads, &["destroy", "--yes"], Show::All)?;
        let mut inventory = self.script("inventory.py", Account::Workloads.into())?;
        let typed = "inventory.py      # asked of the AWS APIs, not of Holdfast";
        let left = stage.run(Step { typed, command: &mut inventory, code: 0, show: Show::All })?;
        let is_named = |line: &str| line.split(' ').next().is_some_and(|id| named.contains(id));
        if let Some(line) = left.lines().find(|line| !is_named(line)) {
            return Err(broken("destroy left something that it didn't name", line));
        }
        stage.say(&format!("all of it, whole: {}", self.directory.display()));
        Ok(())
    }

    /// Runs `provision` as an account's operator and shows it.
    fn provision(
        &self,
        stage: &mut Stage,
        account: Account,
        arguments: &[&str],
        show: Show,
    ) -> Result<String, LabError> {
        let mut command = self.provision_command(account)?;
        command.args(arguments);
        let typed = format!("provision {}", arguments.join(" "));
        stage.run(Step { typed: &typed, command: &mut command, code: 0, show })
    }

    fn provision_command(&self, account: Account) -> Result<Command, LabError> {
        let mut command = Command::new(&self.programs.provision);
        self.lab.point(&mut command, account)?;
        // The operator's own spool and key, and the auditor's trust file, which lies outside both accounts.
        command.current_dir(&self.directory).env("XDG_STATE_HOME", self.directory.join("laptop"));
        Ok(command)
    }

    /// A script of the demo's, in the lab's Python environment.
    fn script(&self, name: &str, identity: Identity) -> Result<Command, LabError> {
        let mut command = Command::new(&self.python);
        self.lab.point(&mut command, identity)?;
        command.arg(self.scripts.join(name)).env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(command)
    }

    /// The first host of the group `worker`, as `provision status` knows it.
    fn a_host(&self) -> Result<String, LabError> {
        let status = self.output(self.provision_command(Account::Workloads)?.args(["status", "--json"]))?;
        let json: Value = serde_json::from_str(&status).unwrap_or_default();
        match json.pointer("/hosts/instances~1worker/0/instance").and_then(Value::as_str) {
            Some(id) => Ok(id.to_owned()),
            None => Err(broken("status knows no host of the group worker", &status)),
        }
    }

    /// The key of an object that a writer shipped.
    fn object_of(&self, bucket: &str, writer: &str) -> Result<String, LabError> {
        let mut command = self.script("objects.py", Account::Audit.into())?;
        let keys = self.output(command.arg(bucket))?;
        match keys.lines().find(|key| key.contains(writer)) {
            Some(key) => Ok(key.to_owned()),
            None => Err(broken("the agent shipped nothing", &keys)),
        }
    }

    fn output(&self, command: &mut Command) -> Result<String, LabError> {
        Ok(String::from_utf8_lossy(&crate::run::run(command)?.stdout).into_owned())
    }

    /// The estate: the smallest one, in the lab's accounts.
    fn write_spec(&self, image: &str, workers: u32) -> Result<(), LabError> {
        let plane = self.lab.control_plane();
        let text = format!(
            "name = \"judge\"\nregion = {:?}\naccount = {:?}\ndescription = \"Runs the programs of contestants\"\n\
             [tags]\nProject = \"contest\"\nDepartment = \"engineering\"\nEnvironment = \"Test\"\n\
             [bastion]\nallow = [\"203.0.113.0/24\"]\n\
             ssh_keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJLd0Iv3JvZMIYhbrzJDeQJ1kmWQ3EYyY1L9Ry8XiYwU ops\"]\n\
             [image]\nid = {:?}\n[[hosts]]\nname = \"worker\"\ncount = {workers}\n\
             [budget]\nmonthly_usd = 200\nalert = [\"ops@example.org\"]\n[audit]\naccount = {:?}\n",
            plane.region(),
            plane.account_id(Account::Workloads),
            image,
            plane.account_id(Account::Audit),
        );
        let path = self.directory.join("estate.toml");
        fs::write(&path, text).map_err(LabError::file("write", &path))
    }
}

/// A program of the demo's for the agent.
struct Job {
    script: &'static str,
    /// Options of `run`, as they are typed.
    options: &'static str,
    argument: Option<String>,
    /// How it ends.
    code: i32,
}

/// A job's outcome in a line.
fn result(outcome: &Value) -> String {
    let seconds = |micros: &str| outcome[micros].as_u64().unwrap_or_default() as f64 / 1e6;
    let hit: Vec<_> = outcome["limits_hit"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let hit = if hit.is_empty() { "none".to_owned() } else { hit.join(", ") };
    format!(
        "result: ended_by {}, limits_hit {hit}, {:.2} s of CPU, {:.2} s in all, {} bytes read, {} written",
        outcome["ended_by"].as_str().unwrap_or("?"),
        seconds("user_us") + seconds("system_us"),
        seconds("wall_us"),
        outcome["read_bytes"],
        outcome["written_bytes"]
    )
}

/// An empty directory, whatever an earlier demo left.
fn clear(directory: &Path) -> Result<(), LabError> {
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(LabError::file("clear", directory))?;
    }
    fs::create_dir_all(directory).map_err(LabError::file("make", directory))
}

/// The story went wrong though every command ended as it should.
fn broken(what: &str, evidence: &str) -> LabError {
    LabError::Story { what: what.to_owned(), evidence: evidence.trim_end().to_owned() }
}
