"""`registryctl mirrors trim`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from registryctl import clock, facts, pulls
from registryctl.clean_up import counted, megabytes
from registryctl.endings import EXIT, UsageError, printable
from registryctl.facts import Bounded, Facts
from registryctl.host import last_result, leave_result, now
from registryctl.layout import is_repository
from registryctl.locks import locked
from registryctl.machine import Machine
from registryctl.metrics import store
from registryctl.mirrors import NAME
from registryctl.mirrors.choice import GRACE, Bounds
from registryctl.mirrors.files import MirrorStorage, earlier, within
from registryctl.mirrors.images import Pulled
from registryctl.mirrors.trim import Run, Trimmed
from registryctl.options import Parser, seconds
from registryctl.reading import read_catalogue
from registryctl.storage import NotThere, StorageError
from registryctl.sweep import blobs

USAGE = f"""\
{{name}} trim [--dry-run] [--grace SECONDS] [--json] [PREFIX...]

Removes from the mirrors of other registries what exceeds their bounds: mirrors[].unpulledDays and mirrors[].maxSize.
Images that were not pulled for the longest go first. Clients pull meanwhile.

--dry-run  only says what would go
--grace    for how long what was used, or needed, last is left alone for the sake of pulls under way; {GRACE}
--json     says it in JSON
PREFIX     only these mirrors

An image's tags and its own manifest go at once, and what only it needed after --grace, in a later run: a timer starts
one each quarter of an hour. What went is fetched anew when somebody asks for it. What can't be read stays, and
registry-status warns of it.

Exit code: 0 done, or nothing to do; 1 not all could be done, the next run goes on; 2 wrong use.
"""

enter: Callable[[Path], AbstractContextManager[MirrorStorage]] = within
"""Where a storage is entered."""


def run(words: Sequence[str], name: str) -> int:
    """Trims; the exit code."""
    parser = Parser(USAGE.format(name=name))
    for flag in ("--dry-run", "--json"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--grace", type=seconds, default=GRACE)
    parser.add_argument("words", nargs="*")
    options = parser.parse(words)
    if options.words[:1] != ["trim"]:
        raise UsageError("say trim")
    found = facts.load()
    for prefix in options.words[1:]:
        if prefix not in {one.prefix for one in found.bounded}:
            raise UsageError(f"there is no mirror {prefix} that has a bound")
    chosen = [one for one in found.bounded if one.prefix in options.words[1:] or not options.words[1:]]
    with locked(Machine(), NAME):
        return _trim(found, chosen, options.grace, (options.dry_run, options.json))


def _trim(found: Facts, chosen: Sequence[Bounded], grace: int, how: tuple[bool, bool]) -> int:
    dry, as_json = how
    moment = clock.now(keep=not dry)
    if store.of_host().exists():
        pulls.catch_up(found)
    results: dict[str, dict[str, object]] = {}
    code = 0
    for mirror in chosen:
        try:
            result = _trimmed(mirror, moment, grace, dry=dry)
        except PermissionError:
            raise
        except (StorageError, OSError) as error:
            print(printable(f"{mirror.prefix}: {error}; the next run goes on from there"), file=sys.stderr)
            results[mirror.prefix] = {"failed": str(error)}
            code = EXIT["FAILED"]
            continue
        of_others = {place: _size(place) for place in earlier(mirror.data)}
        result.earlier = sum(of_others.values())
        results[mirror.prefix] = asdict(result)
        if not as_json:
            _tell(mirror, result, dry=dry)
            for place, size in of_others.items():
                told = f"{megabytes(size)} of an earlier upstream count for no bound: rm -r {place} removes them"
                print(printable(f"{mirror.prefix}: {told}"))
    if as_json:
        print(json.dumps(results, indent=2))
    if results and not dry:
        _leave(results)
    return code


def _trimmed(mirror: Bounded, moment: float, grace: int, *, dry: bool) -> Trimmed:
    try:
        with enter(mirror.data) as storage:
            names = read_catalogue(storage).names
    except (NotThere, FileNotFoundError):
        # It has not fetched anything yet.
        return Trimmed()
    known, since, why = _pulls(mirror, names, moment)
    bounds = Bounds(mirror.most, None if why else mirror.days, since, grace, mirror.tag_seconds)
    with enter(mirror.data) as storage:
        its = Run(storage, known, bounds, moment)
        result = its.dry() if dry else its.go()
    result.faults += [why] if why else []
    return result


def _size(place: Path) -> int:
    """Bytes of all blobs, as far as they can be read."""
    try:
        with enter(place) as storage:
            return sum(size for _, size in blobs(storage, []))
    except (StorageError, OSError):
        return 0


def _pulls(mirror: Bounded, names: Iterable[str], moment: float) -> tuple[Pulled, float, str]:
    """What is known of pulls, since when, and why what nobody pulled can't be told."""
    # By a name of another form nobody has pulled, and it need not be text.
    known = {name: pulls.known(f"{mirror.prefix}/{name}") for name in names if is_repository(name)}
    every = [its for its in known.values() if its is not None]
    why = ""
    if mirror.days is not None and known:
        if not every or not every[0].since:
            why = "nobody has counted pulls yet: what nobody pulls stays"
        elif moment - every[0].until > store.LATE:
            why = "pulls were not counted of late: what nobody pulls stays"

    def last(name: str, references: Iterable[str]) -> float:
        its = known.get(name)
        return its.of(references, "").last if its is not None else 0

    return last, max((its.since for its in every), default=0), why


def _tell(mirror: Bounded, result: Trimmed, *, dry: bool) -> None:
    for image, why in result.why.items():
        if image not in result.changed:
            print(printable(f"{'would go' if dry else 'gone'}: {mirror.prefix}/{image} ({why})"))
    for image in result.changed:
        print(printable(f"stays: {mirror.prefix}/{image} (it was used meanwhile)"))
    for text in result.faults:
        print(printable(f"stays: {mirror.prefix}: {text}"))
    if result.over:
        print(f"{mirror.prefix}: more than {megabytes(mirror.most or 0)}, and nothing more may go now")
    images = counted(len(result.why) - len(result.changed), "image", "images")
    went = f"{images} would go" if dry else f"{images} gone, {megabytes(result.freed)} freed"
    left = f"images that stay need {megabytes(result.kept)} of {megabytes(result.stored)}"
    print(f"{mirror.prefix}: {went}; {left}", flush=True)


def _short(result: dict[str, object]) -> dict[str, object]:
    """Numbers in place of names: the journal has those."""
    return {key: len(its) if isinstance(its, (list, dict)) else its for key, its in result.items()}


def _leave(results: dict[str, dict[str, object]]) -> None:
    """For registry-status. Those of other runs stay as they were."""
    short = {prefix: {**_short(its), "time": now()} for prefix, its in results.items()}
    try:
        leave_result(NAME, json.dumps({**last_result(NAME), **short}))
    except OSError as error:
        print(f"there is no place for the result: {error}", file=sys.stderr)
