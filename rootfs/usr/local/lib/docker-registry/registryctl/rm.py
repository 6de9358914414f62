"""`registryctl rm`: deletes images by tag, digest or pattern, and says what goes along and what stays."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from registryctl.consequences import Consequences
from registryctl.endings import EndError, UsageError, printable
from registryctl.host import open_host
from registryctl.local import LocalSource
from registryctl.options import Parser, seconds
from registryctl.remote import RemoteSource
from registryctl.selection import Request
from registryctl.wishes import Planning, RefusedError, Source

USAGE = """\
{name} [OPTION]... IMAGE...

IMAGE is NAME:TAG, NAME@sha256:DIGEST, or a pattern, in quotes so that the shell leaves it alone: 'team/*:pr-*'.
In patterns, * and ? stay within one part of a name, ** doesn't: 'team/**:*' is all tags of all below team/.

  NAME:TAG     The tag goes. Its manifest goes too, unless another tag or an index uses it, and with it what it
               alone contains and what is attached to it: signatures, attestations, SBOMs.
  NAME@DIGEST  The manifest goes. Refused while a tag has it, or an index that has a tag contains it.

  --dry-run           say what would go, and delete nothing
  --yes               don't ask; needed where there is no terminal
  --all-tags          let NAME@DIGEST take along all tags it has
  --wait SECONDS      how long a clean-up on this host may take that is under way; 60
  --registry REGISTRY another registry, HOST or HOST:PORT, with the account of docker login; without it, the
                      registry of this host
  --force             let a pattern with --yes take more than gc.maxShare percent of the stored bytes
  --json              say it in JSON

All or nothing: if one image can't be deleted, none is. On its own host, `registryctl undo` brings back what was
deleted, and the space is freed by the clean-up after gc.trashDays.

Exit codes:
   0  done; or shown, with --dry-run      9  UNSUPPORTED: the registry's settings forbid deletion
   1  something else went wrong          10  UNAUTHORIZED: not logged in, or the password is wrong
   2  wrong options or arguments         11  DENIED: this account may not
   3  not agreed to                      12  UNAVAILABLE: not now, for example during a clean-up; try again
   4  MANIFEST_UNKNOWN: no such tag      13  UNREACHABLE: no answer, or a certificate that isn't trusted
      or digest                          14  UNREADABLE: part of the repository can't be read, so that it
   5  NAME_UNKNOWN: no such repository       isn't known what else an image is needed for
   6  UNMATCHED: a pattern fits nothing  15  CHANGED: pushed or moved meanwhile, and kept
   7  USED_BY_TAG: see NAME@DIGEST       16  BUSY: a clean-up or another deletion is at work on this host
   8  USED_BY_INDEX: see NAME@DIGEST     17  TOO_MUCH: more than gc.maxShare; see --force
                                         18  IMMUTABLE: the settings forbid to delete this tag
"""

WAIT_SECONDS = 60


def run(words: Sequence[str], name: str) -> int:
    """Deletes what the words ask for; the exit code."""
    options = _options(words, name)
    requests = [Request.parse(text) for text in options.images]
    if options.image:
        print(f"{name}: --image has no use any more", file=sys.stderr)
    source = _source(options, requests)
    try:
        plans = Planning(source, options.all_tags).plan(requests)
    except RefusedError as error:
        for refusal in error.refusals:
            print(printable(str(refusal)), file=sys.stderr)
        return error.refusals[0].code
    source.check(plans)
    if not options.json:
        _show(plans)
    kept: list[str] = []
    if not options.dry_run:
        if not options.yes:
            _ask()
        kept = source.carry_out(plans)
    _tell(plans, kept, options)
    if kept:
        raise EndError("CHANGED", "what changed meanwhile was kept; the rest was deleted")
    return 0


def _options(words: Sequence[str], name: str) -> argparse.Namespace:
    parser = Parser(USAGE.format(name=name))
    parser.add_argument("images", nargs="*")
    for flag in ("--dry-run", "--yes", "--all-tags", "--force", "--json"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--wait", type=seconds, default=WAIT_SECONDS)
    parser.add_argument("--registry", default="")
    parser.add_argument("--image", default="")
    options = parser.parse(words)
    if not options.images:
        raise UsageError("which image?")
    if options.json and not (options.yes or options.dry_run):
        raise UsageError("--json asks nobody; it needs --yes or --dry-run")
    return options


def _source(options: argparse.Namespace, requests: Sequence[Request]) -> Source:
    if options.registry:
        return RemoteSource(options.registry)
    # Whoever wrote each name down, or looked at the list and agreed, knows what goes.
    known = options.force or not options.yes or not any(request.is_pattern for request in requests)
    return LocalSource(open_host("deletion of images", options.wait), bounded=not known)


def _show(plans: Sequence[Consequences]) -> None:
    for plan in plans:
        for line in plan.describe():
            print(printable(line))
    sys.stdout.flush()


def _tell(plans: Sequence[Consequences], kept: Sequence[str], options: argparse.Namespace) -> None:
    """What came of it."""
    if options.json:
        found = {"deleted": not options.dry_run, "repositories": [_as_json(plan) for plan in plans], "kept": list(kept)}
        print(json.dumps(found, indent=2))
        return
    for line in kept:
        print(printable(line))
    if not options.dry_run and not kept:
        print("deleted")


def _as_json(plan: Consequences) -> dict[str, object]:
    tags = [
        {"tag": tag, "digest": plan.found.digests.get(tag), "why": why, "manifestStays": stays}
        for tag, why in sorted(plan.tags.items())
        for stays in [plan.found.digests.get(tag) in plan.kept]
    ]
    return {"repository": plan.found.name, "tags": tags, "manifests": sorted(plan.gone)}


def _ask() -> None:
    """Raises `EndError` unless somebody at a terminal agrees."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise EndError("NOT_AGREED", "there is no terminal to ask on; --yes agrees")
    print("Delete these? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() not in {"y", "Y", "yes"}:
        raise EndError("NOT_AGREED", "nothing was deleted")
