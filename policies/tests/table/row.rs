//! The table as data, and what of a row the evaluator is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

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
#[serde(deny_unknown_fields)]
struct Principal {
    role: String,
    account: String,
    organization: String,
    user_id: String,
    policy: String,
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
        let everything = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        let everything = json!({ "Version": "2012-10-17", "Statement": [everything] });
        table.policies.insert("everything".to_owned(), everything);
        table
    }

    /// A row as the evaluator's request, with every policy that bears on it.
    pub(crate) fn simulation(&self, row: &Row) -> Value {
        let principal = &self.principals[&row.principal];
        let resource = self.expand(&row.resource);
        let session = principal.user_id.split_once(':').unwrap().1;
        let mut simulation = json!({
            "request": {
                "principal": format!("arn:aws:sts::{}:assumed-role/{}/{session}", principal.account, principal.role),
                "action": row.action,
                "resource": { "resource": resource, "accountId": self.owner(row, &resource) },
                "contextVariables": self.context(row, principal, &resource),
            },
            "identityPolicies": [{ "name": principal.policy, "policy": self.policies[&principal.policy] }],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
        });
        if let Some(policy) = self.attached_to(&resource) {
            simulation["resourcePolicy"] = self.policies[policy].clone();
        }
        if let Some(via) = &row.via {
            simulation["vpcEndpointPolicies"] = json!([{ "name": via, "policy": self.policies[via] }]);
        }
        simulation
    }

    fn context(&self, row: &Row, principal: &Principal, resource: &str) -> BTreeMap<String, String> {
        let account = &principal.account;
        let mut context = BTreeMap::from([
            ("aws:PrincipalAccount".to_owned(), account.clone()),
            ("aws:PrincipalArn".to_owned(), format!("arn:aws:iam::{account}:role/{}", principal.role)),
            ("aws:PrincipalOrgID".to_owned(), principal.organization.clone()),
            ("aws:PrincipalType".to_owned(), "AssumedRole".to_owned()),
            ("aws:ResourceAccount".to_owned(), self.owner(row, resource)),
            ("aws:SecureTransport".to_owned(), "true".to_owned()),
            ("aws:userid".to_owned(), principal.user_id.clone()),
        ]);
        if row.action.starts_with("kms:") {
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
