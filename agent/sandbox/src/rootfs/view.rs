//! The default view of the host, as data: what ordinary programs need, and nothing that is about the host.

use crate::idmap::User;

/// Host trees shown read-only where they are, if the host has them. `/usr` must be there.
pub(super) const TREES: &[&str] = &[
    "/usr",
    // Which java, cc, awk, editor is meant.
    "/etc/alternatives",
    // Without it the loader searches every directory.
    "/etc/ld.so.cache",
    // The public certificates; the private keys are beside them in /etc/ssl/private, which is not shown.
    "/etc/ssl/certs",
];

/// Directories of `/etc` whose names begin like this: `/etc/java-17-openjdk` has files that the JVM must read.
pub(super) const ETC_PREFIXES: &[&str] = &["java-"];

/// Links into `/usr` on a merged system; trees of their own on others.
pub(super) const TOPS: &[&str] = &["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// The time zone: a link into `/usr/share/zoneinfo`, or a file.
pub(super) const LOCALTIME: &str = "/etc/localtime";

/// The one that also masks files of /proc.
pub(super) const NULL: (&str, u32, u32) = ("null", 1, 3);

/// Character devices: name, major and minor number (Documentation/admin-guide/devices.txt).
pub(super) const DEVICES: &[(&str, u32, u32)] =
    &[NULL, ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Links in `/dev`, by name.
pub(super) const DEVICE_LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Files and directories of `/proc` that are about the host and not about the sandbox's processes, if the kernel has
/// them: its keys, memory, command line, devices, timers, interrupts. Those that only the host's root can read are not
/// the sandbox's to read either, and need no mask; of them `kcore` and `timer_list` have one all the same.
pub(super) const MASKED: &[&str] = &[
    "acpi",
    "asound",
    "bus",
    "cmdline",
    "driver",
    "fs",
    "interrupts",
    "irq",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "latency_stats",
    "modules",
    "mtrr",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
];

/// Made-up files. Host names: only what is in this file, so that look-ups fail at once and not after a time-out. Services and
/// protocols: those that programs look up by name (`getaddrinfo("localhost", "http")`), whatever the host has.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files\nnetworks: files\nprotocols: files\nservices: files\n\
         ethers: files\nrpc: files\n",
    ),
    ("etc/protocols", "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6 41 IPv6\nipv6-icmp 58 IPv6-ICMP\n"),
    (
        "etc/services",
        "echo 7/tcp\necho 7/udp\ndiscard 9/tcp sink null\ndiscard 9/udp sink null\ndaytime 13/tcp\nftp 21/tcp\nssh 22/tcp\n\
         telnet 23/tcp\nsmtp 25/tcp mail\ndomain 53/tcp\ndomain 53/udp\ntftp 69/udp\nhttp 80/tcp www\npop3 110/tcp pop-3\n\
         ntp 123/udp\nimap2 143/tcp imap\nldap 389/tcp\nhttps 443/tcp\nhttps 443/udp\nimaps 993/tcp\npop3s 995/tcp\n",
    ),
];

/// Made-up files that name the host and the program's user.
pub(super) fn named_files(hostname: &str, User { uid, gid }: User) -> [(&'static str, String); 4] {
    [
        ("etc/hostname", format!("{hostname}\n")),
        ("etc/hosts", format!("127.0.0.1 localhost {hostname}\n::1 localhost {hostname}\n")),
        (
            "etc/passwd",
            format!(
                "root:x:0:0:root:/:/usr/sbin/nologin\n\
                 sandbox:x:{uid}:{gid}:sandbox:/tmp:/bin/sh\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        ("etc/group", format!("root:x:0:\nsandbox:x:{gid}:\ntty:x:5:\nnogroup:x:65534:\n")),
    ]
}
