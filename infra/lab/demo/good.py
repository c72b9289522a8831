"""A good program: reads its input, computes, prints, exits 0.

Run by the demo through the agent, inside a sandbox.
"""

import os
import sys

numbers = [int(word) for word in sys.stdin.read().split()] or range(10**6)
print(f"process {os.getpid()} of host {os.uname().nodename}, uid {os.getuid()}: the sum is {sum(numbers)}")
