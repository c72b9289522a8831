//! The daemon, from start to stop.
//!
//! Start, each step before the next: configuration; state directory; the socket's path is free; spawner; trail (recovered,
//! its genesis on disk); what an agent before this one left; socket; `READY=1`. Stop, on SIGTERM or SIGINT: no more jobs; those that run have
//! `jobs.stop` to end, then they are killed; the last records; the trail's signed close; what the store will take in
//! a bounded time; the socket's removal.
//!
//! The socket is made under another name, given its group and mode, and renamed into its place: there is no moment in
//! which it has its name and not its mode.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_audit::Recovery;
use nix::unistd::{Gid, Group};
use sd_notify::NotifyState;
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::api::peer::ConnectedPeer;
use crate::api::{App, TURNS};
use crate::config::{Config, ConfigError};
use crate::supervisor::Supervisor;
use crate::supervisor::keeper::{Keeper, Pause};
use crate::trail::{Recorder, events, ship};

/// After a kill a sandbox is gone within milliseconds; this is for a host that is out of breath.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// How long clients may take to fetch the last of their streams.
const LAST_STREAMS: Duration = Duration::from_secs(2);
/// How long a stopping agent waits for room for events that are held.
const LAST_RECORDS: Duration = Duration::from_secs(2);
/// How long a stopping agent waits for its store; what is left is shipped by the next start.
const LAST_SHIPMENT: Duration = Duration::from_secs(10);

/// Why the daemon can't start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state directory.
    #[error("cannot use the state directory {path}: {error}; `state` in the configuration names it")]
    State {
        /// The directory.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The audit trail.
    #[error(transparent)]
    Trail(#[from] ship::OpenError),
    /// The spool can't be written to any more.
    #[error("the audit trail's spool failed and takes no more records; the log tells how; starting again recovers it")]
    TrailBroken,
    /// The sandbox's binary.
    #[error(
        "{0}; build the static holdfast-sandbox and put it beside holdfast-agent, or name it in the configuration, `sandbox`"
    )]
    Spawner(#[source] holdfast_sandbox::Error),
    /// Another agent has the socket.
    #[error("an agent already answers on {0}: stop that one first, or name another socket with --socket")]
    SocketTaken(PathBuf),
    /// The socket can't be made.
    #[error("cannot make the socket {path}: {error}; `socket` in the configuration, or --socket, names it")]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A fault of the system under the daemon.
    #[error("cannot {0}: {1}")]
    System(&'static str, io::Error),
}

/// Runs the daemon until it is told to stop.
pub(crate) fn serve(config: Option<&Path>, socket: Option<PathBuf>) -> Result<(), ServeError> {
    let mut config = Config::load(config)?;
    if let Some(socket) = socket {
        config.socket = socket;
    }
    log_to_stderr();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| ServeError::System("start the runtime", error))?;
    let result = runtime.block_on(run(Arc::new(config)));
    // A thread that waits for a user database or a disk must not keep a stopped daemon.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// systemd's journal adds time and unit; elsewhere stderr is where a foreground program logs.
fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("HOLDFAST_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .with_target(false)
        // It would use `eprintln!`, which panics: a full disk under a redirected stderr must not end the agent.
        .log_internal_errors(false);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        subscriber.without_time().init();
    } else {
        subscriber.init();
    }
}

async fn run(config: Arc<Config>) -> Result<(), ServeError> {
    // Before anything lasting: a SIGTERM from here on is a clean stop.
    let system = |what| move |error| ServeError::System(what, error);
    let mut terminate = signal(SignalKind::terminate()).map_err(system("handle SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("handle SIGINT"))?;

    make_private(&config.state).map_err(|error| ServeError::State { path: config.state.clone(), error })?;
    check_socket(&config.socket).await?;
    let keeper = Arc::new(Keeper::start(&sandbox_binary(&config)?).map_err(ServeError::Spawner)?);
    let opened = tokio::select! {
        opened = ship::open(&config) => opened?,
        // Whose trail it is may take STS a while to say.
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let recorder = Arc::new(Recorder::new(opened.trail.clone(), opened.shipping.clone()));
    let group = group(&config);
    let (supervisor, listener, socket_inode) = match take_over(&config, &recorder, &keeper, group).await {
        Ok(taken) => taken,
        Err(error) => {
            // Or each try of a start that can't succeed would leave a stream without its end.
            close_trail(&opened).await;
            return Err(error);
        }
    };
    record_start(&config, &recorder, &opened.recovery);
    let watcher = tokio::spawn(keep_spawner(keeper.clone(), recorder.clone()));
    notify(&[NotifyState::Ready]);
    let watchdog = tokio::spawn(feed_watchdog());
    tracing::info!(socket = %config.socket.display(), stream = opened.trail.stream(), "ready");

    let (attached, mut attached_gone) = mpsc::channel(1);
    let app = Arc::new(App {
        config: config.clone(),
        group,
        recorder: recorder.clone(),
        keeper: keeper.clone(),
        supervisor: supervisor.clone(),
        turns: Semaphore::new(TURNS),
        attached,
    });
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(accept(listener, app, stopped));
    let is_broken = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = recorder.wait_for_breakage() => true,
    };

    tracing::info!("stopping");
    notify(&[NotifyState::Stopping]);
    supervisor.refuse_more();
    tokio::select! {
        _ = tokio::time::timeout(config.jobs.stop.0, supervisor.wait_for_all()) => {}
        _ = terminate.recv() => tracing::info!("told again: the jobs that run are killed now"),
        _ = interrupt.recv() => tracing::info!("told again: the jobs that run are killed now"),
    }
    let killed = supervisor.kill_all();
    let all_ended = tokio::time::timeout(AFTER_KILL, supervisor.wait_for_all()).await.is_ok();
    if !all_ended {
        tracing::error!("not every job ended when it was killed; the spawner's end ends them");
    }
    stop.send_replace(true);
    let _ = tokio::time::timeout(LAST_STREAMS, attached_gone.recv()).await;
    server.abort();
    watcher.abort();
    end_spawner(keeper).await;
    finish_trail(&recorder, &opened, killed).await;
    remove_socket(&config.socket, socket_inode);
    watchdog.abort();
    tracing::info!("stopped");
    if is_broken { Err(ServeError::TrailBroken) } else { Ok(()) }
}

/// What an agent before this one left, and its place: the supervisor, the socket, and the socket's inode.
async fn take_over(
    config: &Arc<Config>,
    recorder: &Arc<Recorder>,
    keeper: &Arc<Keeper>,
    group: Option<Gid>,
) -> Result<(Arc<Supervisor>, UnixListener, u64), ServeError> {
    let supervisor = Supervisor::new(config.clone(), recorder.clone(), keeper.clone()).await;
    let supervisor = supervisor.map_err(|error| ServeError::State { path: config.state.clone(), error })?;
    let path = &config.socket;
    let listener = bind(path, group).map_err(|error| ServeError::Socket { path: path.clone(), error })?;
    let inode = std::fs::metadata(path).map(|it| it.ino());
    let inode = inode.map_err(|error| ServeError::System("look at the socket", error))?;
    Ok((Arc::new(supervisor), listener, inode))
}

/// Serves until told to stop; connections that stream a job are waited for elsewhere.
async fn accept(listener: UnixListener, app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let service = crate::api::router(app).into_make_service_with_connect_info::<ConnectedPeer>();
    let until_stopped = async move {
        // The sender lives until the stop.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(until_stopped).await {
        tracing::error!(%error, "the API ended");
    }
}

/// A directory for this agent's eyes only.
fn make_private(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    std::fs::set_permissions(dir, Permissions::from_mode(0o700))
}

fn sandbox_binary(config: &Config) -> Result<PathBuf, ServeError> {
    if let Some(binary) = &config.sandbox {
        return Ok(binary.clone());
    }
    let own = std::env::current_exe().map_err(|error| ServeError::System("find this program's own file", error))?;
    Ok(own.with_file_name("holdfast-sandbox"))
}

/// The group whose members may run.
fn group(config: &Config) -> Option<Gid> {
    match Group::from_name(&config.group) {
        Ok(Some(group)) => Some(group.gid),
        Ok(None) => {
            tracing::warn!(
                group = config.group,
                "there is no such group: only root may run jobs; `groupadd --system` makes it"
            );
            None
        }
        Err(error) => {
            tracing::warn!(group = config.group, %error, "the group can't be looked up: only root may run jobs");
            None
        }
    }
}

/// That the socket's path is free, or has what a dead agent left.
async fn check_socket(path: &Path) -> Result<(), ServeError> {
    if UnixStream::connect(path).await.is_ok() {
        return Err(ServeError::SocketTaken(path.to_owned()));
    }
    // What is renamed onto a path replaces it, whatever it was.
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.file_type().is_socket()) {
        let error = io::Error::other("something that is no socket has that name");
        return Err(ServeError::Socket { path: path.to_owned(), error });
    }
    Ok(())
}

fn bind(path: &Path, group: Option<Gid>) -> io::Result<UnixListener> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let staged = path.with_extension(format!("{}.new", std::process::id()));
    match std::fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&staged)?;
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    std::fs::set_permissions(&staged, Permissions::from_mode(mode))?;
    if let Some(group) = group {
        chown(&staged, None, Some(group.as_raw()))?;
    }
    std::fs::rename(&staged, path)?;
    Ok(listener)
}

/// Removes the socket, unless another agent has put its own there.
fn remove_socket(path: &Path, inode: u64) {
    let is_ours = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.ino() == inode);
    if is_ours && let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(socket = %path.display(), %error, "the socket can't be removed");
    }
}

/// The daemon's start is recorded as soon as the trail takes it: an agent with a full spool must still ship it.
fn record_start(config: &Config, recorder: &Arc<Recorder>, recovery: &Recovery) {
    let event = events::start_agent(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ship": config.audit.ship,
        "limits": config.jobs.limits,
        "maxJobs": config.jobs.max,
        "arguments": config.audit.arguments,
        "previousStream": recovery.previous.as_ref().map(|previous| &previous.stream),
        "previousStreamClosed": recovery.previous.as_ref().map(|previous| previous.closed),
        "spoolFilesTorn": recovery.torn.len(),
        "spoolFilesDamaged": recovery.damaged.len(),
        "spoolFilesForeign": recovery.foreign.len(),
    }));
    let recorder = recorder.clone();
    tokio::spawn(async move { recorder.record_when_possible(event).await });
}

/// Starts a spawner for each that dies, and records both.
async fn keep_spawner(keeper: Arc<Keeper>, recorder: Arc<Recorder>) {
    let mut pause = Pause::new();
    loop {
        if let Err(error) = keeper.wait_for_death().await {
            tracing::error!(%error, "the spawner can't be watched");
        }
        tracing::error!(
            "the spawner died; its jobs ended with it; if this repeats, is `sandbox` the static holdfast-sandbox?"
        );
        let death = recorder.clone();
        tokio::spawn(async move { death.record_when_possible(events::end_spawner()).await });
        keeper.restart(&mut pause).await;
        tracing::info!("another spawner is there");
        let birth = recorder.clone();
        tokio::spawn(async move { birth.record_when_possible(events::start_spawner()).await });
    }
}

/// Waits for the spawner's end, off the runtime's threads.
async fn end_spawner(keeper: Arc<Keeper>) {
    let stopped = tokio::task::spawn_blocking(move || keeper.stop());
    if tokio::time::timeout(AFTER_KILL, stopped).await.is_err() {
        tracing::error!("the spawner did not end in time");
    }
}

/// The last records and the trail's end.
async fn finish_trail(recorder: &Recorder, opened: &ship::Opened, killed: usize) {
    if tokio::time::timeout(LAST_RECORDS, recorder.wait_for_held()).await.is_err() {
        tracing::error!(held = recorder.held(), "events that the trail can't take are lost with this agent");
    }
    if let Err(error) = recorder.record(events::stop_agent(killed)).await {
        tracing::error!(%error, "the stop is not recorded");
    }
    close_trail(opened).await;
}

/// The signed close, and what the store takes in time.
async fn close_trail(opened: &ship::Opened) {
    let trail = opened.trail.clone();
    match tokio::task::spawn_blocking(move || trail.close()).await {
        Ok(Ok(close)) => {
            if let Err(error) = opened.shipping.confirm(close.sequence, LAST_SHIPMENT).await {
                tracing::error!(%error, "the trail is not wholly shipped; the next start goes on with it");
            }
        }
        Ok(Err(error)) => tracing::error!(%error, "the trail could not be closed; the next start adopts it"),
        Err(error) => tracing::error!(%error, "the trail could not be closed; the next start adopts it"),
    }
}

/// Tells systemd, where there is one.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd can't be told");
    }
}

/// Twice in each watchdog period, from the runtime that serves: if it hangs, systemd starts another agent.
async fn feed_watchdog() {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(period / 2);
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}
