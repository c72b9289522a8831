//! The estate's budget: a monthly amount for all that carries the estate's tag, and who is told.
//!
//! Budgets count by a cost allocation tag, and stay empty until the payer's account activates it (AWS Billing User
//! Guide, "Activating user-defined cost allocation tags"): whoever shows the spend says so.

use std::collections::BTreeMap;

use aws_sdk_budgets::types::{
    Budget as AwsBudget, BudgetType, ComparisonOperator, Notification as AwsNotification, NotificationType,
    NotificationWithSubscribers, ResourceTag, Spend, Subscriber, SubscriptionType, ThresholdType, TimeUnit,
};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{
    Attributes, Call, Context, Deleted, Discovered, KindError, Made, Observed, Operations, Practice, Wanted, When,
    deleted, only_id, properties,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, ResourceId, Scope, tags};

/// The filter of budgets by a tag of the user's.
const TAG_FILTER: &str = "TagKeyValue";
const NOT_FOUND: &[&str] = &["NotFoundException"];

/// A budget's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// US dollars in a month, as a decimal number.
    pub monthly_usd: String,
    /// The tag that it counts by, as Budgets writes it: `user:<key>$<value>`.
    pub tag: String,
    /// Who is told when.
    pub notifications: Vec<Notification>,
}

/// When somebody is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Notification {
    /// Of what: `ACTUAL` or `FORECASTED` spend.
    pub of: String,
    /// Above how many per cent of the budget.
    pub percent: u32,
    /// Whom by mail, in sorted order.
    pub emails: Vec<String>,
    /// The ARNs of SNS topics that are told; Budgets takes one.
    pub topics: Vec<String>,
}

pub(super) struct Budgets;

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "budgets:ViewBudget", resources: &["*"] },
    Call { when: When::Discover, action: "budgets:ListTagsForResource", resources: &["*"] },
    Call { when: When::Create, action: "budgets:ModifyBudget", resources: &["*"] },
    Call { when: When::Create, action: "budgets:TagResource", resources: &["*"] },
    Call { when: When::Change, action: "budgets:ModifyBudget", resources: &["*"] },
    Call { when: When::Change, action: "budgets:TagResource", resources: &["*"] },
    Call { when: When::Delete, action: "budgets:ModifyBudget", resources: &["*"] },
];

impl Operations for Budgets {
    fn practice(&self) -> Practice {
        Practice {
            what: "Tells people before the estate costs more than it may",
            why: "Alerts at actual and forecast spend stop a denial of wallet early",
            source: "https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-managing-costs.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("spend and forecast", "they change by themselves"),
            ("actions and kinds of cost", "left as Budgets has them"),
        ]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move { Ok(read(cloud, scope).await?.into_iter().collect()) })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let budget: Budget = wanted.parse()?;
            let notifications =
                budget.notifications.iter().map(with_subscribers).collect::<Result<Vec<_>, KindError>>()?;
            let request = cx
                .cloud
                .budgets
                .create_budget()
                .account_id(cx.scope.account.as_str())
                .budget(to_aws(&budget, &wanted.resource.name)?)
                .set_notifications_with_subscribers(Some(notifications))
                .set_resource_tags(Some(write_tags(&wanted.resource.tags)?));
            match cx.cloud.call(Service::Budgets, "CreateBudget", request.send()).await {
                Ok(_) => {}
                // A crashed run made it, and discovery didn't see it yet; or it is somebody else's.
                Err(error) if error.is(&["DuplicateRecordException"]) => {
                    let Some(current) = read(cx.cloud, cx.scope).await? else { return Err(error.into()) };
                    change(cx, wanted, &current).await?;
                }
                Err(error) => return Err(error.into()),
            }
            Ok(only_id(&wanted.resource.name))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(change(cx, wanted, current))
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let request = cx
                .cloud
                .budgets
                .delete_budget()
                .account_id(cx.scope.account.as_str())
                .budget_name(&current.physical)
                .send();
            deleted(cx.cloud.call(Service::Budgets, "DeleteBudget", request).await, NOT_FOUND)
        })
    }
}

/// A decimal number without needless zeros: Budgets gives `200.0` back for `200`.
pub fn amount(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, fraction)) => {
            let fraction = fraction.trim_end_matches('0');
            if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
        }
        None => text.to_owned(),
    }
}

/// A required field that wasn't given: the SDK's builders check them.
fn incomplete(operation: &'static str) -> KindError {
    CloudError::incomplete(Service::Budgets, operation, "required field").into()
}

#[expect(deprecated, reason = "one tag is all that it filters by; FilterExpression is for what CostFilters can't say")]
fn to_aws(budget: &Budget, name: &str) -> Result<AwsBudget, KindError> {
    let limit = Spend::builder().amount(&budget.monthly_usd).unit("USD").build();
    AwsBudget::builder()
        .budget_name(name)
        .budget_type(BudgetType::Cost)
        .time_unit(TimeUnit::Monthly)
        .budget_limit(limit.map_err(|_| incomplete("CreateBudget"))?)
        .cost_filters(TAG_FILTER, vec![budget.tag.clone()])
        .build()
        .map_err(|_| incomplete("CreateBudget"))
}

fn notification(notification: &Notification) -> Result<AwsNotification, KindError> {
    AwsNotification::builder()
        .notification_type(NotificationType::from(notification.of.as_str()))
        .comparison_operator(ComparisonOperator::GreaterThan)
        .threshold(f64::from(notification.percent))
        .threshold_type(ThresholdType::Percentage)
        .build()
        .map_err(|_| incomplete("CreateNotification"))
}

fn subscribers(notification: &Notification) -> Result<Vec<Subscriber>, KindError> {
    let emails = notification.emails.iter().map(|email| (SubscriptionType::Email, email));
    let topics = notification.topics.iter().map(|topic| (SubscriptionType::Sns, topic));
    let all = emails.chain(topics).map(|(sort, address)| {
        let subscriber = Subscriber::builder().subscription_type(sort).address(address).build();
        subscriber.map_err(|_| incomplete("CreateNotification"))
    });
    all.collect()
}

fn with_subscribers(wanted: &Notification) -> Result<NotificationWithSubscribers, KindError> {
    NotificationWithSubscribers::builder()
        .notification(notification(wanted)?)
        .set_subscribers(Some(subscribers(wanted)?))
        .build()
        .map_err(|_| incomplete("CreateNotification"))
}

fn write_tags(tags: &BTreeMap<String, String>) -> Result<Vec<ResourceTag>, KindError> {
    tags.iter()
        .map(|(key, value)| ResourceTag::builder().key(key).value(value).build().map_err(|_| incomplete("TagResource")))
        .collect()
}

/// The budget's ARN, which has no region.
fn arn(scope: &Scope, name: &str) -> String {
    format!("arn:{}:budgets::{}:budget/{name}", scope.region.partition(), scope.account)
}

async fn read(cloud: &Cloud, scope: &Scope) -> Result<Option<Observed>, KindError> {
    let (budgets, account, name) = (&cloud.budgets, scope.account.as_str(), scope.budget_name());
    let request = budgets.describe_budget().account_id(account).budget_name(&name).send();
    let answer = found(cloud.call(Service::Budgets, "DescribeBudget", request).await, NOT_FOUND)?;
    let Some(budget) = answer.and_then(|answer| answer.budget) else { return Ok(None) };
    let request = budgets.list_tags_for_resource().resource_arn(arn(scope, &name)).send();
    let listed = found(cloud.call(Service::Budgets, "ListTagsForResource", request).await, NOT_FOUND)?;
    // Deleted since it was described.
    let Some(listed) = listed else { return Ok(None) };
    let tags: BTreeMap<_, _> =
        listed.resource_tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
    if tags.get(tags::ESTATE).map(String::as_str) != Some(scope.estate.as_str()) {
        return Err(KindError::foreign(Kind::Budget, &name, scope));
    }
    #[expect(deprecated, reason = "the form that it was made with")]
    let filters = budget.cost_filters.unwrap_or_default();
    let notifications = match read_notifications(cloud, account, &name).await {
        Err(KindError::Cloud(error)) if error.is(NOT_FOUND) => return Ok(None),
        read => read?,
    };
    let properties = Budget {
        monthly_usd: amount(budget.budget_limit.as_ref().map_or("", |limit| &limit.amount)),
        tag: filters.get(TAG_FILTER).and_then(|values| values.first()).cloned().unwrap_or_default(),
        notifications,
    };
    let id = ResourceId::only(Kind::Budget);
    let properties = self::properties(&id, &properties)?;
    let mut observed = Observed::new(Kind::Budget, id, &name, properties);
    if let Some(spend) = budget.calculated_spend {
        if let Some(actual) = spend.actual_spend {
            observed = observed.attribute("actual_usd", amount(&actual.amount));
        }
        if let Some(forecast) = spend.forecasted_spend {
            observed = observed.attribute("forecast_usd", amount(&forecast.amount));
        }
    }
    observed.tags = tags;
    Ok(Some(observed))
}

async fn read_notifications(cloud: &Cloud, account: &str, name: &str) -> Result<Vec<Notification>, KindError> {
    let budgets = &cloud.budgets;
    let pages =
        budgets.describe_notifications_for_budget().account_id(account).budget_name(name).into_paginator().items();
    let notifications: Vec<_> =
        cloud.call(Service::Budgets, "DescribeNotificationsForBudget", pages.send().try_collect()).await?;
    let read = notifications.into_iter().map(|notification| read_notification(cloud, account, name, notification));
    let mut all = try_join_all(read).await?;
    all.sort_unstable();
    Ok(all)
}

/// A notification with who is told.
async fn read_notification(
    cloud: &Cloud,
    account: &str,
    name: &str,
    notification: aws_sdk_budgets::types::Notification,
) -> Result<Notification, KindError> {
    let pages = cloud
        .budgets
        .describe_subscribers_for_notification()
        .account_id(account)
        .budget_name(name)
        .notification(notification.clone())
        .into_paginator()
        .items();
    let subscribers: Vec<_> =
        cloud.call(Service::Budgets, "DescribeSubscribersForNotification", pages.send().try_collect()).await?;
    let (topics, emails): (Vec<_>, Vec<_>) =
        subscribers.into_iter().partition(|subscriber| subscriber.subscription_type == SubscriptionType::Sns);
    let sorted = |subscribers: Vec<Subscriber>| {
        let mut addresses: Vec<_> = subscribers.into_iter().map(|subscriber| subscriber.address).collect();
        addresses.sort_unstable();
        addresses
    };
    let (topics, emails) = (sorted(topics), sorted(emails));
    // Thresholds that aren't whole per cents aren't Holdfast's, and differ from any that is wanted.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let percent = notification.threshold.round() as u32;
    Ok(Notification { of: notification.notification_type.to_string(), percent, emails, topics })
}

async fn change(cx: &Context<'_>, wanted: &Wanted<'_>, current: &Observed) -> Result<Attributes, KindError> {
    let (new, old): (Budget, Budget) = (wanted.parse()?, current.parse()?);
    let (budgets, account, name) = (&cx.cloud.budgets, cx.scope.account.as_str(), &current.physical);
    if (&new.monthly_usd, &new.tag) != (&old.monthly_usd, &old.tag) {
        let request = budgets.update_budget().account_id(account).new_budget(to_aws(&new, name)?).send();
        cx.cloud.call(Service::Budgets, "UpdateBudget", request).await?;
    }
    for gone in old.notifications.iter().filter(|old| !new.notifications.contains(old)) {
        let request = budgets.delete_notification().account_id(account).budget_name(name);
        let request = request.notification(notification(gone)?).send();
        found(cx.cloud.call(Service::Budgets, "DeleteNotification", request).await, NOT_FOUND)?;
    }
    for added in new.notifications.iter().filter(|new| !old.notifications.contains(new)) {
        let request = budgets
            .create_notification()
            .account_id(account)
            .budget_name(name)
            .notification(notification(added)?)
            .set_subscribers(Some(subscribers(added)?))
            .send();
        cx.cloud.call(Service::Budgets, "CreateNotification", request).await?;
    }
    if !wanted.is_tagged(current) {
        let request = budgets
            .tag_resource()
            .resource_arn(arn(cx.scope, name))
            .set_resource_tags(Some(write_tags(&wanted.resource.tags)?))
            .send();
        cx.cloud.call(Service::Budgets, "TagResource", request).await?;
    }
    Ok(current.attributes.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_compared_without_needless_zeros() {
        for (given, expected) in [("200", "200"), ("200.0", "200"), ("0.50", "0.5"), ("1000", "1000"), ("", "")] {
            assert_eq!(amount(given), expected);
        }
    }
}
