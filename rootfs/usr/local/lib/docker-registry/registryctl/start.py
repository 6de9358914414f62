"""The beginning of the tools that the program calls: each is a function of a module."""

from __future__ import annotations

import fcntl
import importlib
import os
import sys

from registryctl.endings import WRONG_USE, ToolError, UsageError

INSTALLING = "/run/docker-registry-locks/tools"
"""Who installs the tools has this lock."""


def start(module: str, function: str = "run") -> None:
    """Runs the tool and ends the process as it does."""
    name = sys.argv[0].rpartition("/")[2]
    try:
        # While another version is being installed, some modules would be of the one and some of the other.
        lock = os.open(INSTALLING, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_SH)
    except OSError:
        lock = -1
    run = getattr(importlib.import_module(module), function)
    if lock >= 0:
        os.close(lock)
    try:
        sys.exit(run(sys.argv[1:], name))
    except UsageError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(WRONG_USE)
    except ToolError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
