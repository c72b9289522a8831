//! How people reach an estate's machines: by SSH, through its bastion, and no other way.
//!
//! OpenSSH does all of it; this only writes its configuration. What that holds to:
//!
//! - every hop goes to the machine that is meant: host keys are checked strictly, under the instance's id, so an
//!   address that another instance has now isn't taken for the old one;
//! - the bastion is a way (`ProxyJump`), never a holder of keys: no agent and no display is forwarded to it.
//!
//! Attack that this stops: whoever takes the bastion, or an address that became free, gets ciphertext to forward, and
//! no agent to sign with.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use serde::Serialize;

use crate::estate::Scope;
use crate::kind::instances::Host;
use crate::plan::World;

/// The group of the one machine that is reachable from outside.
const BASTION: &str = "bastion";
/// How many hosts an error names.
const NAMED: usize = 12;

/// A machine that SSH can reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// What `ssh` knows it by: `<estate>-<group>-<index>`, or the instance id where it has no index; `<estate>-bastion`.
    pub alias: String,
    /// Its group.
    pub group: String,
    /// Its index in the group; a fleet's hosts have none.
    pub index: Option<u32>,
    /// Its instance id, under which its host key is known.
    pub instance: String,
    /// Where it is connected to: the bastion's public address, a host's private one.
    pub address: String,
    /// Its address in the VPC.
    pub private_address: Option<String>,
    /// The alias of the machine that leads to it.
    pub jump: Option<String>,
}

/// The machines of an estate that run and have an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The estate.
    pub estate: String,
    /// The bastion first, then the hosts by group and index.
    pub machines: Vec<Machine>,
}

/// Why a machine can't be reached.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// There is no way in.
    #[error(
        "estate {estate} has no running bastion with a public address, which every connection goes through; `provision \
         status` shows its machines, `provision apply` makes what is missing"
    )]
    NoBastion {
        /// The estate.
        estate: String,
    },
    /// There is no such machine.
    #[error("estate {estate} has no running host {asked}; it has {known}")]
    NoHost {
        /// The estate.
        estate: String,
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
}

/// How OpenSSH shall connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// Whom to log in as.
    pub user: String,
    /// The private key to use, and no other; `None` leaves it to OpenSSH.
    pub identity: Option<PathBuf>,
    /// Where host keys are known from; `None` leaves it to OpenSSH.
    pub known_hosts: Option<PathBuf>,
}

impl Access {
    /// The way to an estate's machines.
    ///
    /// # Errors
    ///
    /// [`AccessError::NoBastion`].
    pub fn of(world: &World) -> Result<Self, AccessError> {
        let estate = world.scope.estate.to_string();
        let mut places: BTreeMap<(&str, Option<u32>), Vec<&Host>> = BTreeMap::new();
        for resource in &world.resources {
            for host in resource.hosts.iter().filter(|host| host.state == "running") {
                places.entry((resource.id.name().unwrap_or_default(), host.index)).or_default().push(host);
            }
        }
        for hosts in places.values_mut() {
            // While hosts are replaced there are two of an index: the newer one has its name.
            hosts.sort_by_key(|host| std::cmp::Reverse((host.generation.parse::<u64>().ok(), host.launched)));
        }
        let bastion = places.iter().find(|((group, _), _)| *group == BASTION);
        let bastion = bastion.and_then(|(_, hosts)| hosts.iter().find(|host| host.public_address.is_some()));
        let Some((bastion, address)) = bastion.and_then(|host| Some((*host, host.public_address.clone()?))) else {
            return Err(AccessError::NoBastion { estate });
        };
        let way = format!("{estate}-{BASTION}");
        let mut machines = vec![machine(way.clone(), BASTION, bastion, address, None)];
        for ((group, index), hosts) in places.iter().filter(|((group, _), _)| *group != BASTION) {
            for (place, host) in hosts.iter().enumerate() {
                let Some(address) = host.private_address.clone() else { continue };
                let alias = match (place, index) {
                    (0, Some(index)) => format!("{estate}-{group}-{index}"),
                    _ => format!("{estate}-{group}-{}", host.instance),
                };
                machines.push(machine(alias, group, host, address, Some(way.clone())));
            }
        }
        Ok(Self { estate, machines })
    }

    /// The machine that is meant by `worker-3`, `worker/3`, `judge-worker-3`, an instance id, a private address or
    /// `bastion`.
    ///
    /// # Errors
    ///
    /// [`AccessError::NoHost`].
    pub fn find(&self, asked: &str) -> Result<&Machine, AccessError> {
        let prefix = format!("{}-", self.estate);
        let is_meant = |machine: &&Machine| {
            machine.alias == asked
                || machine.alias.strip_prefix(&prefix) == Some(asked)
                || machine.instance == asked
                || machine.private_address.as_deref() == Some(asked)
                || machine.index.is_some_and(|index| format!("{}/{index}", machine.group) == asked)
        };
        self.machines.iter().find(is_meant).ok_or_else(|| {
            let names =
                self.machines.iter().map(|machine| machine.alias.strip_prefix(&prefix).unwrap_or(&machine.alias));
            let mut known = names.take(NAMED).collect::<Vec<_>>().join(", ");
            if self.machines.len() > NAMED {
                let _ = write!(known, " and {} more", self.machines.len() - NAMED);
            }
            AccessError::NoHost { estate: self.estate.clone(), asked: asked.to_owned(), known }
        })
    }

    /// The configuration that OpenSSH reads (ssh_config(5)).
    pub fn ssh_config(&self, scope: &Scope, ssh: &Ssh) -> String {
        let mut text = format!(
            "# SSH to estate {} in account {}, region {}. Written by `provision ssh-config`.\n",
            scope.estate, scope.account, scope.region
        );
        for machine in &self.machines {
            let mut settings = vec![
                ("HostName", machine.address.clone()),
                ("User", ssh.user.clone()),
                ("HostKeyAlias", machine.instance.clone()),
                ("StrictHostKeyChecking", "yes".to_owned()),
                ("ForwardAgent", "no".to_owned()),
                ("ForwardX11", "no".to_owned()),
            ];
            settings.extend(ssh.known_hosts.as_ref().map(|path| ("UserKnownHostsFile", quoted(path))));
            if let Some(identity) = &ssh.identity {
                settings.extend([("IdentityFile", quoted(identity)), ("IdentitiesOnly", "yes".to_owned())]);
            }
            settings.extend(machine.jump.clone().map(|way| ("ProxyJump", way)));
            let _ = writeln!(text, "\nHost {}", machine.alias);
            for (key, value) in settings {
                let _ = writeln!(text, "  {key} {value}");
            }
        }
        text
    }
}

fn machine(alias: String, group: &str, host: &Host, address: String, jump: Option<String>) -> Machine {
    Machine {
        alias,
        group: group.to_owned(),
        index: host.index,
        instance: host.instance.clone(),
        address,
        private_address: host.private_address.clone(),
        jump,
    }
}

/// A path as ssh_config(5) reads it: `%` begins a token there, and spaces part words.
fn quoted(path: &std::path::Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::estate::{Kind, Properties, ResourceId};
    use crate::kind::Observed;

    fn host(index: u32, generation: &str, addresses: (&str, Option<&str>)) -> Host {
        serde_json::from_value(json!({
            "instance": format!("i-{}", addresses.0.replace('.', "")), "index": index, "generation": generation,
            "state": "running", "image": "ami-1", "instance_type": "t3.small", "profile": "p", "zone": "z",
            "vpc": "vpc-1", "subnet": "subnet-1", "groups": [], "private_address": addresses.0,
            "public_address": addresses.1, "protected": false, "volumes": [], "interfaces": [], "launched": 0,
            "metadata": {"enabled": true, "tokens_required": true, "hop_limit": 1, "tags": false}, "tags": {},
        }))
        .unwrap()
    }

    fn world(groups: Vec<(&str, Vec<Host>)>) -> World {
        let scope = Scope {
            estate: "judge".parse().unwrap(),
            account: "111111111111".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
            vpc: None,
        };
        let resources = groups.into_iter().map(|(name, hosts)| {
            let id = ResourceId::named(Kind::Instances, name);
            Observed { hosts, ..Observed::new(Kind::Instances, id, name, Properties::default()) }
        });
        World::new(scope, resources.collect())
    }

    fn judge() -> World {
        let mut ended = host(7, "1", ("10.0.64.99", None));
        ended.state = "stopped".to_owned();
        world(vec![
            ("worker", vec![host(0, "2", ("10.0.64.10", None)), host(0, "1", ("10.0.64.9", None)), ended]),
            ("bastion", vec![host(0, "1", ("10.0.0.5", Some("203.0.113.9")))]),
        ])
    }

    #[test]
    fn the_configuration_leads_through_the_bastion_and_trusts_nothing_new() {
        let world = judge();
        let ssh = Ssh {
            user: "admin".to_owned(),
            identity: Some("/home/ana/a key".into()),
            known_hosts: Some("/srv/100%/known_hosts".into()),
        };
        let config = Access::of(&world).unwrap().ssh_config(&world.scope, &ssh);
        let worker = [
            "Host judge-worker-0",
            "  HostName 10.0.64.10",
            "  User admin",
            "  HostKeyAlias i-1006410",
            "  StrictHostKeyChecking yes",
            "  ForwardAgent no",
            "  ForwardX11 no",
            "  UserKnownHostsFile \"/srv/100%%/known_hosts\"",
            "  IdentityFile \"/home/ana/a key\"",
            "  IdentitiesOnly yes",
            "  ProxyJump judge-bastion",
        ];
        assert!(config.contains(&format!("\n{}\n", worker.join("\n"))), "{config}");
        assert!(config.contains("\nHost judge-bastion\n  HostName 203.0.113.9\n"), "{config}");
        assert_eq!(config.matches("StrictHostKeyChecking yes").count(), 3, "{config}");
    }

    #[test]
    fn a_host_is_found_by_every_name_that_it_has() {
        let access = Access::of(&judge()).unwrap();
        for asked in ["worker-0", "worker/0", "judge-worker-0", "i-1006410", "10.0.64.10"] {
            assert_eq!(access.find(asked).unwrap().instance, "i-1006410", "{asked}");
        }
        // The one that is being replaced keeps its id and address.
        assert_eq!(access.find("10.0.64.9").unwrap().alias, "judge-worker-i-100649");
        assert_eq!(access.find("bastion").unwrap().address, "203.0.113.9");
    }

    #[test]
    fn a_host_that_is_not_there_is_told_with_those_that_are() {
        let error = Access::of(&judge()).unwrap().find("worker-7").unwrap_err().to_string();
        assert!(error.contains("no running host worker-7") && error.contains("bastion, worker-0"), "{error}");
    }

    #[test]
    fn a_fleets_host_is_called_by_its_instance_and_has_no_number() {
        let mut world = judge();
        for host in world.resources.iter_mut().flat_map(|resource| &mut resource.hosts) {
            host.index = host.index.filter(|_| host.public_address.is_some());
        }
        let access = Access::of(&world).unwrap();
        for asked in ["worker-i-1006410", "judge-worker-i-1006410", "i-1006410", "10.0.64.10"] {
            assert_eq!(access.find(asked).unwrap().alias, "judge-worker-i-1006410", "{asked}");
        }
        let error = access.find("worker-0").unwrap_err().to_string();
        assert!(error.contains("it has bastion, worker-i-1006410, worker-i-100649"), "{error}");
    }

    #[test]
    fn without_a_bastion_there_is_no_way_in() {
        let alone = world(vec![("worker", vec![host(0, "1", ("10.0.64.10", None))])]);
        assert_eq!(Access::of(&alone), Err(AccessError::NoBastion { estate: "judge".to_owned() }));
        let walled = world(vec![("bastion", vec![host(0, "1", ("10.0.0.5", None))])]);
        assert!(Access::of(&walled).is_err());
    }
}
