"""What the proxy's log of traffic adds up to. The proxy writes words; here they become few.

The log has a line for each request: what it was, three numbers, and what was pulled by it, with tabs between. No
address is in it, and of names only those of accounts that there are.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from registryctl.metrics.exposition import Metric, Sample, number

REQUESTS = Metric("docker_registry_http_requests_total", "Requests that were answered.", "counter")
SENT = Metric("docker_registry_http_response_body_bytes_total", "Bytes that were sent, without heads.", "counter")
RECEIVED = Metric("docker_registry_http_request_bytes_total", "Bytes that were received, with heads.", "counter")
TOOK = Metric("docker_registry_http_request_duration_seconds", "How long requests took.", "histogram")
OF_ACCOUNT = Metric(
    "docker_registry_account_requests_total", "Requests of an account; without one: nobody's.", "counter"
)
SENT_TO_ACCOUNT = Metric(
    "docker_registry_account_response_body_bytes_total", "Bytes that were sent to an account, without heads.", "counter"
)
RECEIVED_FROM_ACCOUNT = Metric(
    "docker_registry_account_request_bytes_total", "Bytes that were received from an account, with heads.", "counter"
)
LOGINS = Metric(
    "docker_registry_logins_failed_total", "Requests with a name and password that were refused.", "counter"
)
MALFORMED = Metric("docker_registry_traffic_malformed_lines_total", "Lines of the log that say nothing.", "counter")

BOUNDS_MS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 60_000, 300_000)
KINDS = {"blob": "blob", "manifest": "manifest", "tags": "tags", "uploads": "upload", "upload": "upload"}
OTHER = "other"
STATUSES = re.compile("20[01246]|30[1347]|40[0134589]|41[36]|42[19]|499|50[0234]")
_FOUND = range(200, 400)
_ELSEWHERE = "307"
"""What the proxy says by itself to whoever comes by http, whatever he asks for."""
_SERVED_FROM_CACHE = {"HIT", "STALE", "UPDATING", "REVALIDATED"}
_SERVED_FROM_FILE = {"200", "206"}
_NUMBERS = 3
_PULLED = {"200", "304"}
DAY = 86400
_MOST_KNOWN = 20_000
_ACCOUNT = "="
_BY_ACCOUNT = (OF_ACCOUNT, SENT_TO_ACCOUNT, RECEIVED_FROM_ACCOUNT)

Key = tuple[str, str, str, str]
"""Kind, group, status and cache of some requests."""


@dataclass
class Sums:
    """All that was counted since there are metrics."""

    requests: dict[Key, list[int]] = field(default_factory=dict)
    """How many, bytes sent, bytes received."""
    took: dict[str, list[int]] = field(default_factory=dict)
    """For each kind: how many within each bound and beyond, and in the end milliseconds in all."""
    logins: dict[str, int] = field(default_factory=lambda: {"password": 0, "limit": 0})
    """By what they failed of: a wrong password, or too many of them."""
    groups: list[str] = field(default_factory=list)
    """The groups that have a name here, in the order in which they came."""
    malformed: int = 0
    accounts: dict[str, list[int]] = field(default_factory=dict)
    """By account, or of nobody: how many, bytes sent, bytes received."""

    def as_json(self) -> dict[str, Any]:
        """As `of_json` takes it."""
        requests = [[*key, *numbers] for key, numbers in self.requests.items()]
        return {**vars(self), "requests": requests}

    @staticmethod
    def of_json(found: dict[str, Any]) -> Sums:
        """Raises what a text does that is none of ours."""
        requests = {(str(a), str(b), str(c), str(d)): [int(n) for n in rest] for a, b, c, d, *rest in found["requests"]}
        # What an earlier version kept has no accounts.
        accounts = {str(name): [int(n) for n in rest] for name, rest in found.get("accounts", {}).items()}
        return Sums(requests, found["took"], found["logins"], found["groups"], int(found["malformed"]), accounts)


@dataclass
class Pulls:
    """What was pulled, by repository and tag or digest."""

    last: dict[tuple[str, str], int] = field(default_factory=dict)
    """Seconds since 1970."""
    days: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """How often on a day, which is counted since 1970."""

    def add(self, repository: str, pulled: str) -> None:
        """One more: a reference and a time. Raises `ValueError` where it is none."""
        reference, seconds = pulled.split(" ")
        when = int(seconds.partition(".")[0])
        key = repository, reference
        self.last[key] = max(when, self.last.get(key, 0))
        day = *key, when // DAY
        self.days[day] = self.days.get(day, 0) + 1


_Alike = tuple[list[int], list[int], list[int], str, str]
"""Where requests that are alike are counted: how many, for whom, how long, the failed login, whose pulls."""


class Counting:
    """Adds lines to sums. What is told of a request is decided once for all that are alike."""

    def __init__(self, sums: Sums, most_groups: int, most_accounts: int) -> None:
        self._sums = sums
        self._most = most_groups
        self._most_accounts = most_accounts
        self._known: dict[str, _Alike] = {}
        self._pulls = Pulls()

    def add(self, lines: Iterable[str]) -> None:
        """Counts each."""
        known = self._known
        for line in lines:
            try:
                words, sent, received, seconds, pulled = line.split("\t")
                # The proxy writes three places behind the point.
                sizes = int(sent), int(received), int(seconds.replace(".", ""))
                requests, account, took, login, repository = known.get(words) or self._learn(words)
                if pulled and repository:
                    self._pulls.add(repository, pulled)
            except ValueError:
                self._sums.malformed += 1
                continue
            requests[0] += 1
            requests[1] += sizes[0]
            requests[2] += sizes[1]
            account[0] += 1
            account[1] += sizes[0]
            account[2] += sizes[1]
            took[bisect_left(BOUNDS_MS, sizes[2])] += 1
            took[-1] += sizes[2]
            if login:
                self._sums.logins[login] += 1

    def taken(self) -> Pulls:
        """The pulls since it was asked last."""
        found, self._pulls = self._pulls, Pulls()
        return found

    def _learn(self, words: str) -> _Alike:
        named, status, cache, upstream, refusal, claims, repository = words.split("|")
        kind = KINDS.get(named, OTHER)
        is_there = int(status) in _FOUND and (status != _ELSEWHERE or upstream != "")
        group = self._group(repository, is_there=is_there)
        key = (kind, group, _status(status), _cache(named, status, cache, upstream))
        requests = self._sums.requests.setdefault(key, [0] * _NUMBERS)
        took = self._sums.took.setdefault(kind, [0] * (len(BOUNDS_MS) + 2))
        account = self._sums.accounts.setdefault(self._account(status, refusal, claims), [0] * _NUMBERS)
        pulled = repository if named == "manifest" and status in _PULLED else ""
        found = requests, account, took, _login(status, refusal, claims), pulled
        # A name that was unknown may be known later.
        if key[1] != OTHER or len(self._sums.groups) >= self._most:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[words] = found
        return found

    def _account(self, status: str, refusal: str, claims: str) -> str:
        """Whose password was right; of as many as may be, those that came first."""
        if refusal or status == "401" or not claims.startswith(_ACCOUNT):
            return ""
        name, named = unquote(claims[1:]), self._sums.accounts
        return name if name in named or sum(one not in {"", OTHER} for one in named) < self._most_accounts else OTHER

    def _group(self, repository: str, *, is_there: bool) -> str:
        """The first part of its name, of as many as may be: those that came first, and that there are."""
        first = repository.partition("/")[0]
        if not first:
            return ""
        groups = self._sums.groups
        if first not in groups and len(groups) < self._most and is_there:
            groups.append(first)
        return first if first in groups[: self._most] else OTHER


def _status(status: str) -> str:
    return status if STATUSES.fullmatch(status) else f"{status[0]}xx"


def _cache(named: str, status: str, cache: str, upstream: str) -> str:
    """Whether the registry was spared: `hit`, `miss`, or `none` where there was nothing to spare."""
    if cache in _SERVED_FROM_CACHE:
        return "hit"
    if upstream:
        return "miss"
    return "hit" if named == "blob" and status in _SERVED_FROM_FILE else "none"


def _login(status: str, refusal: str, claims: str) -> str:
    if refusal == "limited":
        return "limit"
    return "password" if status == "401" and claims else ""


def samples(sums: Sums) -> Iterator[Sample]:
    """All that is told of them."""
    for (kind, group, status, cache), (requests, sent, received) in sorted(sums.requests.items()):
        labels = {"kind": kind, "group": group, "status": status, "cache": cache}
        yield Sample(REQUESTS, requests, labels)
        yield Sample(SENT, sent, labels)
        yield Sample(RECEIVED, received, labels)
    for kind, counted in sorted(sums.took.items()):
        yield from _durations(kind, counted)
    for account, numbers in sorted(sums.accounts.items()):
        yield from (Sample(one, number, {"account": account}) for one, number in zip(_BY_ACCOUNT, numbers, strict=True))
    for reason, failed in sorted(sums.logins.items()):
        yield Sample(LOGINS, failed, {"reason": reason})
    yield Sample(MALFORMED, sums.malformed)


def _durations(kind: str, counted: list[int]) -> Iterator[Sample]:
    so_far = 0
    for bound, within in zip([*(number(ms / 1000) for ms in BOUNDS_MS), "+Inf"], counted, strict=False):
        so_far += within
        yield Sample(TOOK, so_far, {"kind": kind, "le": bound}, "_bucket")
    yield Sample(TOOK, counted[-1] / 1000, {"kind": kind}, "_sum")
    yield Sample(TOOK, so_far, {"kind": kind}, "_count")
