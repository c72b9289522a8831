//! SIGKILL around calls, then the same command again: the estate of an uninterrupted run, nothing doubled or left over.
//!
//! An uninterrupted run is watched first: its calls are those to die at. Each death is one of its own, in a copy of the
//! lab as it was before the run: the real binary is killed by SIGKILL before the call is taken, or after; then it runs
//! again to its end, and what is in the account then is read by boto3. A run that was killed leaves its lock, which the
//! lab makes older than it holds; that a live one is respected is another test's.
//!
//! A run dies before and after each call that changes something, and after the last of each kind of read; where changes
//! are seen late, after each call that changes something. `HOLDFAST_DEATHS=all` dies before and after every call,
//! `HOLDFAST_DEATHS=RunInstances` before and after every call of that operation alone.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holdfast_lab::{Action, Call, Fault, Moment};
use serde_json::Value;

use crate::fixture::{Fixture, assert_same, succeed, text};
use crate::machines::publish;

/// Deaths at once: one more than a small machine has cores, for a run also waits.
const AT_ONCE: usize = 3;
/// Longer than any lock holds.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// Where to die: at the `nth` call of an operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    service: String,
    operation: String,
    nth: u64,
    is_change: bool,
    after: bool,
}

impl Cut {
    fn fault(&self) -> Fault {
        let moment = if self.after { Moment::After } else { Moment::Before };
        Fault::on(&self.operation, Action::Kill(moment)).of(&self.service).from_call(self.nth)
    }
}

/// Where a run that makes these calls is to die, if nobody says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deaths {
    /// Before and after each change, and after one read of each kind.
    Many,
    /// After each change.
    Few,
}

/// Where a run that makes these calls is to die.
fn cuts(calls: &[Call], deaths: Deaths, wanted: Option<&str>) -> Vec<Cut> {
    let mut seen: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut cuts = BTreeSet::new();
    for call in calls {
        let nth = seen.entry((&call.service, &call.operation)).or_default();
        *nth += 1;
        for after in [false, true] {
            let (service, operation) = (call.service.clone(), call.operation.clone());
            cuts.insert(Cut { service, operation, nth: *nth, is_change: call.is_change(), after });
        }
    }
    let is_last = |cut: &Cut| seen[&(cut.service.as_str(), cut.operation.as_str())] == cut.nth;
    cuts.retain(|cut| match wanted {
        Some("all") => true,
        Some(operation) => cut.operation == operation,
        None if deaths == Deaths::Few => cut.is_change && cut.after,
        None => cut.is_change || (cut.after && is_last(cut)),
    });
    cuts.into_iter().collect()
}

/// What is in the account after `arguments` ran to their end, and the calls that they took.
fn uninterrupted(base: &Fixture, arguments: &[&str]) -> (Value, Vec<Call>) {
    let fixture = base.copy();
    succeed(&fixture.provision(arguments));
    let calls = fixture.faults().calls();
    (consistent(&fixture), calls)
}

/// All that is in the account, once everybody sees it.
fn consistent(fixture: &Fixture) -> Value {
    fixture.lab().set_eventual(0).unwrap();
    fixture.inventory()
}

/// Dies once, runs again, and looks at what there is. Whether the run came to where it was to die.
fn die_and_repeat(base: &Fixture, arguments: &[&str], cut: &Cut, deaths: Deaths, whole: &Value) -> bool {
    let fixture = base.copy();
    fixture.faults().script(vec![cut.fault()]);
    let died = fixture.provision(arguments);
    // How often something is read that becomes ready by itself is another number in each run; so is how often something
    // is changed that isn't seen yet, or is refused for now (a gateway is in use until the addresses behind it are gone).
    let is_dead = died.status.signal() == Some(9);
    if !is_dead {
        let may_differ = !cut.is_change || cut.nth > 1 || deaths == Deaths::Few;
        assert!(may_differ, "{cut:?} wasn't reached: {:?}\n{}", fixture.changes(), text(&died.stderr));
        succeed(&died);
    }
    fixture.faults().script(vec![]);
    fixture.lab().age_objects(AN_HOUR).unwrap();
    let repeated = fixture.provision(arguments);
    assert!(repeated.status.success(), "{cut:?}, then {}\n{}", repeated.status, text(&repeated.stderr));
    let mut found = consistent(&fixture);
    // A run that finds nothing to do takes no lock, so the dead one's stays, expired, for the next to take over.
    if text(&repeated.stdout).starts_with("Unchanged:") {
        for bucket in found["bucket"].as_array_mut().into_iter().flatten() {
            bucket["objects"] = Value::Array(vec![]);
        }
    }
    assert_same(&found, whole, &format!("{cut:?}"));
    is_dead
}

/// Dies everywhere that a run of `arguments` can, from the state that `base` is in.
fn die_everywhere(base: &Fixture, arguments: &[&str], deaths: Deaths) {
    let began = Instant::now();
    // A control plane loads a service at its first call: here once, not in each copy.
    succeed(&base.provision(&["plan"]));
    let (whole, calls) = uninterrupted(base, arguments);
    let all = cuts(&calls, deaths, std::env::var("HOLDFAST_DEATHS").ok().as_deref());
    let (count, left, failures) = (all.len(), Mutex::new(all), Mutex::new(Vec::new()));
    let dead = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(cut) = { left.lock().unwrap().pop() } {
                    let started = Instant::now();
                    let tried = std::panic::catch_unwind(|| die_and_repeat(base, arguments, &cut, deaths, &whole));
                    println!(
                        "{cut:?}: {:.1} s, {}",
                        started.elapsed().as_secs_f64(),
                        if tried.is_ok() { "converged" } else { "DIFFERS" }
                    );
                    if matches!(tried, Ok(true)) {
                        dead.fetch_add(1, Ordering::Relaxed);
                    }
                    if let Err(panic) = tried {
                        let said = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| format!("{cut:?}"));
                        failures.lock().unwrap().push(said);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert_ne!(count, 0, "HOLDFAST_DEATHS names no call of {arguments:?}");
    let (dead, seconds) = (dead.into_inner(), began.elapsed().as_secs());
    println!("{arguments:?}: {dead} deaths at {count} calls in {seconds} s; {} calls uninterrupted", calls.len());
    assert!(dead + failures.len() > count / 2, "only {dead} of {count} calls were reached");
    assert!(failures.is_empty(), "{} of {count} deaths:\n{}", failures.len(), failures.join("\n\n"));
}

const APPLY: &[&str] = &["apply", "--yes"];
const DESTROY: &[&str] = &["destroy", "--yes"];
/// For how many requests nobody sees what was made or deleted.
const EVENTUAL: u32 = 3;

/// A lab for an estate with something of every kind, whose hosts leave the network by NAT gateways.
fn behind_nat() -> Fixture {
    let fixture = Fixture::start();
    fixture.write_spec(&fixture.spec_of_everything());
    fixture
}

/// The same by interface endpoints, where what changes isn't seen at once.
fn behind_endpoints_seen_late() -> Fixture {
    let fixture = Fixture::start();
    let spec = fixture.spec_of_everything().replace("\"nat\"", "\"endpoints\"");
    fixture.write_spec(&spec.replace("monthly_usd = 200", "monthly_usd = 300"));
    seen_late(fixture)
}

fn seen_late(fixture: Fixture) -> Fixture {
    fixture.lab().set_eventual(EVENTUAL).unwrap();
    fixture
}

fn applied(fixture: Fixture) -> Fixture {
    fixture.apply();
    fixture
}

/// A lab with an estate in it, and a spec that wants another image.
fn with_another_image() -> Fixture {
    let fixture = applied(Fixture::start());
    let image = publish(&fixture, "another", "stable");
    fixture.write_spec(&fixture.spec().replace(fixture.lab().stock_image(), image.as_str().unwrap()));
    fixture
}

/// A lab with an estate in it, and a spec in which a group has another name.
fn with_another_name() -> Fixture {
    let fixture = applied(Fixture::start());
    fixture.write_spec(&fixture.spec().replace("name = \"worker\"", "name = \"runner\"\nwas = \"worker\""));
    fixture
}

#[test]
fn an_apply_that_died_at_any_call_converges_when_it_is_repeated() {
    die_everywhere(&behind_nat(), APPLY, Deaths::Many);
}

#[test]
fn an_apply_that_died_where_changes_are_seen_late_converges_when_it_is_repeated() {
    die_everywhere(&behind_endpoints_seen_late(), APPLY, Deaths::Few);
}

#[test]
fn a_replacement_of_hosts_that_died_at_any_call_converges_when_it_is_repeated() {
    die_everywhere(&with_another_image(), APPLY, Deaths::Many);
}

#[test]
fn a_replacement_of_hosts_that_died_where_changes_are_seen_late_converges_when_it_is_repeated() {
    die_everywhere(&seen_late(with_another_image()), APPLY, Deaths::Few);
}

#[test]
fn a_rename_that_died_at_any_call_converges_when_it_is_repeated() {
    die_everywhere(&with_another_name(), APPLY, Deaths::Few);
}

#[test]
fn a_destroy_that_died_at_any_call_ends_when_it_is_repeated() {
    die_everywhere(&applied(behind_nat()), DESTROY, Deaths::Many);
}

#[test]
fn a_destroy_that_died_where_changes_are_seen_late_ends_when_it_is_repeated() {
    die_everywhere(&applied(behind_endpoints_seen_late()), DESTROY, Deaths::Few);
}
