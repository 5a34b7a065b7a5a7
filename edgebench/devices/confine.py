"""python -I -S confine.py MEMORY_BYTES PROGRAM...: become PROGRAM, in a process that reaches no network and may not take all memory.

PROGRAM gets one argument more, the time on the monotonic clock just before it begins, and in the variable
EDGEBENCH_CONFINED as JSON what could be done: `network` is "none", or why it can still be reached. Only the standard library
is needed, and what it takes is over before the program's own start is timed.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER and CLONE_NEWNET of Linux' sched.h
VARIABLE = "EDGEBENCH_CONFINED"


def main() -> None:
    """Give up what a model needs not, and run the program in this process."""
    memory_bytes, program = int(sys.argv[1]), sys.argv[2:]
    os.environ[VARIABLE] = json.dumps({"network": leave_network(), "memory_limit_bytes": limit_memory(memory_bytes)})
    os.execv(program[0], [*program, str(time.monotonic_ns())])


def leave_network() -> str:
    """Enter a network of this process's own, in which there is nobody. A user other than root may if he is root of a world of his own, too."""
    import ctypes

    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except (OSError, AttributeError):
        return "can be reached: this system has no network namespaces"
    user, group = os.geteuid(), os.getegid()
    if unshare(NEW_NETWORK) == 0:
        return "none"
    if unshare(NEW_USER | NEW_NETWORK):
        return f"can be reached: {os.strerror(ctypes.get_errno())}"
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        try:
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
        except OSError:  # then the user has no name here, and the same rights
            break
    return "none"


def limit_memory(most_bytes: int) -> int | None:
    """Let memory for data end there, and no core be written; what is kept, None where the system keeps no such limit.

    Not the address space: engines and accelerators reserve of it far more than they use.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not most_bytes or not sys.platform.startswith("linux"):
        return None
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    most = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    return most


if __name__ == "__main__":
    main()
