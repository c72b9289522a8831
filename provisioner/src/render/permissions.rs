//! Permissions as text: each managed policy, and why its statements are there.

use crate::command::CommandError;
use crate::permission::Permissions;

/// The policies as JSON, each under its name and over its reasons.
pub(crate) fn text(permissions: &Permissions) -> Result<String, CommandError> {
    let mut text = String::new();
    for policy in &permissions.policies {
        let document = serde_json::to_string_pretty(&policy.document).map_err(CommandError::Json)?;
        text.push_str(&format!("Managed policy {}\n\n{document}\n\nWhy\n", policy.name));
        let width = policy.reasons.keys().map(String::len).max().unwrap_or_default();
        for (sid, because) in &policy.reasons {
            text.push_str(&format!("  {sid:width$}  {because}\n"));
        }
        text.push('\n');
    }
    text.push_str("STS's GetCallerIdentity, by which every run begins, needs no permission.\n");
    Ok(text)
}
