"""strict.truths.backups"""

import json

import pytest


@pytest.fixture
def backup(lab):
    return lab.client("backup")


@pytest.fixture
def vault(lab, backup, unique):
    key = lab.client("kms").create_key()["KeyMetadata"]["Arn"]
    backup.create_backup_vault(
        BackupVaultName=unique, EncryptionKeyArn=key, BackupVaultTags={"Project": "p"}, CreatorRequestId=unique
    )
    assert backup.describe_backup_vault(BackupVaultName=unique)["EncryptionKeyArn"] == key
    return unique


def document(vault, **changed):
    rule = {"RuleName": "daily", "TargetBackupVaultName": vault, "ScheduleExpression": "cron(0 5 ? * * *)"}
    return {"BackupPlanName": vault, "Rules": [{**rule, "Lifecycle": {"DeleteAfterDays": 35}, **changed}]}


@pytest.fixture
def plan(backup, vault):
    return backup.create_backup_plan(BackupPlan=document(vault), BackupPlanTags={"Project": "p"})["BackupPlanId"]


@pytest.fixture
def role(lab, unique):
    trust = {"Effect": "Allow", "Principal": {"Service": "backup.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return lab.client("iam").create_role(
        RoleName=unique, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]


def selection(role, name="tagged"):
    tag = {"ConditionType": "STRINGEQUALS", "ConditionKey": "backup", "ConditionValue": "daily"}
    return {"SelectionName": name, "IamRoleArn": role, "ListOfTags": [tag]}


def test_a_vault_is_made_once_and_deleted_empty(lab, backup, vault, refused):
    with refused("AlreadyExistsException"):
        backup.create_backup_vault(BackupVaultName=vault)
    arn = backup.describe_backup_vault(BackupVaultName=vault)["BackupVaultArn"]
    assert backup.list_tags(ResourceArn=arn)["Tags"] == {"Project": "p"}
    lab.own_call("recovery-point", vault=vault)
    with refused("InvalidRequestException", "recovery points"):
        backup.delete_backup_vault(BackupVaultName=vault)


def test_tags_are_listed_by_a_path_without_a_slash_at_its_end(lab, vault):
    backup = lab.client("backup")
    arn = backup.describe_backup_vault(BackupVaultName=vault)["BackupVaultArn"]

    def as_other_sdks(request, **_):
        request.url = request.url.rstrip("/")

    backup.meta.events.register("before-sign.backup.ListTags", as_other_sdks)
    assert backup.list_tags(ResourceArn=arn)["Tags"] == {"Project": "p"}


def test_an_empty_vault_is_deleted_once(backup, vault, refused):
    backup.delete_backup_vault(BackupVaultName=vault)
    with refused("ResourceNotFoundException"):
        backup.delete_backup_vault(BackupVaultName=vault)


def test_a_plan_is_updated_in_versions(backup, vault, plan):
    before = backup.get_backup_plan(BackupPlanId=plan)
    updated = backup.update_backup_plan(BackupPlanId=plan, BackupPlan=document(vault, Lifecycle={"DeleteAfterDays": 7}))
    after = backup.get_backup_plan(BackupPlanId=plan)
    assert updated["VersionId"] == after["VersionId"] != before["VersionId"]
    assert after["BackupPlan"]["Rules"][0]["Lifecycle"]["DeleteAfterDays"] == 7
    assert backup.list_tags(ResourceArn=after["BackupPlanArn"])["Tags"] == {"Project": "p"}


def test_a_repeated_request_is_the_same_plan(backup, vault, unique, refused):
    made = backup.create_backup_plan(BackupPlan=document(vault), CreatorRequestId=unique)["BackupPlanId"]
    assert backup.create_backup_plan(BackupPlan=document(vault), CreatorRequestId=unique)["BackupPlanId"] == made
    with refused("AlreadyExistsException"):
        backup.create_backup_plan(BackupPlan=document(vault))
    with refused("InvalidParameterValueException"):
        backup.create_backup_plan(BackupPlan=document(vault, TargetBackupVaultName="nowhere"))
    with refused("InvalidParameterValueException", "90 days"):
        lifecycle = {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 60}
        backup.create_backup_plan(BackupPlan=document(vault, Lifecycle=lifecycle))


def test_a_plan_is_deleted_after_its_selections(backup, vault, plan, role, unique, refused):
    made = backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role), CreatorRequestId=unique)
    again = backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role), CreatorRequestId=unique)
    assert again["SelectionId"] == made["SelectionId"]
    with refused("AlreadyExistsException"):
        backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role))
    listed = backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]
    assert [(s["SelectionName"], s["IamRoleArn"]) for s in listed] == [("tagged", role)]
    got = backup.get_backup_selection(BackupPlanId=plan, SelectionId=made["SelectionId"])
    assert got["BackupSelection"]["ListOfTags"] == selection(role)["ListOfTags"]

    with refused("InvalidRequestException", "selections"):
        backup.delete_backup_plan(BackupPlanId=plan)
    backup.delete_backup_selection(BackupPlanId=plan, SelectionId=made["SelectionId"])
    with refused("ResourceNotFoundException"):
        backup.delete_backup_selection(BackupPlanId=plan, SelectionId=made["SelectionId"])
    backup.delete_backup_plan(BackupPlanId=plan)
    assert plan not in [p["BackupPlanId"] for p in backup.list_backup_plans()["BackupPlansList"]]


def test_a_selection_wants_a_role_that_the_service_may_take(backup, plan, role, refused):
    with refused("InvalidParameterValueException", "can't be assumed"):
        backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection(role + "x"))


def test_plans_come_in_pages(backup, vault):
    for day in range(1, 4):
        backup.create_backup_plan(BackupPlan=document(vault, Lifecycle={"DeleteAfterDays": day}))
    paginator = backup.get_paginator("list_backup_plans")
    pages = [page["BackupPlansList"] for page in paginator.paginate(PaginationConfig={"PageSize": 2})]
    assert len(pages) > 1 and all(len(page) <= 2 for page in pages)
    names = [p["BackupPlanName"] for page in pages for p in page]
    assert names.count(vault) == 3
