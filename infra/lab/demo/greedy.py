"""A greedy program: takes what it can of memory, processes, files and disk, then computes until it is ended.

Run by the demo through the agent, inside a sandbox that bounds each process (rlimits), as machines without cgroup v2 do.
"""

import itertools
import os
import signal


def memory():
    """A gigabyte at once."""
    return f"{len(bytearray(1 << 30))} bytes"


def processes():
    """As many as there can be; each waits for a signal."""
    for number in itertools.count():
        if number == 1000:
            return f"{number} processes"
        if os.fork() == 0:
            signal.pause()


def open_files():
    """As many as there can be, closed again."""
    held = []
    try:
        while len(held) < 100_000:
            held.append(os.open("/dev/null", os.O_RDONLY))
        return f"{len(held)} files"
    finally:
        for descriptor in held:
            os.close(descriptor)


def disk():
    """A gigabyte of a file in /tmp."""
    with open("/tmp/large", "wb", buffering=0) as file:
        for _ in range(1 << 10):
            file.write(bytes(1 << 20))
    return "1 GiB"


def many_files():
    """A million empty files in shared memory."""
    for number in range(10**6):
        os.mknod(f"/dev/shm/{number}")
    return "a million files"


ATTEMPTS = [
    ("take 1 GiB of memory", "RLIMIT_DATA (--memory)", memory),
    ("start 1,000 processes", "RLIMIT_NPROC (--pids)", processes),
    ("open 100,000 files", "RLIMIT_NOFILE", open_files),
    ("fill the disk from /tmp", "size of its tmpfs", disk),
    ("make a million files", "inodes of its tmpfs", many_files),
]

for name, wall, attempt in ATTEMPTS:
    try:
        print(f"{name:<26}GOT {attempt()}", flush=True)
    except MemoryError:
        print(f"{name:<26}{'out of memory':<36}{wall}", flush=True)
    except OSError as error:
        print(f"{name:<26}{error.strerror:<36}{wall}", flush=True)

print("compute for ever", flush=True)
while True:
    pass
