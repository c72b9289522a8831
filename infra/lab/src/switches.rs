//! What AWS does now and then, done by a lab when a test asks for it.

use std::fmt;

use serde_json::Value;

use crate::error::LabError;
use crate::lab::Lab;

/// What an account may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Elastic addresses.
    Addresses,
    /// Internet gateways.
    InternetGateways,
    /// NAT gateways.
    NatGateways,
    /// vCPUs of running instances.
    Vcpus,
    /// VPC endpoints.
    VpcEndpoints,
    /// VPCs.
    Vpcs,
}

impl fmt::Display for Quota {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Quota::Addresses => "addresses",
            Quota::InternetGateways => "internet-gateways",
            Quota::NatGateways => "nat-gateways",
            Quota::Vcpus => "vcpus",
            Quota::VpcEndpoints => "vpc-endpoints",
            Quota::Vpcs => "vpcs",
        })
    }
}

impl Lab {
    /// Lets so many more instances of a type start in a zone, then refuses them: `InsufficientInstanceCapacity`. An
    /// empty type or zone stands for any.
    pub fn limit_capacity(&self, instance_type: &str, zone: &str, left: u32) -> Result<(), LabError> {
        self.switch("capacity", &[("type", instance_type), ("zone", zone), ("left", &left.to_string())])
    }

    /// Keeps the next instances pending for so many requests.
    pub fn slow_launches(&self, count: u32, requests: u32) -> Result<(), LabError> {
        self.switch("slow-launches", &[("count", &count.to_string()), ("requests", &requests.to_string())])
    }

    /// Ends the next instances while they are pending, with a code of EC2's such as `Server.InternalError`.
    pub fn fail_launches(&self, count: u32, reason: &str) -> Result<(), LabError> {
        self.switch("failing-launches", &[("count", &count.to_string()), ("reason", reason)])
    }

    /// Lets the next NAT gateways fail while they are pending, with a code of EC2's such as `InternalError`.
    pub fn fail_nat_gateways(&self, count: u32, reason: &str) -> Result<(), LabError> {
        self.switch("failing-nat-gateways", &[("count", &count.to_string()), ("reason", reason)])
    }

    /// Refuses what would be more than this: `…LimitExceeded`.
    pub fn set_quota(&self, quota: Quota, most: u32) -> Result<(), LabError> {
        self.switch("quota", &[("name", &quota.to_string()), ("value", &most.to_string())])
    }

    /// Makes a recovery point in a backup vault, as if a backup had run.
    pub fn add_recovery_point(&self, vault: &str) -> Result<(), LabError> {
        self.switch("recovery-point", &[("vault", vault)])
    }

    /// What policies were asked for since this was last called, each with its context, as the evaluator takes it
    /// (`simulation`). The first call begins; requests of principals that may do everything ask nothing in most services.
    pub fn rights_asked(&self) -> Result<Vec<Value>, LabError> {
        self.control_plane().own_call("rights-asked", &[])
    }

    fn switch(&self, name: &str, query: &[(&str, &str)]) -> Result<(), LabError> {
        self.control_plane().own_call(name, query).map(|_: Value| ())
    }
}
