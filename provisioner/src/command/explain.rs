//! `provision explain`: why a resource is there, by the spec's line and the practice behind it; and what rules say.

use serde::Serialize;

use super::{CommandError, plan, runtime, spec_file};
use crate::cli::{ExplainArguments, Outcome};
use crate::cloud::Cloud;
use crate::explain::{Asked, Text};
use crate::kind::{KINDS, Kind};
use crate::render::{self, Output};
use crate::rule::{RULES, Rule};

/// What can be explained.
#[derive(Serialize)]
struct Topics {
    rules: &'static [&'static Rule],
    kinds: &'static [Kind],
}

pub(crate) fn run(arguments: &ExplainArguments, output: Output) -> Result<Outcome, CommandError> {
    let Some(what) = arguments.what.as_deref() else {
        match output.is_json() {
            true => output.json(&Topics { rules: RULES, kinds: KINDS })?,
            false => output.text(&render::explain::topics(RULES, KINDS))?,
        }
        return Ok(Outcome::Done);
    };
    // A kind's name that a rule has too is the rule: its resources have ids of their own.
    if let Some(rule) = Rule::find(what) {
        match output.is_json() {
            true => output.json(rule)?,
            false => output.text(&render::explain::rule(rule))?,
        }
        return Ok(Outcome::Done);
    }
    let (spec, text) = spec_file::load_with_text(&arguments.spec)?;
    let text = Text::of(&arguments.spec.file.display().to_string(), &text, spec.tags.environment.as_str());
    let (estate, world) = runtime::block_on(async {
        let cloud = Cloud::connect(&spec.account, &spec.region).await?;
        Box::pin(plan::look(&cloud, &spec)).await
    })?;
    let asked = Asked { spec: &spec, text: &text, estate: &estate, world: &world };
    let explained = asked.explain(what);
    if explained.is_empty() {
        let near = |name: &str| strsim::jaro_winkler(name, what);
        let names = asked.ids().into_iter().map(|id| id.as_str()).chain(RULES.iter().map(|rule| rule.name));
        let nearest = names.max_by(|a, b| near(a).total_cmp(&near(b))).unwrap_or("vpc").to_owned();
        return Err(CommandError::NothingToExplain { what: what.to_owned(), nearest });
    }
    if output.is_json() {
        output.json(&explained)?;
    } else {
        output.text(&render::explain::resources(&explained))?;
    }
    Ok(Outcome::Done)
}
