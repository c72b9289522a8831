"""strict.truths.budgets"""

import pytest

ACCOUNT = "111111111111"
EIGHTY = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0}
MAIL = {"SubscriptionType": "EMAIL", "Address": "ops@example.org"}


@pytest.fixture
def budgets(lab):
    return lab.client("budgets")


def budget(name, **changed):
    request = {
        "BudgetName": name,
        "BudgetLimit": {"Amount": "200", "Unit": "USD"},
        "CostFilters": {"TagKeyValue": ["user:holdfast:estate$judge"]},
        "TimeUnit": "MONTHLY",
        "BudgetType": "COST",
    }
    return {**request, **changed}


@pytest.fixture
def made(budgets, unique):
    budgets.create_budget(
        AccountId=ACCOUNT,
        Budget=budget(unique),
        NotificationsWithSubscribers=[{"Notification": EIGHTY, "Subscribers": [MAIL]}],
        ResourceTags=[{"Key": "Project", "Value": "contest"}],
    )
    return unique


def described(budgets, name):
    return budgets.describe_budget(AccountId=ACCOUNT, BudgetName=name)["Budget"]


def test_a_budget_shows_its_spend_and_filters(budgets, made):
    shown = described(budgets, made)
    assert shown["CalculatedSpend"]["ActualSpend"]["Unit"] == "USD"
    assert shown["CostFilters"] == {"TagKeyValue": ["user:holdfast:estate$judge"]}


def test_a_name_is_taken_once(budgets, made, refused):
    with refused("DuplicateRecordException"):
        budgets.create_budget(AccountId=ACCOUNT, Budget=budget(made))


def test_tags_are_kept_and_changed(budgets, made, refused):
    arn = f"arn:aws:budgets::{ACCOUNT}:budget/{made}"

    def tags():
        return {t["Key"]: t["Value"] for t in budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"]}

    assert tags() == {"Project": "contest"}
    budgets.tag_resource(ResourceARN=arn, ResourceTags=[{"Key": "Department", "Value": "engineering"}])
    budgets.untag_resource(ResourceARN=arn, ResourceTagKeys=["Project"])
    assert tags() == {"Department": "engineering"}
    with refused("InvalidParameterException"):
        budgets.tag_resource(ResourceARN=arn, ResourceTags=[{"Key": "aws:x", "Value": "y"}])
    with refused("NotFoundException"):
        budgets.list_tags_for_resource(ResourceARN=f"{arn}-gone")


def test_a_budget_is_updated(budgets, made, refused):
    before = described(budgets, made)
    new = budget(made, BudgetLimit={"Amount": "300", "Unit": "USD"})
    budgets.update_budget(AccountId=ACCOUNT, NewBudget=new)
    after = described(budgets, made)
    assert float(after["BudgetLimit"]["Amount"]) == 300
    assert after["TimePeriod"] == before["TimePeriod"]
    with refused("NotFoundException"):
        budgets.update_budget(AccountId=ACCOUNT, NewBudget=budget(f"{made}-gone"))


def test_notifications_and_subscribers_are_listed_and_updated(budgets, made, refused):
    of = {"AccountId": ACCOUNT, "BudgetName": made}

    def notifications():
        return budgets.describe_notifications_for_budget(**of)["Notifications"]

    assert notifications() == [{**EIGHTY, "ThresholdType": "PERCENTAGE", "NotificationState": "OK"}]
    subscribers = budgets.describe_subscribers_for_notification(**of, Notification=EIGHTY)["Subscribers"]
    assert subscribers == [MAIL]

    ninety = {**EIGHTY, "Threshold": 90.0}
    budgets.update_notification(**of, OldNotification=notifications()[0], NewNotification=ninety)
    assert [n["Threshold"] for n in notifications()] == [90.0]
    with refused("NotFoundException"):
        budgets.describe_subscribers_for_notification(**of, Notification=EIGHTY)
    with refused("DuplicateRecordException"):
        budgets.create_notification(**of, Notification=ninety, Subscribers=[MAIL])

    other = {"SubscriptionType": "EMAIL", "Address": "more@example.org"}
    budgets.create_subscriber(**of, Notification=ninety, Subscriber=other)
    budgets.delete_subscriber(**of, Notification=ninety, Subscriber=MAIL)
    subscribers = budgets.describe_subscribers_for_notification(**of, Notification=ninety)["Subscribers"]
    assert subscribers == [other]
    budgets.delete_notification(**of, Notification=ninety)
    assert notifications() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"CostFilters": {"Nonsense": ["x"]}},
        {"CostFilters": {"TagKeyValue": ["estate=judge"]}},
        {"BudgetName": "a/action/b"},
    ],
)
def test_nonsense_is_refused(budgets, unique, refused, changed):
    with refused("InvalidParameterException"):
        budgets.create_budget(AccountId=ACCOUNT, Budget=budget(unique, **changed))
