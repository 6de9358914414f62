"""What goes of one repository: by somebody's wish, or because nothing needs it."""

from __future__ import annotations

from collections.abc import Iterable

from registryctl.digests import is_sha256
from registryctl.layout import is_repository
from registryctl.model import NOT_UNDERSTOOD, Contents, Needs, Repository, needs
from registryctl.plan import Fresh, RepositoryPlan, Wish
from registryctl.storage import Storage

BEFORE, AFTER = 1, 2
"""Whether links or manifests of a registry lead to a blob: before a plan, and after it."""


class Removal:
    """The plan for one repository; `wish` None: the clean-up's."""

    def __init__(
        self, storage: Storage, repository: Repository, fresh: Fresh, wish: Wish | None = None, *, untagged: bool = True
    ) -> None:
        self._its = its = repository
        self._wish = wish
        self._blind = fresh.unknown
        self._untagged = untagged and not fresh.unknown
        self._fresh = fresh.digests.get(its.name, frozenset())
        self.contents = Contents(storage, its.revisions, its.layers)
        self._subjects, self._unknown = self.contents.subjects(its.revisions)
        self.plan = RepositoryPlan(its.name)
        wanted = {} if wish is None else wish.tags
        self._tags = {tag: wanted[tag] for tag in wanted if tag in its.tags or tag in its.broken}
        self._gone, self._stays = self._clean_up() if wish is None else self._removal(wish)
        self.plan.faults = list(self._faults())
        if not self.plan.faults or (wish is not None and wish.despite_faults):
            self._drop_tags()
        if not self.plan.faults:
            self._drop_links()
        self._keep_whole()

    def _needs(self, roots: Iterable[str]) -> Needs:
        return needs(self._its.revisions, self.contents, self._subjects, roots)

    def _left(self) -> set[str]:
        """What the tags lead to that stay."""
        return {digest for tag, digest in self._its.tags.items() if tag not in self._tags}

    def _clean_up(self) -> tuple[Needs, Needs]:
        """What goes needs, and what stays."""
        every = self._its.revisions.keys()
        stays = self._needs(self._left() | (self._fresh & every if self._untagged else every))
        return self._needs(every - stays.manifests), stays

    def _removal(self, wish: Wish) -> tuple[Needs, Needs]:
        its = self._its
        gone = self._needs([*(its.tags[tag] for tag in self._tags if tag in its.tags), *wish.manifests])
        every = its.revisions.keys()
        # What nobody knows to be wanted by a push stays: the clean-up will know.
        lately = every if self._blind else self._fresh & every
        asked = self.plan.asked = {*wish.manifests, *(its.tags.get(tag, "") for tag in self._tags)}
        rest = {digest for digest in every - gone.manifests if self.contents.has(digest)}
        return gone, self._needs(self._left() | rest | (lately - asked))

    def _faults(self) -> Iterable[str]:
        its = self._its
        if not is_repository(its.name):
            yield f"{its.name!a} is no name that the registry knows"
        yield from its.faults
        # By then somebody may have put it right, and nothing would say that it has to come back.
        for digest in sorted(its.blind if self._wish is not None else ()):
            if digest in self._gone:
                yield f"{its.name}: the link of {digest} can't be read"
        for tag, why in sorted(its.broken.items()):
            if tag not in self._tags:
                yield f"{its.name}:{tag} can't be read: {why}"
        for digest, why in sorted({**self._unknown, **self._stays.faults}.items()):
            tags = [f"{its.name}:{tag}" for tag, found in sorted(its.tags.items()) if found == digest]
            yield f"{' '.join(tags) or its.name} {digest}: {why}"

    def _drop_tags(self) -> None:
        plan = self.plan
        for tag, why in self._tags.items():
            plan.tags[tag] = self._its.tags.get(tag, "")
            plan.why[tag] = why
            if tag in self._its.entries:
                plan.entries[tag] = self._its.entries[tag]

    def _drop_links(self) -> None:
        its, plan, gone, stays = self._its, self.plan, self._gone, self._stays
        plan.revisions = {
            digest: target
            for digest, target in its.revisions.items()
            if digest in gone.manifests and digest not in stays.manifests
        }
        if self._wish is not None:
            plan.why.update((digest, why) for digest, why in self._wish.manifests.items() if digest in plan.revisions)
        plan.signatures = {digest: its.signatures[digest] for digest in plan.revisions if digest in its.signatures}
        plan.subjects = {
            subject: found
            for subject, digests in self._subjects.items()
            if (found := [digest for digest in digests if digest in plan.revisions])
        }
        if not self._blind:
            self._drop_layers()
        for tag, digests in its.entries.items():
            if tag not in plan.tags:
                self._drop_entries(tag, digests)
        if self._wish is None:
            plan.signatures.update((d, found) for d, found in its.signatures.items() if d not in its.revisions)
            plan.hollow = its.hollow
            plan.empty = self._is_empty()

    def _drop_layers(self) -> None:
        if any(digest in self._stays for digest in self._its.blind):
            return
        stays = self._targets(self._stays, self._fresh) | self._fresh
        gone = self._targets(self._gone)
        for digest, target in self._its.layers.items():
            if digest in self._stays or digest in stays:
                continue
            if digest in self._gone or digest in gone or self._is_unclear():
                self.plan.layers[digest] = target
            elif self._wish is None:
                self.plan.loose[digest] = target

    def _targets(self, names: Needs, more: frozenset[str] = frozenset()) -> set[str]:
        """Layers under their own names that are pulled by another one: the registry asks for both links."""
        found: set[str] = set()
        layers = self._its.layers
        for digest, target in layers.items():
            if target == digest or (digest not in names and digest not in more):
                continue
            while target in layers and target not in found:
                found.add(target)
                target = layers[target]  # noqa: PLW2901  # one link leads to the next
        return found

    def _is_unclear(self) -> bool:
        """Whether what goes may need whatever is there: a part of it is lost, or can't be read."""
        lost = any(why != NOT_UNDERSTOOD for why in self._gone.faults.values())
        return lost or bool(self._its.faults or self._unknown)

    def _drop_entries(self, tag: str, digests: list[str]) -> None:
        """What a tag once was goes with that, or with the tag."""
        its, plan = self._its, self.plan
        lost = tag not in its.tags and tag not in its.broken
        gone = [
            digest
            for digest in digests
            if digest in plan.revisions
            or (self._wish is None and (lost or (digest not in its.revisions and digest != its.tags.get(tag))))
        ]
        if gone:
            plan.entries[tag] = gone

    def _is_empty(self) -> bool:
        its, plan = self._its, self.plan
        left = its.revisions.keys() - plan.revisions.keys() or len(its.layers) > len(plan.layers) + len(plan.loose)
        return not (its.tags or its.uploads or its.odd or left)

    def _keep_whole(self) -> None:
        """Notes what goes needs of what stays: some other run may take that."""
        its, plan = self._its, self.plan
        if not plan.recorded:
            return
        unclear = self._is_unclear()
        targets = self._targets(self._gone)
        plan.kept_revisions = {
            digest: target
            for digest, target in its.revisions.items()
            if digest not in plan.revisions and (unclear or digest in self._gone)
        }
        plan.kept_layers = {
            digest: target
            for digest, target in its.layers.items()
            if digest not in plan.layers and (unclear or digest in self._gone or digest in targets)
        }
        # A link that can't be read just now may be gone by then: of a sha256 name it is known what it was.
        unread = its.held - its.layers.keys() - its.revisions.keys()
        wanted = {its.layers.get(digest, digest) for digest in self._gone} | {*self._gone}
        plan.kept_layers.update({digest: digest for digest in unread & wanted if is_sha256(digest)})
        faults = {**self._unknown, **self._stays.faults, **self._gone.faults}
        plan.damaged = {self.contents.target(digest) for digest, why in faults.items() if why != NOT_UNDERSTOOD}
        plan.named = {digest for digest in self._gone if digest not in its.revisions and digest not in its.layers}

    def hold(self, holders: dict[str, int]) -> None:
        """Notes for each blob whether this repository holds it, before and after."""
        its, plan = self._its, self.plan
        after = BEFORE | AFTER

        def hold(digest: str, target: str, flags: int) -> None:
            holders[target] = holders.get(target, 0) | flags
            # Somebody may put right a link that leads to something else than it is called.
            if target != digest and digest.startswith("sha256:"):
                holders[digest] = holders.get(digest, 0) | flags

        for digest, target in its.revisions.items():
            hold(digest, target, BEFORE if digest in plan.revisions else after)
        for digest, target in its.layers.items():
            hold(digest, target, BEFORE if digest in plan.layers or digest in plan.loose else after)
        for digest, found in its.signatures.items():
            for signature, target in found.items():
                hold(signature, target, BEFORE if digest in plan.signatures else after)
        for digest in {digest for found in its.entries.values() for digest in found} if plan.faults else ():
            hold(digest, digest, after)
        for named, flags in ((self._gone, after if plan.faults else BEFORE), (self._stays, after)):
            for digest in named:
                if digest not in its.revisions and digest not in its.layers:
                    hold(digest, digest, flags)
