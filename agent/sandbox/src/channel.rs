//! Messages over a SOCK_SEQPACKET socket: one sendmsg(2), one recvmsg(2), SCM_RIGHTS.
//!
//! A message has a head, a body and descriptors. A short body lies behind the head: what the receiver gets is the kernel's
//! copy. A longer one lies in a memfd that is sealed against every change: what the receiver checks is what it uses,
//! though the sender still has a descriptor for the same memory (a check of bytes that the other side can still write is
//! no check).
//!
//! ```text
//! u8       where the body is: 0 behind the head, 1 in a memfd, which is the first descriptor
//! u8       length of the head
//! bytes    the head
//! bytes    the body, if it is here
//! ```

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};

use crate::error::{Context, Error, Result};

/// The most descriptors that a message can have, SCM_MAX_FD of unix(7). With room for fewer, those of a larger message
/// would be open here and known to nobody.
const MAX_FDS: usize = 253;
/// The most bytes that a message has. The receiver's buffer is memory that each sandbox's init keeps a copy of.
const MAX_BYTES: usize = 4096;
const HERE: u8 = 0;
const IN_MEMFD: u8 = 1;
const SEALS: SealFlag =
    SealFlag::F_SEAL_SEAL.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_WRITE);

/// What came in one message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Body,
    pub(crate) fds: Vec<OwnedFd>,
}

/// The part of a message that can be long.
#[derive(Debug)]
pub(crate) enum Body {
    Here(Vec<u8>),
    InMemfd(OwnedFd),
}

impl Body {
    /// Its bytes, if nobody can change them any more.
    pub(crate) fn read(self) -> Result<Vec<u8>> {
        match self {
            Body::Here(bytes) => Ok(bytes),
            Body::InMemfd(fd) => unseal(fd),
        }
    }
}

/// Sends one message, whose body is made of parts; a closed peer is EPIPE, not a signal.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    head: &[u8],
    body: &[&[u8]],
    fds: &[BorrowedFd<'_>],
) -> std::result::Result<(), Errno> {
    let length = u8::try_from(head.len()).map_err(|_| Errno::EMSGSIZE)?;
    let is_short = 2 + head.len() + body.iter().map(|part| part.len()).sum::<usize>() <= MAX_BYTES;
    let memfd = if is_short { None } else { Some(seal(body)?) };
    let begin = [if is_short { HERE } else { IN_MEMFD }, length];
    let mut parts = vec![IoSlice::new(&begin), IoSlice::new(head)];
    if is_short {
        parts.extend(body.iter().map(|part| IoSlice::new(part)));
    }
    let memfd = memfd.iter().map(AsFd::as_fd);
    let raw: Vec<i32> = memfd.chain(fds.iter().copied()).map(|fd| fd.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[][..] } else { &rights[..] };
    loop {
        match sendmsg::<()>(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => {}
            other => break other.map(drop),
        }
    }
}

/// Receives one message, or nothing where the peer has closed. One that has not the form of a message is EBADMSG.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> std::result::Result<Option<Message>, Errno> {
    let mut bytes = [0; MAX_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    // nix gives no descriptor of a message that was cut, though those before the cut are open here.
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other.map_err(|error| Errno::from_raw(error.raw_os_error()))?,
        }
    };
    let rights = control.drain().filter_map(|control| match control {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    let fds: Vec<OwnedFd> = rights.flatten().collect();
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(Errno::EMSGSIZE);
    }
    if message.bytes == 0 && fds.is_empty() {
        return Ok(None);
    }
    parse(&bytes[..message.bytes], fds).map(Some).ok_or(Errno::EBADMSG)
}

fn parse(bytes: &[u8], mut fds: Vec<OwnedFd>) -> Option<Message> {
    let (&[place, length], rest) = bytes.split_first_chunk()?;
    let (head, rest) = rest.split_at_checked(usize::from(length))?;
    let body = match (place, rest) {
        (HERE, body) => Body::Here(body.to_vec()),
        (IN_MEMFD, []) if !fds.is_empty() => Body::InMemfd(fds.remove(0)),
        _ => return None,
    };
    Some(Message { head: head.to_vec(), body, fds })
}

/// A memfd with this in it that nobody can change any more.
fn seal(body: &[&[u8]]) -> std::result::Result<OwnedFd, Errno> {
    let fd = memfd_create(c"holdfast-message", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(fd);
    body.iter().try_for_each(|part| file.write_all(part)).map_err(|error| errno_of(&error))?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SEALS))?;
    Ok(file.into())
}

/// What is in such a memfd.
fn unseal(fd: OwnedFd) -> Result<Vec<u8>> {
    let seals = fcntl(fd.as_fd(), FcntlArg::F_GET_SEALS).context("fcntl(F_GET_SEALS) of a message's memfd")?;
    if !SealFlag::from_bits_truncate(seals).contains(SEALS) {
        return Err(Error::Protocol("a message that its sender can still change".to_owned()));
    }
    let mut file = File::from(fd);
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.read_to_end(&mut bytes))
        .map_err(|error| Error::System { call: "read of a message's memfd", errno: errno_of(&error) })?;
    Ok(bytes)
}

fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use proptest::prelude::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
    }

    #[test]
    fn a_memfd_that_can_still_change_is_refused() {
        let fd = memfd_create(c"open", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
        let mut memory = File::from(fd);
        memory.write_all(b"later another").unwrap();
        assert!(matches!(Body::InMemfd(memory.into()).read(), Err(Error::Protocol(_))));
    }

    #[test]
    fn what_has_not_the_form_of_a_message_is_refused() {
        for bytes in [&[][..], &[HERE], &[HERE, 1], &[2, 0], &[IN_MEMFD, 0], &[IN_MEMFD, 0, 0]] {
            assert!(parse(bytes, Vec::new()).is_none(), "{bytes:?}");
        }
        let (ours, theirs) = pair();
        assert!(parse(&[IN_MEMFD, 0, 0], vec![ours, theirs]).is_none());
    }

    #[test]
    fn a_closed_peer_is_no_message() {
        let (ours, theirs) = pair();
        drop(theirs);
        assert!(receive(ours.as_fd()).unwrap().is_none());
        assert_eq!(send(ours.as_fd(), &[], &[], &[]), Err(Errno::EPIPE));
    }

    proptest! {
        #[test]
        fn a_message_arrives_as_it_was_sent(head in proptest::collection::vec(any::<u8>(), 0..80),
                                            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..4),
                                            descriptors in 0usize..4) {
            let (ours, theirs) = pair();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            send(ours.as_fd(), &head, &parts, &vec![ours.as_fd(); descriptors]).unwrap();
            let message = receive(theirs.as_fd()).unwrap().unwrap();
            prop_assert_eq!((message.head, message.fds.len()), (head, descriptors));
            prop_assert_eq!(message.body.read().unwrap(), parts.concat());
        }
    }
}
