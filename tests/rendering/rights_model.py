"""Who may do what, said once more by other means: no expression, no template and no code of the program."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from config.access import Immutable
from config.users import User
from tests.rendering.sites import user

LETTERS = set("abcdefghijklmnopqrstuvwxyz0123456789")
WORD = LETTERS | set("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
ACTS = {"pull": ("pull",), "push": ("pull", "push"), "admin": ("pull", "push", "delete"), "metrics": ()}
METRICS = ("/metrics", "/metrics/registry")
NOW = 1_790_000_000
LONGEST = 600


@dataclass(frozen=True)
class Known:
    """An account as somebody would describe it."""

    name: str
    role: Literal["pull", "push", "admin", "metrics"]
    repositories: tuple[str, ...] | None
    pull_only: tuple[str, ...]
    end: int | None

    def setting(self) -> User:
        """The same as the settings have it."""
        ends = None if self.end is None else datetime.fromtimestamp(self.end, UTC)
        return user(self.name, role=self.role, repositories=self.repositories, pull_only=self.pull_only, expires=ends)


@dataclass(frozen=True)
class Kept:
    """The tags that can't be moved, as somebody would describe them."""

    tags: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    deletable: bool = True

    def setting(self) -> Immutable:
        """The same as the settings have it."""
        return Immutable(tags=self.tags, unless=self.unless, deletable=self.deletable)

    def covers(self, repository: str, tag: str) -> bool:
        """Whether this tag can't be moved."""
        return _one_fits(self.tags, repository, tag) and not _one_fits(self.unless, repository, tag)

    def forbids(self, repository: str, reference: str) -> bool:
        """Whether nobody deletes that; a reference with a colon is a digest."""
        if self.deletable:
            return False
        if _cut(reference):
            return any(fits(pattern.partition(":")[0], repository) for pattern in self.tags)
        return self.covers(repository, reference)


def _one_fits(patterns: tuple[str, ...], repository: str, tag: str) -> bool:
    pairs = (pattern.partition(":") for pattern in patterns)
    return any(fits(name, repository) and fits(its, tag) for name, _, its in pairs)


NOTHING_KEPT = Kept()


def fits(pattern: str, name: str) -> bool:
    """What is between stars has to come in that order; a star takes any number of letters."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    *middle, last = rest
    if not name.startswith(first) or not name.endswith(last) or len(name) < len(first) + len(last):
        return False
    name = name[len(first) : len(name) - len(last)]
    for piece in middle:
        at = name.find(piece)
        if at < 0:
            return False
        name = name[at + len(piece) :]
    return True


def may(account: Known | None, act: str, repository: str, everybody: tuple[str, ...], now: float = NOW) -> bool:
    """Whether an account, or nobody, may do that there."""
    if account is not None and account.end is not None and now >= account.end:
        return False
    if act == "pull" and any(fits(pattern, repository) for pattern in everybody):
        return True
    if account is None:
        return False
    its = account.repositories
    if act in ACTS[account.role] and (its is None or any(fits(pattern, repository) for pattern in its)):
        return True
    return act == "pull" and any(fits(pattern, repository) for pattern in account.pull_only)


def answer(
    account: Known | None,
    method: str,
    target: str,
    everybody: tuple[str, ...],
    now: float = NOW,
    kept: Kept = NOTHING_KEPT,
) -> str:
    """The status with which the proxy answers below /v2/ by itself; nothing where the registry is asked."""
    ended = account is not None and account.end is not None and now >= account.end
    if ended or (account is None and not everybody):
        # Whoever is not let in hears nothing else, whatever he asks for.
        return "401"
    kind, repository = meaning(target)
    if not kind:
        return "404"
    act = _act(method, kind)
    if not act:
        return "405"
    if act == "login":
        let = account is not None
    elif act == "catalog":
        let = True
    elif act == "metrics":
        let = account is not None and account.role == "metrics"
    else:
        let = may(account, act, repository, everybody, now)
    if let and act == "delete":
        let = not kept.forbids(repository, target.partition("?")[0].rpartition("/")[2])
    return "" if let else "401" if account is None else "403"


def sees_all(account: Known | None, everybody: tuple[str, ...]) -> bool:
    """Whether nothing of the catalogue is hidden, by a right to all."""
    if "*" in everybody:
        return True
    if account is not None and account.role == "metrics":
        return False
    return account is not None and (account.repositories is None or "*" in (*account.repositories, *account.pull_only))


def _act(method: str, kind: str) -> str:
    reads = method in ("GET", "HEAD")
    if kind in ("login", "catalog"):
        return kind if method == "GET" or (reads and kind == "login") else ""
    if kind == "metrics":
        return kind if reads else ""
    if kind in ("tags", "referrers"):
        return "pull" if reads else ""
    if kind in ("manifest", "blob"):
        return "pull" if reads else {"DELETE": "delete", "PUT": "push" if kind == "manifest" else ""}.get(method, "")
    if kind == "uploads":
        return "push" if method == "POST" else ""
    return "push" if method in ("GET", "HEAD", "PATCH", "PUT", "DELETE") else ""


def meaning(target: str) -> tuple[str, str]:
    """What a request is for, and the repository that it names; two empty words for what means nothing."""
    path, _, query = target.partition("?")
    nothing = ("", "")
    if path in METRICS and "#" not in query:
        return "metrics", ""
    if len(path) >= LONGEST or "#" in query or not path.startswith("/v2/"):
        return nothing
    rest = path[len("/v2/") :]
    if rest == "":
        return "login", ""
    if rest == "_catalog":
        return "catalog", ""
    words = rest.split("/")
    for kind, tail in (("tags", 2), ("manifest", 2), ("blob", 2), ("referrers", 2), ("uploads", 3), ("upload", 3)):
        name, last = words[:-tail], words[-tail:]
        if name and all(map(_is_part, name)) and _is_tail(kind, last):
            return kind, "/".join(name)
    return nothing


def _is_tail(kind: str, last: list[str]) -> bool:
    if kind == "tags":
        return last == ["tags", "list"]
    if kind == "manifest":
        return last[0] == "manifests" and _is_reference(last[1])
    if kind in ("blob", "referrers"):
        return last[0] == {"blob": "blobs"}.get(kind, kind) and _is_digest(last[1])
    if last[:2] != ["blobs", "uploads"]:
        return False
    state = last[2]
    if kind == "uploads":
        return state == ""
    return bool(state) and state[0] in WORD | {"-"} and all(letter in WORD | set("-.=") for letter in state)


def _is_part(word: str) -> bool:
    """Letters and digits, between which a dot, one or two underscores or any number of hyphens may be."""
    between = ""
    if not word or word[0] not in LETTERS or word[-1] not in LETTERS:
        return False
    for letter in word:
        if letter in LETTERS:
            if between not in ("", ".", "_", "__") and set(between) != {"-"}:
                return False
            between = ""
        else:
            between += letter
    return True


def _cut(word: str) -> tuple[str, str] | None:
    """Before and after a colon, by whatever spelling."""
    for colon in ("%3A", "%3a", ":"):
        if colon in word:
            before, _, after = word.partition(colon)
            return before, after
    return None


def _is_reference(word: str) -> bool:
    cut = _cut(word)
    name = word if cut is None else cut[0]
    if not name or name[0] not in WORD or any(letter not in WORD | set(".-") for letter in name):
        return False
    return cut is None or (bool(cut[1]) and all(letter in WORD - {"_"} for letter in cut[1]))


def _is_digest(word: str) -> bool:
    cut = _cut(word)
    if cut is None or not cut[0] or not cut[1] or cut[0][0] not in LETTERS:
        return False
    algorithm = LETTERS | set("+._-")
    return all(letter in algorithm for letter in cut[0]) and all(letter in WORD | set("=-") for letter in cut[1])
