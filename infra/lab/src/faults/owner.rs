//! Which process is at the other end of a connection on this machine.

use std::fs;
use std::net::SocketAddr;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills whoever has the other end of a connection from `peer` to `local`. Whether there was somebody.
pub(super) fn kill_peer(peer: SocketAddr, local: SocketAddr) -> bool {
    let owner = socket(peer, local).and_then(|inode| process_with(&format!("socket:[{inode}]")));
    // Not oneself: then a test would end without a word.
    owner.is_some_and(|pid| pid != Pid::this() && kill(pid, Signal::SIGKILL).is_ok())
}

/// The inode of the socket at `from` that is connected to `to`, by proc_net_tcp(5): addresses and ports in hex, and
/// the inode in the tenth column.
fn socket(from: SocketAddr, to: SocketAddr) -> Option<String> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let port = |address: &str| u16::from_str_radix(address.rsplit(':').next()?, 16).ok();
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        let is_it = port(columns.get(1)?) == Some(from.port()) && port(columns.get(2)?) == Some(to.port());
        is_it.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
    })
}

fn process_with(file: &str) -> Option<Pid> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|process| process.file_name().to_str()?.parse().ok()).map(Pid::from_raw).find(|pid| {
        // Processes come and go, and others' can't be looked into: neither is the one.
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|found| fs::read_link(found.path()).ok()).any(|found| found.as_os_str() == file)
    })
}
