//! Backups: a vault, a plan and its role, which change in place and don't take recovery points with them; and the key that
//! they and the volumes are under, the estate's own or one that was there.

use serde_json::json;

use crate::fixture::{Fixture, succeed, text};

const DAILY: &str = "\n[backup]\nretention_days = 7\n";

#[test]
fn backups_are_planned_changed_in_place_and_taken_away_again() {
    let fixture = Fixture::start();
    let spec = fixture.spec().replace("count = 2", "count = 1");
    fixture.write_spec(&format!("{spec}{DAILY}"));
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let made = fixture.inventory();
    let plan = &made["backup plan"][0];
    assert_eq!(plan["rules"][0]["Lifecycle"]["DeleteAfterDays"], 7, "{plan}");
    assert_eq!(plan["rules"][0]["TargetBackupVaultName"], made["backup vault"][0]["id"]);
    let by_tag =
        json!([{"ConditionKey": "holdfast:backup", "ConditionType": "STRINGEQUALS", "ConditionValue": "judge"}]);
    assert_eq!(plan["selections"][0]["ListOfTags"], by_tag, "{plan}");
    let role = plan["selections"][0]["IamRoleArn"].as_str().unwrap();
    assert!(role.ends_with("/holdfast-judge-eu-central-1-backup"), "{plan}");
    let id = "out = [p['BackupPlanId'] for p in client('backup').list_backup_plans()['BackupPlansList']]";
    let first = fixture.boto(id);
    assert!(made["backup vault"][0]["key"].as_str().unwrap().ends_with(":key/key"), "{}", made["backup vault"]);
    let selected = |volume: &&serde_json::Value| volume["tags"]["holdfast:backup"] == "judge";
    assert_eq!(made["volume"].as_array().unwrap().iter().filter(selected).count(), 2, "{}", made["volume"]);

    fixture.write_spec(&format!("{spec}\n[backup]\nschedule = \"weekly\"\nretention_days = 30\n"));
    assert_eq!(fixture.plan(), ["update backup-plan"]);
    fixture.apply();
    let changed = fixture.inventory();
    assert_eq!(fixture.boto(id), first, "changed in place");
    assert_eq!(changed["backup plan"][0]["rules"][0]["Lifecycle"]["DeleteAfterDays"], 30);
    assert_ne!(changed["backup plan"][0]["rules"][0]["ScheduleExpression"], plan["rules"][0]["ScheduleExpression"]);
    assert_eq!(fixture.plan(), Vec::<String>::new());

    fixture.write_spec(&spec);
    fixture.apply();
    let without = fixture.inventory();
    assert_eq!((&without["backup plan"], &without["backup vault"]), (&json!(null), &json!(null)));
    assert_eq!(fixture.plan(), Vec::<String>::new());
}

#[test]
fn a_vault_that_holds_backups_stays_with_its_key_and_both_are_named() {
    let fixture = Fixture::start();
    fixture.write_spec(&format!("{}{DAILY}", fixture.spec().replace("count = 2", "count = 0")));
    fixture.apply();
    fixture.lab().add_recovery_point("holdfast-judge").unwrap();
    let output = fixture.provision(&["destroy", "--yes"]);
    succeed(&output);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(said.contains("holdfast-judge") && said.contains("it holds backups"), "{said}");
    let left = fixture.inventory();
    assert_eq!(left["backup vault"].as_array().unwrap().len(), 1);
    assert_eq!(left["key"][0]["state"], "Enabled", "the backups' key is still of use");
    assert_eq!((&left["backup plan"], &left["vpc"]), (&json!(null), &json!(null)));
}

#[test]
fn a_key_and_a_vault_that_are_to_be_kept_outlive_the_estate() {
    let fixture = Fixture::start();
    let spec = fixture.spec().replace("count = 2", "count = 0");
    fixture.write_spec(&format!("{spec}\n[encryption]\nkeep = true\n{DAILY}keep = true\n"));
    fixture.apply();
    let made = fixture.inventory();
    let output = fixture.provision(&["destroy", "--yes"]);
    succeed(&output);
    let left = fixture.inventory();
    assert_eq!(left["key"], made["key"]);
    assert_eq!(left["backup vault"], made["backup vault"]);
    assert_eq!((&left["backup plan"], &left["vpc"], &left["role"]), (&json!(null), &json!(null), &json!(null)));
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(said.contains("holdfast-judge"), "{said}");
}

#[test]
fn a_given_key_encrypts_and_is_never_touched() {
    let fixture = Fixture::start();
    let given = fixture.boto(
        "key = kms.create_key(Description='of the firm', Tags=[{'TagKey': 'Owner', 'TagValue': 'security'}])\n\
         key = key['KeyMetadata']\n\
         kms.create_alias(AliasName='alias/firm', TargetKeyId=key['KeyId'])\n\
         out = key['Arn']",
    );
    let look = "arn = [k['KeyArn'] for k in kms.list_keys()['Keys'] \
                if kms.describe_key(KeyId=k['KeyId'])['KeyMetadata']['Description'] == 'of the firm'][0]\n\
                meta = kms.describe_key(KeyId=arn)['KeyMetadata']\n\
                out = [meta, kms.get_key_policy(KeyId=arn, PolicyName='default')['Policy'],\n\
                kms.list_resource_tags(KeyId=arn)['Tags'], kms.get_key_rotation_status(KeyId=arn)['KeyRotationEnabled']]";
    let before = fixture.boto(look);
    let spec = fixture.spec().replace("count = 2", "count = 1");
    // The last CloudWatch Logs would refuse: a key whose policy doesn't name it.
    fixture.write_spec(&format!(
        "{}\n[encryption]\nkey = {given}\n",
        spec.replace("[network]\n", "[network]\nflow_logs_days = 0\naccept_risk = \"The key is managed by others\"\n")
    ));
    fixture.apply();
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let volumes = fixture.boto("out = [v['KmsKeyId'] for v in ec2.describe_volumes(Filters=ours)['Volumes']]");
    assert_eq!(volumes, json!([given, given]));
    let keys = fixture.boto("out = [k['KeyArn'] for k in kms.list_keys()['Keys']]");
    assert!(keys.as_array().unwrap().contains(&given), "{keys}");
    succeed(&fixture.provision(&["destroy", "--yes"]));
    assert_eq!(fixture.boto(look), before);
    let aliases = "out = [a['AliasName'] for a in kms.list_aliases()['Aliases'] if '/aws/' not in a['AliasName']]";
    assert_eq!(fixture.boto(aliases), json!(["alias/firm"]));
}
