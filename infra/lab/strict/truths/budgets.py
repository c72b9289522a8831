"""Budgets: tags, updates, subscribers; what AWS checks of a budget is checked.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Operations.html
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html

moto drops a budget's tags, has no call to read or change them, none to update a budget or a notification or to list
subscribers, and takes any filter.
"""

import json
from typing import Any

from moto.budgets.exceptions import DuplicateRecordException, NotFoundException
from moto.budgets.models import Budget, BudgetsBackend, Notification
from moto.budgets.responses import BudgetsResponse
from moto.core.exceptions import JsonRESTError
from moto.core.utils import unix_time

from strict.override import override, provide

# https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-create-filters.html
FILTERS = {
    "AZ",
    "BillingEntity",
    "CostCategory",
    "InstanceType",
    "InvoicingEntity",
    "LegalEntity",
    "LinkedAccount",
    "Operation",
    "PurchaseType",
    "Region",
    "Service",
    "TagKeyValue",
    "UsageType",
    "UsageTypeGroup",
}
MOST_NOTIFICATIONS = 10
MOST_SUBSCRIBERS = 11
MOST_TAGS = 200


class InvalidParameter(JsonRESTError):
    def __init__(self, message: str) -> None:
        super().__init__("InvalidParameterException", message)


def apply(_plane: Any) -> None:
    _creation()
    _updates()
    _notifications()
    _tags()


def _creation() -> None:
    @override(BudgetsResponse, "create_budget")
    def create_budget(original: Any, self: Any) -> str:
        _check_budget(self._get_param("Budget"))
        for notification in self._get_param("NotificationsWithSubscribers", []):
            _check_subscribers(notification["Subscribers"])
        tags = _checked_tags(self._get_param("ResourceTags", []))
        body = original(self)
        _budget(self, self._get_param("Budget")["BudgetName"]).tags = tags
        return body

    @override(Budget, "__init__")
    def create(original: Any, self: Any, budget: dict[str, Any], notifications: list[dict[str, Any]]) -> None:
        original(self, budget, [])
        self.tags: dict[str, str] = {}
        for notification in notifications:
            self.add_notification(notification["Notification"], notification["Subscribers"])


def _updates() -> None:
    @provide(BudgetsResponse, "update_budget")
    def update_budget(self: Any) -> str:
        new = self._get_param("NewBudget")
        _check_budget(new)
        budget = _budget(self, new["BudgetName"])
        period = new.get("TimePeriod", budget.budget["TimePeriod"])
        budget.budget = {**new, "TimePeriod": period, "LastUpdatedTime": unix_time()}
        return json.dumps({})


def _notifications() -> None:
    @override(Budget, "add_notification")
    def add_notification(original: Any, self: Any, details: dict[str, Any], subscribers: list[dict[str, Any]]) -> None:
        details = _whole(details)
        if any(n.details == details for n in self.notifications):
            raise DuplicateRecordException("notification", json.dumps(details))
        if len(self.notifications) >= MOST_NOTIFICATIONS:
            raise JsonRESTError(
                "CreationLimitExceededException", f"A budget has at most {MOST_NOTIFICATIONS} notifications"
            )
        original(self, details, subscribers)

    @override(Budget, "get_notifications")
    def get_notifications(original: Any, self: Any) -> list[dict[str, Any]]:
        return [{**details, "NotificationState": "OK"} for details in original(self)]

    @override(BudgetsResponse, "create_notification")
    def create_notification(original: Any, self: Any) -> str:
        _check_subscribers(self._get_param("Subscribers"))
        return original(self)

    @override(BudgetsBackend, "delete_notification")
    def delete_notification(_original: Any, self: Any, account_id: str, budget_name: str, notification: Any) -> None:
        budget = _find(self, account_id, budget_name)
        budget.notifications.remove(_notification(budget, notification))

    @override(BudgetsBackend, "describe_notifications_for_budget")
    def describe_notifications_for_budget(original: Any, self: Any, account_id: str, budget_name: str) -> Any:
        _find(self, account_id, budget_name)
        return original(self, account_id, budget_name)

    @provide(BudgetsResponse, "update_notification")
    def update_notification(self: Any) -> str:
        budget = _budget(self, self._get_param("BudgetName"))
        old = _notification(budget, self._get_param("OldNotification"))
        new = _whole(self._get_param("NewNotification"))
        if any(n.details == new for n in budget.notifications if n is not old):
            raise DuplicateRecordException("notification", json.dumps(new))
        old.details = new
        return json.dumps({})

    @provide(BudgetsResponse, "describe_subscribers_for_notification")
    def describe_subscribers_for_notification(self: Any) -> str:
        notification = _notification_of(self)
        return json.dumps({"Subscribers": notification.subscribers})

    @provide(BudgetsResponse, "create_subscriber")
    def create_subscriber(self: Any) -> str:
        notification, subscriber = _notification_of(self), self._get_param("Subscriber")
        if subscriber in notification.subscribers:
            raise DuplicateRecordException("subscriber", subscriber["Address"])
        _check_subscribers([*notification.subscribers, subscriber])
        notification.subscribers.append(subscriber)
        return json.dumps({})

    @provide(BudgetsResponse, "delete_subscriber")
    def delete_subscriber(self: Any) -> str:
        notification, subscriber = _notification_of(self), self._get_param("Subscriber")
        if subscriber not in notification.subscribers:
            raise NotFoundException("Unable to delete subscriber - the subscriber doesn't exist.")
        if len(notification.subscribers) == 1:
            raise InvalidParameter("A notification has at least one subscriber")
        notification.subscribers.remove(subscriber)
        return json.dumps({})


def _tags() -> None:
    @provide(BudgetsResponse, "list_tags_for_resource")
    def list_tags_for_resource(self: Any) -> str:
        tags = _budget_of_arn(self).tags
        return json.dumps({"ResourceTags": [{"Key": key, "Value": value} for key, value in tags.items()]})

    @provide(BudgetsResponse, "tag_resource")
    def tag_resource(self: Any) -> str:
        _budget_of_arn(self).tags.update(_checked_tags(self._get_param("ResourceTags", [])))
        return json.dumps({})

    @provide(BudgetsResponse, "untag_resource")
    def untag_resource(self: Any) -> str:
        tags = _budget_of_arn(self).tags
        for key in self._get_param("ResourceTagKeys", []):
            tags.pop(key, None)
        return json.dumps({})


def _find(backend: BudgetsBackend, account_id: str, name: str) -> Any:
    budget = backend.budgets[account_id].get(name)
    if budget is None:
        raise NotFoundException(f"Unable to get budget: {name} - the budget doesn't exist.")
    return budget


def _budget(response: Any, name: str) -> Any:
    return _find(response.backend, response._get_param("AccountId"), name)


def _budget_of_arn(response: Any) -> Any:
    arn = response._get_param("ResourceARN")
    _, _, service, _, account, resource = (arn.split(":", 5) + [""] * 6)[:6]
    if service != "budgets" or not resource.startswith("budget/"):
        raise InvalidParameter(f"{arn} is not the ARN of a budget")
    return _find(response.backend, account, resource.removeprefix("budget/"))


def _whole(details: dict[str, Any]) -> dict[str, Any]:
    """With the default that AWS fills in; what identifies a notification is all of it."""
    whole = {"ThresholdType": "PERCENTAGE", **details}
    whole.pop("NotificationState", None)
    whole["Threshold"] = float(whole["Threshold"])
    return whole


def _notification(budget: Any, details: dict[str, Any]) -> Notification:
    whole = _whole(details)
    for notification in budget.notifications:
        if notification.details == whole:
            return notification
    raise NotFoundException("Unable to find the notification - the notification doesn't exist.")


def _notification_of(response: Any) -> Notification:
    budget = _budget(response, response._get_param("BudgetName"))
    return _notification(budget, response._get_param("Notification"))


def _check_budget(budget: dict[str, Any]) -> None:
    name = budget["BudgetName"]
    if not 1 <= len(name) <= 100 or any(c in name for c in ":\\") or "/action/" in name.lower():
        raise InvalidParameter(f"{name!r} is not a budget's name: 1 to 100 characters without : and \\")
    for key, values in budget.get("CostFilters", {}).items():
        if key not in FILTERS:
            raise InvalidParameter(f"Filter name {key} is not supported")
        if key == "TagKeyValue" and not all("$" in value and ":" in value for value in values):
            raise InvalidParameter("A tag filter is written as user:key$value")


def _check_subscribers(subscribers: list[dict[str, Any]]) -> None:
    if not 1 <= len(subscribers) <= MOST_SUBSCRIBERS:
        raise InvalidParameter(f"A notification has 1 to {MOST_SUBSCRIBERS} subscribers")
    for subscriber in subscribers:
        if subscriber["SubscriptionType"] == "EMAIL" and "@" not in subscriber["Address"]:
            raise InvalidParameter(f"{subscriber['Address']} is not an e-mail address")


def _checked_tags(tags: list[dict[str, str]]) -> dict[str, str]:
    if len(tags) > MOST_TAGS:
        raise JsonRESTError("ServiceQuotaExceededException", f"A budget has at most {MOST_TAGS} tags")
    for tag in tags:
        if tag["Key"].lower().startswith("aws:"):
            raise InvalidParameter("Tag keys starting with 'aws:' are reserved for internal use")
    return {tag["Key"]: tag["Value"] for tag in tags}
