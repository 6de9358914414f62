"""`registryctl undo`: brings back what a run removed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from registryctl.endings import EndError, count, printable
from registryctl.host import open_host
from registryctl.journals import BarrierError, BusyError
from registryctl.options import Parser, seconds
from registryctl.storage import AwayError, NotThere, StorageError
from registryctl.undo import Undone, undo

USAGE = """\
{name} [RUN] [--wait SECONDS] [--json]

Brings back the tags, manifests and layers that a run removed, with their push times; without RUN, the last run's.
`registryctl trash` lists the runs. A tag that was pushed again since stays as it is; its old image comes back by its
digest. Where a part is lost, all that is missing is listed, and nothing is changed.

--wait  how long another tool may take that is at work; 60
--json  say it in JSON

Exit code: 0 done; 1 something is missing, or went wrong; 2 wrong use; 4 there is no such run; 16 another tool was at
work, or pushes could not be kept out.
"""

WAIT_SECONDS = 60


def run(words: Sequence[str], name: str) -> int:
    """Brings back; the exit code."""
    parser = Parser(USAGE.format(name=name))
    parser.add_argument("run", nargs="?")
    parser.add_argument("--wait", type=seconds, default=WAIT_SECONDS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse(words)
    host = open_host("undo", options.wait)
    try:
        undone = undo(host.storage, host.barrier, options.run)
    except NotThere:
        what = f"run {options.run}" if options.run else "run that could be undone"
        raise EndError("MANIFEST_UNKNOWN", f"there is no {what}; registryctl trash lists them") from None
    except BusyError:
        raise EndError("BUSY", f"another tool has been at work for {host.wait} s") from None
    except BarrierError as error:
        raise EndError("BUSY", f"writes could not be held off; nothing was brought back: {error}") from None
    except (StorageError, AwayError) as error:
        raise EndError("FAILED", f"not all could be brought back; again, it goes on from there: {error}") from None
    if options.json:
        print(json.dumps({**vars(undone), "done": not (undone.missing or undone.left)}, indent=2))
    else:
        _tell(undone)
    return 1 if undone.missing or undone.left else 0


def _tell(undone: Undone) -> None:
    if undone.missing:
        for what in undone.missing:
            print(printable(f"missing {what}"))
        print(f"FAILED: {undone.run} can't be undone: nothing was changed", file=sys.stderr)
        return
    for tag in undone.tags:
        print(printable(f"back   {tag}"))
    for tag in undone.moved:
        print(printable(f"keep   {tag} (it was pushed again since; what it was is there by its digest)"))
    for path in undone.left:
        print(printable(f"stays  {path} (something else lies in the link's place; what needs it is not whole)"))
    print(f"{undone.run}: {count(len(undone.tags), 'tag')} and {count(len(undone.manifests), 'manifest')} are back")
