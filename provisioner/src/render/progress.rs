//! An apply while it runs: lines that move on a terminal, lines that stay elsewhere. All of it on stderr.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;

use super::note;
use crate::apply::{Event, Progress};
use crate::plan::{Change, Operation, Order, Plan};

/// How often a moving line moves.
const TICK: Duration = Duration::from_millis(120);

/// Shows an apply to whoever looks at stderr.
pub(crate) struct Reporter {
    /// `None` where stderr is no terminal.
    terminal: Option<Terminal>,
}

struct Terminal {
    lines: MultiProgress,
    all: ProgressBar,
    /// A line for each act under way.
    acts: Mutex<BTreeMap<(String, Operation), ProgressBar>>,
}

impl Reporter {
    /// A reporter for one plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        let terminal = std::io::stderr().is_terminal().then(|| Terminal::new(acts(plan)));
        Self { terminal }
    }

    /// Takes the moving lines away, so that what is printed next stands alone.
    pub(crate) fn finish(&self) {
        if let Some(terminal) = &self.terminal {
            terminal.all.finish_and_clear();
        }
    }

    fn say(&self, line: &str) {
        let Some(terminal) = &self.terminal else { return note(&format!("{line}\n")) };
        let plain = anstream::AutoStream::choice(&std::io::stderr()) == anstream::ColorChoice::Never;
        let line = if plain { anstream::adapter::strip_str(line).to_string() } else { line.to_owned() };
        // A terminal that is gone has nobody to tell.
        let _ = terminal.lines.println(line);
    }
}

/// How many acts a plan takes: a replacement of the whole is two.
fn acts(plan: &Plan) -> u64 {
    plan.changes.iter().map(|change| if matches!(change.order, None | Some(Order::ByMembers)) { 1 } else { 2 }).sum()
}

impl Terminal {
    fn new(acts: u64) -> Self {
        let lines = MultiProgress::new();
        let all = lines.add(ProgressBar::new(acts));
        all.set_style(style("{spinner} {pos} of {len} done, {elapsed}{msg}"));
        all.enable_steady_tick(TICK);
        Self { lines, all, acts: Mutex::default() }
    }

    fn start(&self, change: &Change, operation: Operation) {
        let line = self.lines.insert_before(&self.all, ProgressBar::new_spinner());
        line.set_style(style("  {spinner} {msg}"));
        line.set_message(format!("{} {}", doing(operation), change.id));
        line.enable_steady_tick(TICK);
        self.acts.lock().unwrap_or_else(PoisonError::into_inner).insert((change.id.to_string(), operation), line);
    }

    fn wait(&self, change: &Change, what: &str) {
        let acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        for ((_, operation), line) in acts.iter().filter(|((id, _), _)| id == change.id.as_str()) {
            line.set_message(format!("{} {}: {what}", doing(*operation), change.id));
        }
    }

    fn end(&self, change: &Change, operation: Operation, failed: bool) {
        let key = (change.id.to_string(), operation);
        if let Some(line) = self.acts.lock().unwrap_or_else(PoisonError::into_inner).remove(&key) {
            line.finish_and_clear();
        }
        if !failed {
            self.all.inc(1);
        }
    }
}

impl Progress for Reporter {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Discovering => self.say("reading the estate again, now that nobody else can change it"),
            Event::Locked => self.say("holding the estate's lock"),
            Event::Started { change, operation } => {
                if let Some(terminal) = &self.terminal {
                    terminal.start(change, operation);
                }
            }
            Event::Waiting { change, what } => match &self.terminal {
                Some(terminal) => terminal.wait(change, &what),
                None => self.say(&format!("waiting   {}: {what}", change.id)),
            },
            Event::Finished { change, operation, took, error } => {
                if let Some(terminal) = &self.terminal {
                    terminal.end(change, operation, error.is_some());
                }
                self.say(&finished(change, operation, took, error.is_some()));
            }
            Event::Stopping { under_way } => {
                self.say(&format!(
                    "stopping once {under_way} more {} ended",
                    if under_way == 1 { "act has" } else { "acts have" }
                ));
            }
        }
    }
}

/// The line that stays of an act. What went wrong is said at the end, once.
fn finished(change: &Change, operation: Operation, took: Duration, failed: bool) -> String {
    let seconds = format!("({:.1} s)", took.as_secs_f64());
    if failed {
        return format!("{} {} {} {}", format!("{:9}", "failed").red(), doing(operation), change.id, seconds.dimmed());
    }
    let done = match operation {
        Operation::Create => "created",
        Operation::Change => "changed",
        Operation::Delete => "deleted",
    };
    format!("{} {} {}", format!("{done:9}").green(), change.id, seconds.dimmed())
}

fn doing(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "creating",
        Operation::Change => "changing",
        Operation::Delete => "deleting",
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; one that didn't parse would show the default bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()).tick_chars("|/-\\ ")
}
