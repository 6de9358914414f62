"""Deletion in another registry, over its API, one request after the other. Nothing is ever pushed there."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence

from registryctl.api import Registry, is_host
from registryctl.consequences import Consequences, Found, Step
from registryctl.endings import FINAL, EndError, UsageError
from registryctl.manifests import references

PLAIN = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
"""Manifests that contain no others."""

STEPS_PER_READING = 20
"""How many deletions may pass until it is asked again what the tags lead to."""


class RemoteSource:
    """See `wishes.Source`."""

    def __init__(self, host: str) -> None:
        if not is_host(host):
            raise UsageError(f"a registry is HOST or HOST:PORT, not {host}")
        self._registry = Registry(host)

    def catalog(self) -> Iterable[str]:
        """See `Source`."""
        return self._registry.catalog()

    def read(self, repository: str) -> Found | None:
        """See `Source`."""
        tags = self._tags(repository)
        if tags is None:
            return None
        found = Found(repository)
        for tag in tags:
            try:
                digest, kind = self._head(repository, tag)
                self._visit(found, digest, kind)
            except EndError as error:
                if error.name in FINAL:
                    raise
                found.broken[tag] = error.text
            else:
                found.digests[tag] = digest
        if found.broken:
            # One that somebody deleted meanwhile is not broken.
            now = set(self._tags(repository) or ())
            found.broken = {tag: why for tag, why in found.broken.items() if tag in now}
        return found

    def look(self, found: Found, digest: str) -> None:
        """See `Source`."""
        try:
            _, kind = self._head(found.name, digest)
            self._visit(found, digest, kind)
        except EndError as error:
            text = "there is no such manifest" if error.name == "MANIFEST_UNKNOWN" else error.text
            raise EndError(error.name, f"{found.name}@{digest}: {text}") from None

    def check(self, plans: Sequence[Consequences]) -> None:
        """See `Source`. Asks to delete what can't exist, so that a refusal comes before anything is deleted."""
        for plan in plans:
            kinds = {bool(step.tag) for step in plan.steps()}
            if False in kinds:
                self._ask_first(plan.found.name, f"sha256:{secrets.token_hex(32)}")
            if True in kinds:
                self._ask_first(plan.found.name, f"absent-{secrets.token_hex(16)}")

    def _ask_first(self, repository: str, reference: str) -> None:
        try:
            self._registry.delete(repository, reference)
        except EndError as error:
            if error.name == "MANIFEST_UNKNOWN":
                return
            if error.name == "FAILED" and not reference.startswith("sha256:"):
                why = "this registry can't delete a tag alone, and its image is needed or can't be read"
                raise EndError("UNSUPPORTED", f"{why}: {error.text}") from None
            raise
        raise EndError("FAILED", "the registry claims to delete what it can't have")

    def carry_out(self, plans: Sequence[Consequences]) -> list[str]:
        """See `Source`."""
        return [line for plan in plans for line in self._carry_out(plan)]

    def _carry_out(self, plan: Consequences) -> list[str]:
        kept: list[str] = []
        used: frozenset[str] = frozenset()
        for number, step in enumerate(plan.steps()):
            if number % STEPS_PER_READING == 0:
                used = self._used_now(plan)
            if line := self._act(plan, step, used):
                kept.append(line)
        for tag in self._tags(plan.found.name) or ():
            if tag in plan.tags and tag not in plan.found.digests:
                raise EndError("FAILED", f"{plan.found.name}:{tag} is still there: push it anew first")
        return kept

    def _act(self, plan: Consequences, step: Step, used: frozenset[str]) -> str:
        """Deletes, or says why not."""
        name = plan.found.name
        if step.tag:
            now = self._digest_now(name, step.tag) if step.digest else None
            if now is not None and now != step.digest:
                return f"keep   {name}:{step.tag} (it has moved to {now})"
        elif step.digest in used:
            return f"keep   {name}@{step.digest} (it has got another tag)"
        try:
            self._registry.delete(name, step.tag or step.digest or "")
        except EndError as error:
            # Somebody else was quicker.
            if error.name != "MANIFEST_UNKNOWN":
                raise
        return ""

    def _used_now(self, plan: Consequences) -> frozenset[str]:
        """What the tags that stay lead to now: those of the plan, and all that were pushed or moved since."""
        name = plan.found.name
        now = self.read(name) or Found(name)
        for tag in sorted(now.broken.keys() - plan.tags.keys()):
            raise EndError("UNREADABLE", f"{name}:{tag}: {now.broken[tag]}")
        stay = (its for tag, its in now.digests.items() if tag not in plan.tags or plan.found.digests.get(tag) != its)
        return now.reach(stay)

    def _digest_now(self, repository: str, tag: str) -> str | None:
        try:
            return self._head(repository, tag)[0]
        except EndError as error:
            if error.name != "MANIFEST_UNKNOWN":
                raise
            return None

    def _tags(self, repository: str) -> list[str] | None:
        try:
            return self._registry.tags(repository)
        except EndError as error:
            if error.name != "NAME_UNKNOWN":
                raise
            return None

    def _head(self, repository: str, reference: str) -> tuple[str, str]:
        """Digest and type of a manifest."""
        headers = self._registry.head(repository, reference)
        digest = headers.get("Docker-Content-Digest") or ""
        if ":" not in digest:
            raise EndError("FAILED", f"{repository}:{reference} has no digest")
        return digest, headers.get_content_type()

    def _visit(self, found: Found, digest: str, kind: str = "") -> None:
        """Notes what an index contains, and what the indexes in it contain."""
        waiting, seen = [(digest, kind)], dict[str, tuple[str, ...]]()
        while waiting:
            digest, kind = waiting.pop()
            if digest in found.children or digest in seen:
                continue
            seen[digest] = () if kind in PLAIN else self._children(found.name, digest)
            waiting += [(child, "") for child in seen[digest]]
        # Only once all of it is there: half of an index is not known.
        found.children |= seen

    def _children(self, repository: str, digest: str) -> tuple[str, ...]:
        content = self._registry.manifest(repository, digest)
        algorithm, _, name = digest.partition(":")
        if algorithm not in {"sha256", "sha384", "sha512"} or hashlib.new(algorithm, content).hexdigest() != name:
            raise EndError("FAILED", f"{repository}@{digest} is not what its digest says")
        refers = references(content)
        if not refers.understood:
            raise EndError("FAILED", f"{repository}@{digest} can't be understood")
        return refers.manifests
