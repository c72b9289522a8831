//! A proxy in front of a control plane that does to calls what networks, services and crashes do: by a script.
//!
//! * Every call passes one by one and is written down: its number, service and operation, told by what each protocol
//!   of AWS says of itself ([`operation`]).
//! * A [`Fault`] names calls (service, operation, from which of them, how many) and what happens to them: a delay, a
//!   refusal in the service's own words, a cut before the call is taken or after, a SIGKILL of whoever made the call,
//!   a hold until somebody lets go, a clock that is off.
//! * Bytes pass as they are, the `Host` header too: signatures hold.
//! * A killed process's other connections end with it, and [`Faults::script`] waits for what was already passed on, so
//!   nothing of a dead run reaches the control plane behind the back of the next.
//!
//! It speaks HTTP/1.1 with bodies of known length or in chunks, over plain TCP on loopback: enough for every SDK. What
//! it tells is told about calls alone: no header, body or answer is written anywhere.

mod answer;
mod clock;
mod connection;
mod message;
mod operation;
mod owner;
mod script;

use std::net::TcpListener;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use operation::Operation;
pub use script::{Action, Fault, Moment, Refusal, Times};

use crate::error::LabError;
use crate::layout::Layout;

/// One call that came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number, from 1.
    pub number: u64,
    /// The name that the service signs with: `ec2`, `iam`, `s3`.
    pub service: String,
    /// `RunInstances`.
    pub operation: String,
    /// Which attempt of the SDK's it is, from 1.
    pub attempt: u32,
    /// What was done to it, if anything.
    pub fault: Option<Action>,
    /// When it came, from when the script began.
    pub began: Duration,
    /// When the control plane had answered, where it has.
    pub ended: Option<Duration>,
}

impl Call {
    /// Whether the operation changes anything, by its name.
    pub fn is_change(&self) -> bool {
        !["Describe", "Get", "List", "Head"].iter().any(|read| self.operation.starts_with(read))
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:>5}  {:<13} {}", self.number, self.service, self.operation)?;
        if self.attempt > 1 {
            write!(formatter, "  attempt {}", self.attempt)?;
        }
        match &self.fault {
            Some(fault) => write!(formatter, "  <- {fault}"),
            None => Ok(()),
        }
    }
}

/// Who is told of each call, as it comes.
type Watcher = Box<dyn Fn(&Call) + Send>;

/// A proxy on a port of its own. It goes on as long as the process.
#[derive(Clone)]
pub struct Faults {
    shared: Arc<Shared>,
    endpoint: String,
}

impl Faults {
    /// Starts one before `upstream`, an `http://host:port`; it does nothing to any call yet.
    pub fn start(upstream: &str) -> Result<Faults, LabError> {
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listen = |source| LabError::Listen { source };
        let listener = TcpListener::bind("127.0.0.1:0").map_err(listen)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(listen)?);
        let shared = Arc::new(Shared::default());
        let of_listener = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, upstream) = (Arc::clone(&of_listener), upstream.clone());
                // An end of either side ends the pair; who was cut off notices by itself.
                thread::spawn(move || drop(connection::serve(client, &upstream, &shared)));
            }
        });
        Ok(Faults { shared, endpoint })
    }

    /// Where clients go instead.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Does these things from now on, and nothing else. Counting begins anew, once what was passed on has been answered;
    /// what is held is let go.
    pub fn script(&self, faults: Vec<Fault>) {
        let mut state = self.shared.state();
        state.release();
        self.shared.changed.notify_all();
        while state.passed_on > 0 || state.held > 0 {
            state = self.shared.wait(state);
        }
        *state = State { script: faults.into_iter().map(|fault| (fault, 0)).collect(), ..state.anew() };
    }

    /// Calls a function for each call as it comes.
    pub fn watch(&self, watcher: impl Fn(&Call) + Send + 'static) {
        self.shared.state().watcher = Some(Box::new(watcher));
    }

    /// The calls since the script began.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// How many calls something was done to since the script began.
    pub fn injected(&self) -> usize {
        self.shared.state().calls.iter().filter(|call| call.fault.is_some()).count()
    }

    /// Waits until a call is held, or until the deadline. Whether one is.
    #[must_use]
    pub fn wait_until_held(&self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        let mut state = self.shared.state();
        while state.held == 0 {
            let Some(left) = end.checked_duration_since(Instant::now()) else { return false };
            let waited = self.shared.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Lets what is held go on, and holds nothing more.
    pub fn release(&self) {
        self.shared.state().release();
        self.shared.changed.notify_all();
    }
}

/// Runs the script's faults in front of the lab that is up, and tells each call, until the process ends.
pub fn run_faults(layout: &Layout, script: &str, tell: impl Fn(&Call) + Send + 'static) -> Result<Faults, LabError> {
    let faults = script::parse(script)?;
    let proxy = Faults::start(crate::shared::current(layout)?.plain_endpoint())?;
    proxy.script(faults);
    proxy.watch(tell);
    Ok(proxy)
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was held, let go or answered.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Each fault, and how many calls matched it so far.
    script: Vec<(Fault, u64)>,
    calls: Vec<Call>,
    watcher: Option<Watcher>,
    /// Calls that were passed on and aren't answered.
    passed_on: usize,
    held: usize,
    /// How often what was held was let go.
    releases: u64,
    /// How many processes were killed: connections from before the last death say nothing more.
    deaths: u64,
    /// When the script began.
    since: Option<Instant>,
}

impl State {
    fn anew(&mut self) -> State {
        let (watcher, since) = (self.watcher.take(), Some(Instant::now()));
        State { watcher, since, releases: self.releases, deaths: self.deaths, ..State::default() }
    }

    fn elapsed(&self) -> Duration {
        self.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    fn release(&mut self) {
        self.releases += 1;
        self.script.retain(|(fault, _)| fault.action != Action::Hold);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic of a watcher leaves counters and lists that are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a call down, and says its number and what is to be done to it.
    fn take(&self, operation: &Operation, attempt: u32) -> (u64, Option<Action>) {
        let mut state = self.state();
        let mut action = None;
        for (fault, seen) in &mut state.script {
            if fault.names(&operation.service, &operation.name) {
                *seen += 1;
                if action.is_none() && fault.covers(*seen) {
                    action = Some(fault.action.clone());
                }
            }
        }
        let call = Call {
            number: state.calls.len() as u64 + 1,
            service: operation.service.clone(),
            operation: operation.name.clone(),
            attempt,
            fault: action.clone(),
            began: state.elapsed(),
            ended: None,
        };
        let number = call.number;
        if let Some(watcher) = &state.watcher {
            watcher(&call);
        }
        state.calls.push(call);
        (number, action)
    }

    /// Notes when a call was answered.
    fn answered(&self, number: u64) {
        let mut state = self.state();
        let ended = state.elapsed();
        if let Some(call) = state.calls.iter_mut().find(|call| call.number == number) {
            call.ended = Some(ended);
        }
    }

    /// Keeps the caller until somebody lets go.
    fn hold(&self) {
        let mut state = self.state();
        let releases = state.releases;
        state.held += 1;
        self.changed.notify_all();
        while state.releases == releases {
            state = self.wait(state);
        }
        state.held -= 1;
        self.changed.notify_all();
    }
}
