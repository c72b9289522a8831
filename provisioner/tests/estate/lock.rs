//! One at a time.

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
