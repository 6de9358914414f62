"""`registryctl restore`: brings a registry, or single images of it, back out of a backup."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from registryctl import backups, repository, restoring
from registryctl.backups import Backup
from registryctl.drill import told
from registryctl.endings import EndError, UsageError, count, printable
from registryctl.files import FileStorage
from registryctl.host import Host, open_host
from registryctl.journals import BarrierError, BusyError
from registryctl.layout import is_repository, is_tag
from registryctl.options import Parser, seconds
from registryctl.placing import Placed
from registryctl.restic import Restic, ResticError
from registryctl.selection import Request
from registryctl.staging import Stage, make_directory
from registryctl.storage import StorageError
from registryctl.taking import DATA
from registryctl.time_machine import Machine, renamed
from registryctl.undo import bring_back

USAGE = """\
{name} [--from WHEN] [--merge] [--stack STACK] [--wait SECONDS] [--json]
{name} NAME:TAG... [--from WHEN] [--as NAME:TAG] [--stack STACK] [--wait SECONDS] [--json]
{name} --into DIRECTORY [--from WHEN] [--merge] [--stack STACK] [--json]

Brings back out of the newest backup all images with their push times, what could be undone, and accounts, certificates
and keys as far as there are none. Every tag's content is verified by its digest. Cut off, the next run goes on. With
NAME:TAG only these images, with all that they need, beside what is there now: patterns in quotes, NAME for all tags of
a repository, NAME@sha256:… for one by its digest. A tag that leads elsewhere by now stays; --as gives another.

--from   the newest backup of that day (2026-11-20) or time (2026-11-20T10:00), or a run of registryctl backup list
--as     the name that the image gets
--merge  into a registry that has images: adds what is missing, and changes no tag
--into   on a host without the stack's tools, before the first pulumi up: the storage root. restic's own variables
         say where the repository is: RESTIC_REPOSITORY, RESTIC_PASSWORD_FILE
--stack  whose backups, where the repository has those of several registries, or of this one before it was renamed
--wait   how long another tool may take that is at work; 900
--json   say it in JSON

Exit code: 0 done; 1 it failed, again it goes on; 2 wrong use; 4 there is no such backup; 6 it has no such image, or
--stack is needed; 14 which backup is the newest is not known, --from says it; 16 another tool was at work, or pushes
could not be kept out; 19 done, but for what is not whole in the backup, which is named; 20 there are images.
"""

WAIT_SECONDS = 900


def run(words: Sequence[str], name: str) -> int:
    """Restores; the exit code."""
    parser = Parser(USAGE.format(name=name))
    parser.add_argument("images", nargs="*", default=[])
    for option in ("--into", "--stack"):
        parser.add_argument(option, default="")
    parser.add_argument("--from", dest="when")
    parser.add_argument("--as", dest="name")
    parser.add_argument("--wait", type=seconds, default=WAIT_SECONDS)
    for flag in ("--merge", "--json"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse(words)
    requests = [_request(text) for text in options.images]
    name_after = _name_after(requests, options.name)
    if options.into and requests:
        raise UsageError("--into is for a whole registry")
    try:
        if options.into:
            return _into(Path(options.into), options)
        host = open_host("restore", options.wait, files=True)
        its = repository.by_settings()
        restic = Restic(replace(its, stack=options.stack or its.stack))
        if requests:
            return _images(host, restic, requests, options.when, name_after, as_json=options.json)
        return _everything(host, restic, options)
    except BusyError:
        raise EndError("BUSY", f"another tool has been at work for {options.wait} s") from None
    except BarrierError as error:
        raise EndError("BUSY", f"writes could not be held off; again, it goes on from there: {error}") from None
    except ResticError as error:
        name = {"DAMAGED": "DAMAGED", "LOCKED": "BUSY"}.get(error.kind, "FAILED")
        raise EndError(name, f"{error}; again, it goes on from there") from None
    except PermissionError:
        raise
    except (StorageError, OSError) as error:
        raise EndError("FAILED", f"not all could be restored; again, it goes on from there: {error}") from None


def _request(text: str) -> Request:
    return Request.parse(text if set(text) & {"@", ":"} else f"{text}:*")


def _name_after(requests: Sequence[Request], text: str | None) -> Request | None:
    if text is None:
        return None
    name = Request.parse(text)
    if not (is_repository(name.repository) and is_tag(name.tag)):
        raise UsageError(f"--as {text} is not one NAME:TAG")
    if len(requests) != 1 or requests[0].is_pattern or not requests[0].tag:
        raise UsageError("--as is for one NAME:TAG")
    return name


def _chosen(restic: Restic, root: Path, when: str | None) -> Backup:
    """What is restored. What was begun goes on, though there may be a newer one."""
    return backups.chosen(backups.backups(restic), when or restoring.begun(root))


def _everything(host: Host, restic: Restic, options: object) -> int:
    root = host.facts.root
    with host.barrier.turn():
        stage = Stage(restic, _chosen(restic, root, vars(options)["when"]), root)
        restored = restoring.restore(stage, host.barrier.closed, merge=vars(options)["merge"])
    return told(stage.backup.run, restored, "restore", as_json=vars(options)["json"])


def _into(root: Path, options: object) -> int:
    if not root.is_absolute():
        raise UsageError(f"--into {root} is no absolute path")
    restic = Restic(repository.by_environment(vars(options)["stack"]))
    with restoring.nobody_writes(root):
        stage = Stage(restic, _chosen(restic, root, vars(options)["when"]), root)
        restored = restoring.restore(stage, restoring.nobody_is_there, merge=vars(options)["merge"])
    return told(stage.backup.run, restored, "restore", as_json=vars(options)["json"])


def _images(
    host: Host, restic: Restic, requests: Sequence[Request], when: str | None, name: Request | None, *, as_json: bool
) -> int:
    backup = backups.chosen(backups.backups(restic), when)
    stage = Stage(restic, backup, host.facts.root)
    machine = Machine(stage)
    with ExitStack() as held:
        held.enter_context(host.barrier.turn())
        make_directory(stage.root / DATA)
        stage.begin()
        held.callback(stage.clear)
        found = machine.find(requests)
        # Of links that did not come nobody else knows.
        damage = stage.damage
        records = [machine.fill(wanted) for wanted in found]
        if name is not None and not machine.lacks:
            records = [renamed(records[0], name.repository, name.tag)]
        placed = Placed()
        with host.barrier.closed():
            for wanted, record in zip(found, records, strict=True):
                undone = bring_back(FileStorage(host.facts.data), record)
                placed.files += undone.tags
                placed.kept += undone.moved
                whole = not (undone.left or undone.missing)
                digests = {f"{wanted.name}@{digest}" for digest in wanted.digests if whole}
                placed.there += [*undone.there, *sorted(digests - set(undone.manifests) - machine.lacks.keys())]
                placed.stays += undone.left
                placed.manifests += len(undone.manifests)
    placed.broken = machine.lacks
    _tell(backup, stage, placed, as_json=as_json)
    if damage and not placed.broken:
        raise EndError("DAMAGED", f"tags or signatures may be missing: {damage}")
    if placed.broken or placed.stays:
        raise EndError("DAMAGED", f"{count(len(placed.broken) + len(placed.stays), 'image')} could not be brought back")
    return 0


def _tell(backup: Backup, stage: Stage, placed: Placed, *, as_json: bool) -> None:
    if as_json:
        found = {"run": backup.run, "back": placed.files, "there": placed.there, "kept": placed.kept}
        more = {"broken": placed.broken, "manifests": placed.manifests, "bytes": stage.fetched}
        print(json.dumps({**found, **more}, indent=2))
        return
    for tag in placed.files:
        print(printable(f"back   {tag}"))
    for tag in placed.kept:
        print(printable(f"keep   {tag} (it leads elsewhere by now; what it was is there by its digest, --as tags it)"))
    for what, why in placed.broken.items():
        print(printable(f"broken {what}: {why}"))
    for path in placed.stays:
        print(printable(f"stays  {path} (something else lies in the link's place)"))
    said = []
    if placed.files or placed.manifests or not placed.there:
        what = f"{count(len(placed.files), 'tag')} and {count(placed.manifests, 'manifest')} are back"
        said.append(f"{what} as they were at {backup.said}")
    if placed.there:
        tags = sum("@" not in one for one in placed.there)
        parts = ((tags, "tag"), (len(placed.there) - tags, "manifest"))
        what = " and ".join(count(number, one) for number, one in parts if number)
        said.append(f"{what} {'is' if len(placed.there) == 1 else 'are'} there already")
    print("; ".join(said))
