"""This host's registry: what its settings say, its storage, and the barrier before it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from registryctl import clean_up, facts
from registryctl.act import Outcome, RefusedError, Rules, carry_out
from registryctl.barrier import HostBarrier
from registryctl.endings import EXIT, EndError
from registryctl.files import FileStorage
from registryctl.journals import Barrier, BarrierError, BusyError, Written
from registryctl.machine import RESULTS
from registryctl.plan import Fresh, Plan
from registryctl.storage import Storage, StorageError


@dataclass(frozen=True)
class Host:
    """What a command works on."""

    facts: facts.Facts
    storage: Storage
    barrier: Barrier
    wait: int
    """Seconds for which another tool is waited for."""


def open_host(reason: str, wait: int) -> Host:
    """This host's; `reason` is what others who wait are told. Raises `FactsError`, `PermissionError` and `EndError`."""
    found = facts.load()
    refuse_objects(found)
    if found.data.exists() and not os.access(found.data, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(f"{found.data} is not yours")
    barrier = HostBarrier(found.data, reason, drain=found.drain_seconds, patience=wait)
    return Host(found, FileStorage(found.data), barrier, wait)


def refuse_objects(found: facts.Facts) -> None:
    """Raises `EndError` where the images are no files of this host: nothing here could be right about them."""
    if found.objects:
        where = f"the images lie in an object store, {found.objects}"
        raise EndError("UNSUPPORTED", f"{where}, where this tool changes and reads nothing yet; nothing was done")


def looked_at(host: Host, make: Callable[[Fresh], Plan]) -> Plan:
    """The plan that would be carried out now."""
    return make(Written().read(host.barrier.journals(), host.storage).fresh(time.time()))


def carried_out(host: Host, make: Callable[[Fresh], Plan], rules: Rules) -> Outcome:
    """Carries out what is to be deleted. Raises `EndError`."""
    try:
        outcome = carry_out(host.storage, host.barrier, make, rules)
    except BusyError:
        raise EndError("BUSY", f"a clean-up or another deletion has been at work for {host.wait} s") from None
    except BarrierError as error:
        raise EndError("BUSY", f"writes could not be held off; nothing was deleted: {error}") from None
    except RefusedError as error:
        name = next((name for name, code in EXIT.items() if code == error.code), "FAILED")
        raise EndError(name, str(error)) from None
    except StorageError as error:
        raise EndError("FAILED", f"not all could be deleted; again, it goes on from there: {error}") from None
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


def last_result(name: str) -> str:
    """What a command left. Raises `OSError`, `UnicodeError`."""
    return (RESULTS / name).read_text(encoding="utf-8")


def leave_result(name: str, text: str) -> None:
    """Leaves a line that says what came of a command. Raises `OSError`, on a full disk for example."""
    new = RESULTS / f"{name}.new"
    new.write_text(f"{text}\n", encoding="utf-8")
    new.replace(RESULTS / name)
