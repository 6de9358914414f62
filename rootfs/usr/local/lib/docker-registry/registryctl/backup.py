"""`registryctl backup`: makes, lists, checks and removes backups, and tries whether one can be restored."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from registryctl import backup_state, backups, clock, pruning, repository, restoring, writers
from registryctl.clean_up import megabytes
from registryctl.drill import drill
from registryctl.endings import EndError, UsageError, count, printable
from registryctl.host import Host, now, open_host
from registryctl.journals import BarrierError, BusyError
from registryctl.layout import is_repository, is_tag
from registryctl.options import Parser, seconds
from registryctl.restic import Restic, ResticError
from registryctl.selection import Request
from registryctl.storage import StorageError
from registryctl.taking import Taken, Taking
from registryctl.time_machine import digest_in

USAGE = """\
{name} [--init] [--force] [--wait SECONDS] [--json]
{name} list [NAME:TAG] [--json]
{name} check [--all]
{name} prune [--force]
{name} drill [--from WHEN] [--json]

Backs up this host's registry by restic, as docker-registry:backup says, while pushes and pulls go on; deletions and
clean-ups wait. list shows what there is, or which backups have a tag and what it was in them. check reads one part of
the repository, each time another. prune removes what the settings don't keep. drill restores the newest backup into a
directory of its own, verifies every tag, and removes it again. registryctl restore brings a backup back.

--init   also where the repository was there before and is gone: makes another
--force  also if this registry has no image, or far fewer than in the last backup, or no content of them; prune: also
         after damage, after a backup of the future, or if more go than gc.maxShare
--wait   how long another tool may take that is at work; 3600
--all    reads all of the repository
--from   the newest backup of a day or time, or the run of that name
--json   say it in JSON

Exit code: 0 done; 1 it failed, and the next one goes on; 2 wrong use; 4 there is no such backup; 14 done, but for what
could not be read, which is named; 16 another tool was at work; 17 more would be removed than gc.maxShare allows; 19
something in the repository is damaged.
"""

WAIT_SECONDS = 3600
_SHOWN = 10
_MACHINE = Path("/etc/machine-id")
_ACTS = ("run", "list", "check", "prune", "drill")


def run(words: Sequence[str], name: str) -> int:
    """Does what it is told; the exit code."""
    parser = Parser(USAGE.format(name=name))
    parser.add_argument("act", nargs="?", default="run")
    parser.add_argument("tag", nargs="?")
    parser.add_argument("--from", dest="when")
    parser.add_argument("--wait", type=seconds, default=WAIT_SECONDS)
    for flag in ("--init", "--force", "--all", "--json"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse(words)
    if options.act not in _ACTS or (options.tag and options.act != "list"):
        raise UsageError(f"what is {options.tag if options.act in _ACTS else options.act}?")
    host = open_host("backup", options.wait, files=True)
    restic = Restic(repository.by_settings())
    acts: dict[str, Callable[[], int]] = {
        "run": lambda: _take(host, restic, init=options.init, force=options.force, as_json=options.json),
        "list": lambda: _list(restic, options.tag, as_json=options.json),
        "check": lambda: _check(restic, everything=options.all),
        "prune": lambda: _prune(host, restic, force=options.force),
        "drill": lambda: drill(host, restic, options.when, as_json=options.json),
    }
    try:
        return acts[options.act]()
    except (ResticError, BarrierError, StorageError, OSError, EndError) as error:
        raise _told(options.act, host, error) from None


def _told(act: str, host: Host, error: Exception) -> EndError:
    """The end, which registry-status knows of too."""
    if isinstance(error, EndError):
        end = error
    elif isinstance(error, BusyError):
        end = EndError("BUSY", f"another tool has been at work for {host.wait} s; nothing was done")
    elif isinstance(error, ResticError):
        end = EndError({"DAMAGED": "DAMAGED", "LOCKED": "BUSY"}.get(error.kind, "FAILED"), str(error))
    else:
        end = EndError("FAILED", str(error))
    what = {"run": "backup"}.get(act, act)
    # Damage that a check found is not forgotten because something else fails too.
    if what in {"backup", "check", "prune", "drill"} and (what == "check" or not _damage()):
        with suppress(OSError):
            backup_state.note(failed={"what": what, "name": end.name, "time": now(), "why": end.text})
    return end


def _damage() -> str:
    """When the last check found damage, if it did."""
    failed = backup_state.read().get("failed") or {}
    return str(failed.get("time")) if (failed.get("what"), failed.get("name")) == ("check", "DAMAGED") else ""


def _done(act: str, *, clears: bool = True, **facts: object) -> None:
    """What went well. A failure of the same is over; where a check found damage, only a check can say otherwise."""
    failed = backup_state.read().get("failed") or {}
    over = clears and failed.get("what") == act
    try:
        backup_state.note(**facts, **({"failed": None} if over else {}))
    except OSError as error:
        raise EndError("FAILED", f"it is done, but registry-status can't know: {error}") from None


def _take(host: Host, restic: Restic, *, init: bool, force: bool, as_json: bool) -> int:
    if run := restoring.begun(host.facts.root):
        raise EndError("FAILED", f"the backup {run} is not restored to its end; registryctl restore goes on with it")
    state = backup_state.read()
    known, last = bool(state.get("used")), state.get("good") or {}
    empty = _is_empty(host)
    if empty and not force:
        if not known:
            _refuse_to_begin(restic)
        elif last.get("empty") is False:
            text = f"this registry has no image any more, and the backup {last.get('run')} has: is its disk mounted?"
            raise EndError("FAILED", f"{text} registryctl restore brings them back, --force backs it up as it is")
    if not force:
        _refuse_other_files(host)
    before = None if force else int(last.get("tags", 0))
    taken = Taking(restic, host.facts.root, host.barrier, known and not init, time.time, before, _me()).go()
    good = {
        "run": taken.backup.run,
        "time": now(),
        "seconds": round(taken.seconds, 1),
        "files": taken.files,
        "tags": taken.tags,
        "bytes": taken.bytes,
        "added": taken.added,
        "unread": len(taken.faults),
        "empty": empty,
    }
    _done("backup", used=True, good=good)
    if as_json:
        print(json.dumps({**good, "faults": [vars(fault) for fault in taken.faults]}, indent=2))
    else:
        _tell(taken)
        if not taken.faults and restic.repository.shares_disk(host.facts.data):
            print("the repository is on the registry's own file system: the end of its disk is the end of both")
    if taken.faults:
        first = taken.faults[0]
        text = (
            f"{count(len(taken.faults), 'file')} could not be read and missing in the backup: {first.path}: {first.why}"
        )
        raise EndError("UNREADABLE", text)
    return 0


def _is_empty(host: Host) -> bool:
    try:
        return restoring.is_empty(host.facts.root)
    except EndError:
        # What of it can't be read the backup itself says.
        return False


def _refuse_other_files(host: Host) -> None:
    """A disk that was mounted only after the container had started hides from this host what is pushed."""
    try:
        wrong = writers.writes_elsewhere(host.facts.data)
    except BarrierError:
        # Docker may be down; what is there is backed up.
        return
    if wrong:
        raise EndError("FAILED", f"{wrong}; --force backs up what this host has")


def _me() -> str:
    """Tells this host's backups from those of another one, and does not tell its machine's own name."""
    try:
        name = _MACHINE.read_bytes().strip()
    except OSError:
        return ""
    return hashlib.sha256(b"docker-registry backup " + name).hexdigest()[:16] if name else ""


def _refuse_to_begin(restic: Restic) -> None:
    """A host that was set up anew must not have its empty registry backed up as the newest state of the old one."""
    try:
        found = [one for one in backups.backups(restic) if one.whole]
    except ResticError as error:
        if error.kind == "MISSING":
            return
        raise
    if found:
        text = f"this registry has no image, and the repository has backups of it, the newest of {found[-1].said}"
        raise EndError("FAILED", f"{text}; registryctl restore brings it back, --force begins with nothing")


def _tell(taken: Taken) -> None:
    if taken.made:
        print("the repository is new; without its password nobody can read it: keep a copy elsewhere")
    for fault in taken.faults[:_SHOWN]:
        print(printable(f"not read  {fault.path}: {fault.why}"))
    new = f"{megabytes(taken.added)} of {megabytes(taken.bytes)} are new"
    print(f"{taken.backup.run}: {count(taken.files, 'file')}, {new}, {taken.seconds:.1f} s")


def _list(restic: Restic, tag: str | None, *, as_json: bool) -> int:
    found = backups.backups(restic)
    lines: list[dict[str, object]] = []
    request = Request.parse(tag) if tag else None
    if request and not (is_repository(request.repository) and is_tag(request.tag)):
        raise UsageError(f"{request.text} is not one NAME:TAG")
    for one in found:
        its: dict[str, object] = {"run": one.run, "time": one.said, "whole": one.whole}
        if request and one.whole:
            its["digest"] = _digest(restic, one.parts[backups.TAGS], request)
        if not request or its.get("digest"):
            lines.append(its)
    if as_json:
        print(json.dumps(lines, indent=2))
        return 0
    for its in lines:
        what = its.get("digest") or ("" if its["whole"] else "cut off: it can't be restored")
        print(printable(f"{its['run']}  {its['time']}  {what}".rstrip()))
    if not lines:
        print(f"no backup has {tag}" if tag else "there is no backup yet")
    return 0


def _digest(restic: Restic, snapshot: str, request: Request) -> str:
    try:
        return digest_in(restic, snapshot, request)
    except ResticError as error:
        if "not found in snapshot" in str(error) or "cannot dump file" in str(error):
            return ""
        raise


def _check(restic: Restic, *, everything: bool) -> int:
    parts, state = restic.repository.check_parts, backup_state.read()
    part = int((state.get("check") or {}).get("part", 0)) % parts + 1
    subset = [] if everything or parts == 1 else [f"--read-data-subset={part}/{parts}"]
    begin = time.monotonic()
    try:
        restic.run("check", *(subset or ["--read-data"]))
    except ResticError as error:
        if error.kind == "DAMAGED" and not subset:
            # In which part nobody knows: one that is whole says nothing of the others.
            backup_state.note(damagedSomewhere=True)
        raise
    took = time.monotonic() - begin
    clears = not subset or not state.get("damagedSomewhere")
    check = {"time": now(), "part": part, "parts": parts, "seconds": round(took, 1)}
    _done("check", clears=clears, check=check, **({} if subset else {"damagedSomewhere": None}))
    print(f"no damage found; {f'part {part} of {parts}' if subset else 'all'} was read, {took:.1f} s")
    return 0


def _why_none_goes(restic: Restic) -> str:
    if restic.repository.append_only:
        return "backup.appendOnly is set: whoever has all rights in the repository removes old backups"
    return "" if restic.repository.keep else "backup.keep is not set: all backups are kept"


def _prune(host: Host, restic: Restic, *, force: bool) -> int:
    if why := _why_none_goes(restic):
        # What failed before that was set is over.
        _done("prune")
        print(why)
        return 0
    if (when := _damage()) and not force:
        print(f"the check of {when} found damage: nothing is removed until one finds none")
        return 0
    with host.barrier.turn():
        choice = pruning.choose(restic, clock.now(keep=True), force=force)
        if not force:
            pruning.check(choice, host.facts.max_share)
    if choice.snapshots:
        pruning.carry_out(restic, choice.snapshots)
    _done("prune", pruned=now())
    for one in (*choice.halves, *choice.old):
        print(f"removed  {one.run}  {one.said}")
    print(f"{count(choice.whole - len(choice.old), 'backup')} kept")
    return 0


def age(text: str) -> timedelta:
    """How long ago a time of the results was."""
    return datetime.now().astimezone() - datetime.fromisoformat(text)
