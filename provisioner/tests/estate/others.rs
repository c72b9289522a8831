//! What isn't the estate's is never touched, whatever it is called and however it is tagged: for every kind of resource
//! somebody else has one that looks like the estate's, before the estate is there and after it is gone.

use std::collections::{BTreeMap, BTreeSet};

use provision::kind::KINDS;
use serde_json::{Value, json};

use crate::fixture::{Fixture, assert_same, succeed, text};

/// Makes them, looks at them, and ends them.
const OTHERS: &str = include_str!("others.py");

/// What others have, in a fixture whose spec has something of every kind.
struct Others<'a> {
    fixture: &'a Fixture,
    /// What the estate would call its own, and tag it with, by id.
    wanted: Value,
    /// What theirs are found by, by kind.
    made: BTreeMap<String, Value>,
    /// What theirs are like, by kind.
    before: Value,
}

impl<'a> Others<'a> {
    /// Makes one of each kind of a list of makers.
    fn make(fixture: &'a Fixture, makers: &str) -> Self {
        fixture.write_spec(&fixture.spec_of_everything());
        let output = fixture.provision(&["plan", "--json"]);
        succeed(&output);
        let file: Value = serde_json::from_slice(&output.stdout).unwrap();
        let resources = file.get("plan").unwrap_or(&file)["estate"]["resources"].as_array().unwrap();
        let wanted = resources.iter().map(|one| (one["id"].as_str().unwrap().to_owned(), one.clone())).collect();
        let mut others = Self { fixture, wanted, made: BTreeMap::new(), before: Value::Null };
        let made = others.python(&format!("make({makers})"));
        others.made = serde_json::from_value(made).unwrap();
        others.before = others.look();
        others
    }

    fn python(&self, expression: &str) -> Value {
        let wanted = json!(self.wanted.to_string());
        self.fixture.boto(&format!("wanted = json.loads({wanted})\n{OTHERS}\nout = {expression}"))
    }

    fn look(&self) -> Value {
        let made = json!(json!(self.made).to_string());
        self.python(&format!("{{kind: LOOK[kind](found) for kind, found in json.loads({made}).items()}}"))
    }

    /// Asserts that theirs are what they were.
    fn assert_untouched(&self, when: &str) {
        assert_same(&self.look(), &self.before, when);
    }

    /// Asserts that there is something of others for each kind, of one sort or the other.
    fn assert_all_kinds(&self) {
        let makers = self.python("[list(BESIDE), list(TAKEN)]");
        let kinds: Vec<_> = makers.as_array().unwrap().iter().flat_map(|kinds| kinds.as_array().unwrap()).collect();
        let kinds: BTreeSet<_> = kinds.iter().map(|kind| kind.as_str().unwrap()).collect();
        let missing: Vec<_> = KINDS.iter().filter(|kind| !kinds.contains(kind.as_str())).collect();
        assert!(missing.is_empty(), "others.py makes nothing of others for {missing:?}");
    }
}

#[test]
fn what_others_have_of_every_kind_outlives_an_estate_untouched() {
    let fixture = Fixture::start();
    let others = Others::make(&fixture, "BESIDE");
    others.assert_all_kinds();

    fixture.apply();
    others.assert_untouched("made");
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let notes = text(&fixture.provision(&["plan"]).stdout);
    for kind in ["vpc", "key", "subnet", "address"] {
        let id = others.made[kind].as_str().unwrap();
        assert!(notes.contains(id), "no note on {kind} {id}: {notes}");
    }
    succeed(&fixture.provision(&["drift"]));

    let changed = [
        ("\"engineering\"", "\"research\""),
        ("count = 2", "count = 3"),
        ("203.0.113.0/24", "198.51.100.0/24"),
        ("monthly_usd = 200", "monthly_usd = 2000"),
    ];
    let spec = changed.iter().fold(fixture.spec_of_everything(), |spec, (from, to)| spec.replace(from, to));
    fixture.write_spec(&spec);
    fixture.apply();
    others.assert_untouched("changed");

    succeed(&fixture.provision(&["destroy", "--yes"]));
    others.assert_untouched("destroyed");
    // Now theirs are the only ones that look so.
    succeed(&fixture.provision(&["destroy", "--yes"]));
    others.assert_untouched("destroyed again");
}

#[test]
fn a_name_of_any_kind_that_others_took_is_refused_and_stays_theirs() {
    let fixture = Fixture::start();
    let mut others = Others::make(&fixture, "TAKEN");
    let mut refused = BTreeSet::new();
    let taken: BTreeSet<_> = others.made.keys().cloned().collect();
    while !others.made.is_empty() {
        let output = fixture.provision(&["apply", "--yes"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        others.assert_untouched(&said);
        // Whatever was met first; the rest is met once that is gone.
        let is_named = |(kind, name): &(&String, &Value)| {
            said.contains(&format!("{kind} {} is there and isn't this estate's", name.as_str().unwrap()))
        };
        let named: Vec<_> = others.made.iter().filter(is_named).map(|(kind, _)| kind.clone()).collect();
        assert!(!named.is_empty(), "none of {:?} is named: {said}", others.made);
        for kind in named {
            let name = others.made.remove(&kind).unwrap();
            others.before.as_object_mut().unwrap().remove(&kind);
            others.python(&format!("END[{kind:?}]({name}) and None"));
            refused.insert(kind);
        }
    }
    assert_eq!(refused, taken);
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
}
