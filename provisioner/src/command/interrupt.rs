//! Ctrl-C and SIGTERM while something is being changed.
//!
//! The first asks the apply to stop: what is under way ends, nothing more begins. The second ends the process at once:
//! the next apply finds what was left half done, as after any crash.

use tokio::signal;
use tokio_util::sync::CancellationToken;

use crate::render;

/// As shells report a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// A token that is cancelled by the first signal. Until this is called, signals end the process as usual.
pub(super) fn stop_token() -> CancellationToken {
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        if !asked_to_stop().await {
            return;
        }
        cancel.cancel();
        render::note("stopping after what is under way; once more to end at once\n");
        if asked_to_stop().await {
            std::process::exit(INTERRUPTED);
        }
    });
    stop
}

/// Waits for a signal; `false` where signals can't be waited for, so that they end the process as usual.
async fn asked_to_stop() -> bool {
    #[cfg(unix)]
    {
        let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) else { return false };
        tokio::select! {
            interrupted = signal::ctrl_c() => interrupted.is_ok(),
            _ = terminate.recv() => true,
        }
    }
    #[cfg(not(unix))]
    signal::ctrl_c().await.is_ok()
}
