"""Runs a command that the kernel kills when its parent dies: `tether.py PARENT COMMAND…`.

A script rather than a hook between fork and exec, which is unsafe in a process with threads.
The command takes this script's place, so that its process id is the one that the parent sees.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Ties this process to its parent and becomes the command."""
    parent, command = int(argv[0]), argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before the call, and the kernel would never tell.
        if os.getppid() != parent:
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  becoming the command is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
