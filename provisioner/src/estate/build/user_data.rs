//! What a machine is told as it first starts: who may log in, and its agent's settings. Never a secret: whoever may
//! describe a launch template, and every program on the machine that reaches the metadata service, can read it.
//!
//! It is a `#cloud-config`, which cloud-init reads on stock images and Holdfast's own first boot on the golden one.

use serde_json::Value;

use super::{BuildError, Builder};
use crate::estate::tags;

/// What EC2 takes, before it is encoded (EC2 User Guide, "Run commands when you launch an EC2 instance").
const LIMIT: usize = 16 * 1024;
/// Where the agent reads its settings.
const AGENT: &str = "/etc/holdfast/agent.toml";

/// A machine to tell something.
pub(super) struct UserData<'a> {
    /// The machine's name in the spec.
    pub(super) machine: &'a str,
    /// The launch template's name.
    pub(super) launch: &'a str,
    /// The agent's settings that the spec gives.
    pub(super) agent: &'a toml::Table,
}

impl Builder<'_> {
    /// The generation of machines that are told this and run the estate's image, and what they are told.
    pub(super) fn user_data(&self, data: &UserData<'_>) -> Result<(String, String), BuildError> {
        let keys = self.log_ins();
        let agent = self.agent(data, None)?;
        let generation = tags::digest_of([self.facts.image.id.as_str(), &keys, &agent].into_iter());
        let agent = self.agent(data, Some(&generation))?;
        let text = format!(
            "{keys}write_files:\n  - path: {AGENT}\n    owner: root:root\n    permissions: \"0644\"\n    content: {}\n",
            Value::from(agent.as_str())
        );
        if text.len() > LIMIT {
            let (machine, bytes) = (data.machine.to_owned(), text.len());
            return Err(BuildError::UserData { machine, bytes, limit: LIMIT, keys: keys.len(), agent: agent.len() });
        }
        Ok((generation, text))
    }

    /// Who may log in. Hosts know the same people as the bastion: it is a way, not a guard of its own.
    fn log_ins(&self) -> String {
        let mut text = "#cloud-config\nssh_pwauth: false\ndisable_root: true\nssh_authorized_keys:\n".to_owned();
        for key in &self.spec.bastion.ssh_keys {
            // A JSON string is a YAML string, whatever characters are in a key's comment.
            text.push_str(&format!("  - {}\n", Value::from(key.as_str())));
        }
        text
    }

    /// The agent's settings: the spec's, and over them what the estate decides.
    fn agent(&self, data: &UserData<'_>, generation: Option<&str>) -> Result<String, BuildError> {
        let mut settings = data.agent.clone();
        let audit = settings.entry("audit").or_insert_with(|| toml::Table::new().into());
        if let Some(audit) = audit.as_table_mut() {
            let mut set = |key: &str, value: String| audit.insert(key.to_owned(), value.into());
            if let (Some(trail), Some(organization)) = (&self.spec.audit, &self.facts.organization) {
                set("ship", format!("s3://{}", trail.bucket()));
                set("org", organization.clone());
                set("region", trail.region.to_string());
            }
            set("image", self.facts.image.id.clone());
            if let Some(generation) = generation {
                set("launch", format!("{}@{generation}", data.launch));
            }
        }
        toml::to_string(&settings).map_err(|source| BuildError::AgentText { machine: data.machine.to_owned(), source })
    }
}
