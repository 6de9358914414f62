"""`registryctl move`: brings the images to another place, while they are served."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

from registryctl import facts, host, writers
from registryctl.bucket import open_bucket
from registryctl.clean_up import megabytes
from registryctl.endings import EndError, ToolError, UsageError, count, printable
from registryctl.facts import Facts, FactsError
from registryctl.hosts import joining
from registryctl.hosts.run import identities
from registryctl.journals import BarrierError, BrokenOffError, BusyError
from registryctl.machine import RUN, Machine, touch
from registryctl.moving import record
from registryctl.moving.copying import Came, Copying
from registryctl.moving.known import Knowledge, Verified
from registryctl.moving.listed import is_empty
from registryctl.moving.places import Files, Objects, Place
from registryctl.moving.record import Record, named
from registryctl.options import Parser, seconds
from registryctl.storage import AwayError, StorageError

USAGE = """\
{name} [--wait SECONDS]
{name} status [--json]

Copies the images from files of this host to the bucket that docker-registry:storage.s3 names, or from the bucket to
files, and reads back what was copied: each digest is compared. Pushes and pulls go on, nothing is removed where the
images are, and the registry stays there. Again, it copies what has changed since; cut off, it goes on from there.

Once it has ended well, turn docker-registry:storage.driver and run pulumi up soon: that copies what was pushed
meanwhile, while pushes and pulls wait, and goes on in the other place. docs/storage.md has all of it.

--wait  how long another tool may take that is at work; 900
--json  say it in JSON

By pulumi up alone: ready, switch.

Exit code: 0 done; 1 it failed; 2 wrong use; 9 there is no other place, or a link among the images can't be moved; 14
the record of a move can't be read; 16 another tool, or another host, is in the way; 19 content is damaged where it is;
20 the other place has images already.
"""

WAIT_SECONDS = 900
_MOST_TIMES, _SHORT = 5, 3.0
"""It is repeated until it takes no longer than so many seconds, and not more often."""
ANNOUNCED = RUN / "sockets/moving"
"""Meanwhile the proxy lets pulls wait for a registry that is not there."""
READER = RUN / "sockets/reader.socket"


def run(words: Sequence[str], name: str) -> int:
    """Does what is wanted; the exit code."""
    parser = Parser(USAGE.format(name=name))
    parser.add_argument("act", nargs="?", default="copy")
    parser.add_argument("--wait", type=seconds, default=WAIT_SECONDS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--objects", default="")
    parser.add_argument("--beside", action="store_true")
    options = parser.parse(words)
    if options.act not in {"copy", "status", "ready", "switch"}:
        raise UsageError(f"what is {options.act}?")
    try:
        if options.act == "status":
            _status(as_json=options.json)
        elif options.act == "ready":
            _ready(options.objects, options.wait, beside=options.beside)
        elif options.act == "switch":
            _switch(options.objects, options.wait)
        else:
            _copied(facts.load(), options.wait)
    except BusyError:
        raise EndError("BUSY", f"another tool has been at work for {options.wait} s") from None
    except (StorageError, AwayError, BrokenOffError, ToolError) as error:
        if isinstance(error, FactsError):
            raise
        raise EndError("FAILED", f"{error}; again, it goes on from there") from None
    except PermissionError:
        raise
    except OSError as error:
        # A full disk, for example.
        raise EndError("FAILED", f"{error}; again, it goes on from there") from None
    except BarrierError as error:
        raise EndError("BUSY", f"writes could not be held off: {error}") from None
    return 0


def _other(found: Facts) -> str:
    if found.objects:
        return ""
    if found.beside is None:
        raise EndError("UNSUPPORTED", "there is no bucket to move to: set docker-registry:storage.s3, and pulumi up")
    return found.beside.place


def _copying(found: Facts, its: Record) -> Copying:
    source, target = _place(found, its.source), _place(found, its.target)
    knowledge = Knowledge(record.KNOWN, its.move)
    if target.marked() != its.move:
        if not is_empty(target.storage):
            where = str(found.data) if not its.target else its.target
            raise EndError("NOT_EMPTY", f"there are images in {where}, which this does not mix: move them aside first")
        # Somebody may have emptied it, or its disk is not mounted.
        knowledge.forget()
        target.mark(its.move)
    target.tidy()
    return Copying(source, target, Verified(record.VERIFIED, its.move), knowledge)


def _place(found: Facts, place: str) -> Place:
    if not place:
        return Files(found.data)
    store = found.store if found.objects else found.beside.store if found.beside else None
    if store is None or place not in {found.objects, found.beside.place if found.beside else ""}:
        raise EndError("FAILED", f"it is not known how {place} is reached; pulumi up brings it")
    bucket = open_bucket(store)
    # This host is among them once an up has got so far.
    mine = {joining.load_home().entry.identity} if joining.HOME.exists() else set()
    if not found.objects and identities(bucket) - mine:
        raise EndError("BUSY", f"there are hosts that write to {place} already: registryctl hosts on one of them")
    return Objects(bucket)


def _copied(found: Facts, wait: int) -> Record:
    """Until what is left is little."""
    at = host.open_host("move", wait)
    _refuse_others(at)
    if not found.objects and (wrong := writers.writes_elsewhere(found.data)):
        raise EndError("FAILED", wrong)
    with at.barrier.turn():
        # An up may have switched while this waited for its turn.
        record.refuse_while_switched(found.objects)
        its = record.begun(found.objects, _other(found), Machine().stamp())
        its.save()
    for times in range(_MOST_TIMES):
        began = time.monotonic()
        with at.barrier.turn():
            # An up may have switched since, or another move begun: from then on somebody else writes to the target.
            record.refuse_unless_under_way(its)
            copying = _copying(found, its)
            came = copying.since() if times else copying.once()
            _say(came, time.monotonic() - began)
            _check(came, its)
            its.copied, its.blobs, its.size = Machine().stamp(), came.blobs, came.size
            its.save()
        if time.monotonic() - began < _SHORT:
            break
    _tell(f"{named(its.target)}: all is there, but for what is pushed from now on")
    return its


def _refuse_others(at: host.Host) -> None:
    if others := at.others():
        raise EndError("BUSY", f"other hosts write to the same bucket: {', '.join(others)}; destroy their stacks first")


def _check(came: Came, its: Record) -> None:
    if its.blobs and not came.blobs:
        raise EndError("FAILED", f"{named(its.source)}: there were images, and are none now; is the disk mounted?")
    if came.damaged:
        text = f"damaged where it is: {count(len(came.damaged), 'blob')}, such as {min(came.damaged)}"
        raise EndError("DAMAGED", f"{text}: delete the images that need them, registryctl trash empty, registry-gc")


def _say(came: Came, took: float) -> None:
    what = f"{count(came.blobs, 'blob')} ({megabytes(came.size)}), {came.copied} of them copied or verified"
    _tell(f"{what}, {count(came.links, 'link')} changed, in {took:.1f} s")


def _tell(text: str) -> None:
    """Standard output of what `up` runs is for the program."""
    print(printable(text), file=sys.stderr, flush=True)


def _status(*, as_json: bool) -> None:
    its = record.load()
    if as_json:
        print(json.dumps(None if its is None else asdict(its), indent=2))
    elif its is None:
        print("nothing was moved")
    else:
        state = f"since {its.switched}" if its.switched else f"copied {its.copied}" if its.copied else "being copied"
        print(printable(f"from {named(its.source)} to {named(its.target)}: {state}"))


def _ready(objects: str, wait: int, *, beside: bool) -> None:
    """Before an `up` changes anything: says "moved" where the images are, or will be, in the place of the settings.

    `beside`: these name a bucket, which is not that place.
    """
    its = record.load()
    if its is None:
        return
    # None: what was there was destroyed. Facts that can't be read say nothing of that kind.
    found = facts.load() if facts.PATH.exists() else None
    here = found.objects if found else None
    if its.switched and its.target == objects:
        _announce()
        print("moved")
    elif its.switched and here == its.source:
        record.refuse_while_switched(objects)
    elif its.switched and found is None and objects == its.source:
        # What was pushed since would seem lost.
        text = f"the images have moved to {named(its.target)}"
        raise EndError("BUSY", f"{text}; to begin with what {named(objects)} had, remove {record.PATH}")
    elif its.switched and found is None:
        # Somebody begins anew in a third place.
        record.PATH.unlink()
    elif found is None and objects == its.source:
        # It was destroyed before the switch: they are where they were.
        print("moved")
    elif found is None and objects == its.target:
        raise EndError("FAILED", f"the images are in {named(its.source)}: pulumi up with that, and then again")
    elif found and (here, objects) == (its.source, its.target):
        if not its.copied:
            raise EndError("FAILED", "the images were not copied to the end: registryctl move on the host")
        if objects and _other(found) != objects:
            raise EndError("FAILED", "this host knows of another bucket by now: registryctl move on the host")
        if not objects and not beside:
            raise EndError("FAILED", "leave docker-registry:storage.s3 in the settings until this up has ended well")
        _copied(found, wait)
        _announce()
        print("moved")


def _switch(objects: str, wait: int) -> None:
    """Between two containers: the one that wrote to the one place is gone, and the other one is not there yet."""
    its = record.load()
    if its is None:
        return
    if its.switched:
        if not facts.PATH.exists() or facts.load().objects == its.source != its.target:
            record.refuse_while_switched(objects)
        return
    found = facts.load() if facts.PATH.exists() else None
    here = found.objects if found else its.source
    if objects == here or objects != its.target:
        return
    if found is None or here != its.source:
        raise EndError("FAILED", f"the images are in {named(here)}, and were not copied to {named(objects)}")
    if not its.copied:
        raise EndError("FAILED", "the images were not copied to the end: registryctl move on the host")
    if writers.container_process():
        raise EndError("BUSY", "the registry runs: pulumi up does this between two containers")
    # A registry that was killed leaves it, and the proxy would ask there.
    READER.unlink(missing_ok=True)
    _announce()
    began = time.monotonic()
    at = host.open_host("move", wait)
    _refuse_others(at)
    with at.barrier.turn(), at.barrier.closed():
        record.refuse_unless_under_way(its)
        copying = _copying(found, its)
        came = copying.since(last=True)
        _check(came, its)
        its.switched, its.blobs, its.size = Machine().stamp(), came.blobs, came.size
        its.save()
        # With another record of this move, an older one, nothing goes on there: it is in use from now on.
        with suppress(StorageError):
            copying.ended()
    _say(came, time.monotonic() - began)


def _announce() -> None:
    try:
        touch(ANNOUNCED)
    except OSError:
        # Pulls fail then, as they do in any up that replaces the registry.
        return
