//! `provision permissions`, proven: each call that a real estate's life makes is allowed by what it prints, judged by an
//! evaluator that nobody here wrote, and without any one statement some call isn't.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::Person;

#[path = "../../../policies/tests/table/evaluator.rs"]
mod evaluator;

use evaluator::Evaluator;

/// What a request is about, which decides the condition keys that AWS gives with it.
#[derive(Clone, Copy)]
enum About {
    /// Something without the estate's tag in the question.
    Plain,
    /// Something that carries the estate's tag.
    Ours,
    /// Something that is made with the estate's tag.
    New,
    /// The tags of something that this call makes.
    TagsOf(&'static str),
    /// The tags of what EC2 made along with a VPC.
    Untagged,
    /// A role that goes to EC2.
    ToEc2,
    /// A key that EC2 uses on the caller's behalf.
    ThroughEc2,
}

type Request = (&'static str, &'static str, About);

const INSTANCE: &str = "ec2:instance/i-0aaaaaaaaaaaaaaaa";
const ROLE: &str = "iam:role/holdfast/{region}/{estate}/holdfast-{estate}-{region}-worker";
const PROFILE: &str = "iam:instance-profile/holdfast/{region}/{estate}/holdfast-{estate}-{region}-worker";
const KEY: &str = "kms:key/22222222-3333-4444-5555-666666666666";
const ALIAS: &str = "kms:alias/holdfast/{estate}";
const BUDGET: &str = "budgets:budget/holdfast-{estate}-{region}";
const BUCKET: &str = "arn:aws:s3:::holdfast-{account}-{region}";
const LOCK: &str = "arn:aws:s3:::holdfast-{account}-{region}/locks/{estate}";
const GROUP: &str = "ec2:security-group/sg-0aaaaaaaaaaaaaaaa";
const TABLE: &str = "ec2:route-table/rtb-0aaaaaaaaaaaaaaaa";
const SUBNET: &str = "ec2:subnet/subnet-0aaaaaaaaaaaaaaaa";
const VPC: &str = "ec2:vpc/vpc-0aaaaaaaaaaaaaaaa";
const GATEWAY: &str = "ec2:internet-gateway/igw-0aaaaaaaaaaaaaaaa";
const ENDPOINT: &str = "ec2:vpc-endpoint/vpce-0aaaaaaaaaaaaaaaa";
const TEMPLATE: &str = "ec2:launch-template/lt-0aaaaaaaaaaaaaaaa";
const IMAGE: &str = "arn:aws:ec2:{region}::image/{image}";

use About::{New, Ours, Plain, TagsOf, ThroughEc2, ToEc2, Untagged};

/// What IAM asks about each operation, as the Service Authorization Reference has its actions and required resources.
/// Reads of EC2 and of lists are the operation itself on `*`, and so not here.
const REQUESTS: &[(&str, &[Request])] = &[
    ("EC2 AssociateRouteTable", &[("", TABLE, Ours), ("", SUBNET, Ours)]),
    ("EC2 AttachInternetGateway", &[("", GATEWAY, Ours), ("", VPC, Ours)]),
    ("EC2 AuthorizeSecurityGroupEgress", &[("", GROUP, Ours)]),
    ("EC2 AuthorizeSecurityGroupIngress", &[("", GROUP, Ours)]),
    ("EC2 CreateInternetGateway", &[("", GATEWAY, New), ("ec2:CreateTags", GATEWAY, TagsOf("CreateInternetGateway"))]),
    ("EC2 CreateLaunchTemplate", &[("", TEMPLATE, New), ("ec2:CreateTags", TEMPLATE, TagsOf("CreateLaunchTemplate"))]),
    ("EC2 CreateLaunchTemplateVersion", &[("", TEMPLATE, Ours)]),
    ("EC2 CreateRoute", &[("", TABLE, Ours)]),
    (
        "EC2 CreateRouteTable",
        &[("", TABLE, New), ("", VPC, Ours), ("ec2:CreateTags", TABLE, TagsOf("CreateRouteTable"))],
    ),
    (
        "EC2 CreateSecurityGroup",
        &[("", GROUP, New), ("", VPC, Ours), ("ec2:CreateTags", GROUP, TagsOf("CreateSecurityGroup"))],
    ),
    ("EC2 CreateSubnet", &[("", SUBNET, New), ("", VPC, Ours), ("ec2:CreateTags", SUBNET, TagsOf("CreateSubnet"))]),
    ("EC2 CreateTags", &[("", SUBNET, Ours), ("", GROUP, Untagged), ("", TABLE, Untagged)]),
    ("EC2 CreateVpc", &[("", VPC, New), ("ec2:CreateTags", VPC, TagsOf("CreateVpc"))]),
    (
        "EC2 CreateVpcEndpoint",
        &[
            ("", ENDPOINT, New),
            ("", VPC, Ours),
            ("", TABLE, Ours),
            ("ec2:CreateTags", ENDPOINT, TagsOf("CreateVpcEndpoint")),
        ],
    ),
    ("EC2 DeleteInternetGateway", &[("", GATEWAY, Ours)]),
    ("EC2 DeleteLaunchTemplate", &[("", TEMPLATE, Ours)]),
    ("EC2 DeleteRoute", &[("", TABLE, Ours)]),
    ("EC2 DeleteRouteTable", &[("", TABLE, Ours)]),
    ("EC2 DeleteSecurityGroup", &[("", GROUP, Ours)]),
    ("EC2 DeleteSubnet", &[("", SUBNET, Ours)]),
    ("EC2 DeleteVpc", &[("", VPC, Ours)]),
    ("EC2 DeleteVpcEndpoints", &[("", ENDPOINT, Ours)]),
    ("EC2 DetachInternetGateway", &[("", GATEWAY, Ours), ("", VPC, Ours)]),
    ("EC2 DisassociateRouteTable", &[("", TABLE, Ours)]),
    ("EC2 ModifyLaunchTemplate", &[("", TEMPLATE, Ours)]),
    ("EC2 ModifySubnetAttribute", &[("", SUBNET, Ours)]),
    ("EC2 ModifyVpcAttribute", &[("", VPC, Ours)]),
    ("EC2 ModifyVpcEndpoint", &[("", ENDPOINT, Ours)]),
    ("EC2 RevokeSecurityGroupEgress", &[("", GROUP, Ours)]),
    ("EC2 RevokeSecurityGroupIngress", &[("", GROUP, Ours)]),
    (
        "EC2 RunInstances",
        &[
            ("", INSTANCE, New),
            ("", "ec2:volume/vol-0aaaaaaaaaaaaaaaa", New),
            ("", "ec2:network-interface/eni-0aaaaaaaaaaaaaaaa", New),
            ("", SUBNET, Ours),
            ("", GROUP, Ours),
            ("", TEMPLATE, Ours),
            ("", IMAGE, Plain),
            ("ec2:CreateTags", INSTANCE, TagsOf("RunInstances")),
            ("iam:PassRole", ROLE, ToEc2),
            ("kms:GenerateDataKeyWithoutPlaintext", KEY, ThroughEc2),
            ("kms:Decrypt", KEY, ThroughEc2),
            ("kms:CreateGrant", KEY, ThroughEc2),
        ],
    ),
    ("EC2 TerminateInstances", &[("", INSTANCE, Ours)]),
    ("IAM AddRoleToInstanceProfile", &[("", PROFILE, Plain), ("iam:PassRole", ROLE, ToEc2)]),
    ("IAM CreateInstanceProfile", &[("", PROFILE, New), ("iam:TagInstanceProfile", PROFILE, New)]),
    ("IAM CreateRole", &[("", ROLE, New), ("iam:TagRole", ROLE, New)]),
    ("IAM DeleteInstanceProfile", &[("", PROFILE, Plain)]),
    ("IAM DeleteRole", &[("", ROLE, Plain)]),
    ("IAM DeleteRolePolicy", &[("", ROLE, Plain)]),
    ("IAM GetInstanceProfile", &[("", PROFILE, Plain)]),
    ("IAM GetRole", &[("", ROLE, Plain)]),
    ("IAM PutRolePolicy", &[("", ROLE, Plain)]),
    ("IAM RemoveRoleFromInstanceProfile", &[("", PROFILE, Plain)]),
    ("IAM TagInstanceProfile", &[("", PROFILE, New)]),
    ("IAM TagRole", &[("", ROLE, New)]),
    ("KMS CancelKeyDeletion", &[("", KEY, Ours)]),
    ("KMS CreateAlias", &[("", ALIAS, Plain), ("", KEY, Ours)]),
    ("KMS CreateKey", &[("", "*", New), ("kms:TagResource", KEY, New)]),
    ("KMS DeleteAlias", &[("", ALIAS, Plain), ("", KEY, Ours)]),
    ("KMS DescribeKey", &[("", KEY, Ours)]),
    ("KMS EnableKey", &[("", KEY, Ours)]),
    ("KMS EnableKeyRotation", &[("", KEY, Ours)]),
    ("KMS GetKeyPolicy", &[("", KEY, Ours)]),
    ("KMS GetKeyRotationStatus", &[("", KEY, Ours)]),
    ("KMS ListResourceTags", &[("", KEY, Plain)]),
    ("KMS PutKeyPolicy", &[("", KEY, Ours)]),
    ("KMS ScheduleKeyDeletion", &[("", KEY, Ours)]),
    ("KMS TagResource", &[("", KEY, New)]),
    ("Budgets CreateBudget", &[("budgets:ModifyBudget", BUDGET, Plain), ("budgets:TagResource", BUDGET, New)]),
    ("Budgets CreateNotification", &[("budgets:ModifyBudget", BUDGET, Plain)]),
    ("Budgets DeleteBudget", &[("budgets:ModifyBudget", BUDGET, Plain)]),
    ("Budgets DeleteNotification", &[("budgets:ModifyBudget", BUDGET, Plain)]),
    ("Budgets DescribeBudget", &[("budgets:ViewBudget", BUDGET, Plain)]),
    ("Budgets DescribeNotificationsForBudget", &[("budgets:ViewBudget", BUDGET, Plain)]),
    ("Budgets DescribeSubscribersForNotification", &[("budgets:ViewBudget", BUDGET, Plain)]),
    ("Budgets ListTagsForResource", &[("", BUDGET, Plain)]),
    ("Budgets TagResource", &[("", BUDGET, New)]),
    ("Budgets UpdateBudget", &[("budgets:ModifyBudget", BUDGET, Plain)]),
    ("S3 CreateBucket", &[("", BUCKET, Plain)]),
    ("S3 DeleteObject", &[("", LOCK, Plain)]),
    ("S3 GetBucketTagging", &[("", BUCKET, Plain)]),
    ("S3 GetObject", &[("", LOCK, Plain)]),
    ("S3 PutBucketEncryption", &[("s3:PutEncryptionConfiguration", BUCKET, Plain)]),
    ("S3 PutBucketLifecycleConfiguration", &[("s3:PutLifecycleConfiguration", BUCKET, Plain)]),
    ("S3 PutBucketTagging", &[("", BUCKET, Plain)]),
    ("S3 PutBucketVersioning", &[("", BUCKET, Plain)]),
    ("S3 PutObject", &[("", LOCK, Plain)]),
    ("S3 PutPublicAccessBlock", &[("s3:PutBucketPublicAccessBlock", BUCKET, Plain)]),
];

#[test]
fn permissions_allow_what_an_estates_life_calls_and_each_statement_is_needed() {
    let person = Person::with_own_lab("allowed");
    let printed = person.json(&["permissions"]);
    let mut calls = BTreeSet::new();
    let mut live = |arguments: &[&str]| {
        let ran = person.run(&[arguments, &["-vv"]].concat());
        assert!(matches!(ran.code, Some(0 | 2)), "{arguments:?}: {}", ran.stderr);
        calls.extend(ran.stderr.lines().filter_map(call));
    };
    live(&["apply", "--yes"]);
    person.edit("Department = \"", "Department = \"other ");
    person.edit("monthly_usd = 200", "monthly_usd = 300");
    live(&["apply", "--yes"]);
    live(&["plan"]);
    live(&["drift"]);
    live(&["status"]);
    live(&["destroy", "--yes"]);
    live(&["apply", "--yes"]);
    live(&["destroy", "--yes"]);
    assert!(calls.contains("EC2 RunInstances") && calls.contains("KMS CancelKeyDeletion"), "{calls:?}");

    let policies: Vec<Value> =
        printed["policies"].as_array().unwrap().iter().map(|policy| policy["document"].clone()).collect();
    for policy in &policies {
        assert!(policy.to_string().len() <= 6_144, "{} characters", policy.to_string().len());
    }
    let judge = &mut Judge { evaluator: Evaluator::start(), person: &person, image: person.lab().stock_image() };
    let requests: Vec<Asked> = calls.iter().flat_map(|call| judge.requests(call)).collect();
    let denied: Vec<_> = requests.iter().filter(|asked| !judge.allows(&policies, asked)).map(Asked::name).collect();
    assert!(denied.is_empty(), "not allowed: {denied:#?}");

    let made: BTreeSet<&str> = requests.iter().map(|asked| asked.action.as_str()).collect();
    let mut idle = Vec::new();
    for (place, policy) in policies.iter().enumerate() {
        for (index, statement) in policy["Statement"].as_array().unwrap().iter().enumerate() {
            // What the estate no longer has is looked for, and looked at where it is found: this one never had it.
            let actions: Vec<_> =
                statement["Action"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
            let reads =
                |action: &str| ["Describe", "Get", "List"].iter().any(|read| action.contains(&format!(":{read}")));
            if actions.iter().all(|action| reads(action) && !made.contains(action)) {
                continue;
            }
            let mut fewer = policies.clone();
            fewer[place]["Statement"].as_array_mut().unwrap().remove(index);
            fewer.retain(|policy| !policy["Statement"].as_array().unwrap().is_empty());
            if requests.iter().all(|asked| judge.allows(&fewer, asked)) {
                idle.push(statement["Sid"].clone());
            }
        }
    }
    assert!(idle.is_empty(), "nothing is denied without {idle:?}");
}

/// The service and operation of a log line about a call.
fn call(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("call service=")?;
    let (service, rest) = rest.split_once(" operation=\"")?;
    Some(format!("{service} {}", rest.split_once('"')?.0))
}

/// A question to IAM.
struct Asked {
    action: String,
    resource: String,
    context: BTreeMap<String, String>,
}

impl Asked {
    fn name(&self) -> String {
        format!("{} on {} with {:?}", self.action, self.resource, self.context)
    }
}

struct Judge<'a> {
    evaluator: Evaluator,
    person: &'a Person,
    image: &'a str,
}

impl Judge<'_> {
    fn account(&self) -> String {
        self.person.lab().account_id(holdfast_lab::Account::Workloads).to_owned()
    }

    /// What IAM asks about a call.
    fn requests(&self, call: &str) -> Vec<Asked> {
        let (service, operation) = call.split_once(' ').unwrap();
        let own = format!("{}:{operation}", service.to_lowercase());
        let known = REQUESTS.iter().find(|(known, _)| *known == call).map(|(_, requests)| *requests);
        let reads = ["Describe", "List"].iter().any(|read| operation.starts_with(read));
        let requests = known.unwrap_or_else(|| {
            assert!(reads, "{call} is made and not in the table: say what IAM asks about it");
            &[("", "*", Plain)]
        });
        requests
            .iter()
            .map(|(action, resource, about)| Asked {
                action: if action.is_empty() { own.clone() } else { (*action).to_owned() },
                resource: self.arn(resource),
                context: context(*about),
            })
            .collect()
    }

    fn arn(&self, text: &str) -> String {
        let account = self.account();
        let text = text
            .replace("{region}", "eu-central-1")
            .replace("{estate}", "allowed")
            .replace("{account}", &account)
            .replace("{image}", self.image);
        match text.split_once(':') {
            Some(("arn", _)) | None => text,
            Some((service @ ("iam" | "budgets"), rest)) => format!("arn:aws:{service}::{account}:{rest}"),
            Some((service, rest)) => format!("arn:aws:{service}:eu-central-1:{account}:{rest}"),
        }
    }

    fn allows(&mut self, policies: &[Value], asked: &Asked) -> bool {
        let account = self.account();
        let mut simulation = json!({
            "request": {
                "principal": format!("arn:aws:sts::{account}:assumed-role/deployer/ops"),
                "action": asked.action,
                "resource": { "resource": asked.resource, "accountId": account },
                "contextVariables": asked.context,
            },
            "identityPolicies": policies.iter().enumerate()
                .map(|(index, policy)| json!({ "name": index.to_string(), "policy": policy }))
                .collect::<Vec<_>>(),
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
        });
        if asked.resource.contains(":key/") {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/rendered/estate-key.json");
            let policy = std::fs::read_to_string(path).unwrap().replace("111111111111", &account);
            simulation["resourcePolicy"] = serde_json::from_str(&policy).unwrap();
        }
        let judged = self.evaluator.judge(&simulation);
        // Said where a test fails: a key that AWS doesn't give with this action takes no part in its judgement.
        if judged.decision != "Allowed" && !judged.ignored.is_empty() {
            println!("{}: without {:?}", asked.name(), judged.ignored);
        }
        judged.decision == "Allowed"
    }
}

/// The condition keys that AWS gives.
fn context(about: About) -> BTreeMap<String, String> {
    let (of_resource, of_request) = ("aws:ResourceTag/holdfast:estate", "aws:RequestTag/holdfast:estate");
    let own: &[(&str, &str)] = match about {
        Plain => &[],
        Ours => &[(of_resource, "allowed")],
        New | Untagged => &[(of_request, "allowed")],
        TagsOf(call) => &[(of_request, "allowed"), ("ec2:CreateAction", call)],
        ToEc2 => &[("iam:PassedToService", "ec2.amazonaws.com")],
        ThroughEc2 => &[
            (of_resource, "allowed"),
            ("kms:ViaService", "ec2.eu-central-1.amazonaws.com"),
            ("kms:GrantIsForAWSResource", "true"),
        ],
    };
    let always = [("aws:RequestedRegion", "eu-central-1"), ("aws:SecureTransport", "true")];
    own.iter().chain(&always).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
