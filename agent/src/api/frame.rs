//! `holdfast-stream/1`: a job's stdin, stdout, stderr and end over one connection.
//!
//! A client that starts a job with `Upgrade: holdfast-stream/1` gets `101 Switching Protocols`, after which both
//! sides send frames until the server closes. The same frames are the body of `GET /v1/jobs/{id}/logs`.
//!
//! ```text
//! ┌──────┬───────────────────┬──────────────────┐
//! │ kind │ length, big endian│ payload          │
//! │ u8   │ u32               │ `length` bytes   │
//! └──────┴───────────────────┴──────────────────┘
//! ```
//!
//! | kind | from   | payload |
//! |------|--------|---------|
//! | 0    | client | bytes for the program's stdin; an empty payload ends it |
//! | 1, 2 | server | bytes of the program's stdout, stderr |
//! | 3    | server | u32, big endian: how many more bytes of stdin the client may send |
//! | 4    | client | u8: a signal's number, for the program |
//! | 5    | server | the ended job, JSON as of `GET /v1/jobs/{id}`; the last frame |
//!
//! Invariants:
//! - A payload is at most [`MAX_PAYLOAD`] bytes; a longer one, or an unknown kind, ends the connection.
//! - The client sends no more stdin than the server granted ([`STDIN_WINDOW`] at first). So the server always reads:
//!   a signal isn't stuck behind input that the program doesn't take, and a client that is gone is noticed at once.
//! - Output isn't dropped: a client that doesn't read makes the program wait in `write(2)`, until its wall clock ends.
//! - A job that was started this way lives as long as its connection: when the client goes, the job is killed.

use std::io;

use axum::body::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The protocol's name in the `Upgrade` header.
pub(crate) const PROTOCOL: &str = "holdfast-stream/1";
/// The most that one frame carries, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 1 << 20;
/// How much stdin a client may send before the first grant, in bytes.
pub(crate) const STDIN_WINDOW: u32 = 256 << 10;
/// Kind and length.
pub(crate) const HEADER: usize = 5;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Stdin(Bytes),
    Stdout(Bytes),
    Stderr(Bytes),
    Window(u32),
    Signal(u8),
    Ended(Bytes),
}

/// Why a peer's bytes are no frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("a frame of kind {0}, which {PROTOCOL} doesn't know")]
    Kind(u8),
    #[error("a frame of kind {kind} with {length} bytes, which it can't have")]
    Length { kind: u8, length: usize },
}

impl Frame {
    /// The frame's bytes.
    pub(crate) fn encode(&self) -> Bytes {
        let (kind, payload): (u8, &[u8]) = match self {
            Self::Stdin(bytes) => (0, bytes),
            Self::Stdout(bytes) => (1, bytes),
            Self::Stderr(bytes) => (2, bytes),
            Self::Window(more) => (3, &more.to_be_bytes()),
            Self::Signal(number) => (4, &[*number]),
            Self::Ended(json) => (5, json),
        };
        let mut out = Vec::with_capacity(HEADER + payload.len());
        out.push(kind);
        // Longer payloads aren't made: readers of pipes ask for 64 KiB, and a job's JSON is bounded by its request.
        out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(payload);
        out.into()
    }

    /// The next frame, or `None` where the peer closed between two frames.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<Self>, FrameError> {
        let mut header = [0; HEADER];
        if from.read(&mut header[..1]).await? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut header[1..]).await?;
        let [kind, length @ ..] = header;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_PAYLOAD {
            return Err(FrameError::Length { kind, length });
        }
        let mut payload = vec![0; length];
        from.read_exact(&mut payload).await?;
        Self::decode(kind, payload).map(Some)
    }

    fn decode(kind: u8, payload: Vec<u8>) -> Result<Self, FrameError> {
        let length = payload.len();
        match (kind, payload.as_slice()) {
            (0, _) => Ok(Self::Stdin(payload.into())),
            (1, _) => Ok(Self::Stdout(payload.into())),
            (2, _) => Ok(Self::Stderr(payload.into())),
            (3, &[a, b, c, d]) => Ok(Self::Window(u32::from_be_bytes([a, b, c, d]))),
            (4, &[number]) => Ok(Self::Signal(number)),
            (5, _) => Ok(Self::Ended(payload.into())),
            (3 | 4, _) => Err(FrameError::Length { kind, length }),
            (other, _) => Err(FrameError::Kind(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(mut bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut frames = Vec::new();
            while let Some(frame) = Frame::read(&mut bytes).await? {
                frames.push(frame);
            }
            Ok(frames)
        })
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        let bytes = prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        prop_oneof![
            bytes.clone().prop_map(Frame::Stdin),
            bytes.clone().prop_map(Frame::Stdout),
            bytes.clone().prop_map(Frame::Stderr),
            any::<u32>().prop_map(Frame::Window),
            any::<u8>().prop_map(Frame::Signal),
            bytes.prop_map(Frame::Ended),
        ]
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_again(frames in prop::collection::vec(any_frame(), 0..8)) {
            let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.encode().to_vec()).collect();
            prop_assert_eq!(read_all(&bytes).unwrap(), frames);
        }

        #[test]
        fn a_cut_stream_is_an_error_and_not_a_shorter_frame(frame in any_frame(), cut in any::<prop::sample::Index>()) {
            let bytes = frame.encode();
            let end = 1 + cut.index(bytes.len() - 1);
            prop_assume!(end < bytes.len());
            prop_assert!(matches!(read_all(&bytes[..end]), Err(FrameError::Io(_))));
        }

        #[test]
        fn no_bytes_make_it_panic_or_take_more_than_a_frame_may_have(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read_all(&bytes);
        }
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_memory_is_taken() {
        let error = read_all(&[0, 0xff, 0xff, 0xff, 0xff]).unwrap_err();
        assert!(matches!(error, FrameError::Length { kind: 0, length: 0xffff_ffff }));
    }
}
