"""`registryctl gc`: removes from the storage what no image needs any more."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from registryctl import clock, usage
from registryctl.clean_up import CleanUp, Means, Options
from registryctl.endings import printable
from registryctl.host import leave_result, open_host
from registryctl.metrics import sizes
from registryctl.options import Parser, seconds

USAGE = """\
{name} [--dry-run | --force] [--json] [--wait SECONDS]

Removes from the registry's storage what no image needs any more, and says what came of it.

--dry-run  only says what would go
--force    also if more would go than docker-registry:gc.maxShare allows
--wait     how long another tool may take that is at work; 900
--json     says it in JSON

Pulls go on meanwhile, and pushes wait for some seconds. What went can be brought back for gc.trashDays, and keeps its
space until then: registryctl undo.

Exit code: 0 done, or nothing to do; 1 it failed; 2 wrong use; 3 it would remove more than gc.maxShare; 4 pushes could
not be kept out; 6 done, but for what is not known, which stays and is named; 75 another tool was at work. Where not all
was done the next run goes on.
"""

WAIT_SECONDS = 900


def run(words: Sequence[str], name: str) -> int:
    """Cleans up; the exit code."""
    parser = Parser(USAGE.format(name=name))
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--dry-run", action="store_true")
    group.add_argument("--force", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--wait", type=seconds, default=WAIT_SECONDS)
    words_read = parser.parse(words)
    host = open_host("garbage collection", words_read.wait)
    options = Options(
        delete_untagged=host.facts.delete_untagged,
        max_share=host.facts.max_share,
        trash_days=host.facts.trash_days,
        warn_percent=host.facts.warn_percent,
        dry=words_read.dry_run,
        force=words_read.force,
        as_json=words_read.json,
    )
    means = Means(host.storage, host.barrier, _say, _complain, _note, clock.running(keep=not options.dry))
    code = CleanUp(means, options).run()
    if not options.dry:
        # All of the storage is read tonight anyway.
        sizes.measure(lambda: usage.measured(host))
    return code


def _say(text: str) -> None:
    print(printable(text), flush=True)


def _complain(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


def _note(text: str) -> None:
    """Without a place for the result, on a full disk, the run goes on all the same."""
    with contextlib.suppress(OSError):
        leave_result("gc", text)
