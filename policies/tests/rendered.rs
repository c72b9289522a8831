//! The golden copies in `rendered/`: every policy for one made-up organisation, and what in them is broad, and why.
//!
//! A reviewer reads these files, and so do the tests of the policies' meaning (`table.rs`, and the lab's own). After a
//! change that is meant: `HOLDFAST_RENEW=1 cargo test -p holdfast-policies --test rendered`, and read the diff.

#![allow(clippy::unwrap_used, reason = "a test's own functions may fail it")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use holdfast_policies::{
    EstateKey, FlowLogWriter, Machine, Policy, PrincipalArn, Readers, S3Endpoint, TrailBucket, TrailBucketName,
    TrailKey, TrailWriter, auditor_role, backup_trust, estate_key, flow_log_role, flow_log_trust, host_trust,
    machine_role, s3_endpoint, same_meaning, service_endpoint, trail_bucket, trail_key,
};

/// The made-up organisation: `111111111111` runs hosts, `222222222222` keeps the trail.
fn policies() -> BTreeMap<&'static str, Policy> {
    let (workloads, audit) = ("111111111111".parse().unwrap(), "222222222222".parse().unwrap());
    let (region, org) = ("eu-central-1".parse().unwrap(), "o-holdfast01".parse().unwrap());
    let bucket = TrailBucketName::new(&audit, &region);
    let readers: Vec<PrincipalArn> = ["holdfast-auditor", "OrganizationAccountAccessRole"]
        .map(|role| PrincipalArn::role(&region, &audit, role).unwrap())
        .into();
    let readers = Readers::new(&audit, readers).unwrap();
    let key = "arn:aws:kms:eu-central-1:222222222222:key/11111111-2222-3333-4444-555555555555".parse().unwrap();
    let writer = TrailWriter { account: workloads, org, bucket: bucket.clone() };
    let machine = |group: &str| Machine {
        account: writer.account.clone(),
        region: region.clone(),
        estate: "judge".parse().unwrap(),
        group: group.parse().unwrap(),
        trail: Some(writer.clone()),
    };
    let (bastion, host) = (machine_role(&machine("bastion")), machine_role(&machine("web")));
    let estate_key = estate_key(&EstateKey {
        account: writer.account.clone(),
        region: region.clone(),
        estate: "judge".parse().unwrap(),
        fleets: true,
        logs: true,
        backups: true,
    });
    let flow_logs =
        FlowLogWriter { account: writer.account.clone(), region: region.clone(), estate: "judge".parse().unwrap() };
    let trail = TrailBucket { bucket: bucket.clone(), org: writer.org.clone(), key, readers: readers.clone() };
    BTreeMap::from([
        ("auditor-role", auditor_role(&bucket)),
        ("backup-trust", backup_trust()),
        ("bastion-role", bastion),
        ("estate-key", estate_key),
        ("flow-log-role", flow_log_role(&flow_logs)),
        ("flow-log-trust", flow_log_trust(&flow_logs)),
        ("host-role", host),
        ("host-trust", host_trust()),
        ("s3-endpoint", s3_endpoint(&S3Endpoint::Trail(writer.clone()))),
        ("s3-endpoint-closed", s3_endpoint(&S3Endpoint::Closed)),
        ("service-endpoint", service_endpoint(&writer.account)),
        ("trail-bucket", trail_bucket(&trail)),
        ("trail-key", trail_key(&TrailKey { bucket, org: writer.org, readers })),
    ])
}

#[test]
fn every_policy_equals_its_golden_copy() {
    let mut expected = BTreeMap::from([("REASONS.md".to_owned(), reasons())]);
    for (name, policy) in policies() {
        expected.insert(format!("{name}.json"), pretty(&policy));
    }
    if std::env::var_os("HOLDFAST_RENEW").is_some() {
        for (name, text) in &expected {
            std::fs::write(rendered().join(name), text).unwrap();
        }
    }
    for (name, policy) in policies() {
        let golden = &expected[&format!("{name}.json")];
        assert!(same_meaning(&policy.to_json().unwrap(), golden), "{name}");
    }
    for (name, text) in &expected {
        let path = rendered().join(name);
        let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            golden == *text,
            "policies/rendered/{name} isn't what the code renders. If the change is meant, renew it by \
             `HOLDFAST_RENEW=1 cargo test -p holdfast-policies --test rendered` and read the diff."
        );
    }
    let found: Vec<String> = std::fs::read_dir(rendered())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !expected.contains_key(name))
        .collect();
    assert!(found.is_empty(), "policies/rendered holds copies of no policy: {found:?}");
}

#[test]
fn no_action_resource_or_principal_is_broad_without_a_reason() {
    for (name, policy) in policies() {
        let document: serde_json::Value = serde_json::from_str(&policy.to_json().unwrap()).unwrap();
        let sids: Vec<_> = policy.sids().collect();
        for (statement, sid) in document["Statement"].as_array().unwrap().iter().zip(sids) {
            for element in ["Principal", "Action", "Resource", "NotResource"] {
                for value in strings(&statement[element]).filter(|value| value.contains(['*', '?'])) {
                    let noted = policy.broad().any(|broad| {
                        (broad.sid, broad.element, broad.value.as_str()) == (sid, element, value)
                            && !broad.because.is_empty()
                    });
                    assert!(noted, "{name}: {sid}: {element} {value} has no reason");
                }
            }
        }
    }
}

#[test]
fn statements_have_names_of_their_own() {
    for (name, policy) in policies() {
        let mut sids: Vec<_> = policy.sids().collect();
        sids.sort_unstable();
        let all = sids.len();
        sids.dedup();
        assert_eq!(sids.len(), all, "{name}");
        assert!(sids.iter().all(|sid| sid.bytes().all(|byte| byte.is_ascii_alphanumeric())), "{name}: {sids:?}");
    }
}

fn rendered() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rendered")
}

/// The canonical text with line breaks: only blanks outside strings are added, so the copy is the policy.
fn pretty(policy: &Policy) -> String {
    policy.to_json().unwrap();
    format!("{}\n", serde_json::to_string_pretty(policy).unwrap())
}

fn reasons() -> String {
    let mut text = String::from(
        "# What is broad in these policies, and why\n\n\
         Written by `tests/rendered.rs` from the policies themselves; without a reason none of these would compile.\n",
    );
    for (name, policy) in policies() {
        write!(text, "\n## {name}\n\n").unwrap();
        if policy.broad().next().is_none() {
            text.push_str("Nothing.\n");
        }
        let mut statements: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for broad in policy.broad() {
            statements.entry((broad.element, &broad.value, broad.because)).or_default().push(broad.sid);
        }
        for ((element, value, because), sids) in statements {
            writeln!(text, "- {element} `{value}`: {because} ({})", sids.join(", ")).unwrap();
        }
    }
    text
}

/// Every string in a value that is one, a list of them, or a map to them.
fn strings(value: &serde_json::Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        serde_json::Value::String(text) => Box::new(std::iter::once(text.as_str())),
        serde_json::Value::Array(entries) => Box::new(entries.iter().flat_map(strings)),
        serde_json::Value::Object(fields) => Box::new(fields.values().flat_map(strings)),
        _ => Box::new(std::iter::empty()),
    }
}
