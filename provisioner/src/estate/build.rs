//! Spec → estate. What is wanted of each resource, and why it is there, reads from top to bottom.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_policies::{self as policies, S3Endpoint, TrailBucketName, TrailWriter};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Estate, Kind, Properties, Ref, Resource, ResourceId, Scope, tags};
use crate::kind::Alias;
use crate::kind::budget::{Budget, Notification};
use crate::kind::instance_profile::InstanceProfile;
use crate::kind::instances::Instances;
use crate::kind::internet_gateway::InternetGateway;
use crate::kind::key::Key;
use crate::kind::launch_template::{LaunchTemplate, Metadata, Volume};
use crate::kind::role::Role;
use crate::kind::route_table::RouteTable;
use crate::kind::security_group::{self, SecurityGroup};
use crate::kind::security_group_rules::{Peer, Rule, Rules};
use crate::kind::subnet::Subnet;
use crate::kind::vpc::Vpc;
use crate::kind::vpc_endpoint::VpcEndpoint;
use crate::spec::Spec;

/// What of the region an estate is built on, looked up before it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The image's devices, the root first: every one is a volume to encrypt.
    pub devices: Vec<Device>,
    /// AWS's list of S3's addresses in the region.
    pub s3_prefix_list: String,
    /// The organisation, for who may write to the trail; not asked for where the spec names none.
    pub organization: Option<String>,
}

/// A device of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name, such as `/dev/xvda`.
    pub name: String,
    /// Its size in GiB.
    pub gib: i32,
}

/// Why a spec couldn't be made an estate.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A policy that AWS wouldn't take.
    #[error("the estate's policies: {0}")]
    Policy(#[from] policies::PolicyError),
    /// The spec names a trail, and the account is in no organisation.
    #[error(
        "the spec names a trail in account {0}, and its bucket takes records only from accounts of one organisation, \
         which this account isn't in; join one, or leave [audit] out"
    )]
    NoOrganization(String),
    /// Not JSON: a bug in a kind's properties.
    #[error("{id}: its properties aren't JSON: {source}; please report this")]
    Json {
        /// Whose.
        id: ResourceId,
        /// What serde says.
        source: serde_json::Error,
    },
}

/// What a machine of the estate is for.
struct Machine<'a> {
    name: &'a str,
    instance_type: &'a str,
    root_gib: Option<u32>,
    count: u32,
    /// Its role, profile and security group.
    purpose: &'static str,
    subnet: &'static str,
    public_address: bool,
}

/// The parts of the graph that several resources refer to.
const BASTION: &str = "bastion";
const HOSTS: &str = "hosts";
const PUBLIC: &str = "public";
const PRIVATE: &str = "private";
const SSH: u16 = 22;
const HTTPS: u16 = 443;

impl Estate {
    /// The estate that a spec asks for.
    pub fn build(spec: &Spec, facts: &Facts) -> Result<Self, BuildError> {
        let mut builder = Builder { spec, facts, scope: Scope::of(spec), resources: Vec::new() };
        builder.budget()?;
        builder.key()?;
        builder.network()?;
        builder.groups()?;
        builder.roles()?;
        builder.machines()?;
        Ok(Self { scope: builder.scope, resources: builder.resources })
    }
}

struct Builder<'a> {
    spec: &'a Spec,
    facts: &'a Facts,
    scope: Scope,
    resources: Vec<Resource>,
}

fn id(kind: Kind, name: &str) -> ResourceId {
    ResourceId::named(kind, name)
}

fn vpc() -> Ref {
    Ref::id(&ResourceId::only(Kind::Vpc))
}

/// A resource before its tags.
struct Draft<'a, P> {
    id: ResourceId,
    kind: Kind,
    name: String,
    description: &'a str,
    properties: P,
}

impl Builder<'_> {
    fn add(&mut self, draft: Draft<'_, impl Serialize>, needs: &[ResourceId]) -> Result<(), BuildError> {
        let Draft { id, kind, name, description, properties } = draft;
        let properties = Properties::of(&properties).map_err(|source| BuildError::Json { id: id.clone(), source })?;
        // Aliases and rules can't be tagged; their key and group are.
        let tags = match kind {
            Kind::Alias | Kind::SecurityGroupRules => BTreeMap::new(),
            _ => {
                let mut all = tags::tags(&self.scope.estate, &self.spec.tags, &id, &name, description);
                all.insert(tags::SPEC.to_owned(), tags::digest(kind, &properties));
                all
            }
        };
        let needs = needs.iter().cloned().collect::<BTreeSet<_>>();
        self.resources.push(Resource { id, kind, name, properties, tags, needs });
        Ok(())
    }

    /// Money first: nothing that costs is made before somebody is told of its cost.
    fn budget(&mut self) -> Result<(), BuildError> {
        let mut emails: Vec<_> = self.spec.budget.alert.iter().map(|email| email.as_str().to_owned()).collect();
        emails.sort_unstable();
        let notification = |of: &str, percent| Notification { of: of.to_owned(), percent, emails: emails.clone() };
        let budget = Budget {
            monthly_usd: self.spec.budget.monthly_usd.to_string(),
            tag: format!("user:{}${}", tags::ESTATE, self.scope.estate),
            notifications: vec![
                notification("ACTUAL", 80),
                notification("ACTUAL", 100),
                notification("FORECASTED", 100),
            ],
        };
        let (id, name) = (ResourceId::only(Kind::Budget), self.scope.budget_name());
        let description = "What the estate may cost in a month";
        self.add(Draft { id, kind: Kind::Budget, name, description, properties: budget }, &[])
    }

    fn key(&mut self) -> Result<(), BuildError> {
        let (account, region) = (self.account()?, self.region()?);
        let description = format!("Encrypts the volumes of estate {}", self.scope.estate);
        let key = Key {
            description: description.clone(),
            enabled: true,
            rotation: true,
            policy: policy(&policies::estate_key(&account, &region))?,
        };
        let (id, name) = (ResourceId::only(Kind::Key), self.scope.name("volumes"));
        self.add(Draft { id: id.clone(), kind: Kind::Key, name, description: &description, properties: key }, &[])?;
        let alias = Alias { key: Ref::id(&id) };
        let (id, name) = (ResourceId::only(Kind::Alias), self.scope.alias_name());
        self.add(Draft { id, kind: Kind::Alias, name, description: "", properties: alias }, &[])
    }

    fn network(&mut self) -> Result<(), BuildError> {
        let network = &self.spec.network;
        let range = network.cidr;
        let vpc = Vpc { cidr: range.to_string(), dns_support: true, dns_hostnames: true };
        let (id, name) = (ResourceId::only(Kind::Vpc), self.scope.name("vpc"));
        let description = self.spec.description.as_str();
        self.add(Draft { id, kind: Kind::Vpc, name, description, properties: vpc }, &[])?;

        let gateway = InternetGateway { vpc: self::vpc() };
        let (id, name) = (ResourceId::only(Kind::InternetGateway), self.scope.name("internet"));
        let description = "The way of the bastion to and from the internet";
        self.add(Draft { id, kind: Kind::InternetGateway, name, description, properties: gateway }, &[])?;

        for (part, cidr, description) in [
            (PUBLIC, range.public_subnet(), "Where the bastion is"),
            (PRIVATE, range.private_subnet(), "Where the hosts are. No way to or from the internet"),
        ] {
            let subnet = Subnet {
                vpc: self::vpc(),
                cidr: cidr.to_string(),
                zone: network.zone.as_ref().map(ToString::to_string),
                public_addresses: false,
            };
            let (id, name) = (self::id(Kind::Subnet, part), self.scope.name(part));
            self.add(Draft { id, kind: Kind::Subnet, name, description, properties: subnet }, &[])?;
        }

        let internet = Ref::id(&ResourceId::only(Kind::InternetGateway));
        let to_internet = BTreeMap::from([("0.0.0.0/0".to_owned(), internet)]);
        for (part, routes, subnets, description) in [
            ("main", BTreeMap::new(), vec![], "For subnets that nobody gave a table. Leads nowhere"),
            (PUBLIC, to_internet, vec![PUBLIC], "Leads to the internet"),
            (PRIVATE, BTreeMap::new(), vec![PRIVATE], "Leads nowhere but to S3"),
        ] {
            let subnets = subnets.into_iter().map(|name| Ref::id(&self::id(Kind::Subnet, name))).collect();
            let table = RouteTable { vpc: self::vpc(), main: part == "main", routes, subnets };
            let (id, name) = (self::id(Kind::RouteTable, part), self.scope.name(part));
            self.add(Draft { id, kind: Kind::RouteTable, name, description, properties: table }, &[])?;
        }
        self.s3_endpoint()
    }

    fn s3_endpoint(&mut self) -> Result<(), BuildError> {
        let endpoint = match self.trail()? {
            Some(writer) => S3Endpoint::Trail(writer),
            None => S3Endpoint::Closed,
        };
        let endpoint = VpcEndpoint {
            vpc: vpc(),
            service: format!("com.amazonaws.{}.s3", self.scope.region),
            route_tables: [PUBLIC, PRIVATE].map(|name| Ref::id(&id(Kind::RouteTable, name))).to_vec(),
            policy: policy(&policies::s3_endpoint(&endpoint))?,
        };
        let (id, name) = (id(Kind::VpcEndpoint, "s3"), self.scope.name("s3"));
        let description = "The way of bastion and hosts to the audit trail";
        self.add(Draft { id, kind: Kind::VpcEndpoint, name, description, properties: endpoint }, &[])
    }

    fn groups(&mut self) -> Result<(), BuildError> {
        let group = |name| Ref::id(&id(Kind::SecurityGroup, name));
        let to_s3 = || Rule::tcp(HTTPS, Peer::PrefixList(self.facts.s3_prefix_list.clone()), "Audit trail in S3");
        let allowed = self.spec.bastion.allow.iter();
        let into_bastion =
            allowed.map(|range| Rule::tcp(SSH, Peer::Cidr(range.to_string()), "SSH from an allowed range")).collect();
        let onto_hosts = Rule::tcp(SSH, Peer::Group(group(HOSTS)), "SSH to the hosts");
        let from_bastion = Rule::tcp(SSH, Peer::Group(group(BASTION)), "SSH from the bastion");
        let all = [
            (security_group::DEFAULT, "What nobody gave a group. Reaches nothing", vec![], vec![]),
            (
                BASTION,
                "The bastion. SSH from the allowed ranges and on to the hosts",
                into_bastion,
                vec![onto_hosts, to_s3()],
            ),
            (HOSTS, "The hosts. SSH from the bastion only", vec![from_bastion], vec![to_s3()]),
        ];
        // All groups before any rules, which name groups.
        for (part, description, ..) in &all {
            let name = self.group_name(part);
            let group =
                SecurityGroup { vpc: vpc(), group_name: name.clone(), description: Some((*description).to_owned()) };
            let id = id(Kind::SecurityGroup, part);
            self.add(Draft { id, kind: Kind::SecurityGroup, name, description, properties: group }, &[])?;
        }
        for (part, _, ingress, egress) in all {
            let rules = Rules { group: group(part), ingress, egress };
            let (id, name) = (id(Kind::SecurityGroupRules, part), self.group_name(part));
            self.add(Draft { id, kind: Kind::SecurityGroupRules, name, description: "", properties: rules }, &[])?;
        }
        Ok(())
    }

    fn group_name(&self, part: &str) -> String {
        if part == security_group::DEFAULT { part.to_owned() } else { self.scope.name(part) }
    }

    fn roles(&mut self) -> Result<(), BuildError> {
        let trail = self.trail()?;
        let rights = |policy: fn(&TrailWriter) -> policies::Policy| -> Result<_, BuildError> {
            let policies = trail.as_ref().map(|writer| self::policy(&policy(writer))).transpose()?;
            Ok(policies.into_iter().map(|policy| ("trail".to_owned(), policy)).collect())
        };
        for (part, policies, description) in [
            (BASTION, rights(policies::bastion_role)?, "What the bastion may do. Write its own audit records"),
            (HOSTS, rights(policies::host_role)?, "What hosts may do. Write their own audit records"),
        ] {
            let role = Role {
                description: description.to_owned(),
                trust: policy(&policies::host_trust())?,
                policies,
                attached: Vec::new(),
            };
            let (of, name) = (id(Kind::Role, part), self.scope.global_name(part));
            let draft = Draft { id: of.clone(), kind: Kind::Role, name: name.clone(), description, properties: role };
            self.add(draft, &[])?;
            let profile = InstanceProfile { role: Ref::id(&of) };
            let id = id(Kind::InstanceProfile, part);
            self.add(Draft { id, kind: Kind::InstanceProfile, name, description, properties: profile }, &[])?;
        }
        Ok(())
    }

    fn machines(&mut self) -> Result<(), BuildError> {
        self.machine(&Machine {
            name: BASTION,
            instance_type: self.spec.bastion.instance_type.as_str(),
            root_gib: None,
            count: 1,
            purpose: BASTION,
            subnet: PUBLIC,
            public_address: true,
        })?;
        for group in &self.spec.hosts {
            self.machine(&Machine {
                name: group.name.as_str(),
                instance_type: group.instance_type.as_str(),
                root_gib: group.root_gib,
                count: group.count,
                purpose: HOSTS,
                subnet: PRIVATE,
                public_address: false,
            })?;
        }
        Ok(())
    }

    fn machine(&mut self, machine: &Machine<'_>) -> Result<(), BuildError> {
        let key = Ref::attribute(&ResourceId::only(Kind::Key), "arn");
        let subnet = Ref::id(&id(Kind::Subnet, machine.subnet));
        let groups = vec![Ref::id(&id(Kind::SecurityGroup, machine.purpose))];
        let volumes = self.facts.devices.iter().enumerate().map(|(index, device)| Volume {
            device: device.name.clone(),
            gib: match machine.root_gib {
                Some(gib) if index == 0 => i32::try_from(gib).unwrap_or(i32::MAX),
                _ => device.gib,
            },
            volume_type: "gp3".to_owned(),
            encrypted: true,
            key: key.clone(),
            delete_on_termination: true,
        });
        let template = LaunchTemplate {
            image: self.spec.image.id.to_string(),
            instance_type: machine.instance_type.to_owned(),
            profile: Ref::attribute(&id(Kind::InstanceProfile, machine.purpose), "arn"),
            subnet: subnet.clone(),
            groups: groups.clone(),
            public_address: machine.public_address,
            volumes: volumes.collect(),
            metadata: Metadata::HARDENED,
            user_data: self.user_data(),
        };
        let name = self.scope.name(machine.name);
        let description = match machine.purpose {
            BASTION => "The only machine that is reachable from outside",
            _ => "Runs programs in sandboxes",
        };
        let of = id(Kind::LaunchTemplate, machine.name);
        let draft =
            Draft { id: of.clone(), kind: Kind::LaunchTemplate, name: name.clone(), description, properties: template };
        self.add(draft, &[])?;

        let instances = Instances {
            template: Ref::id(&of),
            generation: Ref::attribute(&of, "version"),
            count: machine.count,
            subnet,
            groups,
            key,
            public_address: machine.public_address,
        };
        // A host that starts finds its walls and its ways complete, and its cost watched.
        let needs = [
            ResourceId::only(Kind::Budget),
            id(Kind::SecurityGroupRules, security_group::DEFAULT),
            id(Kind::SecurityGroupRules, BASTION),
            id(Kind::SecurityGroupRules, HOSTS),
            id(Kind::RouteTable, "main"),
            id(Kind::RouteTable, machine.subnet),
            id(Kind::VpcEndpoint, "s3"),
        ];
        let id = id(Kind::Instances, machine.name);
        self.add(Draft { id, kind: Kind::Instances, name, description, properties: instances }, &needs)
    }

    /// Who may log in. Hosts know the same people as the bastion: it is a way, not a guard of its own.
    fn user_data(&self) -> String {
        let mut text = "#cloud-config\nssh_pwauth: false\ndisable_root: true\nssh_authorized_keys:\n".to_owned();
        for key in &self.spec.bastion.ssh_keys {
            // A JSON string is a YAML string, whatever characters are in a key's comment.
            text.push_str(&format!("  - {}\n", Value::from(key.as_str())));
        }
        text
    }

    fn account(&self) -> Result<policies::AccountId, BuildError> {
        Ok(self.scope.account.as_str().parse()?)
    }

    fn region(&self) -> Result<policies::Region, BuildError> {
        Ok(self.scope.region.as_str().parse()?)
    }

    /// Where hosts write their records, if the spec says where.
    fn trail(&self) -> Result<Option<TrailWriter>, BuildError> {
        let Some(audit) = &self.spec.audit else { return Ok(None) };
        let Some(organization) = &self.facts.organization else {
            return Err(BuildError::NoOrganization(audit.account.to_string()));
        };
        let bucket = TrailBucketName::new(&audit.account.as_str().parse()?, &audit.region.as_str().parse()?);
        Ok(Some(TrailWriter { account: self.account()?, org: organization.parse()?, bucket }))
    }
}

/// A policy as a property: IAM and KMS give policies back as they got them, but compared are values, not bytes.
fn policy(policy: &policies::Policy) -> Result<Value, BuildError> {
    let text = policy.to_json()?;
    serde_json::from_str(&text).map_err(|source| BuildError::Json { id: ResourceId::from_tag("policy"), source })
}
