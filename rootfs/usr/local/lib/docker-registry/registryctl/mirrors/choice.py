"""What of a mirror goes: what nobody pulled for long, and of the rest as much as is too much, the longest unused first.

Nothing that a client may be in the midst of goes at once. First an image's tags and its own manifest go: who asks for
it from then on gets it from the other registry, or is told at once that it is not here. What only it needed goes later:
manifests of platforms in the next run, as images of their own; links of layers once nothing has needed them for `grace`
seconds; blobs in a run that finds no link to them. A mirror that misses a link fetches the blob anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from registryctl.layout import LayerLink, blob_path
from registryctl.mirrors.images import NANO, Image, Look
from registryctl.mirrors.parts import Holding
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
    touched: set[str] = field(default_factory=set)
    """Files that have the time of this run from now on: of a time to come, or needed by what goes now."""
    blobs: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, int] = field(default_factory=dict)
    """Manifests that are not what their digests say, with their bytes. The mirror fetches them anew."""
    kept: int = 0
    """Bytes that images need which stay."""
    over: bool = False
    """Whether that is too much, and yet nothing more may go now."""


def choose(storage: Storage, seen: Look, bounds: Bounds, now: float) -> Choice:
    """What goes of what was seen. Nothing is done yet."""
    choice = Choice(touched=set(seen.future))
    needed = _images(seen, bounds, now, choice).names()
    gone: dict[str, list[Image]] = {}
    going = Holding(seen.sizes)
    for image in choice.images:
        gone.setdefault(image.repository, []).append(image)
        going.add(image.part)
    lately = going.names()
    for name, its in seen.repositories.items():
        stays = needed.get(name, set())
        # Who has just got an index that goes too will ask for its platforms.
        first = [image for image in gone.get(name, []) if going.users(image.part) == 1]
        plan = _plan(its, gone.get(name, []), {digest for image in first for digest in image.part.made} - stays)
        _layers(storage, its, plan, (lately.get(name, set()), stays), choice, (now, bounds.grace))
        if plan:
            choice.repositories[name] = plan
    _blobs(storage, seen, choice, (now, bounds.grace))
    _damaged(storage, seen, choice, (now, bounds.grace))
    return choice


def _images(seen: Look, bounds: Bounds, now: float, choice: Choice) -> Holding:
    """Chooses the images that go; what those need that stay."""
    left: list[Image] = []
    stays = Holding(seen.sizes, seen.held)

    def goes(image: Image, why: str) -> None:
        choice.images.append(image)
        choice.why[image.name] = why

    for image in sorted(seen.images, key=lambda one: (one.used, bool(one.tags), one.name)):
        unused = now - max(image.used, bounds.since)
        if bounds.days is not None and unused >= max(bounds.days * DAY, bounds.grace):
            goes(image, f"not pulled for {bounds.days} days")
        else:
            left.append(image)
            stays.add(image.part)
    first = 0
    while bounds.most is not None and stays.bytes > bounds.most:
        if first == len(left) or now - left[first].used < bounds.grace:
            choice.over = True
            break
        goes(left[first], "longest unused")
        stays.take(left[first].part)
        first += 1
    choice.kept = stays.bytes
    return stays


def _plan(its: Repository, gone: list[Image], manifests: Iterable[str]) -> RepositoryPlan:
    """The links of tags and manifests."""
    plan = RepositoryPlan(its.name)
    for image in gone:
        plan.tags.update(dict.fromkeys(image.tags, image.digest))
    plan.revisions = {digest: its.revisions[digest] for digest in sorted(manifests)}
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
    names: tuple[set[str], set[str]],
    choice: Choice,
    times: tuple[float, float],
) -> None:
    """Links of layers that nothing needs: at once, or later for the sake of pulls that may be under way."""
    lately, needed = names
    for digest, target in its.layers.items():
        if digest in needed:
            continue
        path = LayerLink(its.name, digest).path
        if digest in lately:
            choice.touched.add(path)
        elif _is_long_unneeded(storage, path, choice, times):
            plan.loose[digest] = target


def _blobs(storage: Storage, seen: Look, choice: Choice, times: tuple[float, float]) -> None:
    """Blobs to which no link leads now, and which no image names. One that was just written gets its link yet."""
    if not seen.whole:
        return
    every = Holding(seen.sizes)
    for image in seen.images:
        every.add(image.part)
    named = set().union(*every.names().values())
    beginnings = tuple(seen.beginnings)
    for digest, size in seen.sizes.items():
        if digest in seen.linked or digest in seen.held or digest in named or digest.startswith(beginnings):
            continue
        if _is_long_unneeded(storage, blob_path(digest), choice, times):
            choice.blobs[digest] = size


def _damaged(storage: Storage, seen: Look, choice: Choice, times: tuple[float, float]) -> None:
    """Manifests that a mirror would never put right: it writes none that is there. What they may need has the time of
    this run, so that it is still there when they are fetched anew."""
    for digest, places in seen.damaged.items():
        if digest not in seen.sizes or not _is_long_unneeded(storage, blob_path(digest), choice, times):
            continue
        choice.damaged[digest] = seen.sizes[digest]
        for spare in places:
            choice.why.setdefault(f"{spare.repository}@{digest}", "damaged")
            layers = seen.repositories[spare.repository].layers.keys()
            choice.touched |= {LayerLink(spare.repository, one).path for one in spare.names & layers}


def _is_long_unneeded(storage: Storage, path: str, choice: Choice, times: tuple[float, float]) -> bool:
    """By its time. What can't be told stays; a time to come is put right."""
    now, grace = times
    try:
        unneeded = now - storage.time(path) / NANO
    except StorageError:
        return False
    if unneeded < -grace:
        choice.touched.add(path)
    return unneeded >= grace
