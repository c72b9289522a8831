"""Runs a program and says what it took: seconds of wall and processor time, and the most memory it had (MiB).

    measure.py RESULT.json PROGRAM ARGUMENT…

Its own exit code is the program's.
"""

import json
import os
import subprocess
import sys
import time

result, *command = sys.argv[1:]
start = time.monotonic()
process = subprocess.Popen(command)
_, status, usage = os.wait4(process.pid, 0)
measured = {
    "wall_s": time.monotonic() - start,
    "cpu_s": usage.ru_utime + usage.ru_stime,
    "memory_mib": usage.ru_maxrss / 1024,
}
with open(result, "w", encoding="utf-8") as file:
    json.dump(measured, file)
sys.exit(os.waitstatus_to_exitcode(status))
