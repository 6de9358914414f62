"""`registryctl hosts`: the hosts that write to this one's bucket."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence

from registryctl import facts, locks
from registryctl.barrier import HostBarrier
from registryctl.bucket import Bucket, open_bucket
from registryctl.endings import EndError, ToolError, UsageError, count, printable
from registryctl.hosts import joining, service, times
from registryctl.hosts.holding import Holding
from registryctl.hosts.messages import ENTRIES, Entry
from registryctl.hosts.run import Clock, Run, entries
from registryctl.hosts.serve import Means
from registryctl.journals import BarrierError
from registryctl.machine import Machine
from registryctl.options import Parser, seconds
from registryctl.storage import StorageError

USAGE = """\
{name} [list] [--json]
{name} forget NAME [--wait SECONDS]

Lists the hosts whose registries write to the same bucket of an object store, or forgets one that is gone for good.
While one of them does not answer, nothing is removed from the bucket. A host that is forgotten and comes back all the
same is known again before it writes. NAME is that of its stack, or the last part of that, or the identity that --json
tells.

--wait  how long it is asked whether it is gone; 90
--json  say it in JSON

By this program alone: join STACK (how the store is reached comes by standard input), serve, leave.

Exit code: 0 done; 1 it failed; 2 wrong use; 5 there is no such host; 9 the images are no objects; 16 the host answers.
"""


def run(words: Sequence[str], name: str) -> int:
    """Does what is wanted; the exit code."""
    parser = Parser(USAGE.format(name=name))
    parser.add_argument("act", nargs="?", default="list")
    parser.add_argument("which", nargs="?", default="")
    parser.add_argument("--wait", type=seconds, default=int(times.SILENT))
    parser.add_argument("--json", action="store_true")
    options = parser.parse(words)
    if options.act not in {"list", "forget", "join", "serve", "leave"}:
        raise UsageError(f"what is {options.act}?")
    if bool(options.which) != (options.act in {"forget", "join"}):
        raise UsageError(f"what is {options.which}?" if options.which else f"{options.act} what?")
    try:
        return _done(options.act, options.which, options.wait, as_json=options.json)
    except (StorageError, BarrierError, ToolError) as error:
        raise EndError("FAILED", str(error)) from None


def _done(act: str, which: str, wait: int, *, as_json: bool) -> int:
    if act == "join":
        return _join(which)
    if act == "leave":
        return _leave()
    if not facts.load().objects:
        raise EndError("UNSUPPORTED", "the images are files of this host: no other one writes there")
    home = joining.load_home()
    opened_by = _opened_by(home)
    bucket = open_bucket(home.store)
    if act == "serve":
        service.made(_means(home, bucket), lambda: _opened_by(home) != opened_by).run()
    elif act == "forget":
        _forget(bucket, home.entry, which, wait)
    else:
        _list(bucket, home.entry, as_json=as_json)
    return 0


def _join(stack: str) -> int:
    try:
        said = json.load(sys.stdin)["store"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"standard input says nothing of the store: {error!r}") from None
    since = Machine().stamp()
    home = joining.keep_home(said, stack, platform.node(), since)
    try:
        joining.join(open_bucket(home.store), home.entry, Clock(), patience=times.LONGEST_HOLD)
    except StorageError as error:
        place = "/".join(part for part in (home.store.endpoint, home.store.bucket, home.store.prefix) if part)
        raise ToolError(f"the object store {place} does not take this host in: {error}") from None
    return 0


def _leave() -> int:
    """What can't be taken away keeps others from removing anything; it is no reason to keep this host."""
    if not joining.HOME.exists():
        return 0
    home = joining.load_home()
    try:
        joining.leave(open_bucket(home.store), home.entry, still=not _has_moved_out())
    except joining.StillWritesError:
        raise
    except (StorageError, ToolError) as error:
        print(
            f"{error}\nIts entry stays. On another host: registryctl hosts forget {home.entry.stack}", file=sys.stderr
        )
    return 0


def _has_moved_out() -> bool:
    """Whether the registry has its images in files by now: the facts are written once it has."""
    try:
        return not facts.load().objects
    except facts.FactsError:
        return False


def _opened_by(home: joining.Home) -> list[tuple[int, ...]]:
    """Changes whenever another file says how the store is opened. Each is put there in place of the one before."""
    found: list[tuple[int, ...]] = []
    for path in (joining.HOME, home.store.key, home.store.authorities):
        try:
            its = path.stat() if path else None
        except OSError:
            its = None
        found.append((its.st_ino, its.st_mtime_ns, its.st_size) if its else ())
    return found


def _means(home: joining.Home, bucket: Bucket) -> Means:
    found = facts.load()

    def barrier(reason: str) -> HostBarrier:
        return HostBarrier(found.data, reason, drain=found.drain_seconds, patience=0)

    return Means(bucket, home.entry, barrier, found.drain_seconds, Holding, say=_say)


def _say(text: str) -> None:
    print(printable(text), flush=True)


def _list(bucket: Bucket, me: Entry, *, as_json: bool) -> None:
    objects = list(bucket.list(ENTRIES))
    found = []
    for one in objects:
        its = service.described(bucket, one)
        state = state_of(its, me.identity, service.quiet(one, objects))
        found.append({**its, "state": state})
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for its in found:
        machine = f" ({its['machine']})" if its["machine"] else ""
        print(printable(f"{its['stack']}{machine} since {its['since'] or 'nobody knows when'}: {its['state']}"))


def state_of(its: Mapping[str, str], me: str, quiet: int) -> str:
    """How a host is, in words."""
    if its.get("fault"):
        return f"it is not understood: {its['fault']}"
    if its["identity"] == me:
        return "this host"
    if quiet > times.MISSED:
        return f"no sign of it for {count(quiet // 60, 'minute')}"
    return "it is there"


def _forget(bucket: Bucket, me: Entry, which: str, wait: int) -> None:
    known = entries(bucket)
    chosen = [one for one in known.values() if which in {one.identity, one.stack, one.stack.rpartition("/")[2]}]
    if not chosen:
        raise EndError(
            "NAME_UNKNOWN", f"no host of the name {which} writes to this bucket; registryctl hosts lists them"
        )
    if len(chosen) > 1:
        names = ", ".join(f"{one.identity} on {one.machine}" for one in chosen)
        raise UsageError(f"which one? {names}")
    if chosen[0].identity == me.identity:
        raise UsageError("that is this host: pulumi destroy takes it away")
    if _answers(bucket, me, chosen[0], wait):
        raise EndError("BUSY", f"{chosen[0].name} answers, so it is not gone; pulumi destroy takes it away")
    joining.remove_entry(bucket, chosen[0])
    print(printable(f"forgotten: {chosen[0].name}"))


def _answers(bucket: Bucket, me: Entry, one: Entry, wait: int) -> bool:
    clock = Clock()
    with locks.locked(Machine(), "hosts"):
        run = Run(bucket, me, "look", "a question", clock, peers={one.identity: one})
        try:
            run.want("journals")
            end = clock.now() + wait
            while one.identity not in run.answers:
                if clock.now() > end:
                    return False
                clock.pause(times.PAUSE)
                run.beat()
            return True
        finally:
            run.want("end")
