//! A running control plane, as its clients see it: addresses, accounts, credentials, and the variables that point any
//! AWS SDK there.

use std::path::PathBuf;
use std::process::Command;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::LabError;

/// One of the organisation's two accounts that the lab gives credentials for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// Where estates are.
    Workloads,
    /// Where the trail is.
    Audit,
}

/// Whom a client acts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The operator `ops`, by the organisation's access role in an account.
    Operator(Account),
    /// An instance, by its profile's role, as EC2 would hand out its credentials.
    Instance(String),
}

impl From<Account> for Identity {
    fn from(account: Account) -> Identity {
        Identity::Operator(account)
    }
}

impl From<&str> for Identity {
    fn from(instance: &str) -> Identity {
        Identity::Instance(instance.to_owned())
    }
}

/// Credentials of a session.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// `ASIA…`.
    pub access_key_id: String,
    /// Signs requests.
    pub secret_access_key: String,
    /// Names the session.
    pub session_token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither secret belongs in a panic message or a log.
        formatter.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// An account and the operator's way into it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccountAccess {
    pub(crate) id: String,
    pub(crate) credentials: Credentials,
}

/// What `python -m strict` announces when it listens.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Announcement {
    pub(crate) pid: i32,
    pub(crate) endpoint: String,
    pub(crate) plain_endpoint: String,
    pub(crate) secret: String,
    pub(crate) region: String,
    pub(crate) organization: String,
    pub(crate) workloads: AccountAccess,
    pub(crate) audit: AccountAccess,
    pub(crate) stock_image: String,
}

/// Where a control plane is, what is in it, and whose signature its clients must trust.
#[derive(Clone, Serialize, Deserialize)]
pub struct ControlPlane {
    #[serde(flatten)]
    pub(crate) announcement: Announcement,
    /// PEM: what clients trust.
    pub(crate) trust: PathBuf,
}

impl ControlPlane {
    /// The HTTPS endpoint of every service.
    pub fn endpoint(&self) -> &str {
        &self.announcement.endpoint
    }

    /// The same services over plain HTTP, for showing that a policy refuses it.
    pub fn plain_endpoint(&self) -> &str {
        &self.announcement.plain_endpoint
    }

    /// The region of the variables.
    pub fn region(&self) -> &str {
        &self.announcement.region
    }

    /// The organisation's id, `o-…`.
    pub fn organization(&self) -> &str {
        &self.announcement.organization
    }

    /// An account's id: twelve digits.
    pub fn account_id(&self, account: Account) -> &str {
        &self.access(account).id
    }

    /// The stock image in the workloads account, `ami-…`.
    pub fn stock_image(&self) -> &str {
        &self.announcement.stock_image
    }

    /// Variables that point any AWS SDK or the AWS CLI here, as an identity. They also hide the caller's own profiles
    /// and the machine's metadata service.
    pub fn env(&self, identity: impl Into<Identity>) -> Result<Vec<(String, String)>, LabError> {
        let credentials = match identity.into() {
            Identity::Operator(account) => self.access(account).credentials.clone(),
            Identity::Instance(id) => self.instance_credentials(&id)?,
        };
        let trust = self.trust.display().to_string();
        let variables = [
            ("AWS_ENDPOINT_URL", self.endpoint().to_owned()),
            ("AWS_ACCESS_KEY_ID", credentials.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key),
            ("AWS_SESSION_TOKEN", credentials.session_token),
            ("AWS_REGION", self.region().to_owned()),
            ("AWS_DEFAULT_REGION", self.region().to_owned()), // boto3 and the CLI read this one
            ("SSL_CERT_FILE", trust.clone()),
            ("AWS_CA_BUNDLE", trust),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        Ok(variables.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }

    /// Points a command here as an identity, whatever its environment says of AWS.
    pub fn point(&self, command: &mut Command, identity: impl Into<Identity>) -> Result<(), LabError> {
        let variables = self.env(identity)?;
        for name in variables_in_the_way(&variables) {
            command.env_remove(name);
        }
        command.envs(variables);
        Ok(())
    }

    fn access(&self, account: Account) -> &AccountAccess {
        match account {
            Account::Workloads => &self.announcement.workloads,
            Account::Audit => &self.announcement.audit,
        }
    }

    /// Hides what later requests make, change and delete from as many requests after each: eventual consistency. 0 ends
    /// it.
    pub fn set_eventual(&self, requests: u32) -> Result<(), LabError> {
        self.own_call("eventual", &[("requests", &requests.to_string())]).map(|_: serde_json::Value| ())
    }

    /// Asks for them anew each time: an instance may have been given another profile, or ended.
    fn instance_credentials(&self, id: &str) -> Result<Credentials, LabError> {
        self.own_call("instance-credentials", &[("instance", id)])
    }

    /// One of the lab's own calls, `/_holdfast/…`.
    pub(crate) fn own_call<T: DeserializeOwned>(&self, name: &str, query: &[(&str, &str)]) -> Result<T, LabError> {
        let url = format!("{}/_holdfast/{name}", self.plain_endpoint());
        let failed = |reason: String| LabError::Call { url: url.clone(), reason };
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let mut request = agent.get(&url).header("x-holdfast-lab", &self.announcement.secret);
        for (key, value) in query {
            request = request.query(key, value);
        }
        let mut response = request.call().map_err(|error| failed(error.to_string()))?;
        let text = response.body_mut().read_to_string().map_err(|error| failed(error.to_string()))?;
        if response.status() != 200 {
            return Err(failed(text.trim_end().to_owned()));
        }
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
    }
}

/// Variables of this process's environment that would lead an SDK elsewhere: a profile, another service's endpoint.
pub(crate) fn variables_in_the_way(given: &[(String, String)]) -> Vec<String> {
    std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("AWS_") && !given.iter().any(|(given, _)| given == name))
        .collect()
}
