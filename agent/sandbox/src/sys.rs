//! The system calls that nix lacks, and the one room of `unsafe` for them.
//!
//! Each call is wrapped once, next to its manual page, and gives nix's `Errno`. All of them are async-signal-safe: no
//! allocation, no locks. rustix's own calls need no `unsafe` here; clone3, mount_setattr, close_range, seccomp, keyctl,
//! Landlock and a clone that shares memory have no wrapper anywhere.

use std::ffi::{CStr, c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};

use crate::idmap::User;
use crate::seccomp::Program;

pub(crate) use rustix::mount::MountAttrFlags as MountAttr;

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

/// pidfd_open(2).
pub(crate) fn pidfd_open(pid: i32) -> Result<OwnedFd, Errno> {
    let pid = rustix::process::Pid::from_raw(pid).ok_or(Errno::ESRCH)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).map_err(errno)
}

/// pidfd_send_signal(2).
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: Signal) -> Result<(), Errno> {
    let signal = rustix::process::Signal::from_named_raw(signal as i32).ok_or(Errno::EINVAL)?;
    rustix::process::pidfd_send_signal(pidfd.as_fd(), signal).map_err(errno)
}

/// The process id that a pidfd stands for (pidfd_open(2)), while the process is not reaped.
pub(crate) fn pid_of(pidfd: BorrowedFd<'_>) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()?;
    (pid > 0).then_some(pid)
}

// ---- processes -----------------------------------------------------------------------------------------------------

/// Of linux/sched.h; the libc crate's have too few bits.
const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// clone3(2) into new namespaces and a cgroup, as fork does otherwise (the child has a copy of the memory), but without
/// the handlers of signals.
///
/// `child` runs in the child and does not return. It must be async-signal-safe: the caller may hold locks of the C
/// library, though a caller with one thread, which is all that this crate allows, holds none.
pub(crate) fn clone3(
    namespaces: c_int,
    cgroup: Option<BorrowedFd<'_>>,
    child: impl FnOnce(),
) -> Result<(i32, OwnedFd), Errno> {
    let mut pidfd: c_int = -1;
    // SAFETY: clone_args is plain numbers, and zero is "not asked for" in each.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = (namespaces | libc::CLONE_PIDFD) as u64 | CLONE_CLEAR_SIGHAND;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    // SAFETY: without CLONE_VM and without a stack this is fork(2) to the memory model: the child returns here on a
    // copy of this stack. `args` and `pidfd` outlive the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    match Errno::result(pid)? {
        0 => {
            child();
            exit(1)
        }
        // SAFETY: the kernel has just made this descriptor for us.
        pid => Ok((pid as i32, unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

/// clone(2) as vfork(2) does it, on a stack of its own: the caller waits until the child executes or exits, and sees
/// what the child wrote to memory.
pub(crate) fn vfork<T>(stack: &mut [u8], child: fn(&mut T), argument: &mut T) -> Result<i32, Errno> {
    vfork_with(0, stack, child, argument)
}

/// The same with a mount namespace of its own, in which it can mount unseen, and with the caller's descriptors: what it
/// opens is open here. It has ended when this returns.
pub(crate) fn aside<T>(child: fn(&mut T), argument: &mut T) -> Result<(), Errno> {
    let mut stack = vec![0; 64 * 1024];
    let pid = vfork_with(libc::CLONE_NEWNS | libc::CLONE_FILES, &mut stack, child, argument)?;
    let pid = nix::unistd::Pid::from_raw(pid);
    while let Err(errno) = nix::sys::wait::waitpid(pid, None) {
        if errno != Errno::EINTR {
            return Err(errno);
        }
    }
    Ok(())
}

fn vfork_with<T>(namespaces: c_int, stack: &mut [u8], child: fn(&mut T), argument: &mut T) -> Result<i32, Errno> {
    struct Call<'a, T>(fn(&mut T), &'a mut T);
    extern "C" fn enter<T>(call: *mut c_void) -> c_int {
        // SAFETY: it is the `Call` below, whose owner is stopped until this process executes or exits.
        let Call(child, argument) = unsafe { &mut *call.cast::<Call<'_, T>>() };
        child(argument);
        exit(127)
    }
    let mut call = Call(child, argument);
    let top = stack.as_mut_ptr_range().end;
    let aligned = top.wrapping_sub(top as usize % 16);
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD | namespaces;
    // SAFETY: the stack is ours and unused, its top aligned as both ABIs demand; CLONE_VFORK keeps this thread stopped
    // until the child is done with the shared memory, so `call` is never touched by two at once.
    Errno::result(unsafe { libc::clone(enter::<T>, aligned.cast(), flags, (&raw mut call).cast()) })
}

/// madvise(2) with MADV_DONTNEED: what is not needed any more is zero, and takes no memory. That it can't be given back
/// harms nobody.
pub(crate) fn give_back(memory: &mut [u8]) {
    // SAFETY: nobody else uses `memory`, and zero is a value of its bytes.
    unsafe { give_back_pages(memory.as_mut_ptr(), memory.len()) }
}

/// # Safety
/// What lies there is not read any more, or may be zero.
unsafe fn give_back_pages(begin: *mut u8, length: usize) {
    // SAFETY: it tells a number.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(1).max(1);
    let skipped = begin.align_offset(page);
    let Some(length) = length.checked_sub(skipped) else { return };
    // SAFETY: these pages are wholly within what the caller gives.
    let _ = unsafe { libc::madvise(begin.wrapping_add(skipped).cast(), length / page * page, libc::MADV_DONTNEED) };
}

/// Gives back the heap, as [`give_back`] does. What was allocated is zero from here on, so this is for a process that
/// allocates nothing any more, and reads nothing that was allocated: init, when all that is left to it is to wait. A copy
/// of its parent's heap, page by page as the parent changes it, would be most of what stays beside a program.
pub(crate) fn give_back_heap() {
    /// Thread-local storage and the thread's descriptor, both less than 4 KiB.
    const THREAD: usize = 16 * 1024;
    /// More than any heap of this crate. What is further away is another mapping.
    const FAR: usize = 64 << 20;
    unsafe extern "C" {
        /// The end of the program's own data: end(3).
        static _end: u8;
    }
    // SAFETY: it tells an address.
    let thread = unsafe { libc::pthread_self() } as usize;
    // SAFETY: with an increment of zero it only tells where the heap ends.
    let end = unsafe { libc::sbrk(0) };
    let data_end = (&raw const _end) as usize;
    // A static program's only thread lies at the beginning of its heap. Where it doesn't (a dynamic program's, or one whose heap
    // couldn't grow when it started), the program's data or far more lies between it and the heap's end: nothing is given back.
    let begin = thread.saturating_add(THREAD);
    let is_heap = |length: &usize| *length < FAR && !(thread..=end as usize).contains(&data_end);
    let Some(length) = (end as usize).checked_sub(begin).filter(is_heap) else { return };
    // SAFETY: it is all heap, and the callers read none of it.
    unsafe { give_back_pages(end.cast::<u8>().wrapping_sub(length), length) };
}

/// execve(2); the arrays end with a null pointer. It returns only the error.
pub(crate) fn execve(path: &CStr, argv: &Pointers, envp: &Pointers) -> Errno {
    // SAFETY: `Pointers` are null-terminated arrays of pointers to C strings that live as long as they.
    unsafe { libc::execve(path.as_ptr(), argv.0.as_ptr(), envp.0.as_ptr()) };
    Errno::last()
}

/// A null-terminated array of C strings, made before it is needed.
#[derive(Debug)]
pub(crate) struct Pointers(
    Vec<*const libc::c_char>,
    #[expect(dead_code, reason = "owns what the pointers name")] Vec<std::ffi::CString>,
);

impl Pointers {
    pub(crate) fn new(strings: Vec<std::ffi::CString>) -> Pointers {
        // The strings' bytes lie on the heap and stay there when the vector moves.
        let pointers = strings.iter().map(|it| it.as_ptr()).chain([std::ptr::null()]).collect();
        Pointers(pointers, strings)
    }
}

/// _exit(2).
pub(crate) fn exit(code: c_int) -> ! {
    // SAFETY: it ends the process without running anything of this program.
    unsafe { libc::_exit(code) }
}

/// wait4(2) for any child: its pid, status and resource use; nothing if none has ended (with WNOHANG).
pub(crate) fn wait_any(options: c_int) -> Result<Option<(i32, c_int, libc::rusage)>, Errno> {
    let mut status = 0;
    // SAFETY: rusage is plain numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places are ours for the call.
    let pid = Errno::result(unsafe { libc::wait4(-1, &raw mut status, options, &raw mut usage) })?;
    Ok((pid != 0).then_some((pid, status, usage)))
}

/// setgroups(2) to none, setresgid(2), setresuid(2), for this thread; the C library's would signal other threads.
pub(crate) fn become_ids(user: User, drop_groups: bool) -> Result<(), Errno> {
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    let (uid, gid) = (rustix::fs::Uid::from_raw(user.uid), rustix::fs::Gid::from_raw(user.gid));
    if drop_groups {
        set_thread_groups(&[]).map_err(errno)?;
    }
    set_thread_res_gid(gid, gid, gid).map_err(errno)?;
    set_thread_res_uid(uid, uid, uid).map_err(errno)
}

/// The bounding and ambient sets to nothing, and the secure bits so that no uid means anything: prctl(2),
/// capabilities(7). Needs CAP_SETPCAP.
pub(crate) fn drop_bounding_set() -> Result<(), Errno> {
    use rustix::thread::CapabilitiesSecureBits as Bits;
    for capability in 0..64 as libc::c_ulong {
        // SAFETY: PR_CAPBSET_DROP takes a number, as wide as a register.
        match Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability) }) {
            // Past the kernel's last capability.
            Err(Errno::EINVAL) if capability > 0 => break,
            other => other?,
        };
    }
    rustix::thread::clear_ambient_capability_set().map_err(errno)?;
    let locked = Bits::NO_ROOT
        | Bits::NO_ROOT_LOCKED
        | Bits::NO_SETUID_FIXUP
        | Bits::NO_SETUID_FIXUP_LOCKED
        | Bits::KEEP_CAPS_LOCKED
        | Bits::NO_CAP_AMBIENT_RAISE
        | Bits::NO_CAP_AMBIENT_RAISE_LOCKED;
    rustix::thread::set_capabilities_secure_bits(locked).map_err(errno)
}

/// Effective, permitted and inheritable sets to nothing: capset(2).
pub(crate) fn drop_capabilities() -> Result<(), Errno> {
    let none = rustix::thread::CapabilitySet::empty();
    let sets = rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).map_err(errno)
}

/// Attaches a filter to this thread: seccomp(2). Needs no_new_privs.
pub(crate) fn attach_filter(program: &Program) -> Result<(), Errno> {
    let instructions = program.instructions();
    let length = u16::try_from(instructions.len()).map_err(|_| Errno::E2BIG)?;
    let fprog = libc::sock_fprog { len: length, filter: instructions.as_ptr().cast_mut().cast() };
    // SAFETY: `Instruction` has sock_filter's layout (repr(C): u16, u8, u8, u32); the kernel copies and checks it.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const fprog) };
    Errno::result(done).map(drop)
}

/// landlock_create_ruleset(2) with LANDLOCK_CREATE_RULESET_VERSION: the ABI that the kernel has.
pub(crate) fn landlock_abi() -> Result<u32, Errno> {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    let none = std::ptr::null::<landlock_ruleset_attr>();
    // SAFETY: to ask for the version, no attributes are to be given.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0, LANDLOCK_CREATE_RULESET_VERSION) };
    Errno::result(abi).map(|abi| abi as u32)
}

/// The first field of `struct landlock_ruleset_attr`; the kernel takes those that are not there for zero.
#[repr(C)]
struct landlock_ruleset_attr {
    handled_access_fs: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct landlock_path_beneath_attr {
    allowed_access: u64,
    parent_fd: i32,
}

/// landlock_create_ruleset(2): all of these rights are refused but where a rule allows them.
pub(crate) fn landlock_ruleset(handled: u64) -> Result<OwnedFd, Errno> {
    let attr = landlock_ruleset_attr { handled_access_fs: handled };
    let size = size_of::<landlock_ruleset_attr>();
    // SAFETY: `attr` outlives the call, and its size is passed.
    let fd = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attr, size, 0) };
    // SAFETY: the kernel has just made this descriptor for us.
    Errno::result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// landlock_add_rule(2): allows rights on what `beneath` is open at, and all below it.
pub(crate) fn landlock_allow(ruleset: BorrowedFd<'_>, beneath: BorrowedFd<'_>, rights: u64) -> Result<(), Errno> {
    const LANDLOCK_RULE_PATH_BENEATH: c_int = 1;
    let attr = landlock_path_beneath_attr { allowed_access: rights, parent_fd: beneath.as_raw_fd() };
    let (ruleset, kind) = (ruleset.as_raw_fd(), LANDLOCK_RULE_PATH_BENEATH);
    // SAFETY: `attr` is the kind's own, and outlives the call.
    let done = unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset, kind, &raw const attr, 0) };
    Errno::result(done).map(drop)
}

/// landlock_restrict_self(2). Needs no_new_privs.
pub(crate) fn landlock_restrict(ruleset: RawFd) -> Result<(), Errno> {
    // SAFETY: it takes numbers.
    Errno::result(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) }).map(drop)
}

/// What rt_sigaction(2) takes: the handler first, and all of it in 32 bytes at most. The C library's call refuses the two
/// signals that it keeps for itself, which a process of posix_spawn(3) begins with ignored.
type KernelAction = [u64; 4];

/// The numbers of all signals that this process ignores. A new process inherits that, and so does what it
/// executes.
pub(crate) fn ignored_signals() -> Vec<c_int> {
    let is_ignored = |number: &c_int| {
        let mut action: KernelAction = [0; 4];
        let (none, size) = (std::ptr::null::<KernelAction>(), size_of::<u64>());
        // SAFETY: without a new action it only tells of the old one, in no more bytes than there are.
        let told = unsafe { libc::syscall(libc::SYS_rt_sigaction, *number, none, &raw mut action, size) };
        told == 0 && action[0] == libc::SIG_IGN as u64
    };
    (1..=64).filter(is_ignored).collect()
}

/// These signals' actions to the default. Those that had a handler have it no more since clone3.
pub(crate) fn heed(signals: &[c_int]) {
    let default: KernelAction = [0; 4];
    for number in signals {
        let (none, size) = (std::ptr::null_mut::<KernelAction>(), size_of::<u64>());
        // SAFETY: setting the default action touches no code of ours.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, *number, &raw const default, none, size) };
    }
}

/// SIGCHLD to its default action: a process that ignores it can't wait for its children.
pub(crate) fn heed_children() -> Result<(), Errno> {
    // SAFETY: setting the default action touches no code of ours.
    match unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) } {
        libc::SIG_ERR => Err(Errno::last()),
        _ => Ok(()),
    }
}

/// personality(2): the caller's (a debugger's has no address randomisation) would be inherited.
pub(crate) fn set_personality(aslr: bool) -> Result<(), Errno> {
    let persona = if aslr { 0 } else { libc::ADDR_NO_RANDOMIZE };
    // SAFETY: it takes a number.
    Errno::result(unsafe { libc::personality(persona as libc::c_ulong) }).map(drop)
}

/// sched_setaffinity(2) of this thread.
pub(crate) fn stay_on(cpus: &rustix::thread::CpuSet) -> Result<(), Errno> {
    rustix::thread::sched_setaffinity(None, cpus).map_err(errno)
}

/// Joins a new, empty session keyring: keyctl(2). The caller's keys are not this process's from here on.
pub(crate) fn leave_session_keyring() -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: c_int = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    let key = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<u8>()) };
    match Errno::result(key) {
        // A kernel without keys has none to leave.
        Err(Errno::ENOSYS) => Ok(()),
        other => other.map(drop),
    }
}

// ---- descriptors ---------------------------------------------------------------------------------------------------

/// close_range(2), both ends included.
pub(crate) fn close_range(first: RawFd, last: RawFd) -> Result<(), Errno> {
    // SAFETY: the callers name descriptors that nobody in this process uses any more.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first as u32, last as u32, 0) };
    Errno::result(done).map(drop)
}

/// Closes every descriptor but those in `keep`, which is sorted.
pub(crate) fn close_all_but(keep: &[RawFd]) -> Result<(), Errno> {
    let mut next = 0;
    for &fd in keep {
        if fd > next {
            close_range(next, fd - 1)?;
        }
        next = next.max(fd + 1);
    }
    close_range(next, RawFd::MAX)
}

/// dup2(2) onto a number that is standard input, output or error.
pub(crate) fn dup2(fd: BorrowedFd<'_>, to: RawFd) -> Result<(), Errno> {
    // SAFETY: what was open there is not used by this process.
    Errno::result(unsafe { libc::dup2(fd.as_raw_fd(), to) }).map(drop)
}

/// A descriptor that is known by its number: in the child of a clone3, or one that the process was started with.
pub(crate) fn borrow(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the child has a copy of the descriptor table; its owner in the parent does not close the child's copy. What
    // a process was started with it doesn't close. The number is not -1.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

// ---- mounts --------------------------------------------------------------------------------------------------------

/// `struct mount_attr` of linux/mount.h, which the libc crate lacks on glibc.
#[repr(C)]
#[derive(Default)]
struct mount_attr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// mount_setattr(2) on a whole tree: sets attributes and cuts propagation. A read-only remount reaches the top mount
/// only, and leaves what is mounted below it writable.
pub(crate) fn restrict_tree(tree: BorrowedFd<'_>, attributes: MountAttr) -> Result<(), Errno> {
    let attr =
        mount_attr { attr_set: u64::from(attributes.bits()), propagation: libc::MS_PRIVATE, ..mount_attr::default() };
    mount_setattr(tree, libc::AT_RECURSIVE, &attr)
}

/// mount_setattr(2) on one detached mount: sets attributes, and shows its files' owners by the map of a user namespace.
/// EINVAL where the file system can't.
pub(crate) fn map_ids(mount: BorrowedFd<'_>, attributes: MountAttr, namespace: BorrowedFd<'_>) -> Result<(), Errno> {
    const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
    let attr = mount_attr {
        attr_set: u64::from(attributes.bits()) | MOUNT_ATTR_IDMAP,
        propagation: libc::MS_PRIVATE,
        userns_fd: u64::from(namespace.as_raw_fd().cast_unsigned()),
        ..mount_attr::default()
    };
    mount_setattr(mount, 0, &attr)
}

fn mount_setattr(mount: BorrowedFd<'_>, flags: c_int, attr: &mount_attr) -> Result<(), Errno> {
    let (fd, flags) = (mount.as_raw_fd(), flags | libc::AT_EMPTY_PATH);
    let (attr, size) = (std::ptr::from_ref(attr), size_of::<mount_attr>());
    // SAFETY: `attr` outlives the call, and its size is passed.
    Errno::result(unsafe { libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), flags, attr, size) }).map(drop)
}

/// open_tree(2): a detached copy of the mounts from `path` down. An empty path is `at` itself.
pub(crate) fn clone_tree(at: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    rustix::mount::open_tree(at, path, flags).map_err(errno)
}

/// open_tree(2): a detached copy of the one mount that `directory` lies in, from there down.
pub(crate) fn clone_mount(directory: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    rustix::mount::open_tree(directory, c"", flags).map_err(errno)
}

/// fsopen(2), fsconfig(2), fsmount(2): a new file system, mounted nowhere.
/// An option without a value is a flag.
pub(crate) fn new_mount(kind: &CStr, options: &[(&CStr, &CStr)], attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).map_err(errno)?;
    for (key, value) in options {
        match value.is_empty() {
            true => rustix::mount::fsconfig_set_flag(context.as_fd(), *key),
            false => rustix::mount::fsconfig_set_string(context.as_fd(), *key, *value),
        }
        .map_err(errno)?;
    }
    rustix::mount::fsconfig_create(context.as_fd()).map_err(errno)?;
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(errno)
}

/// move_mount(2) of a detached mount onto the place that `target` is open at.
pub(crate) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    attach_at(mount, target, c"")
}

/// The same, onto a path below it; an empty one is `target` itself. A link at the path's end is not followed.
pub(crate) fn attach_at(mount: BorrowedFd<'_>, target: BorrowedFd<'_>, path: &CStr) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, c"", target, path, flags).map_err(errno)
}

/// mount(2) with MS_REC|MS_PRIVATE on the root.
pub(crate) fn cut_propagation() -> Result<(), Errno> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change(c"/", flags).map_err(errno)
}

/// umount2(2) of what is mounted last where the working directory is, and all that is mounted in it.
pub(crate) fn detach_working_directory() -> Result<(), Errno> {
    rustix::mount::unmount(c".", UnmountFlags::DETACH).map_err(errno)
}

/// pivot_root(2) to the working directory, and the old root detached: the new root is under the old one at `/`, so the
/// old one is what `.` finds first.
pub(crate) fn pivot_to_working_directory() -> Result<(), Errno> {
    rustix::process::pivot_root(c".", c".").map_err(errno)?;
    detach_working_directory()?;
    rustix::process::chdir(c"/").map_err(errno)
}

// ---- project quotas ------------------------------------------------------------------------------------------------

/// `struct fsxattr` of linux/fs.h.
#[repr(C)]
#[derive(Default)]
struct fsxattr {
    fsx_xflags: u32,
    fsx_extsize: u32,
    fsx_nextents: u32,
    fsx_projid: u32,
    fsx_cowextsize: u32,
    fsx_pad: [u8; 8],
}

const PRJQUOTA: u32 = 2;

/// FS_IOC_FSGETXATTR, which is _IOR('X', 31, struct fsxattr).
fn attributes_of(file: BorrowedFd<'_>) -> Result<fsxattr, Errno> {
    const FS_IOC_FSGETXATTR: u32 = 0x801c_581f;
    let mut attributes = fsxattr::default();
    // SAFETY: the kernel writes one fsxattr.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FSGETXATTR as _, &raw mut attributes) };
    Errno::result(done).map(|_| attributes)
}

/// The project that a file belongs to.
pub(crate) fn project(file: BorrowedFd<'_>) -> Result<u32, Errno> {
    attributes_of(file).map(|attributes| attributes.fsx_projid)
}

/// FS_IOC_FSSETXATTR, which is _IOW('X', 32, struct fsxattr): a directory's project, and that of all that will be made in it.
pub(crate) fn set_project(directory: BorrowedFd<'_>, project: u32) -> Result<(), Errno> {
    const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;
    const FS_XFLAG_PROJINHERIT: u32 = 0x200;
    let mut attributes = attributes_of(directory)?;
    attributes.fsx_projid = project;
    attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    // SAFETY: the kernel reads one fsxattr.
    let done = unsafe { libc::ioctl(directory.as_raw_fd(), FS_IOC_FSSETXATTR as _, &raw const attributes) };
    Errno::result(done).map(drop)
}

/// quotactl_fd(2) about the projects of the file system that `file` is on.
fn quotactl<T>(file: BorrowedFd<'_>, command: u32, project: u32, argument: &mut T) -> Result<(), Errno> {
    let command = (command << 8) | PRJQUOTA;
    // SAFETY: the callers give the structure that the command takes, and it outlives the call.
    let done = unsafe { libc::syscall(libc::SYS_quotactl_fd, file.as_raw_fd(), command, project, argument) };
    Errno::result(done).map(drop)
}

/// Whether limits of projects hold there: Q_XGETQSTATV.
pub(crate) fn enforces_projects(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    const Q_XGETQSTATV: u32 = 0x5808;
    const FS_QUOTA_PDQ_ENFD: u16 = 1 << 5;
    /// The beginning of `struct fs_quota_statv` of linux/dqblk_xfs.h, and no less than the rest of its 160 bytes.
    #[repr(C)]
    struct Status {
        version: i8,
        pad: u8,
        flags: u16,
        rest: [u64; 32],
    }
    let mut status = Status { version: 1, pad: 0, flags: 0, rest: [0; 32] };
    match quotactl(file, Q_XGETQSTATV, 0, &mut status) {
        // No quotas at all, in the words of different file systems.
        Err(Errno::ENOSYS | Errno::ENOTSUP | Errno::EINVAL | Errno::ESRCH) => Ok(false),
        done => done.map(|()| status.flags & FS_QUOTA_PDQ_ENFD != 0),
    }
}

/// Whether anything belongs to a project: Q_GETQUOTA.
pub(crate) fn owns_files(file: BorrowedFd<'_>, project: u32) -> Result<bool, Errno> {
    const Q_GETQUOTA: u32 = 0x0080_0007;
    // SAFETY: dqblk is plain numbers.
    let mut quota: libc::dqblk = unsafe { std::mem::zeroed() };
    match quotactl(file, Q_GETQUOTA, project, &mut quota) {
        Err(Errno::ENOENT) => Ok(false),
        done => done.map(|()| quota.dqb_curspace > 0 || quota.dqb_curinodes > 0),
    }
}

/// A project's hard limits: Q_SETQUOTA, which counts in units of 1,024 bytes.
pub(crate) fn limit_project(file: BorrowedFd<'_>, project: u32, bytes: u64, files: u64) -> Result<(), Errno> {
    const Q_SETQUOTA: u32 = 0x0080_0008;
    const QIF_LIMITS: u32 = 0b101;
    // SAFETY: dqblk is plain numbers.
    let mut quota: libc::dqblk = unsafe { std::mem::zeroed() };
    quota.dqb_bhardlimit = bytes.div_ceil(1024);
    quota.dqb_ihardlimit = files;
    quota.dqb_valid = QIF_LIMITS;
    quotactl(file, Q_SETQUOTA, project, &mut quota)
}

// ---- the rest of the namespaces ------------------------------------------------------------------------------------

/// sethostname(2) and setdomainname(2): the host's NIS domain is nobody's business.
pub(crate) fn set_names(host: &[u8]) -> Result<(), Errno> {
    rustix::system::sethostname(host).map_err(errno)?;
    rustix::system::setdomainname(b"(none)").map_err(errno)
}

/// SIOCSIFFLAGS on `lo` (netdevice(7)): the loopback interface up.
pub(crate) fn loopback_up() -> Result<(), Errno> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: ifreq is plain numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request is a whole ifreq, which is what SIOCSIFFLAGS reads.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }).map(drop)
}
