"""A hostile program: tries to see, reach or change its host, says what stopped each attempt, then spins until it is ended.

Run by the demo through the agent, inside a sandbox; its argument is a TCP port that listens on the host's loopback.
"""

import ctypes
import os
import signal
import socket
import sys

CLONE_NEWUSER = 0x10000000
PTRACE_SEIZE = 0x4206
KEYCTL_GET_KEYRING_ID, SESSION_KEYRING = 0, -3
SYS_KEYCTL, SYS_BPF, SYS_IO_URING_SETUP = {"x86_64": (250, 321, 425), "aarch64": (219, 280, 425)}[os.uname().machine]
libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    """A libc call, its -1 turned into an OSError."""
    if function(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def connect(address):
    """Reaches a TCP address within two seconds, or raises why not."""
    socket.create_connection(address, timeout=2).close()


def other_processes():
    """Raises unless a process of somebody else's is seen."""
    own = {1, os.getpid()}
    seen = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in own]
    if not seen:
        raise OSError(f"only itself ({os.getpid()}) is there")


def kill_init():
    """Raises if this is still here afterwards: without its init, the kernel would have ended it."""
    os.kill(1, signal.SIGKILL)
    raise OSError("ignored: it is PID 1 of its namespace")


ATTEMPTS = [
    ("read the host's /etc/shadow", "mount view", lambda: open("/etc/shadow").read()),
    ("write into /usr", "read-only mounts", lambda: open("/usr/bin/holdfast-was-here", "w")),
    ("set the host's core_pattern", "read-only /proc", lambda: open("/proc/sys/kernel/core_pattern", "w")),
    ("make the host's disk a device", "no capabilities", lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(254, 0))),
    ("see other processes", "PID namespace", other_processes),
    ("rewrite init by /proc/1/mem", "init: hidden", lambda: open("/proc/1/mem", "r+b")),
    ("trace init by ptrace", "seccomp", lambda: call(libc.ptrace, PTRACE_SEIZE, 1, 0, 0)),
    ("kill init", "PID namespace", kill_init),
    ("connect to a port of the host", "network namespace", lambda: connect(("127.0.0.1", int(sys.argv[1])))),
    ("ask the metadata service", "network namespace", lambda: connect(("169.254.169.254", 80))),
    ("open a raw socket", "no capabilities", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
    ("talk to the hypervisor", "seccomp", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)),
    ("become root", "id map", lambda: os.setuid(0)),
    ("make a user namespace", "seccomp", lambda: call(libc.unshare, CLONE_NEWUSER)),
    ("mount a file system", "seccomp", lambda: call(libc.mount, b"none", b"/tmp", b"tmpfs", 0, None)),
    ("find the caller's keys", "seccomp", lambda: call(libc.syscall, SYS_KEYCTL, KEYCTL_GET_KEYRING_ID, SESSION_KEYRING, 0)),
    ("load code into the kernel", "seccomp", lambda: call(libc.syscall, SYS_BPF, 5, None, 0)),
    ("pass the filter by io_uring", "seccomp", lambda: call(libc.syscall, SYS_IO_URING_SETUP, 1, None)),
]

for name, wall, attempt in ATTEMPTS:
    try:
        attempt()
        print(f"{name}: SUCCEEDED", flush=True)
    except OSError as error:
        print(f"{name:<32}{error.strerror or error!s:<42}{wall}", flush=True)

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ignore SIGTERM and spin for ever", flush=True)
while True:
    pass
