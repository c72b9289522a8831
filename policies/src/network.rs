//! The network's parts that act or let pass: who writes its flow logs, and what its interface endpoints are for.
//!
//! Stops: a taken host that uses an endpoint with credentials which an attacker brought along, or to put what it found
//! into an account of the attacker's. And a flow log's role in the hands of somebody who isn't EC2: another account's
//! flow log (the confused deputy), or a way to write into other logs.

use crate::document::{Kind, Operator, Policy, Principal, Resource, Statement};
use crate::{AccountId, Action, Key, PlainName, Region};

/// The policy of an interface endpoint: only this account's principals, and only to this account's resources.
pub fn service_endpoint(account: &AccountId) -> Policy {
    let statement = Statement::allow_all(
        "OwnPrincipalsToOwnResources",
        "*",
        "an endpoint serves one service, and what a principal may do there is its own policy's to say",
    )
    .by(Principal::Anyone {
        because: "an account named here would mean its root user alone; aws:PrincipalAccount says whose",
    })
    .on([Resource::Within {
        pattern: "*".to_owned(),
        because: "many of the services' actions know no resources; aws:ResourceAccount says whose",
    }])
    .when(Operator::StringEquals, Key::PrincipalAccount, [account])
    .when(Operator::StringEquals, Key::ResourceAccount, [account]);
    Policy::new(Kind::Endpoint, [statement])
}

/// What writes an estate's flow logs.
#[derive(Debug, Clone)]
pub struct FlowLogWriter {
    /// The estate's account.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// Its name.
    pub estate: PlainName,
}

impl FlowLogWriter {
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.region.partition(), self.region, self.account)
    }
}

/// Who may assume the role: EC2's flow logs of this account and region
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html>).
pub fn flow_log_trust(writer: &FlowLogWriter) -> Policy {
    let statement = Statement::allow("OnlyOwnFlowLogs", [Action::StsAssumeRole])
        .by(Principal::Service("vpc-flow-logs.amazonaws.com".to_owned()))
        .when(Operator::StringEquals, Key::SourceAccount, [&writer.account])
        .when(Operator::ArnLike, Key::SourceArn, [writer.arn("ec2", "vpc-flow-log/*")]);
    Policy::new(Kind::Trust, [statement])
}

/// What the role may do: write streams of the estate's own group. It can't make the group again once that is deleted.
pub fn flow_log_role(writer: &FlowLogWriter) -> Policy {
    let write = [Action::LogsCreateLogStream, Action::LogsDescribeLogStreams, Action::LogsPutLogEvents];
    let own = format!("log-group:/holdfast/{}/flow-logs:*", writer.estate);
    let statements = [
        Statement::allow("WriteOwnGroup", write).on([Resource::Within {
            pattern: writer.arn("logs", &own),
            because: "the streams of one group; EC2 names them after network interfaces",
        }]),
        Statement::allow("FindTheGroup", [Action::LogsDescribeLogGroups]).on([Resource::Within {
            pattern: "*".to_owned(),
            because: "the action knows no resources: it lists groups by prefix",
        }]),
    ];
    Policy::new(Kind::Inline, statements)
}
