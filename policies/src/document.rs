//! A policy document: statements in IAM's grammar, what they mean by their wildcards, and canonical JSON.
//!
//! Canonical means: fields in the grammar's order, lists sorted and without doubles, a list of one as a plain string,
//! nothing escaped that JSON doesn't ask for, no blanks. Two policies that say the same render the same bytes, so a
//! comparison with what the cloud holds is a comparison of text (or of [`same_meaning`], where AWS stores it its way).
//!
//! Grammar: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{AccountId, Action, Key, PolicyError, Region};

/// Where a policy is attached, which decides its size limit and whether it names principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Within a role; the limit is for all of a role's inline policies together.
    Inline,
    /// A customer-managed IAM policy.
    Managed,
    /// Who may assume a role.
    Trust,
    /// An S3 bucket's.
    Bucket,
    /// A KMS key's.
    Key,
    /// A VPC endpoint's.
    Endpoint,
}

impl Kind {
    /// AWS's limit, bytes.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html>,
    /// <https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>,
    /// <https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html>.
    pub const fn limit(self) -> usize {
        match self {
            Kind::Trust => 2_048,
            Kind::Managed => 6_144,
            Kind::Inline => 10_240,
            Kind::Bucket | Kind::Endpoint => 20_480,
            Kind::Key => 32_768,
        }
    }

    const fn names_principals(self) -> bool {
        matches!(self, Kind::Trust | Kind::Bucket | Kind::Key | Kind::Endpoint)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Inline => "an inline",
            Kind::Managed => "a managed",
            Kind::Trust => "a trust",
            Kind::Bucket => "a bucket",
            Kind::Key => "a key",
            Kind::Endpoint => "an endpoint",
        })
    }
}

/// What a statement does to the requests that it matches; a deny beats every allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// Lets them pass, unless some statement denies.
    Allow,
    /// Refuses them, whatever allows.
    Deny,
}

/// Whom a statement of a resource's policy is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Every principal of every account; its conditions say which.
    Anyone {
        /// Why nobody is named.
        because: &'static str,
    },
    /// An account: each of its principals whose own policies allow the action as well, and nobody of another account.
    Account(AccountId, Region),
    /// An AWS service, such as `ec2.amazonaws.com`; some have the region in their name.
    Service(String),
}

impl Serialize for Principal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (sort, value) = match self {
            Principal::Anyone { .. } => return serializer.serialize_str("*"),
            Principal::Account(account, region) => ("AWS", format!("arn:{}:iam::{account}:root", region.partition())),
            Principal::Service(name) => ("Service", name.clone()),
        };
        serializer.collect_map([(sort, value)])
    }
}

/// A resource of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// One ARN, no wildcard in it.
    Exactly(String),
    /// All that a pattern matches (`*` and `?` match slashes too).
    Within {
        /// The pattern.
        pattern: String,
        /// Why no single ARN will do.
        because: &'static str,
    },
    /// `*` in a key's policy, where it is the key itself.
    ThisKey,
}

impl Resource {
    fn as_str(&self) -> &str {
        match self {
            Resource::Exactly(arn) => arn,
            Resource::Within { pattern, .. } => pattern,
            Resource::ThisKey => "*",
        }
    }
}

/// How a condition compares. In a negated operator an absent key counts as different, so it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// One of the values, exactly.
    StringEquals,
    /// None of the values, or the key is absent.
    StringNotEquals,
    /// One of the patterns.
    StringLike,
    /// One of these ARNs, exactly.
    ArnEquals,
    /// An ARN that none of the patterns matches, or the key is absent.
    ArnNotLike,
    /// An ARN that one of the patterns matches.
    ArnLike,
    /// `true` or `false`.
    Bool,
    /// `true`: the key is absent; `false`: it is there.
    Null,
    /// A number below the value.
    NumericLessThan,
}

impl Operator {
    const fn as_str(self) -> &'static str {
        match self {
            Operator::StringEquals => "StringEquals",
            Operator::StringNotEquals => "StringNotEquals",
            Operator::StringLike => "StringLike",
            Operator::ArnEquals => "ArnEquals",
            Operator::ArnNotLike => "ArnNotLike",
            Operator::ArnLike => "ArnLike",
            Operator::Bool => "Bool",
            Operator::Null => "Null",
            Operator::NumericLessThan => "NumericLessThan",
        }
    }
}

/// A condition: all of a statement's must hold, any value of one is enough.
pub type Condition = BTreeMap<&'static str, BTreeMap<&'static str, OneOrMany>>;

/// A sorted list that renders as a string when it has one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMany(Vec<String>);

impl OneOrMany {
    fn new(values: impl IntoIterator<Item = String>) -> OneOrMany {
        let mut values: Vec<String> = values.into_iter().collect();
        values.sort();
        values.dedup();
        OneOrMany(values)
    }
}

impl Serialize for OneOrMany {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            many => serializer.collect_seq(many),
        }
    }
}

/// An element that matches more than it names, and why: what `rendered/REASONS.md` lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broad {
    /// The statement.
    pub sid: &'static str,
    /// `Principal`, `Action`, `Resource` or `NotResource`.
    pub element: &'static str,
    /// As rendered.
    pub value: String,
    /// Why it has to be so.
    pub because: &'static str,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    sid: &'static str,
    effect: Effect,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal>,
    action: OneOrMany,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<OneOrMany>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_resource: Option<OneOrMany>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: Condition,
    #[serde(skip)]
    broad: Vec<Broad>,
}

impl Statement {
    /// A statement that allows; `sid` is its name within the policy (letters and digits).
    pub fn allow(sid: &'static str, actions: impl IntoIterator<Item = Action>) -> Statement {
        Statement::new(sid, Effect::Allow, actions)
    }

    /// A statement that denies.
    pub fn deny(sid: &'static str, actions: impl IntoIterator<Item = Action>) -> Statement {
        Statement::new(sid, Effect::Deny, actions)
    }

    /// A statement that allows every action which the pattern matches. Only for an endpoint's policy, which gives nobody
    /// a right: what a principal may do, its own policies say.
    pub fn allow_all(sid: &'static str, pattern: &'static str, because: &'static str) -> Statement {
        let mut statement = Statement::new(sid, Effect::Allow, []);
        statement.action = OneOrMany(vec![pattern.to_owned()]);
        statement.note("Action", pattern, because);
        statement
    }

    /// A statement that denies every action which the pattern matches.
    pub fn deny_all(sid: &'static str, pattern: &'static str, because: &'static str) -> Statement {
        let mut statement = Statement::new(sid, Effect::Deny, []);
        statement.action = OneOrMany(vec![pattern.to_owned()]);
        statement.note("Action", pattern, because);
        statement
    }

    fn new(sid: &'static str, effect: Effect, actions: impl IntoIterator<Item = Action>) -> Statement {
        Statement {
            sid,
            effect,
            principal: None,
            action: OneOrMany::new(actions.into_iter().map(|action| action.as_str().to_owned())),
            resource: None,
            not_resource: None,
            condition: Condition::new(),
            broad: Vec::new(),
        }
    }

    fn note(&mut self, element: &'static str, value: &str, because: &'static str) {
        self.broad.push(Broad { sid: self.sid, element, value: value.to_owned(), because });
    }

    /// Whom it is about; only in a resource's policy.
    #[must_use]
    pub fn by(mut self, principal: Principal) -> Statement {
        if let Principal::Anyone { because } = principal {
            self.note("Principal", "*", because);
        }
        self.principal = Some(principal);
        self
    }

    /// What it is about; a trust policy's statements have none.
    #[must_use]
    pub fn on(mut self, resources: impl IntoIterator<Item = Resource>) -> Statement {
        self.resource = Some(self.resources("Resource", resources));
        self
    }

    /// It is about everything but these. Only for a statement that denies: an allowing one would be nearly boundless.
    #[must_use]
    pub fn elsewhere_than(mut self, resources: impl IntoIterator<Item = Resource>) -> Statement {
        self.effect = Effect::Deny;
        self.not_resource = Some(self.resources("NotResource", resources));
        self
    }

    fn resources(&mut self, element: &'static str, resources: impl IntoIterator<Item = Resource>) -> OneOrMany {
        let resources: Vec<Resource> = resources.into_iter().collect();
        for resource in &resources {
            match resource {
                Resource::Within { pattern, because } => self.note(element, pattern, because),
                Resource::ThisKey => self.note(element, "*", "in a key's policy * is that key and nothing else"),
                Resource::Exactly(_) => {}
            }
        }
        OneOrMany::new(resources.iter().map(|resource| resource.as_str().to_owned()))
    }

    /// A condition more, which must hold as well. A second one with the same operator and key replaces the first: IAM
    /// has no room for both.
    #[must_use]
    pub fn when<V: ToString>(mut self, operator: Operator, key: Key, values: impl IntoIterator<Item = V>) -> Statement {
        let values = OneOrMany::new(values.into_iter().map(|value| value.to_string()));
        self.condition.entry(operator.as_str()).or_default().insert(key.as_str(), values);
        self
    }

    /// Where the request gives the key, and none of these values.
    ///
    /// A negated operator alone matches an absent key too, with `IfExists` or without
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>), so it
    /// takes a `Null` beside it.
    #[must_use]
    pub fn when_given_and_not<V: ToString>(self, key: Key, values: impl IntoIterator<Item = V>) -> Statement {
        self.when(Operator::Null, key, [false]).when(Operator::StringNotEquals, key, values)
    }
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
    #[serde(skip)]
    kind: Kind,
}

impl Policy {
    /// A policy of these statements, in this order.
    pub fn new(kind: Kind, statements: impl IntoIterator<Item = Statement>) -> Policy {
        // The older version knows no policy variables: "${aws:userid}" would be taken for a name.
        Policy { version: "2012-10-17", statement: statements.into_iter().collect(), kind }
    }

    /// Where it is attached.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its statements' names, in order.
    pub fn sids(&self) -> impl Iterator<Item = &'static str> {
        self.statement.iter().map(|statement| statement.sid)
    }

    /// All that matches more than it names, and why.
    pub fn broad(&self) -> impl Iterator<Item = &Broad> {
        self.statement.iter().flat_map(|statement| &statement.broad)
    }

    /// The canonical text, as AWS is given it.
    ///
    /// # Errors
    /// [`PolicyError::TooLarge`] over AWS's limit for its kind; [`PolicyError::Principal`] when a statement names
    /// principals where its kind takes none, or none where it must.
    pub fn to_json(&self) -> Result<String, PolicyError> {
        for statement in &self.statement {
            if statement.principal.is_some() != self.kind.names_principals() {
                return Err(PolicyError::Principal { kind: self.kind, sid: statement.sid });
            }
        }
        // Straight to text: a `serde_json::Value` between would sort the fields, or not, by a feature of that crate.
        let text = serde_json::to_string(self).map_err(|error| PolicyError::Json(error.to_string()))?;
        if text.len() > self.kind.limit() {
            return Err(PolicyError::TooLarge { kind: self.kind, size: text.len(), limit: self.kind.limit() });
        }
        Ok(text)
    }
}

/// Whether two policy documents say the same: the order of lists and of fields aside, and a list of one being as good as
/// its entry. For comparing what is wanted with what AWS gives back; text that isn't JSON is never the same.
pub fn same_meaning(one: &str, other: &str) -> bool {
    match (serde_json::from_str::<Value>(one), serde_json::from_str::<Value>(other)) {
        (Ok(one), Ok(other)) => normal(one) == normal(other),
        _ => false,
    }
}

fn normal(value: Value) -> Value {
    match value {
        Value::Array(entries) => {
            let mut entries: Vec<Value> = entries.into_iter().map(normal).collect();
            entries.sort_by_key(Value::to_string);
            entries.dedup();
            match entries.len() {
                1 => entries.swap_remove(0),
                _ => Value::Array(entries),
            }
        }
        Value::Object(fields) => {
            let sorted: BTreeMap<String, Value> =
                fields.into_iter().map(|(name, field)| (name, normal(field))).collect();
            sorted.into_iter().collect()
        }
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn anyone() -> Principal {
        Principal::Anyone { because: "a test" }
    }

    #[test]
    fn fields_come_in_iams_order_and_lists_sorted_without_doubles() {
        let statement = Statement::deny("Both", [Action::S3PutObject, Action::S3GetObject, Action::S3PutObject])
            .when(Operator::StringEquals, Key::PrincipalOrgId, ["b", "a"])
            .when(Operator::Bool, Key::SecureTransport, [false])
            .on([Resource::Exactly("arn:aws:s3:::b/<&>".to_owned())])
            .by(anyone());
        assert_eq!(
            Policy::new(Kind::Bucket, [statement]).to_json().unwrap(),
            concat!(
                r#"{"Version":"2012-10-17","Statement":[{"Sid":"Both","Effect":"Deny","Principal":"*","#,
                r#""Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::b/<&>","#,
                r#""Condition":{"Bool":{"aws:SecureTransport":"false"},"StringEquals":{"aws:PrincipalOrgID":["a","b"]}}}]}"#,
            )
        );
    }

    #[test]
    fn a_policy_over_awss_limit_is_refused() {
        let names = (0..200).map(|number| Resource::Exactly(format!("arn:aws:s3:::bucket-{number}")));
        let statement = Statement::allow("Many", [Action::S3ListBucket]).on(names);
        let size = match Policy::new(Kind::Managed, [statement.clone()]).to_json() {
            Ok(text) => text.len(),
            Err(other) => panic!("{other}"),
        };
        let padded = Policy::new(Kind::Managed, [statement.clone(), statement]);
        assert!(size < 6_144 && size > 3_072, "{size}: the fixture is to fit once and not twice");
        assert!(matches!(padded.to_json(), Err(PolicyError::TooLarge { limit: 6_144, .. })));
    }

    #[test]
    fn principals_are_demanded_of_resources_policies_and_refused_in_identities() {
        let bare = Statement::allow("Bare", [Action::S3ListBucket]);
        for (kind, statement) in [(Kind::Bucket, bare.clone()), (Kind::Inline, bare.by(anyone()))] {
            assert_eq!(
                Policy::new(kind, [statement]).to_json(),
                Err(PolicyError::Principal { kind, sid: "Bare" }),
                "{kind}"
            );
        }
    }

    #[test]
    fn whatever_is_broad_is_noted_with_its_reason() {
        let pattern = "arn:aws:s3:::b/*".to_owned();
        let statement = Statement::deny_all("All", "s3:*", "why the actions")
            .by(anyone())
            .on([Resource::Within { pattern, because: "why the objects" }, Resource::ThisKey]);
        let policy = Policy::new(Kind::Bucket, [statement]);
        let noted: Vec<_> = policy.broad().map(|broad| (broad.element, broad.value.as_str())).collect();
        assert_eq!(
            noted,
            [("Action", "s3:*"), ("Principal", "*"), ("Resource", "arn:aws:s3:::b/*"), ("Resource", "*")]
        );
    }

    #[test]
    fn the_same_in_awss_own_arrangement_means_the_same() {
        let ours = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["a:B","a:C"]}]}"#;
        let theirs = r#"{"Statement":{"Action":["a:C","a:B"],"Effect":["Allow"]},"Version":"2012-10-17"}"#;
        assert!(same_meaning(ours, theirs));
        assert!(!same_meaning(ours, &theirs.replace("a:C", "a:D")));
        assert!(!same_meaning("nonsense", "nonsense"));
    }

    proptest! {
        #[test]
        fn a_rendered_condition_reads_back_as_it_was_given(values in prop::collection::btree_set(".{0,20}", 1..5)) {
            let statement = Statement::deny("One", [Action::S3PutObject])
                .by(anyone())
                .on([Resource::ThisKey])
                .when(Operator::StringEquals, Key::PrincipalArn, &values);
            let text = Policy::new(Kind::Key, [statement]).to_json().unwrap();
            let read: Value = serde_json::from_str(&text).unwrap();
            let found = &read["Statement"][0]["Condition"]["StringEquals"]["aws:PrincipalArn"];
            let expected = match values.iter().collect::<Vec<_>>().as_slice() {
                [one] => Value::from(one.as_str()),
                many => Value::from(many.iter().map(|value| value.as_str()).collect::<Vec<_>>()),
            };
            prop_assert_eq!(found, &expected);
        }
    }
}
