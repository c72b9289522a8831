//! The record of the network's traffic: a log group, who may write to it, and what writes. An existing network's owner
//! records its traffic.

use std::collections::BTreeMap;

use holdfast_policies::{self as policies, FlowLogWriter};

use super::{BuildError, Builder, Draft, id, policy};
use crate::estate::{Kind, Ref, ResourceId};
use crate::kind::flow_log::FlowLog;
use crate::kind::log_group::LogGroup;
use crate::kind::role::Role;
use crate::spec::Place;

/// The part's name in ids; in the log group's name it is what the policies allow.
const FLOW_LOGS: &str = "flow-logs";
/// The interval after which EC2 writes what it counted, in seconds: the finer of the two that there are.
const INTERVAL: i32 = 60;

impl Builder<'_> {
    pub(super) fn flow_logs(&mut self) -> Result<(), BuildError> {
        let (Place::Made { .. }, Some(days)) = (&self.spec.network.place, self.spec.network.flow_logs_days) else {
            return Ok(());
        };
        let group = LogGroup { key: self.key_arn(), retention_days: i32::try_from(days).unwrap_or(i32::MAX) };
        let (id, name) = (id(Kind::LogGroup, FLOW_LOGS), self.scope.log_group_name(FLOW_LOGS));
        let description = "Who talked to whom in the network";
        let draft = Draft { id: id.clone(), kind: Kind::LogGroup, name: name.clone(), description, properties: group };
        self.add(draft, &[])?;

        let role = self.flow_log_role()?;
        let log = FlowLog {
            vpc: super::vpc(),
            log_group: Ref::id(&id),
            role: Ref::attribute(&role, "arn"),
            traffic: "ALL".to_owned(),
            interval: INTERVAL,
        };
        let (id, name) = (ResourceId::only(Kind::FlowLog), self.scope.name(FLOW_LOGS));
        self.add(Draft { id, kind: Kind::FlowLog, name, description, properties: log }, &[])
    }

    fn flow_log_role(&mut self) -> Result<ResourceId, BuildError> {
        let writer = FlowLogWriter {
            account: self.account()?,
            region: self.region()?,
            estate: self.scope.estate.as_str().parse().map_err(BuildError::Policy)?,
        };
        let description = "What EC2 may do. Write the flow logs of the network";
        let role = Role {
            description: description.to_owned(),
            trust: policy(&policies::flow_log_trust(&writer))?,
            policies: BTreeMap::from([(FLOW_LOGS.to_owned(), policy(&policies::flow_log_role(&writer))?)]),
            attached: Vec::new(),
        };
        let (id, name) = (id(Kind::Role, FLOW_LOGS), self.scope.global_name(FLOW_LOGS));
        self.add(Draft { id: id.clone(), kind: Kind::Role, name, description, properties: role }, &[])?;
        Ok(id)
    }
}
