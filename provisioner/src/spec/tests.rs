//! What a spec's owner sees when it is wrong, and that nothing makes the reader panic or leak.

use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;

use super::*;

const MINIMAL: &str = include_str!("../../../infra/examples/minimal.toml");
const FULL: &str = include_str!("../../../infra/examples/estate.toml");

fn shown(problems: &Problems) -> String {
    let handler =
        GraphicalReportHandler::new_themed(GraphicalTheme::none()).with_width(100).without_syntax_highlighting();
    let mut text = String::new();
    for diagnostic in problems.diagnostics() {
        handler.render_report(&mut text, &diagnostic).unwrap();
        text.push('\n');
    }
    text
}

/// What is said of the minimal spec with each `from` made `to`.
fn said_of(changes: &[(&str, &str)]) -> String {
    let mut text = MINIMAL.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the minimal spec has no {from:?}");
        text = text.replacen(from, to, 1);
    }
    shown(&parse(text.as_bytes(), "estate.toml").unwrap_err())
}

#[test]
fn the_examples_are_specs_without_a_warning() {
    for (name, text) in [("minimal.toml", MINIMAL), ("estate.toml", FULL)] {
        match parse(text.as_bytes(), name) {
            Ok(checked) => assert!(checked.warnings.is_empty(), "{}", shown(&checked.warnings)),
            Err(problems) => panic!("{}", shown(&problems)),
        }
    }
}

#[test]
fn the_minimal_example_has_the_defaults() {
    let spec = parse(MINIMAL.as_bytes(), "minimal.toml").unwrap().spec;
    insta::assert_json_snapshot!(spec);
}

#[test]
fn an_empty_file_is_told_all_that_it_lacks() {
    insta::assert_snapshot!(shown(&parse(b"", "estate.toml").unwrap_err()));
}

#[test]
fn misspelt_keys_get_the_nearest_right_word() {
    insta::assert_snapshot!(said_of(&[
        ("account =", "acount ="),
        ("Project", "Projekt"),
        ("[[hosts]]", "[[host]]"),
        ("monthly_usd", "monthly"),
        ("[image]", "colour = \"green\"\n[image]"),
    ]));
}

#[test]
fn wrong_types_say_what_to_write() {
    insta::assert_snapshot!(said_of(&[
        ("\"111111111111\"", "111111111111"),
        ("allow = [\"203.0.113.0/24\"]", "allow = \"203.0.113.0/24\""),
        ("[[hosts]]", "[hosts]"),
        ("monthly_usd = 200", "monthly_usd = \"200\""),
        ("id = \"ami-0123456789abcdef0\"", "id = [true]"),
    ]));
}

#[test]
fn wrong_values_are_refused_all_in_one_run() {
    insta::assert_snapshot!(said_of(&[
        ("\"judge\"", "\"The Judge\""),
        ("\"eu-central-1\"", "\"eu-centrall1\""),
        ("\"111111111111\"", "\"1111-1111-1111\""),
        ("Runs the programs of contestants", "The judge's hosts"),
        ("\"Test\"", "\"production\""),
        ("\"203.0.113.0/24\"", "\"0.0.0.0/0\", \"16.0.0.0/4\", \"203.0.113.7\", \"203.0.113.7/24\""),
        ("\"ami-0123456789abcdef0\"", "\"ami-123\""),
        ("count = 2", "count = -2"),
        ("monthly_usd = 200", "monthly_usd = 0"),
        ("\"ops@example.org\"", "\"ops at example.org\""),
    ]));
}

#[test]
fn rules_between_settings_hold() {
    insta::assert_snapshot!(said_of(&[
        ("\"222222222222\"", "\"111111111111\""),
        ("[\"203.0.113.0/24\"]", "[\"203.0.113.0/24\", \"203.0.113.0/24\"]"),
        (
            "[budget]",
            "[[hosts]]\nname = \"worker\"\ncount = 60\n\n[network]\ncidr = \"10.0.0.0/24\"\nzone = \"eu-west-1a\"\n\n[budget]"
        ),
    ]));
}

#[test]
fn an_unknown_region_is_a_warning() {
    let text = MINIMAL.replace("\"eu-central-1\"", "\"eu-central-7\"");
    let checked = parse(text.as_bytes(), "estate.toml").unwrap();
    insta::assert_snapshot!(shown(&checked.warnings));
}

#[test]
fn broken_toml_points_at_each_break() {
    insta::assert_snapshot!(said_of(&[("name = \"judge\"", "name = \"judge"), ("count = 2", "count 2")]));
    insta::assert_snapshot!(said_of(&[("[image]", "[tags]\n[image]"), ("count = 2", "count = 2\ncount = 3")]));
}

#[test]
fn a_file_in_another_encoding_is_named_so() {
    let mut bytes = MINIMAL.as_bytes().to_vec();
    let at = MINIMAL.find("contestants").unwrap();
    bytes[at + 1] = 0xfc;
    insta::assert_snapshot!(shown(&parse(&bytes, "estate.toml").unwrap_err()));
}

#[test]
fn secrets_are_named_and_never_shown() {
    // Put together here, so that a scanner of this repository finds no keys in it.
    let id = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
    let key = ["wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"].concat();
    let said = said_of(&[
        ("name = \"judge\"", &format!("name = \"{id}\"")),
        ("[tags]", &format!("# key {key}\n[tags]")),
        ("[image]", "password = \"hunter2\"\n[image]"),
        (
            "\"ops@example.org\"",
            "\"\"\"-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\"\"\"",
        ),
        ("\"contest\"", &format!("\"\\u0041{}\"", &id[1..])),
        ("\"engineering\"", &format!("\"{id}\"")),
    ]);
    for secret in [&id[1..], &key[..8], "hunter2"] {
        assert!(!said.contains(secret), "{said}");
    }
    insta::assert_snapshot!(said);
}

#[test]
fn problems_as_json_have_places() {
    let text = MINIMAL.replace("\"Test\"", "\"Tset\"");
    insta::assert_json_snapshot!(parse(text.as_bytes(), "estate.toml").unwrap_err());
}

#[test]
fn a_trail_that_hosts_cannot_reach_is_refused() {
    let elsewhere = format!("{MINIMAL}\nregion = \"eu-west-1\"\n");
    let problems = shown(&parse(elsewhere.as_bytes(), "estate.toml").unwrap_err());
    assert!(problems.contains("hosts in eu-central-1 can't reach a trail in eu-west-1"), "{problems}");
    let same = format!("{MINIMAL}\nregion = \"eu-central-1\"\n");
    assert!(parse(same.as_bytes(), "estate.toml").is_ok());
}

/// Reads `bytes` and shows whatever is said, which must work for any input.
fn read_and_show(bytes: &[u8]) {
    match parse(bytes, "estate.toml") {
        Ok(checked) => assert_eq!(checked.warnings.errors(), 0),
        Err(problems) => {
            assert!(problems.errors() > 0);
            assert!(!shown(&problems).is_empty());
            serde_json::to_string(&problems).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_and_show(&bytes);
    }

    #[test]
    fn no_damage_to_a_spec_makes_the_reader_panic(
        at in 0..FULL.len(), length in 0..80usize, with in "[\\[\\]={}\"'\\\\\n#a0\u{e9}.,-]{0,6}"
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, with.bytes());
        read_and_show(&bytes);
    }

    #[test]
    fn values_of_any_type_anywhere_are_told_apart(
        key in "(name|region|account|tags|network|bastion|image|hosts|budget|audit)(\\.[a-zA-Z_]{1,12})?",
        value in "(1|-1|1.5|true|1979-05-27|\"x\"|\\[\\]|\\[1\\]|\\[\\{\\}\\]|\\{\\}|\\{count=1\\}|99999999999999999999|nan)"
    ) {
        read_and_show(format!("{key} = {value}\n").as_bytes());
    }
}
