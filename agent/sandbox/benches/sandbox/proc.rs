//! What the kernel tells of processes and of itself.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The process of a pidfd: proc_pid_fdinfo(5).
pub(crate) fn pid_of(pidfd: BorrowedFd<'_>) -> i32 {
    number_after(&read(&format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())), "Pid:") as i32
}

/// Whether a process waits in poll(2), or in ppoll(2) by which it is done on aarch64: an init that is ready for its
/// program does.
pub(crate) fn waits_in_poll(pid: i32) -> bool {
    let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    let number = if cfg!(target_arch = "aarch64") { "73 " } else { "7 " };
    call.starts_with(number)
}

/// Memory that a process has for itself alone, and all of its resident memory, in KiB.
pub(crate) fn memory_of(pid: i32) -> (f64, f64) {
    let text = read(&format!("/proc/{pid}/smaps_rollup"));
    let of = |name| number_after(&text, name);
    (of("Private_Clean:") + of("Private_Dirty:") + of("Private_Hugetlb:"), of("Rss:"))
}

/// The children of a process with one thread; who has ended and was not waited for is one too.
pub(crate) fn children_of(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().map(|word| word.parse().unwrap()).collect()
}

/// What a process executes, cut to 15 characters.
pub(crate) fn name_of(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// How many descriptors a process has open.
pub(crate) fn descriptors_of(pid: i32) -> f64 {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as f64
}

/// How many locks a process holds through its descriptors: each is a range of ids.
pub(crate) fn locks_of(pid: i32) -> f64 {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten();
    // A descriptor that is closed meanwhile holds nothing.
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.map(|text| text.lines().filter(|line| line.starts_with("lock:")).count()).sum::<usize>() as f64
}

/// How many objects of a kind the kernel has: slabinfo(5). A slab that a processor works on counts as full.
pub(crate) fn objects(kind: &str) -> f64 {
    number_after(&read("/proc/slabinfo"), &format!("\n{kind} "))
}

/// Kernel memory that can't be given back, in KiB.
pub(crate) fn kernel_memory() -> f64 {
    let text = read("/proc/meminfo");
    ["SUnreclaim:", "Percpu:", "KernelStack:", "PageTables:"].map(|name| number_after(&text, name)).iter().sum()
}

/// Entries of directories that are in use: all but those that wait to be used again.
pub(crate) fn dentries_in_use() -> f64 {
    let text = read("/proc/sys/fs/dentry-state");
    let mut numbers = text.split_ascii_whitespace().map(|word| word.parse::<f64>().unwrap());
    numbers.next().unwrap() - numbers.next().unwrap()
}

/// Mounts of this mount namespace.
pub(crate) fn mounts() -> f64 {
    read("/proc/self/mountinfo").lines().count() as f64
}

/// Control groups of all hierarchies.
pub(crate) fn cgroups() -> f64 {
    let text = read("/proc/cgroups");
    text.lines().skip(1).map(|line| line.split_ascii_whitespace().nth(2).unwrap().parse::<f64>().unwrap()).sum()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn number_after(text: &str, name: &str) -> f64 {
    let (_, rest) = text.split_once(name).unwrap_or_else(|| panic!("no {name:?} in {text}"));
    rest.split_ascii_whitespace().next().unwrap().parse().unwrap()
}
