//! `provision output`: addresses, ids and names, for other tools.
//!
//! The shape is kept from version to version; fields may be added:
//!
//! ```text
//! estate, account, region            text
//! bastion                            as in hosts, or null
//! hosts.<group>[]                    index (null in a fleet), instance, private_address, public_address, state
//! resources.<id>                     name, and what AWS knows it by: id, arn, version, …
//! ```

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{CommandError, runtime, spec_file};
use crate::cli::{Outcome, OutputArguments};
use crate::cloud::Cloud;
use crate::estate::Scope;
use crate::kind::instances::Host;
use crate::plan::World;
use crate::render::Output;

#[derive(Serialize)]
struct Outputs {
    estate: String,
    account: String,
    region: String,
    bastion: Option<Machine>,
    hosts: BTreeMap<String, Vec<Machine>>,
    resources: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Serialize)]
struct Machine {
    index: Option<u32>,
    instance: String,
    private_address: Option<String>,
    public_address: Option<String>,
    state: String,
}

pub(crate) fn run(arguments: &OutputArguments, output: Output) -> Result<Outcome, CommandError> {
    let spec = spec_file::load(&arguments.spec)?;
    let world = runtime::block_on(async {
        let cloud = Cloud::connect(&spec.account, &spec.region).await?;
        Ok(World::discover(&cloud, &Scope::of(&spec)).await?)
    })?;
    let all = serde_json::to_value(of(&world)).map_err(CommandError::Json)?;
    match &arguments.name {
        None => output.json(&all)?,
        Some(name) => match (find(&all, name)?, output.is_json()) {
            (Value::String(text), false) => output.text(&format!("{text}\n"))?,
            (value, _) => output.json(value)?,
        },
    }
    Ok(Outcome::Done)
}

fn of(world: &World) -> Outputs {
    let mut hosts: BTreeMap<String, Vec<Machine>> = BTreeMap::new();
    let mut resources = BTreeMap::new();
    for resource in &world.resources {
        let mut attributes = resource.attributes.clone();
        attributes.insert("name".to_owned(), resource.name.clone());
        resources.insert(resource.id.to_string(), attributes);
        if let (Some(group), false) = (resource.id.name(), resource.hosts.is_empty()) {
            hosts.entry(group.to_owned()).or_default().extend(resource.hosts.iter().map(machine));
        }
    }
    let bastion = hosts.remove("bastion").and_then(|machines| machines.into_iter().next());
    Outputs {
        estate: world.scope.estate.to_string(),
        account: world.scope.account.to_string(),
        region: world.scope.region.to_string(),
        bastion,
        hosts,
        resources,
    }
}

fn machine(host: &Host) -> Machine {
    Machine {
        index: host.index,
        instance: host.instance.clone(),
        private_address: host.private_address.clone(),
        public_address: host.public_address.clone(),
        state: host.state.clone(),
    }
}

/// The value at a path such as `bastion.public_address`, `hosts.worker.0.instance` or `resources.subnet/private.id`.
fn find<'a>(all: &'a Value, name: &str) -> Result<&'a Value, CommandError> {
    let mut value = all;
    for part in name.split('.') {
        let next = match value {
            Value::Object(map) => map.get(part),
            Value::Array(list) => part.parse::<usize>().ok().and_then(|index| list.get(index)),
            _ => None,
        };
        let known = || match value {
            Value::Object(map) if !map.is_empty() => map.keys().cloned().collect::<Vec<_>>().join(", "),
            Value::Array(list) => format!("{} entries, counted from 0", list.len()),
            Value::Null | Value::Object(_) => "nothing yet, which `provision apply` may change".to_owned(),
            _ => "nothing more".to_owned(),
        };
        value = next.ok_or_else(|| CommandError::NoOutput {
            name: name.to_owned(),
            part: part.to_owned(),
            known: known(),
        })?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_found_by_its_path_and_a_wrong_one_told_what_there_is() {
        let all = json!({"bastion": null, "hosts": {"worker": [{"instance": "i-1"}]}, "resources": {"subnet/private": {"id": "s"}}});
        assert_eq!(find(&all, "hosts.worker.0.instance").unwrap(), "i-1");
        assert_eq!(find(&all, "resources.subnet/private.id").unwrap(), "s");
        for (name, said) in [
            ("hosts.builder", "worker"),
            ("hosts.worker.1", "1 entries, counted from 0"),
            ("hosts.worker.0.instance.id", "nothing more"),
            ("", "bastion, hosts, resources"),
            ("bastion.instance", "nothing yet"),
        ] {
            assert!(find(&all, name).unwrap_err().to_string().contains(said), "{name}");
        }
    }
}
