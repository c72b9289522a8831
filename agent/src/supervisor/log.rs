//! A job's output, as much of it as is kept.
//!
//! Invariants: the bytes of both streams together never exceed the bound; what doesn't fit pushes out the oldest,
//! whole chunks first, and how much went is counted for each stream. Chunks stay in the order in which the agent
//! read them: between two streams that is close to, and not exactly, the order in which the program wrote.

use std::collections::VecDeque;

use axum::body::Bytes;
use serde::{Deserialize, Serialize};

/// One of the two streams that a program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// How much of a job's output is kept, and how much was dropped to keep within the bound. Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSizes {
    /// Kept of stdout.
    pub stdout: u64,
    /// Kept of stderr.
    pub stderr: u64,
    /// Dropped from stdout, the oldest first.
    pub stdout_dropped: u64,
    /// Dropped from stderr, the oldest first.
    pub stderr_dropped: u64,
}

/// The newest output of a job.
#[derive(Debug)]
pub(crate) struct JobLog {
    bound: usize,
    held: usize,
    chunks: VecDeque<(Stream, Bytes)>,
    sizes: LogSizes,
}

impl JobLog {
    /// A log that keeps `bound` bytes.
    pub(crate) fn new(bound: usize) -> Self {
        Self { bound, held: 0, chunks: VecDeque::new(), sizes: LogSizes::default() }
    }

    /// Adds what was read from `stream`.
    pub(crate) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        *self.sizes.kept(stream) += bytes.len() as u64;
        self.held += bytes.len();
        // A copy of just these bytes: a slice of the reader's buffer would keep all of that alive.
        self.chunks.push_back((stream, Bytes::copy_from_slice(bytes)));
        while self.held > self.bound {
            let Some((stream, mut oldest)) = self.chunks.pop_front() else { break };
            let gone = oldest.len().min(self.held - self.bound);
            self.held -= gone;
            *self.sizes.kept(stream) -= gone as u64;
            *self.sizes.dropped(stream) += gone as u64;
            let rest = oldest.split_off(gone);
            if !rest.is_empty() {
                self.chunks.push_front((stream, rest));
            }
        }
    }

    /// What is kept, oldest first.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (Stream, Bytes)> + '_ {
        self.chunks.iter().cloned()
    }

    /// How much is kept and how much was dropped.
    pub(crate) fn sizes(&self) -> LogSizes {
        self.sizes
    }
}

impl LogSizes {
    fn kept(&mut self, stream: Stream) -> &mut u64 {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn dropped(&mut self, stream: Stream) -> &mut u64 {
        match stream {
            Stream::Stdout => &mut self.stdout_dropped,
            Stream::Stderr => &mut self.stderr_dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(log: &JobLog) -> Vec<u8> {
        log.chunks().flat_map(|(_, bytes)| bytes.to_vec()).collect()
    }

    #[test]
    fn the_newest_output_stays_and_the_rest_is_counted() {
        let mut log = JobLog::new(6);
        log.push(Stream::Stdout, b"abcd");
        log.push(Stream::Stderr, b"EF");
        log.push(Stream::Stdout, b"gh");
        assert_eq!(kept(&log), b"cdEFgh");
        assert_eq!(log.sizes(), LogSizes { stdout: 4, stderr: 2, stdout_dropped: 2, stderr_dropped: 0 });
    }

    proptest! {
        #[test]
        fn a_log_holds_exactly_the_last_bytes_and_counts_all(
            bound in 0_usize..40,
            writes in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..30)), 0..12),
        ) {
            let mut log = JobLog::new(bound);
            let mut all = Vec::new();
            for (is_stdout, bytes) in &writes {
                log.push(if *is_stdout { Stream::Stdout } else { Stream::Stderr }, bytes);
                all.extend_from_slice(bytes);
            }
            prop_assert_eq!(kept(&log), &all[all.len().saturating_sub(bound)..]);
            let sizes = log.sizes();
            prop_assert_eq!(
                sizes.stdout + sizes.stderr + sizes.stdout_dropped + sizes.stderr_dropped,
                all.len() as u64
            );
        }
    }
}
