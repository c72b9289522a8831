//! What a spec's owner sees when it is wrong, and that nothing makes the reader panic or leak.

use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;

use super::*;

const MINIMAL: &str = include_str!("../../../infra/examples/minimal.toml");
const FULL: &str = include_str!("../../../infra/examples/estate.toml");
const ENVIRONMENTS: &str = include_str!("../../../infra/examples/environments.toml");

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
    for (name, text) in [("minimal.toml", MINIMAL), ("estate.toml", FULL), ("environments.toml", ENVIRONMENTS)] {
        match parse_all(text.as_bytes(), name) {
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
            "[[hosts]]\nname = \"worker\"\ncount = 60\n\n[network]\ncidr = \"10.0.0.0/24\"\nzones = [\"eu-west-1a\"]\n\n[budget]"
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

/// The minimal spec with each `from` made `to`, for the environment that it is for.
fn with(changes: &[(&str, &str)]) -> Result<Checked, Problems> {
    let mut text = MINIMAL.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the minimal spec has no {from:?}");
        text = text.replacen(from, to, 1);
    }
    parse(text.as_bytes(), "estate.toml")
}

#[test]
fn the_full_example_says_what_it_shows() {
    insta::assert_json_snapshot!(parse(FULL.as_bytes(), "estate.toml").unwrap().spec);
}

#[test]
fn what_weakens_an_estate_for_good_is_refused_with_why() {
    insta::assert_snapshot!(said_of(&[
        ("count = 2", "count = 2\nencrypted = false\nimds = \"v1\"\npublic = true\nuser_data = \"\""),
        ("[image]", "[network]\npublic_ip = true\n\n[image]\naccept_risk = \"Because\""),
    ]));
}

#[test]
fn a_weakened_default_needs_a_reason() {
    insta::assert_snapshot!(said_of(&[
        ("\"Test\"", "\"Prod\""),
        ("[image]", "[network]\nflow_logs_days = 0\n\n[image]"),
        ("\"203.0.113.0/24\"", "\"16.0.0.0/7\""),
        (
            "count = 2",
            "count = 2\ntermination_protection = false\n\
             permissions = [{ actions = [\"s3:*\"], resources = [\"arn:aws:s3:::tasks/*\"] }]",
        ),
    ]));
}

#[test]
fn an_accepted_risk_is_kept_with_its_reason_and_one_without_need_is_refused() {
    let reason = "accept_risk = \"It is known\"";
    let weak = [
        ("\"Test\"", "\"Prod\"".to_owned()),
        ("[image]", format!("[network]\nflow_logs_days = 0\n{reason}\n\n[image]")),
        ("allow = [\"203.0.113.0/24\"]", format!("allow = [\"16.0.0.0/7\"]\n{reason}")),
        (
            "count = 2",
            format!(
                "count = 2\ntermination_protection = false\n{reason}\n\
                 permissions = [{{ actions = [\"s3:*\"], resources = [\"arn:aws:s3:::tasks/a\"], {reason} }}]"
            ),
        ),
    ];
    let changes: Vec<_> = weak.iter().map(|(from, to)| (*from, to.as_str())).collect();
    let spec = with(&changes).unwrap().spec;
    assert_eq!(spec.network.flow_logs_days, None);
    assert!(!spec.hosts[0].termination_protection);
    let accepted: Vec<_> = spec.accepted.iter().map(|risk| risk.setting.as_str()).collect();
    assert_eq!(
        accepted,
        ["network.flow_logs_days", "bastion.allow", "hosts.worker.permissions", "hosts.worker.termination_protection"]
    );
    assert!(spec.accepted.iter().all(|risk| risk.reason.as_str() == "It is known"));

    for table in ["[bastion]", "[[hosts]]"] {
        let said = said_of(&[(table, &format!("{table}\n{reason}"))]);
        assert!(said.contains("nothing here needs it"), "{said}");
    }
}

#[test]
fn no_reason_opens_the_bastion_to_everyone() {
    let reason = "]\naccept_risk = \"Because\"\n";
    for ranges in ["\"0.0.0.0/0\"", "\"0.0.0.0/1\", \"128.0.0.0/1\"", "\"0.0.0.0/1\", \"128.0.0.0/2\", \"192.0.0.0/2\""]
    {
        let said = said_of(&[("\"203.0.113.0/24\"]", &format!("{ranges}{reason}"))]);
        assert!(said.contains("the whole internet"), "{said}");
    }
}

#[test]
fn hosts_are_protected_in_prod_and_a_fleet_is_not() {
    let protected = |changes: &[(&str, &str)]| with(changes).unwrap().spec.hosts[0].termination_protection;
    assert!(!protected(&[]));
    assert!(protected(&[("\"Test\"", "\"Prod\"")]));
    assert!(!protected(&[("\"Test\"", "\"Prod\""), ("count = 2", "count = 2\nmode = \"fleet\"")]));
    assert!(protected(&[("count = 2", "count = 2\ntermination_protection = true")]));
}

#[test]
fn rules_inside_a_group_hold() {
    insta::assert_snapshot!(said_of(&[(
        "count = 2",
        "count = 2
min = 1
was = \"worker\"
alternatives = [\"t3.small\"]
tags = { Name = \"x\", team = \"a, b\" }
[[hosts.volumes]]
name = \"data\"
device = \"/dev/sdf\"
gib = 4
iops = 6000
[[hosts.volumes]]
name = \"data\"
device = \"/dev/sdf\"
gib = 100
throughput = 900
[[hosts]]
name = \"builder\"
mode = \"fleet\"
count = 2
min = 3
termination_protection = true
volumes = [{ name = \"v\", device = \"/dev/sda1\", gib = 1, keep = true }]
[hosts.agent.jobs]
wall = \"2h\"
max_wall = \"1h\"
[hosts.agent.audit]
max_bytes = \"64K\""
    )]));
}

#[test]
fn a_fleets_hosts_leave_no_volume_behind() {
    let fleet = "mode = \"fleet\"\nvolumes = [{ name = \"v\", device = \"/dev/sdf\", gib = 1, keep = true }]";
    let said = said_of(&[("count = 2", &format!("count = 2\n{fleet}"))]);
    assert!(said.contains("each would leave a volume behind"), "{said}");
    assert!(with(&[("count = 2", &format!("count = 2\n{}", fleet.replace("true", "false")))]).is_ok());
}

#[test]
fn a_network_that_is_there_is_named_whole() {
    let there = "[network]\nvpc = \"vpc-0123456789abcdef0\"\npublic_subnets = [\"subnet-0123456789abcdef0\"]\n\
                 private_subnets = [\"subnet-0123456789abcdef1\"]\n\n[image]";
    let spec = with(&[("[image]", there)]).unwrap().spec;
    assert!(matches!(spec.network.place, Place::Existing { ref private, .. } if private.len() == 1));
    insta::assert_snapshot!(said_of(&[(
        "[image]",
        "[network]\nvpc = \"vpc-0123456789abcdef0\"\ncidr = \"10.0.0.0/16\"\n\
         public_subnets = [\"subnet-0123456789abcdef0\"]\n\n[image]\nname = \"host\""
    )]));
}

#[test]
fn ranges_that_overlap_are_refused() {
    insta::assert_snapshot!(said_of(&[(
        "\"203.0.113.0/24\"",
        "\"203.0.113.0/24\", \"203.0.113.128/25\", \"10.0.7.0/24\""
    )]));
}

#[test]
fn a_role_that_iam_would_refuse_is_refused_with_both_lengths() {
    let said = said_of(&[
        ("name = \"judge\"", &format!("name = \"{}\"", "e".repeat(32))),
        ("\"worker\"", &format!("\"{}\"", "g".repeat(20))),
    ]);
    assert!(said.contains("75 characters, and IAM takes 64"), "{said}");
    assert!(said.contains("at most 9 characters"), "{said}");
    assert!(said.contains("this name has 20 characters, and the estate's 32"), "{said}");
}

#[test]
fn thousands_of_hosts_are_a_number() {
    assert_eq!(with(&[("count = 2", "count = 32000")]).unwrap().spec.host_count(), 32_000);
    let said = said_of(&[("count = 2", "count = 32760")]);
    assert!(said.contains("32760 hosts don't fit network 10.0.0.0/16"), "{said}");
    assert!(said.contains("at most 32758"), "{said}");
}

#[test]
fn an_environment_is_laid_over_the_rest() {
    let of = |environment| parse_for(ENVIRONMENTS.as_bytes(), "environments.toml", Some(environment)).unwrap().spec;
    let (prod, dev) = (of(Environment::Prod), of(Environment::Dev));
    assert_eq!((prod.name.as_str(), prod.account.as_str()), ("judge", "333333333333"));
    assert_eq!((prod.tags.environment, prod.hosts[0].count), (Environment::Prod, 20));
    assert!(prod.hosts[0].termination_protection && !dev.hosts[0].termination_protection);
    assert!(matches!(&prod.image, Image::Channel { name, channel, .. }
        if name.as_str() == "host" && channel.as_str() == "stable"));
    assert_eq!((dev.name.as_str(), dev.hosts[0].count, dev.budget.monthly_usd), ("judge-dev", 1, 200));
    assert_eq!((prod.backup.is_some(), dev.backup.is_some()), (true, false));
}

#[test]
fn an_overlay_chooses_between_alternatives() {
    let text = format!(
        "{MINIMAL}\n[environment.Prod]\nname = \"prod\"\nimage = {{ name = \"host\", channel = \"stable\" }}\n\
         [environment.Prod.network]\nvpc = \"vpc-0123456789abcdef0\"\npublic_subnets = [\"subnet-0123456789abcdef0\"]\n\
         private_subnets = [\"subnet-0123456789abcdef1\"]\n"
    );
    let text = text.replace("[image]", "[network]\ncidr = \"10.1.0.0/16\"\nzones = 1\n\n[image]");
    let prod = parse_for(text.as_bytes(), "estate.toml", Some(Environment::Prod)).unwrap().spec;
    assert!(matches!(prod.image, Image::Channel { .. }));
    assert!(matches!(prod.network.place, Place::Existing { .. }));
    // What the file says itself is the one without -e.
    let test = parse(text.as_bytes(), "estate.toml").unwrap().spec;
    assert_eq!(test.tags.environment, Environment::Test);
    assert!(matches!(test.image, Image::Id(_)));
}

#[test]
fn an_environment_that_is_not_described_or_not_chosen_is_told_those_that_are() {
    insta::assert_snapshot!(shown(&parse(ENVIRONMENTS.as_bytes(), "environments.toml").unwrap_err()));
    let only = ENVIRONMENTS.replace("[environment.Dev]", "[x]").split("[x]").next().unwrap().to_owned();
    assert_eq!(parse(only.as_bytes(), "estate.toml").unwrap().spec.tags.environment, Environment::Prod);
    let problems = parse_for(MINIMAL.as_bytes(), "estate.toml", Some(Environment::Prod)).unwrap_err();
    let said = shown(&problems);
    assert!(said.contains("the spec is for Test, and Prod was chosen"), "{said}");
}

#[test]
fn a_broken_overlay_is_reported_whichever_is_chosen() {
    let text = ENVIRONMENTS
        .replace("count = 20", "count = 200000\nconut = 1")
        .replace("name = \"judge-test\"", "name = \"judge-dev\"\ntags.Environment = \"Test\"")
        .replace("network.zones = 1", "network.cidr = \"10.0.0.0/26\"")
        .replace("[environment.Dev]", "[environment.Staging]\n[environment.Dev]")
        .replace("count = 1\n", "count = -1\n");
    let text = format!("{text}\n[[environment.Dev.hosts]]\ncount = 1\n[environment.Dev.environment.Prod]\n");
    let said = shown(&parse_for(text.as_bytes(), "estate.toml", Some(Environment::Dev)).unwrap_err());
    insta::assert_snapshot!(said);
}

#[test]
fn the_same_estate_in_two_environments_is_refused() {
    let text = ENVIRONMENTS.replace("name = \"judge-test\"", "name = \"judge-dev\"");
    let said = shown(&parse_all(text.as_bytes(), "estate.toml").unwrap_err());
    assert!(said.contains("Dev and Test are the same estate: judge-dev in account 111111111111"), "{said}");
}

/// Reads `bytes` and shows whatever is said, which must work for any input.
fn read_and_show(bytes: &[u8]) {
    for environment in [Environment::Prod, Environment::Test] {
        let _ = parse_for(bytes, "estate.toml", Some(environment));
    }
    match parse_all(bytes, "estate.toml") {
        Ok(checked) => assert_eq!(checked.warnings.errors(), 0),
        Err(problems) => {
            assert!(problems.errors() > 0);
            for problem in problems.iter() {
                let text = String::from_utf8_lossy(bytes);
                assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len(), "{problem:?}");
            }
            assert!(!shown(&problems).is_empty());
            serde_json::to_string(&problems).unwrap();
        }
    }
}

proptest! {
    // Each case is read for every environment and every problem drawn, which is slow without optimisation.
    #![proptest_config(ProptestConfig::with_cases(100))]

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
    fn no_damage_to_environments_makes_the_reader_panic(
        at in 0..ENVIRONMENTS.len(), length in 0..80usize, with in "[\\[\\]={}\"'\\\\\n#a0\u{e9}.,-]{0,6}"
    ) {
        let mut bytes = ENVIRONMENTS.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, with.bytes());
        read_and_show(&bytes);
    }

    #[test]
    fn lines_of_a_spec_in_any_order_are_read(seed in prop::collection::vec(any::<prop::sample::Index>(), 1..80)) {
        let lines: Vec<&str> = FULL.lines().chain(ENVIRONMENTS.lines()).collect();
        let text: Vec<&str> = seed.iter().map(|index| *index.get(&lines)).collect();
        read_and_show(text.join("\n").as_bytes());
    }

    #[test]
    fn values_of_any_type_anywhere_are_told_apart(
        key in "((environment\\.(Prod|Test)\\.)?(name|region|tags|network|bastion|image|hosts|encryption|budget|audit|\
                backup|patch_group)|environment)(\\.(allow|zones|vpc|key|keep|alert|actual|schedule|[a-zA-Z_]{1,12}))?",
        value in "(1|-1|1.5|true|1979-05-27|\"x\"|\\[\\]|\\[1\\]|\\[\\{\\}\\]|\\{\\}|\\{count=1\\}|99999999999999999999|nan)"
    ) {
        read_and_show(format!("{key} = {value}\n").as_bytes());
    }
}
