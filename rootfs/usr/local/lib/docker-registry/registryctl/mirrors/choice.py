"""What of a mirror goes: what nobody pulled for long, and of the rest as much as is too much, the longest unused first.

Nothing that a client may be in the midst of goes at once. First an image's tags and its own manifest go: who asks for
it from then on gets it from the other registry, or is told at once that it is not here. What only it needed goes later:
manifests of platforms in the next run, as images of their own; links of layers once nothing has needed them for `grace`
seconds; blobs in a run that finds no link to them. A mirror that misses a link fetches the blob anew.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from registryctl.layout import LayerLink, blob_path
from registryctl.mirrors.images import NANO, Image, Look, size_of
from registryctl.model import Repository
from registryctl.plan import RepositoryPlan
from registryctl.storage import Storage, StorageError

GRACE = 3600
"""For so many seconds after its last use no image goes, and what nothing needs any more stays for pulls under way."""
DAY = 86400


@dataclass(frozen=True)
class Bounds:
    """What a mirror may have."""

    most: int | None = None
    """Bytes of all blobs."""
    days: int | None = None
    """For how many days what nobody pulls is kept; None also where pulls are not known."""
    since: float = 0
    """When counting of pulls began: before that all may have been pulled."""
    grace: float = GRACE
    trusted: float = 0
    """For so many seconds after the mirror was asked for a tag it may have been pulled without that."""


@dataclass
class Choice:
    """What goes and why, and what is left afterwards."""

    why: dict[str, str] = field(default_factory=dict)
    """Image that goes → why."""
    images: list[Image] = field(default_factory=list)
    """The same images."""
    repositories: dict[str, RepositoryPlan] = field(default_factory=dict)
    touched: list[str] = field(default_factory=list)
    """Files that have the time of this run from now on: of a time to come, or needed by what goes now."""
    blobs: dict[str, int] = field(default_factory=dict)
    kept: int = 0
    """Bytes that images need which stay."""
    over: bool = False
    """Whether that is too much, and yet nothing more may go now."""


def choose(storage: Storage, seen: Look, bounds: Bounds, now: float) -> Choice:
    """What goes of what was seen. Nothing is done yet."""
    choice = Choice(touched=list(seen.future))
    gone: dict[str, list[Image]] = {}
    needed = {name: set(names) for name, names in seen.stays.items()}
    for image in _images(seen, bounds, now, choice):
        needed[image.repository] |= image.names
    for image in choice.images:
        gone.setdefault(image.repository, []).append(image)
    for name, its in seen.repositories.items():
        mine = gone.get(name, [])
        plan = _plan(its, mine, needed[name])
        _layers(storage, its, plan, (mine, needed[name]), choice, (now, bounds.grace))
        if plan:
            choice.repositories[name] = plan
    _blobs(storage, seen, choice, (now, bounds.grace))
    return choice


def _images(seen: Look, bounds: Bounds, now: float, choice: Choice) -> list[Image]:
    """Chooses the images that go; those that stay."""
    left: list[Image] = []

    def goes(image: Image, why: str) -> None:
        choice.images.append(image)
        choice.why[image.name] = why

    for image in sorted(seen.images, key=lambda one: (one.used, bool(one.tags), one.name)):
        unused = now - max(image.used, bounds.since)
        if bounds.days is not None and unused >= max(bounds.days * DAY, bounds.grace):
            goes(image, f"not pulled for {bounds.days} days")
        else:
            left.append(image)
    holders = Counter(digest for image in left for digest in image.content)
    choice.kept = size_of(seen.held | holders.keys(), seen.sizes)
    first = 0
    while bounds.most is not None and choice.kept > bounds.most:
        if first == len(left) or now - left[first].used < bounds.grace:
            choice.over = True
            break
        image = left[first]
        first += 1
        goes(image, "longest unused")
        holders.subtract(image.content)
        choice.kept -= size_of({one for one in image.content if not holders[one]} - seen.held, seen.sizes)
    return left[first:]


def _plan(its: Repository, gone: list[Image], needed: set[str]) -> RepositoryPlan:
    """The links of tags and manifests."""
    plan = RepositoryPlan(its.name)
    wanted = Counter(name for image in gone for name in image.names)
    for image in gone:
        plan.tags.update(dict.fromkeys(image.tags, image.digest))
        # Who has just got an index that goes too will ask for its platforms.
        if image.digest in its.revisions and image.digest not in needed and wanted[image.digest] == 1:
            plan.revisions[image.digest] = its.revisions[image.digest]
    plan.signatures = {digest: its.signatures[digest] for digest in plan.revisions if digest in its.signatures}
    for tag, digests in its.entries.items():
        current = None if tag in plan.tags else its.tags.get(tag)
        old = [one for one in digests if one != current and (tag in plan.tags or one not in its.revisions)]
        if old:
            plan.entries[tag] = old
    plan.hollow = its.hollow
    plan.empty = not (its.tags or its.revisions or its.layers or its.entries or its.uploads or its.odd)
    return plan


def _layers(
    storage: Storage,
    its: Repository,
    plan: RepositoryPlan,
    images: tuple[list[Image], set[str]],
    choice: Choice,
    times: tuple[float, float],
) -> None:
    """Links of layers that nothing needs: at once, or later for the sake of pulls that may be under way."""
    gone, needed = images
    lately = {name for image in gone for name in image.names}
    for digest, target in its.layers.items():
        if digest in needed:
            continue
        path = LayerLink(its.name, digest).path
        if digest in lately:
            choice.touched.append(path)
        elif _is_long_unneeded(storage, path, choice, times):
            plan.loose[digest] = target


def _blobs(storage: Storage, seen: Look, choice: Choice, times: tuple[float, float]) -> None:
    """Blobs to which no link leads now, and which no image names. One that was just written gets its link yet."""
    if not seen.whole:
        return
    named = {digest for image in seen.images for digest in (*image.names, *image.content)}
    beginnings = tuple(seen.beginnings)
    for digest, size in seen.sizes.items():
        if digest in seen.linked or digest in seen.held or digest in named or digest.startswith(beginnings):
            continue
        if _is_long_unneeded(storage, blob_path(digest), choice, times):
            choice.blobs[digest] = size


def _is_long_unneeded(storage: Storage, path: str, choice: Choice, times: tuple[float, float]) -> bool:
    """By its time. What can't be told stays; a time to come is put right."""
    now, grace = times
    try:
        unneeded = now - storage.time(path) / NANO
    except StorageError:
        return False
    if unneeded < -grace:
        choice.touched.append(path)
    return unneeded >= grace
