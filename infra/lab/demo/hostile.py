"""A hostile program: tries to see or reach its host, says what stopped each attempt, then spins until it is ended.

Run by the demo through the agent, inside a sandbox; its argument is a TCP port that listens on the host's loopback.
"""

import ctypes
import os
import signal
import socket
import sys

CLONE_NEWUSER = 0x10000000
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
        raise OSError(f"only itself ({os.getpid()}) and its init (1) are there")


def kill_init():
    """Raises if this is still here afterwards: without its init, the kernel would have ended it."""
    os.kill(1, signal.SIGKILL)
    raise OSError("ignored: it is PID 1 of this namespace")


ATTEMPTS = [
    ("read the host's /etc/shadow", lambda: open("/etc/shadow").read()),
    ("see other processes", other_processes),
    ("connect to a port of the host", lambda: connect(("127.0.0.1", int(sys.argv[1])))),
    ("ask the metadata service for a role", lambda: connect(("169.254.169.254", 80))),
    ("write into /usr", lambda: open("/usr/bin/holdfast-was-here", "w")),
    ("rewrite init through /proc/1/mem", lambda: open("/proc/1/mem", "r+b")),
    ("kill its init", kill_init),
    ("mount a file system", lambda: call(libc.mount, b"none", b"/tmp", b"tmpfs", 0, None)),
    ("become root of a new user namespace", lambda: call(libc.unshare, CLONE_NEWUSER)),
]

for name, attempt in ATTEMPTS:
    try:
        attempt()
        print(f"{name}: SUCCEEDED", flush=True)
    except OSError as error:
        print(f"{name}: {error.strerror or error}", flush=True)

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ignore SIGTERM and spin for ever", flush=True)
while True:
    pass
