//! `--explain`: what would be done, in order, and which attack each step stops. Data, filled in from the policy.

use std::fmt::Write;

use holdfast_sandbox::{
    Access, Allow, Dev, Landlock, Limits, LimitsMode, Network, Policy, Proc, Request, Seccomp, Step,
};

/// One line for each step: what is done, and what it stops. `passed` are the descriptors that the program gets besides.
pub(crate) fn explain(request: &Request, passed: &[i32]) -> String {
    let policy = &request.policy;
    #[rustfmt::skip]
    let steps: [(Step, String, &str); 17] = [
        (Step::HostPath, trees(policy), "a path that is swapped after it was looked at: each is opened once, and used by its descriptor; a way to the host's /proc is refused"),
        (Step::IdRange, format!("as root 65,536 ids that no other sandbox has, else the caller's one id; inside the program is uid {} and gid {}", policy.uid, policy.gid), "files, signals and limits of other users and sandboxes"),
        (Step::Box, kept(policy), "two runs at once in one box; a link in its place; set-user-id files that another user reaches: nobody else can enter it"),
        (Step::Clone, "new user, PID, mount, network, IPC, UTS and cgroup namespaces, by clone3, with an init as process 1".into(), "sight of the host's processes, mounts, network, shared memory and name; what the program leaves running ends with init"),
        (Step::InitDescriptors, "all descriptors closed but those that are needed".into(), "a directory of the host that was left open (CVE-2024-21626)"),
        (Step::Hostname, format!("host name {}", policy.hostname), "the host's name"),
        (Step::Root, root(policy), "sight of any other file; set-user-id programs and devices in what is shown"),
        (Step::Proc, proc(policy).into(), "core_pattern, sysrq-trigger, /proc/1/mem, kernel addresses"),
        (Step::Dev, dev(policy.dev).into(), "the host's disks and memory"),
        (Step::PivotRoot, "pivot_root, and the old root detached".into(), "chroot's ways out"),
        (Step::Loopback, loopback(policy.net).into(), "the network, the metadata service, abstract sockets of the host"),
        (Step::Capabilities, "every capability set emptied, the bounding set too".into(), "mounts, devices, raw sockets, other users' files"),
        (Step::Process, "no_new_privs; init is not dumpable; everything ends with its parent".into(), "set-user-id programs; tracing init; sandboxes that outlive their owner"),
        (Step::Stdio, given(passed), "the runner's files; typing into the caller's terminal"),
        (Step::Limits, limits(&policy.limits), "fork bombs, memory, disk and time used up, floods of output, core_pattern helpers"),
        (Step::Landlock, landlock(policy).into(), "a file of the host that is reached past the mounts; standard input opened anew for writing"),
        (Step::Seccomp, filter(policy), "io_uring, bpf, ptrace, keyrings, namespaces, mounts, AF_VSOCK, TIOCSTI, 32-bit and x32 entries"),
    ];
    let mut text = String::new();
    for (step, what, stops) in steps {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{step}\n  does   {what}\n  stops  {stops}");
    }
    let _ = writeln!(
        text,
        "{}\n  runs   {:?} with {} arguments, in {}",
        Step::Exec,
        request.program,
        request.args.len(),
        policy.working_directory().display()
    );
    text
}

fn trees(policy: &Policy) -> String {
    let shown = policy.mounts.iter().map(|bind| {
        let mode = match bind.mode {
            Access::Ro => "read-only",
            Access::Rw => "writable",
        };
        format!("{} at {} ({mode})", bind.source.display(), bind.target.display())
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "no host tree besides the root's".to_owned() } else { shown.join(", ") }
}

fn kept(policy: &Policy) -> String {
    policy.box_directory.as_ref().map_or("nothing is kept for another run".to_owned(), |directory| {
        let ids = "as root, on the disk they belong to ids that no user and no other sandbox has";
        let size = policy.limits.disk.map_or(String::new(), |size| format!("; by its quota it holds {size} bytes"));
        format!("{} locked, and its files at /box (writable, nosuid, nodev); {ids}{size}", directory.display())
    })
}

fn root(policy: &Policy) -> String {
    let layers: Vec<_> = policy.image_layers.iter().map(|layer| layer.display().to_string()).collect();
    let how = if policy.limits.disk.is_some() { "writable in memory" } else { "read-only" };
    let base = match &policy.root {
        Some(directory) => format!("{} as the root, read-only", directory.display()),
        None if !layers.is_empty() => {
            format!("an overlay of {} (the uppermost first) as the root, {how}", layers.join(", "))
        }
        None => "an empty root with the host's /usr and what programs need of /etc, read-only".to_owned(),
    };
    let memory = policy.tmpfs.iter().map(|it| format!(", {} ({} bytes)", it.target.display(), it.size));
    let shm = if policy.dev == Dev::Minimal { " and /dev/shm" } else { "" };
    format!("{base}; nosuid, nodev; in memory /tmp{shm}{}", memory.collect::<String>())
}

fn loopback(net: Network) -> &'static str {
    match net {
        Network::None => "no interface up",
        Network::Loopback => "lo up, no other interface",
    }
}

fn given(passed: &[i32]) -> String {
    let passed: String = passed.iter().map(|number| format!(", descriptor {number}")).collect();
    format!("standard input, output and error{passed} given, all else closed; a new session")
}

fn filter(policy: &Policy) -> String {
    let changed = match &policy.seccomp {
        Seccomp::Strict => ", strict: no other process, no socket",
        Seccomp::Profile(_) => ", less what the profile refuses",
        Seccomp::Default if policy.allow.contains(&Allow::Ptrace) => ", with ptrace among its own processes",
        Seccomp::Default => "",
    };
    let nested = if policy.nested { ", with namespaces and mounts for a sandbox inside" } else { "" };
    format!("an allow list of system calls for the program{changed}{nested}; a shorter one for init")
}

fn dev(asked: Dev) -> &'static str {
    match asked {
        Dev::Minimal => "/dev with null, zero, full, random, urandom, tty, pts and shm, read-only",
        Dev::None => "no /dev",
    }
}

fn proc(policy: &Policy) -> &'static str {
    match policy.nested {
        _ if policy.proc == Proc::None => "no /proc",
        false => "an own /proc, read-only, without init; files that tell of the host are masked",
        true => {
            "an own /proc, without init, writable but for /proc/sys; files that tell of the host are masked, though not in a sandbox inside"
        }
    }
}

fn landlock(policy: &Policy) -> &'static str {
    match policy.landlock {
        _ if policy.nested => "nothing: it would forbid the mounts of a sandbox inside",
        Landlock::Auto => "rules that allow what the mounts allow, where the kernel has Landlock",
        Landlock::Required => "rules that allow what the mounts allow, or nothing runs",
        Landlock::Off => "nothing: it was turned off",
    }
}

fn limits(limits: &Limits) -> String {
    let number = |name: &str, value: Option<u64>| {
        format!("{name} {}", value.map_or("its default".to_owned(), |it| it.to_string()))
    };
    let or_none =
        |name: &str, value: Option<String>| format!("{name} {}", value.unwrap_or_else(|| "without limit".to_owned()));
    let mode = match limits.mode {
        LimitsMode::Required => "the whole sandbox by cgroup v2",
        LimitsMode::RlimitOnly => "each process by itself (rlimits), not their sum",
    };
    [
        mode.to_owned(),
        or_none("memory", limits.memory.map(|it| it.to_string())),
        or_none("processes", limits.pids.map(|it| it.to_string())),
        or_none("CPU time", limits.cpu_time.map(|it| format!("{it:?}"))),
        or_none("wall clock", limits.wall.map(|it| format!("{it:?}"))),
        or_none("output", limits.output.map(|it| it.to_string())),
        number("file size", limits.file_size),
        number("disk", limits.disk),
        number("open files", limits.open_files.map(u64::from)),
        number("stack", limits.stack),
    ]
    .join("; ")
}
