"""`python supervisor.py COMMAND…`: run a command that must not outlive the process that started it.

The starter holds the other end of standard input. When that closes, on purpose or because the starter was killed, the
command and all its children are terminated, and killed if they do not end.
"""

import os
import select
import signal
import subprocess
import sys

GRACE_SECONDS = 20.0  # from SIGTERM to SIGKILL: a Prefect server writes what it has queued


def main(command: list[str]) -> None:
    """Lead a process group (start it with `start_new_session`) that holds the command and its children."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while child.poll() is None and not select.select([sys.stdin], [], [], 0.2)[0]:
        pass
    os.killpg(0, signal.SIGTERM)
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"supervisor: {command} did not end in {GRACE_SECONDS:g} s and is killed\n")
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
