//! The table as data, and what of a row the evaluator is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

/// The policies of the table that are none of Holdfast's.
pub(crate) const MADE_UP: [&str; 3] = ["everything", "anyone", "compute"];

/// The table, with the policies that it speaks of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    names: BTreeMap<String, String>,
    context: BTreeMap<String, BTreeMap<String, String>>,
    attached: BTreeMap<String, String>,
    principals: BTreeMap<String, Principal>,
    #[serde(rename = "row")]
    pub(crate) rows: Vec<Row>,
    #[serde(skip)]
    pub(crate) policies: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Principal {
    Service { service: String },
    Session { role: String, account: String, organization: String, user_id: String, policy: String },
}

impl Principal {
    fn arn(&self) -> String {
        match self {
            Principal::Service { service } => service.clone(),
            Principal::Session { role, account, user_id, .. } => {
                let session = user_id.split_once(':').unwrap().1;
                format!("arn:aws:sts::{account}:assumed-role/{role}/{session}")
            }
        }
    }

    /// The condition keys that are the principal's.
    fn context(&self) -> BTreeMap<&'static str, String> {
        match self {
            Principal::Service { service } => BTreeMap::from([("aws:PrincipalServiceName", service.clone())]),
            Principal::Session { role, account, organization, user_id, .. } => BTreeMap::from([
                ("aws:PrincipalAccount", account.clone()),
                ("aws:PrincipalArn", format!("arn:aws:iam::{account}:role/{role}")),
                ("aws:PrincipalOrgID", organization.clone()),
                ("aws:PrincipalType", "AssumedRole".to_owned()),
                ("aws:userid", user_id.clone()),
            ]),
        }
    }
}

/// One row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    principal: String,
    pub(crate) action: String,
    resource: String,
    owner: Option<String>,
    attached: Option<String>,
    #[serde(default)]
    context: BTreeMap<String, String>,
    #[serde(default)]
    without: Vec<String>,
    via: Option<String>,
    pub(crate) expect: Expect,
    /// Only the lab's test of the same table asks for it.
    #[serde(rename = "unlike_live")]
    _unlike_live: Option<String>,
}

/// What a row says comes of it.
#[derive(Deserialize)]
pub(crate) enum Expect {
    #[serde(rename = "allowed")]
    Allowed,
    #[serde(rename = "implicitly denied")]
    ImplicitlyDenied,
    #[serde(rename = "explicitly denied")]
    ExplicitlyDenied,
}

impl Expect {
    /// The evaluator's word for it.
    pub(crate) fn decision(&self) -> &'static str {
        match self {
            Expect::Allowed => "Allowed",
            Expect::ImplicitlyDenied => "ImplicitlyDenied",
            Expect::ExplicitlyDenied => "ExplicitlyDenied",
        }
    }
}

impl Table {
    /// Reads the table and the golden copies.
    pub(crate) fn load() -> Table {
        let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut table: Table =
            toml::from_str(&fs::read_to_string(crate_root.join("tests/table.toml")).unwrap()).unwrap();
        for entry in fs::read_dir(crate_root.join("rendered")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let policy = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
                table.policies.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), policy);
            }
        }
        let policy = |statement: Value| json!({ "Version": "2012-10-17", "Statement": [statement] });
        let everything = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        let mut anyone = everything.clone();
        anyone["Principal"] = json!("*");
        let compute = json!({ "Effect": "Allow", "Action": "ec2:*", "Resource": "*" });
        let made_up =
            MADE_UP.iter().map(ToString::to_string).zip([policy(everything), policy(anyone), policy(compute)]);
        table.policies.extend(made_up);
        table
    }

    /// A row as the evaluator's request, with every policy that bears on it.
    pub(crate) fn simulation(&self, row: &Row) -> Value {
        let principal = &self.principals[&row.principal];
        let resource = self.expand(&row.resource);
        let identity_policies = match principal {
            Principal::Service { .. } => json!([]),
            Principal::Session { policy, .. } => json!([{ "name": policy, "policy": self.policies[policy] }]),
        };
        let mut simulation = json!({
            "request": {
                "principal": principal.arn(),
                "action": row.action,
                "resource": { "resource": resource, "accountId": self.owner(row, &resource) },
                "contextVariables": self.context(row, principal, &resource),
            },
            "identityPolicies": identity_policies,
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
        });
        if let Some(policy) = row.attached.as_ref().or_else(|| self.attached_to(&resource)) {
            simulation["resourcePolicy"] = self.policies[policy].clone();
        }
        if let Some(via) = &row.via {
            simulation["vpcEndpointPolicies"] = json!([{ "name": via, "policy": self.policies[via] }]);
        }
        simulation
    }

    /// Whether a policy bears on a row.
    pub(crate) fn uses(&self, row: &Row, name: &str) -> bool {
        let own = match &self.principals[&row.principal] {
            Principal::Service { .. } => None,
            Principal::Session { policy, .. } => Some(policy),
        };
        let attached = self.attached_to(&self.expand(&row.resource));
        [own, row.attached.as_ref().or(attached), row.via.as_ref()].into_iter().flatten().any(|used| used == name)
    }

    fn context(&self, row: &Row, principal: &Principal, resource: &str) -> BTreeMap<String, String> {
        let mut context: BTreeMap<String, String> =
            principal.context().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        context.insert("aws:ResourceAccount".to_owned(), self.owner(row, resource));
        context.insert("aws:SecureTransport".to_owned(), "true".to_owned());
        if let Principal::Session { account, .. } = principal
            && row.action.starts_with("kms:")
        {
            context.insert("kms:CallerAccount".to_owned(), account.clone());
        }
        let given = self.context.get(&row.action).into_iter().flatten().chain(&row.context);
        context.extend(given.map(|(key, value)| (key.clone(), self.expand(value))));
        for key in &row.without {
            assert!(context.remove(key).is_some(), "{}: {key} isn't there to be left out", row.name);
        }
        context
    }

    /// The account that a resource is in: its ARN's, and the trail's for what is in it.
    fn owner(&self, row: &Row, resource: &str) -> String {
        let named = resource.split(':').nth(4).filter(|account| !account.is_empty());
        match (&row.owner, named) {
            (Some(owner), _) => owner.clone(),
            (None, Some(account)) => account.to_owned(),
            (None, None) if self.attached_to(resource).is_some() => "222222222222".to_owned(),
            (None, None) => panic!("{}: whose is {resource}? Say `owner`", row.name),
        }
    }

    fn attached_to(&self, resource: &str) -> Option<&String> {
        self.attached.iter().find_map(|(to, policy)| {
            let to = self.expand(to);
            (resource == to || resource.strip_prefix(&to)?.starts_with('/')).then_some(policy)
        })
    }

    /// Puts names' values in, those in the values as well.
    fn expand(&self, text: &str) -> String {
        let Some((before, (name, after))) =
            text.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        else {
            return text.to_owned();
        };
        let value = self.names.get(name).unwrap_or_else(|| panic!("the table has no name {{{name}}}"));
        self.expand(&format!("{before}{value}{after}"))
    }
}
