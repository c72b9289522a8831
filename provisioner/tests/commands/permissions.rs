//! `provision permissions`, proven by a life that is lived on it: a role with exactly what it prints makes, changes, looks
//! at and deletes an estate, in a lab that judges each request by an evaluator that nobody here wrote. What the lab was
//! asked is then put again with each statement gone: something must be refused, or the statement isn't needed.

use std::process::Command;

use holdfast_lab::{Account, Layout};
use serde_json::{Value, json};

use crate::{Person, Ran};

#[path = "../../../policies/tests/table/evaluator.rs"]
mod evaluator;

use evaluator::Evaluator;

/// Makes a role with these policies and nothing else, and prints a session's credentials.
const ROLE: &str = r#"
import boto3, json, sys
name, policies = sys.argv[1], json.loads(sys.argv[2])
iam, sts = boto3.client("iam"), boto3.client("sts")
root = f"arn:aws:iam::{sts.get_caller_identity()['Account']}:root"
trust = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"}
trust = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
for index, document in enumerate(policies):
    made = iam.create_policy(PolicyName=f"{name}-{index}", PolicyDocument=json.dumps(document))
    iam.attach_role_policy(RoleName=name, PolicyArn=made["Policy"]["Arn"])
print(json.dumps(sts.assume_role(RoleArn=arn, RoleSessionName="ops")["Credentials"], default=str))
"#;

/// Who may do what some policies say.
struct Deployer<'a> {
    person: &'a Person,
    credentials: Value,
}

impl<'a> Deployer<'a> {
    fn with(person: &'a Person, name: &str, policies: &[Value]) -> Self {
        let mut command = Command::new(Layout::of_this_workspace().venv().join("bin/python"));
        person.lab().point(&mut command, Account::Workloads).unwrap();
        command.args(["-c", ROLE, name, &json!(policies).to_string()]);
        let ran = Ran::of(command).ended_with(0);
        Self { person, credentials: serde_json::from_str(&ran.stdout).unwrap() }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.person.provision(arguments);
        for (variable, field) in [
            ("AWS_ACCESS_KEY_ID", "AccessKeyId"),
            ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
            ("AWS_SESSION_TOKEN", "SessionToken"),
        ] {
            command.env(variable, self.credentials[field].as_str().unwrap());
        }
        Ran::of(command)
    }
}

/// An estate with all that a lab has at once: two groups, one of them a fleet, and backups.
fn whole_estate() -> Person {
    let person = Person::with_own_lab("allowed");
    person.edit("count = 2", "count = 1");
    person.edit(
        "[budget]",
        "[[hosts]]\nname = \"builder\"\nmode = \"fleet\"\ncount = 1\nmin = 0\nmax = 2\n\n[backup]\n\n[budget]",
    );
    person
}

fn documents(printed: &Value) -> Vec<Value> {
    printed["policies"].as_array().unwrap().iter().map(|policy| policy["document"].clone()).collect()
}

fn without(policies: &[Value], sid: &str) -> Vec<Value> {
    let mut fewer = policies.to_vec();
    for policy in &mut fewer {
        policy["Statement"].as_array_mut().unwrap().retain(|statement| statement["Sid"] != sid);
    }
    fewer.retain(|policy| !policy["Statement"].as_array().unwrap().is_empty());
    assert_ne!(fewer, policies, "there is no statement {sid}");
    fewer
}

#[test]
fn an_estate_lives_on_what_permissions_prints_and_on_no_statement_less() {
    let person = whole_estate();
    let policies = documents(&person.json(&["permissions"]));
    for policy in &policies {
        assert!(policy.to_string().len() <= 6_144, "{} characters", policy.to_string().len());
    }
    let _before = person.lab().rights_asked().unwrap();
    for (sid, refused) in [("Lock", "s3:"), ("Budget", "budgets:ModifyBudget"), ("TagWhatIsMade", "ec2:CreateTags")] {
        let deployer = Deployer::with(&person, &format!("deployer-less-{sid}"), &without(&policies, sid));
        deployer.run(&["apply", "--yes"]).ended_with(1).tells(refused);
    }

    let deployer = Deployer::with(&person, "deployer", &policies);
    deployer.run(&["apply", "--yes"]).ended_with(0);
    person.edit("Department = \"", "Department = \"other ");
    person.edit("monthly_usd = 200", "monthly_usd = 300");
    deployer.run(&["apply", "--yes"]).ended_with(0);
    deployer.run(&["drift"]).ended_with(0);
    deployer.run(&["destroy", "--yes"]).ended_with(0);
    // A key that is pending deletion is called back.
    deployer.run(&["apply", "--yes"]).ended_with(0);
    deployer.run(&["destroy", "--yes"]).ended_with(0);

    let asked = person.lab().rights_asked().unwrap();
    let by_deployer = |asked: &&Value| asked["request"]["principal"].as_str().unwrap().contains("/deployer");
    let asked: Vec<&Value> = asked.iter().filter(by_deployer).collect();
    let action = |asked: &Value| asked["request"]["action"].as_str().unwrap().to_owned();
    assert!(asked.iter().any(|asked| action(asked) == "kms:CancelKeyDeletion"), "{} questions", asked.len());

    let mut evaluator = Evaluator::start();
    let mut idle = Vec::new();
    for statement in policies.iter().flat_map(|policy| policy["Statement"].as_array().unwrap()) {
        let actions: Vec<_> = statement["Action"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        let about: Vec<_> = asked.iter().filter(|asked| actions.contains(&action(asked).as_str())).collect();
        // What this estate never had is looked for, and looked at where it is found.
        if about.is_empty() && actions.iter().all(|action| is_read(action)) {
            continue;
        }
        let sid = statement["Sid"].as_str().unwrap();
        let fewer = without(&policies, sid);
        let mut allows = |asked: &Value, policies: &[Value]| allows(&mut evaluator, asked, policies);
        if !about.iter().any(|asked| !allows(asked, &fewer) && allows(asked, &policies)) {
            idle.push(sid.to_owned());
        }
    }
    assert!(idle.is_empty(), "nothing is refused without {idle:?}");
}

fn is_read(action: &str) -> bool {
    ["Describe", "Get", "List"].iter().any(|read| action.contains(&format!(":{read}")))
}

/// Whether these policies allow what was asked for.
fn allows(evaluator: &mut Evaluator, asked: &Value, policies: &[Value]) -> bool {
    let mut asked = asked.clone();
    let named =
        policies.iter().enumerate().map(|(index, policy)| json!({ "name": index.to_string(), "policy": policy }));
    asked["identityPolicies"] = named.collect();
    let judged = evaluator.judge(&asked);
    // Said where a test fails: a key that AWS doesn't give with this action takes no part in its judgement.
    if judged.decision != "Allowed" && !judged.ignored.is_empty() {
        println!("{}: without {:?}", asked["request"]["action"], judged.ignored);
    }
    judged.decision == "Allowed"
}
