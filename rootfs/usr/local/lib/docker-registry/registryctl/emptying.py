"""`registryctl trash`: what can be brought back, and how to let go of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from registryctl import trash
from registryctl.clean_up import megabytes
from registryctl.endings import EndError, UsageError, count, printable
from registryctl.host import Host, open_host
from registryctl.journals import BarrierError
from registryctl.options import Parser, seconds
from registryctl.storage import AwayError, NotThere, StorageError

USAGE = """\
{name} [list] [--json]
{name} empty [RUN] [--wait SECONDS] [--json]

Lists the runs that `registryctl undo` can undo, the oldest first, or gives one or all of them up. What only they held
goes with the next clean-up: registry-gc. The size of a run is that of its images, with what others need too.

--wait  how long another tool may take that is at work; 60
--json  say it in JSON

Exit code: 0 done; 1 something went wrong; 2 wrong use; 4 there is no such run; 16 another tool was at work.
"""

WAIT_SECONDS = 60


def run(words: Sequence[str], name: str) -> int:
    """Lists or empties; the exit code."""
    parser = Parser(USAGE.format(name=name))
    parser.add_argument("act", nargs="?", default="list")
    parser.add_argument("run", nargs="?")
    parser.add_argument("--wait", type=seconds, default=WAIT_SECONDS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse(words)
    if options.act not in {"list", "empty"} or (options.act == "list" and options.run):
        raise UsageError(f"what is {options.run if options.act == 'list' else options.act}?")
    host = open_host("emptying of the trash", options.wait)
    try:
        if options.act == "empty":
            _empty(host, options.run, as_json=options.json)
        else:
            _list(host, as_json=options.json)
    except NotThere:
        raise EndError("MANIFEST_UNKNOWN", f"there is no run {options.run}; registryctl trash lists them") from None
    except (StorageError, AwayError) as error:
        raise EndError("FAILED", str(error)) from None
    except BarrierError as error:
        raise EndError("BUSY", f"another tool has been at work for {host.wait} s: {error}") from None
    return 0


def _list(host: Host, *, as_json: bool) -> None:
    found = [_described(host, name) for name in trash.runs(host.storage)]
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for one in found:
        print(printable(_line(one)))
    if not found:
        print("nothing can be brought back")


def _described(host: Host, name: str) -> dict[str, object]:
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(trash.made(name)))
    try:
        record = trash.load(host.storage, name)
    except NotThere:
        raise
    except (StorageError, AwayError) as error:
        return {"run": name, "made": made, "fault": str(error)}
    tags = sum(len(part.tags) for part in record.parts.values())
    manifests = sum(len(part.revisions) for part in record.parts.values())
    return {
        "run": name,
        "made": made,
        "reason": record.reason,
        "repositories": sorted(record.parts),
        "tags": tags,
        "manifests": manifests,
        "bytes": sum(record.sizes.values()),
    }


def _line(one: dict[str, object]) -> str:
    if "fault" in one:
        return f"{one['run']} {one['made']} can't be read: {one['fault']}"
    tags, manifests, size = (int(str(one[key])) for key in ("tags", "manifests", "bytes"))
    what = f"{count(tags, 'tag')}, {count(manifests, 'manifest')}, {megabytes(size)}"
    return f"{one['run']} {one['made']} {one['reason']}: {what}"


def _empty(host: Host, name: str | None, *, as_json: bool) -> None:
    with host.barrier.turn():
        host.storage.anew()
        names = trash.runs(host.storage) if name is None else [name]
        for one in names:
            trash.empty(host.storage, one)
    if as_json:
        print(json.dumps({"emptied": names}, indent=2))
    else:
        print(f"{count(len(names), 'run')} can't be undone any more; the next clean-up frees what only they held")
