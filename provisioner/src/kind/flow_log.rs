//! The VPC's flow log: who talked to whom, accepted or rejected, written to the estate's log group.
//!
//! A flow log can't be changed: it is made anew. One for the same network, traffic and group is refused as a double, so
//! the old one goes first, and what happens between them isn't recorded.

use aws_sdk_ec2::types::{FlowLogsResourceType, LogDestinationType, ResourceType, TrafficType, UnsuccessfulItem};
use serde::{Deserialize, Serialize};

use super::ec2::{NOT_YET, PAGE, filter, observed, of_estate, retag, tagged};
use super::{
    Call, Context, Deleted, Difference, Discovered, KindError, Made, Observed, Operations, Practice, Replaced, SOON,
    Wanted, When, make_by_token, only_id,
};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::{Kind, Ref, Scope};

/// A flow log's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowLog<L = Ref> {
    /// The VPC that is watched.
    pub vpc: L,
    /// The name of the log group that it writes to.
    pub log_group: L,
    /// The ARN of the role that it writes as.
    pub role: L,
    /// `ALL`, `ACCEPT` or `REJECT`.
    pub traffic: String,
    /// How many seconds of one flow are one record: 60 or 600.
    pub interval: i32,
}

pub(super) struct FlowLogs;

/// What EC2 says of one that is gone.
const GONE: &[&str] = &["InvalidFlowLogId.NotFound"];
/// A role that was just made can't be assumed everywhere yet; EC2 has no code of its own for it.
const ROLE_NOT_YET: &str = "InvalidParameter.Role";

/// What it takes.
const CALLS: &[Call] = &[
    Call { when: When::Discover, action: "ec2:DescribeFlowLogs", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateFlowLogs", resources: &["*"] },
    Call { when: When::Create, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Create, action: "iam:PassRole", resources: &["*"] },
    Call { when: When::Change, action: "ec2:CreateTags", resources: &["*"] },
    Call { when: When::Delete, action: "ec2:DeleteFlowLogs", resources: &["*"] },
];

impl Operations for FlowLogs {
    fn practice(&self) -> Practice {
        Practice {
            what: "Records who talked to whom in the network, accepted or rejected",
            why: "After an incident it says where a taken host went; before one, that something tries",
            source: "https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html",
        }
    }

    fn calls(&self) -> &'static [Call] {
        CALLS
    }

    fn fixed(&self) -> &'static [(&'static str, &'static str)] {
        const WHY: &str = "a flow log can't be changed";
        &[("vpc", WHY), ("log_group", WHY), ("role", WHY), ("traffic", WHY), ("interval", WHY)]
    }

    fn replaced(&self, differences: &[Difference]) -> Replaced {
        match differences.iter().any(|one| one.property == "vpc") {
            true => Replaced::NewFirst,
            false => Replaced::OldFirst("a network is recorded into one group only once"),
        }
    }

    fn uncompared(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("format", "left as EC2 has it by default"),
            ("state of delivery", "it changes by itself; CloudWatch shows it"),
        ]
    }

    fn deleted_after(&self) -> &'static [Kind] {
        // What a host does last is recorded too.
        &[Kind::Instances]
    }

    fn discover<'a>(&'a self, cloud: &'a Cloud, scope: &'a Scope) -> Discovered<'a> {
        Box::pin(async move {
            let pages = cloud.ec2.describe_flow_logs().filter(of_estate(scope)).max_results(PAGE).into_paginator();
            let logs: Vec<_> = cloud.call(Service::Ec2, "DescribeFlowLogs", pages.items().send().try_collect()).await?;
            let mut all = Vec::new();
            for log in logs {
                let found = FlowLog {
                    vpc: log.resource_id.unwrap_or_default(),
                    log_group: log.log_group_name.unwrap_or_default(),
                    role: log.deliver_logs_permission_arn.unwrap_or_default(),
                    traffic: log.traffic_type.map(|traffic| traffic.to_string()).unwrap_or_default(),
                    interval: log.max_aggregation_interval.unwrap_or(0),
                };
                let observed = observed(Kind::FlowLog, log.tags, log.flow_log_id, &found)?;
                all.extend(observed.map(|one| one.created_at(log.creation_time)));
            }
            Ok(all)
        })
    }

    fn create<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>) -> Made<'a> {
        Box::pin(async move {
            let log: FlowLog<String> = wanted.parse()?;
            let make = async |attempt| make(cx, wanted, &log, attempt).await;
            let seen = async |id: String| {
                let request = cx.cloud.ec2.describe_flow_logs().filter(filter("flow-log-id", &id)).send();
                let answer = cx.cloud.call(Service::Ec2, "DescribeFlowLogs", request).await?;
                Ok(!answer.flow_logs().is_empty())
            };
            Ok(only_id(&make_by_token(&wanted.resource.id, make, seen).await?))
        })
    }

    fn change<'a>(&'a self, cx: &'a Context<'a>, wanted: &'a Wanted<'a>, current: &'a Observed) -> Made<'a> {
        Box::pin(retag(cx.cloud, wanted, current))
    }

    fn delete<'a>(&'a self, cx: &'a Context<'a>, current: &'a Observed) -> Deleted<'a> {
        Box::pin(async move {
            let request = cx.cloud.ec2.delete_flow_logs().flow_log_ids(&current.physical).send();
            let answer = cx.cloud.call(Service::Ec2, "DeleteFlowLogs", request).await;
            if let Some(answer) = found(answer, GONE)? {
                found(refused("DeleteFlowLogs", answer.unsuccessful), GONE)?;
            }
            Ok(None)
        })
    }
}

async fn make(cx: &Context<'_>, wanted: &Wanted<'_>, log: &FlowLog<String>, attempt: u32) -> Result<String, KindError> {
    const OPERATION: &str = "CreateFlowLogs";
    let request = cx
        .cloud
        .ec2
        .create_flow_logs()
        .resource_type(FlowLogsResourceType::Vpc)
        .resource_ids(&log.vpc)
        .traffic_type(TrafficType::from(log.traffic.as_str()))
        .log_destination_type(LogDestinationType::CloudWatchLogs)
        .log_group_name(&log.log_group)
        .deliver_logs_permission_arn(&log.role)
        .max_aggregation_interval(log.interval)
        .client_token(wanted.token(cx.scope, "flow-log", attempt))
        .tag_specifications(tagged(ResourceType::VpcFlowLog, &wanted.resource.tags));
    let call = || async {
        let answer = cx.cloud.call(Service::Ec2, OPERATION, request.clone().send()).await.map_err(role_not_yet)?;
        refused(OPERATION, answer.unsuccessful).map_err(role_not_yet)?;
        let id = answer.flow_log_ids.unwrap_or_default().into_iter().next();
        id.ok_or_else(|| CloudError::incomplete(Service::Ec2, OPERATION, "flow log's id"))
    };
    let codes: Vec<_> = NOT_YET.iter().copied().chain([ROLE_NOT_YET]).collect();
    Ok(cx.cloud.patiently(SOON, &codes, call).await?)
}

/// What an answer says failed, as the error that it is.
fn refused(operation: &'static str, unsuccessful: Option<Vec<UnsuccessfulItem>>) -> Result<(), CloudError> {
    let failed = unsuccessful.unwrap_or_default().into_iter().next();
    let Some(item) = failed else { return Ok(()) };
    let error = item.error.unwrap_or_else(|| aws_sdk_ec2::types::UnsuccessfulItemError::builder().build());
    let (code, why) = (error.code.unwrap_or_default(), error.message.unwrap_or_default());
    let message = format!("{}: {why}", item.resource_id.unwrap_or_default());
    Err(CloudError::found(Service::Ec2, operation, message, "correct that and repeat the command").with_code(&code))
}

/// Tells a role that can't be assumed yet from other parameters that aren't right.
fn role_not_yet(error: CloudError) -> CloudError {
    let role = error.code().starts_with("InvalidParameter") && error.message().contains("Unable to assume");
    if role { error.with_code(ROLE_NOT_YET) } else { error }
}
