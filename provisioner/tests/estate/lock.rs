//! One at a time.

use std::time::Duration;

use crate::fixture::{Fixture, assert_same, succeed, text};

#[test]
fn a_locked_estate_names_who_holds_it_and_changes_nothing() {
    let fixture = Fixture::start();
    fixture.apply();
    let made = fixture.inventory();
    let put = |seconds: u32| {
        fixture.boto(&format!(
            "s3.put_object(Bucket=locks, Key='locks/judge', Body=json.dumps({{'holder': 'alice on her laptop',\n\
             \x20   'reason': 'apply judge', 'nonce': 'n', 'since': '2026-01-02T03:04:05Z', 'seconds': {seconds}}}))"
        ));
    };
    put(3600);
    fixture.write_spec(&fixture.spec().replace("count = 2", "count = 3"));
    let output = fixture.provision(&["apply", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    for part in ["alice on her laptop", "apply judge", "2026-01-02T03:04:05Z"] {
        assert!(stderr.contains(part), "{stderr}");
    }
    assert_eq!(fixture.inventory()["instance"], made["instance"]);

    // One that expired is taken over, and given back.
    put(0);
    succeed(&fixture.once_unlocked(&["apply", "--yes"]));
    assert_eq!(fixture.inventory()["bucket"][0]["objects"], serde_json::json!([]));
}

#[test]
fn a_lock_is_taken_away_by_hand_once_it_expired_or_by_force() {
    let fixture = Fixture::start();
    let unlock = |arguments: &[&str]| fixture.provision(&[&["unlock"], arguments].concat());
    let output = unlock(&["--yes"]);
    succeed(&output);
    assert!(text(&output.stdout).starts_with("Not locked: estate judge"), "{}", text(&output.stdout));
    fixture.apply();
    let put = |seconds: u32| {
        fixture.boto(&format!(
            "s3.put_object(Bucket=locks, Key='locks/judge', Body=json.dumps({{'holder': 'alice on her laptop',\n\
             \x20   'reason': 'apply judge', 'nonce': 'n', 'since': '2026-01-02T03:04:05Z', 'seconds': {seconds}}}))"
        ));
    };
    let objects = || fixture.inventory()["bucket"][0]["objects"].clone();

    put(3600);
    let output = unlock(&["--yes"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in ["alice on her laptop", "since 2026-01-02T03:04:05Z", "that run is at work", "--force"] {
        assert!(stderr.contains(part), "{stderr}");
    }
    assert_ne!(objects(), serde_json::json!([]));
    let output = unlock(&["--yes", "--force", "--json"]);
    succeed(&output);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["removed"], &said["lock"]["holder"]["holder"]), (&true.into(), &"alice on her laptop".into()));
    assert_eq!(objects(), serde_json::json!([]));

    // Two who do it at once: one gets it, and neither takes away what came after.
    fixture.boto(
        "s3.put_object(Bucket=locks, Key='locks/judge', Body=json.dumps({'holder': 'alice on her laptop',\n\
         \x20   'reason': 'apply judge', 'nonce': 'n', 'since': '2026-01-02T03:04:05Z', 'seconds': 0}))",
    );
    fixture.lab().age_objects(Duration::from_secs(60)).unwrap();
    let children = [(); 2].map(|()| fixture.start_provision(&["unlock", "--yes", "--json"]));
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    let removed = |output: &std::process::Output| {
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        said["removed"] == true
    };
    assert_eq!(outputs.iter().filter(|output| removed(output)).count(), 1, "{outputs:?}");
}

#[test]
fn of_two_applies_at_once_one_makes_the_estate_and_the_other_says_why_not() {
    let whole = {
        let fixture = Fixture::start();
        fixture.apply();
        fixture.inventory()
    };
    let fixture = Fixture::start();
    let children = [(); 2].map(|()| fixture.start_provision(&["apply", "--yes"]));
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    let succeeded = outputs.iter().filter(|output| output.status.success()).count();
    assert!(succeeded >= 1, "{:?}", outputs.map(|output| text(&output.stderr)));
    for output in outputs.iter().filter(|output| !output.status.success()) {
        let stderr = text(&output.stderr);
        let why = ["the estate is locked", "the world moved"].iter().any(|why| stderr.contains(why));
        assert!(output.status.code() == Some(1) && why, "{stderr}");
    }
    assert_same(&fixture.inventory(), &whole, "two at once");
}
