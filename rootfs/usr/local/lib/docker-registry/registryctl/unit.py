"""`registry-gc`: the clean-up as its timer would start it, with what it says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from registryctl.clean_up import NOT_KNOWN
from registryctl.collect import run as clean_up
from registryctl.endings import EndError
from registryctl.options import Parser

UNIT = "docker-registry-gc.service"

USAGE = f"""\
{{name}} [--dry-run | --force]

Removes from the registry what no image needs any more, now rather than on schedule, and says what came of it.

--dry-run  only says what would go
--force    also if more would go than docker-registry:gc.maxShare allows

Pulls go on meanwhile, and pushes wait for some seconds. Without an option it is {UNIT}
that runs: it goes on when the terminal is gone.

Exit code: 0 done, or nothing to do; 1 it failed; 2 wrong use; 3 it would remove more than gc.maxShare; 4 pushes could
not be kept out; 6 done, but for what is not known, which stays and is named; 75 another tool was at work. Where not all
was done the next run goes on.
"""


def run(words: Sequence[str], name: str) -> int:
    """Starts the unit, or works at once with an option; the exit code."""
    parser = Parser(USAGE.format(name=name))
    group = parser.add_mutually_exclusive_group()
    for flag in ("--dry-run", "--force"):
        group.add_argument(flag, action="store_true")
    options = parser.parse(words)
    if options.dry_run or options.force:
        code = clean_up(words, name)
        if options.force and code in {0, NOT_KNOWN}:
            # What the unit refused is done.
            _systemctl("reset-failed", UNIT)
        return code
    return _start()


def _start() -> int:
    if _property("LoadState") != "loaded":
        raise EndError("FAILED", f"there is no {UNIT} on this host; pulumi up brings it")
    print(f"running; journalctl -fu {UNIT} shows how far it is", flush=True)
    started = _systemctl("start", UNIT)
    if started.stderr.startswith("Failed to start "):
        # What the journal and the unit say is of an earlier run.
        raise EndError("FAILED", f"it was not started: {started.stderr.splitlines()[0]}")
    subprocess.run(["journalctl", "--sync"], capture_output=True, check=False)
    invocation = f"_SYSTEMD_INVOCATION_ID={_property('InvocationID')}"
    subprocess.run(["journalctl", "--no-pager", "--quiet", "--output", "cat", invocation], check=False)
    # A process that a signal ended has its number there.
    exited, code = _property("ExecMainCode") == "1", _property("ExecMainStatus")
    ended = int(code) if exited and code.isdigit() else 0
    if not started.returncode:
        return ended
    print(f"registry-gc: ended by {_property('Result')}", file=sys.stderr)
    return ended or 1


def _property(name: str) -> str:
    return _systemctl("show", f"--property={name}", "--value", UNIT).stdout.strip()


def _systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
