//! The JSON Schema of policy files, made from the types that read them: what an editor completes, explains and underlines.
//!
//! Draft 7, which every editor's TOML and YAML support reads. It refuses no policy that [`Policy`] takes; [`Policy::check`]
//! refuses more, since a schema knows nothing of what is mounted where, or of options that contradict each other.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

use crate::policy::Policy;

impl Policy {
    /// The JSON Schema of a policy, as `holdfast-sandbox schema` prints it.
    #[must_use]
    pub fn schema() -> Value {
        let settings = SchemaSettings::draft07().with_transform(Plain);
        let mut schema = settings.into_generator().into_root_schema_for::<Policy>();
        schema.insert("title".to_owned(), "Holdfast sandbox policy".into());
        schema.to_value()
    }
}

/// The descriptions are the documentation of the types: without its links.
#[derive(Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.replace("[`crate::", "`").replace("[`", "`").replace("`]", "`");
        }
        transform_subschemas(self, schema);
    }
}
