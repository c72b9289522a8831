//! Who is at the other end of the socket, as the kernel says it.
//!
//! Attack stopped: a process that isn't allowed to run workloads talks to a root daemon. The kernel checks the
//! socket's mode when it connects; this module asks again, so that a socket whose mode was loosened by hand, or by a
//! bad `umask`, lets nobody in. `SO_PEERCRED` and `SO_PEERGROUPS` (socket(7), unix(7)) give the credentials at the
//! time of `connect(2)`: nothing that the peer sends is believed, and a user whom the database no longer puts into
//! the group keeps what the kernel gave his process until it ends, as everywhere in UNIX.

use std::io;
use std::os::fd::AsFd as _;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use nix::unistd::{Gid, Uid, User};
use tokio::net::{UnixListener, UnixStream};

use crate::sys;

/// A connected process's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) pid: Option<i32>,
    groups: Vec<u32>,
}

/// What a peer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Root, or the user that the agent runs as: everything.
    Operator,
    /// A member of the agent's group: own jobs only.
    Runner,
}

/// Whether the kernel told who is there; an answer that can't be had admits nobody.
#[derive(Debug, Clone)]
pub(crate) struct ConnectedPeer(pub(crate) Option<Peer>);

impl Connected<IncomingStream<'_, UnixListener>> for ConnectedPeer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(
            Peer::of(stream.io())
                .inspect_err(|error| tracing::warn!(%error, "a connection's credentials can't be read: refused"))
                .ok(),
        )
    }
}

impl Peer {
    fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid: credentials.pid(),
            groups: sys::peer_groups(stream.as_fd())?,
        })
    }

    /// What this peer may do, `None` for nothing.
    pub(crate) fn role(&self, group: Option<Gid>) -> Option<Role> {
        if self.uid == 0 || self.uid == nix::unistd::geteuid().as_raw() {
            return Some(Role::Operator);
        }
        let group = group?.as_raw();
        (self.gid == group || self.groups.contains(&group)).then_some(Role::Runner)
    }

    /// The user's name, where the user database knows it.
    pub(crate) fn user_name(&self) -> Option<String> {
        User::from_uid(Uid::from_raw(self.uid)).ok().flatten().map(|user| user.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32, gid: u32, groups: &[u32]) -> Peer {
        Peer { uid, gid, pid: None, groups: groups.to_vec() }
    }

    #[test]
    fn only_root_the_agents_user_and_members_of_the_group_get_a_role() {
        let group = Some(Gid::from_raw(700));
        assert_eq!(peer(0, 0, &[]).role(group), Some(Role::Operator));
        assert_eq!(peer(nix::unistd::geteuid().as_raw(), 5, &[]).role(None), Some(Role::Operator));
        assert_eq!(peer(4_001, 700, &[]).role(group), Some(Role::Runner));
        assert_eq!(peer(4_001, 4_001, &[3, 700]).role(group), Some(Role::Runner));
        assert_eq!(peer(4_001, 4_001, &[3]).role(group), None);
        assert_eq!(peer(4_001, 4_001, &[700]).role(None), None, "without such a group nobody is in it");
    }

    #[tokio::test]
    async fn the_kernel_tells_this_processs_own_credentials() {
        let (one, _two) = UnixStream::pair().unwrap();
        let peer = Peer::of(&one).unwrap();
        assert_eq!(peer.uid, nix::unistd::geteuid().as_raw());
        let mut own: Vec<u32> = nix::unistd::getgroups().unwrap().into_iter().map(Gid::as_raw).collect();
        let mut told = peer.groups.clone();
        own.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, own);
    }
}
