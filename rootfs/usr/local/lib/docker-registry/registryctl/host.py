"""This host's registry: what its settings say, its storage, and the barrier before it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registryctl import clean_up, durable, facts
from registryctl.act import Outcome, RefusedError, Rules, carry_out
from registryctl.barrier import HostBarrier
from registryctl.bucket import Bucket, open_bucket
from registryctl.endings import EXIT, EndError, ToolError
from registryctl.files import FileStorage
from registryctl.hosts import joining
from registryctl.hosts.peers import PeerBarrier
from registryctl.hosts.watching import Watched
from registryctl.journals import Barrier, BarrierError, BrokenOffError, BusyError, Written
from registryctl.locks import locked
from registryctl.machine import RESULTS, Machine, noted
from registryctl.moving import record, times
from registryctl.objects import ObjectStorage
from registryctl.plan import Fresh, Plan
from registryctl.storage import AwayError, Storage, StorageError


@dataclass(frozen=True)
class Host:
    """What a command works on."""

    facts: facts.Facts
    storage: Storage
    barrier: Barrier
    wait: int
    """Seconds for which another tool is waited for."""
    others: Callable[[], Sequence[str]] = tuple
    """The names of the other hosts that serve the same images. Raises BarrierError."""


def open_host(reason: str, wait: int, *, files: bool = False) -> Host:
    """This host's; `reason` is what others who wait are told. Raises `FactsError`, `PermissionError` and `EndError`.

    `files`: only where the images are files, for what can't work on others.
    """
    found = facts.load()
    record.refuse_while_switched(found.objects)
    if files:
        refuse_objects(found)
    if found.data.exists() and not os.access(found.data, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(f"{found.data} is not yours")
    local = HostBarrier(found.data, reason, drain=found.drain_seconds, patience=wait)
    if not found.objects:
        return Host(found, FileStorage(found.data), local, wait)
    bucket = _bucket_of(found)
    barrier = barrier_of(bucket, local, reason, wait)
    storage = ObjectStorage(Watched(bucket, barrier.unsure), barrier.guard, lambda: times.load(bucket))
    return Host(found, storage, barrier, wait, barrier.others)


def _bucket_of(found: facts.Facts) -> Bucket:
    if found.store is None:
        raise facts.FactsError(f"it is not known how the object store {found.objects} is reached; pulumi up brings it")
    try:
        return open_bucket(found.store)
    except ToolError as error:
        raise EndError("FAILED", str(error)) from None


def barrier_of(bucket: Bucket, local: HostBarrier, reason: str, wait: int) -> PeerBarrier:
    """What keeps all writers out of a bucket, on whatever host. Raises `FactsError` where none knows of this one."""
    me = joining.load_home().entry
    return PeerBarrier(local, bucket, me, reason, patience=wait, looking=lambda: locked(Machine(), "hosts"))


def refuse_objects(found: facts.Facts) -> None:
    """Raises `EndError` where the images are no files of this host, for what works on files alone."""
    if found.objects:
        where = f"the images lie in an object store, {found.objects}"
        raise EndError("UNSUPPORTED", f"{where}, where this tool changes and reads nothing; nothing was done")


def looked_at(host: Host, make: Callable[[Fresh], Plan]) -> Plan:
    """The plan that would be carried out now. Raises `EndError` where the storage is away."""
    try:
        host.storage.anew()
        return make(Written().read(host.barrier.journals(), host.storage).fresh(time.time()))
    except AwayError as error:
        raise EndError("FAILED", str(error)) from None
    except BarrierError as error:
        raise EndError("BUSY", f"what was pushed lately is not known: {error}") from None


def carried_out(host: Host, make: Callable[[Fresh], Plan], rules: Rules) -> Outcome:
    """Carries out what is to be deleted. Raises `EndError`."""
    try:
        outcome = carry_out(host.storage, host.barrier, make, rules)
    except (StorageError, AwayError, BrokenOffError) as error:
        raise EndError("FAILED", f"not all could be deleted; again, it goes on from there: {error}") from None
    except BusyError:
        raise EndError("BUSY", f"a clean-up or another deletion has been at work for {host.wait} s") from None
    except BarrierError as error:
        raise EndError("BUSY", f"writes could not be held off; nothing was deleted: {error}") from None
    except RefusedError as error:
        name = next((name for name, code in EXIT.items() if code == error.code), "FAILED")
        raise EndError(name, str(error)) from None
    if outcome.failed:
        raise EndError("FAILED", f"not all could be deleted; again, it goes on from there: {outcome.failed[0]}")
    return outcome


def check_share(host: Host, plan: Plan, how: str) -> None:
    """Raises `RefusedError` where more bytes would leave the images than gc.maxShare allows."""
    try:
        clean_up.check_share(plan, host.facts.max_share, how)
    except RefusedError as error:
        raise RefusedError(str(error), EXIT["TOO_MUCH"]) from None


def now() -> str:
    """The time, as results have it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def last_result(name: str) -> dict[str, Any]:
    """What a command left, as `noted` says it."""
    return noted(RESULTS / name)


def leave_result(name: str, text: str) -> None:
    """Leaves a line that says what came of a command. Raises `OSError`, on a full disk for example."""
    durable.put(RESULTS / name, f"{text}\n", 0o644)
