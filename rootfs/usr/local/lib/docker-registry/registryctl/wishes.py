"""From what somebody asks for to what is to go: the tags and digests of each repository, or why nothing goes at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from registryctl.consequences import Consequences, Found, follow
from registryctl.endings import FINAL, EndError
from registryctl.selection import Request, fits, is_pattern


class Source(Protocol):
    """A registry as deletion sees it: the storage of this host, or the API of another."""

    def catalog(self) -> Iterable[str]:
        """The names of all repositories."""

    def read(self, repository: str) -> Found | None:
        """All tags of a repository and what they lead to; None when there is no such repository."""

    def look(self, found: Found, digest: str) -> None:
        """Reads a manifest that no tag may lead to. Raises `EndError` when it isn't there or can't be read."""

    def check(self, plans: Sequence[Consequences]) -> None:
        """Raises `EndError` when the registry would not delete these. Changes nothing."""

    def carry_out(self, plans: Sequence[Consequences]) -> list[str]:
        """Deletes, and returns a line for each part that changed meanwhile and was kept."""


@dataclass
class Wishes:
    """What is wished of one repository: tags with why, and digests."""

    found: Found
    tags: dict[str, str] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)


class RefusedError(Exception):
    """Not all that was asked for can go, so nothing does. It says all that is wrong."""

    def __init__(self, refusals: Sequence[EndError]) -> None:
        super().__init__("; ".join(map(str, refusals)))
        self.refusals = list(refusals)


class Planning:
    """Works out what some requests entail. All or nothing."""

    def __init__(self, source: Source, all_tags: bool = False) -> None:
        self._source, self._all_tags = source, all_tags
        self._wishes: dict[str, Wishes | None] = {}
        self._refusals: list[EndError] = []
        self._names: list[str] | None = None

    def plan(self, requests: Sequence[Request]) -> list[Consequences]:
        """What goes, repository by repository. Raises `RefusedError`."""
        for request in requests:
            self._wish(request)
        self._stop_if_refused()
        plans = []
        for wishes in filter(None, self._wishes.values()):
            if wishes.tags or wishes.digests:
                plans.append(follow(wishes.found, wishes.tags, wishes.digests))
                self._check_read(wishes)
                self._check_digests(plans[-1], wishes.digests)
        self._stop_if_refused()
        return plans

    def _stop_if_refused(self) -> None:
        if self._refusals:
            raise RefusedError(self._refusals)

    def _refuse(self, name: str, text: str) -> None:
        self._refusals.append(EndError(name, text))

    def _wish(self, request: Request) -> None:
        any_fits = False
        for repository in self._repositories(request.repository):
            wishes = self._wishes_of(repository)
            if wishes is None:
                if not is_pattern(request.repository):
                    self._refuse("NAME_UNKNOWN", f"there is no repository {repository}")
                    return
            elif request.digest:
                self._wish_digest(wishes, request.digest)
                any_fits = True
            else:
                any_fits = self._wish_tags(wishes, request.tag) or any_fits
        if any_fits:
            return
        if request.is_pattern:
            self._refuse("UNMATCHED", f"nothing fits {request.text}")
        else:
            self._refuse("MANIFEST_UNKNOWN", f"{request.repository} has no tag {request.tag}")

    def _repositories(self, pattern: str) -> list[str]:
        if not is_pattern(pattern):
            return [pattern]
        if self._names is None:
            self._names = sorted(self._source.catalog())
        return [name for name in self._names if fits(pattern, name)]

    def _wishes_of(self, repository: str) -> Wishes | None:
        if repository not in self._wishes:
            found = self._source.read(repository)
            self._wishes[repository] = None if found is None else Wishes(found)
        return self._wishes[repository]

    def _wish_digest(self, wishes: Wishes, digest: str) -> None:
        try:
            self._source.look(wishes.found, digest)
        except EndError as error:
            if error.name in FINAL:
                raise
            self._refusals.append(error)
            return
        wishes.digests.append(digest)
        if self._all_tags:
            wishes.tags |= {name: "has the digest" for name, its in wishes.found.digests.items() if its == digest}

    @staticmethod
    def _wish_tags(wishes: Wishes, pattern: str) -> bool:
        names = [name for name in (*wishes.found.digests, *wishes.found.broken) if fits(pattern, name)]
        why = f"fits {pattern}" if is_pattern(pattern) else "asked for"
        wishes.tags |= dict.fromkeys(names, why)
        return bool(names)

    def _check_digests(self, plan: Consequences, digests: Sequence[str]) -> None:
        """A digest goes alone: not while a tag or an index that stays leads to it."""
        for digest in digests:
            users, what = plan.users(digest), f"{plan.found.name}@{digest}"
            if users.index:
                self._refuse("USED_BY_INDEX", f"{what} is part of {users.text}: delete that first")
            elif users.text:
                self._refuse("USED_BY_TAG", f"{what} is also {users.text}: name that, or allow all tags")

    def _check_read(self, wishes: Wishes) -> None:
        """If a part can't be read, what it leads to is unknown: only the unreadable itself may be deleted."""
        name = wishes.found.name
        for tag in sorted(wishes.found.broken.keys() - wishes.tags.keys()):
            why = f"{name}:{tag} can't be read ({wishes.found.broken[tag]})"
            self._refuse("UNREADABLE", f"{why}: nothing of this repository is deleted but that tag")
