//! What the estate may cost, and what encrypts it.

use holdfast_policies::{self as policies, EstateKey};

use super::{BuildError, Builder, Draft, policy};
use crate::estate::{Kind, Link, Ref, ResourceId, tags};
use crate::kind::Alias;
use crate::kind::budget::{Budget, Notification};
use crate::kind::key::Key;
use crate::spec::{Encryption, Mode};

impl Builder<'_> {
    /// Money first: nothing that costs is made before somebody is told of its cost.
    pub(super) fn budget(&mut self) -> Result<(), BuildError> {
        let mut emails: Vec<_> = self.spec.budget.alert.iter().map(|email| email.as_str().to_owned()).collect();
        emails.sort_unstable();
        let topics: Vec<_> = self.spec.budget.topic.iter().map(|topic| topic.as_str().to_owned()).collect();
        let notify = |of: &str, percent: &u32| Notification {
            of: of.to_owned(),
            percent: *percent,
            emails: emails.clone(),
            topics: topics.clone(),
        };
        let actual = self.spec.budget.actual.iter().map(|percent| notify("ACTUAL", percent));
        let forecast = self.spec.budget.forecast.iter().map(|percent| notify("FORECASTED", percent));
        let mut notifications: Vec<_> = actual.chain(forecast).collect();
        notifications.sort_unstable();
        let budget = Budget {
            monthly_usd: self.spec.budget.monthly_usd.to_string(),
            tag: format!("user:{}${}", tags::ESTATE, self.scope.estate),
            notifications,
        };
        let (id, name) = (ResourceId::only(Kind::Budget), self.scope.budget_name());
        let description = "What the estate may cost in a month";
        self.add(Draft { id, kind: Kind::Budget, name, description, properties: budget }, &[])
    }

    /// The ARN of what encrypts volumes, logs and backups.
    pub(super) fn key_arn(&self) -> Link {
        match &self.spec.encryption {
            Encryption::Made { .. } => Ref::attribute(&ResourceId::only(Kind::Key), "arn").into(),
            Encryption::Existing(arn) => Link::Is(arn.to_string()),
        }
    }

    pub(super) fn key(&mut self) -> Result<(), BuildError> {
        let Encryption::Made { keep } = self.spec.encryption else { return Ok(()) };
        let users = EstateKey {
            account: self.account()?,
            region: self.region()?,
            estate: self.scope.estate.as_str().parse().map_err(BuildError::Policy)?,
            fleets: self.spec.hosts.iter().any(|group| matches!(group.mode, Mode::Fleet { .. })),
            logs: self.spec.network.flow_logs_days.is_some(),
            backups: self.spec.backup.is_some(),
        };
        let description = format!("Encrypts the volumes of estate {}", self.scope.estate);
        let key = Key {
            description: description.clone(),
            enabled: true,
            rotation: true,
            policy: policy(&policies::estate_key(&users))?,
        };
        let (id, name) = (ResourceId::only(Kind::Key), self.scope.name("volumes"));
        self.add(Draft { id: id.clone(), kind: Kind::Key, name, description: &description, properties: key }, &[])?;
        self.keep(keep);
        let alias = Alias { key: Ref::id(&id) };
        let (id, name) = (ResourceId::only(Kind::Alias), self.scope.alias_name());
        self.add(Draft { id, kind: Kind::Alias, name, description: "", properties: alias }, &[])
    }
}
