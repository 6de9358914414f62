"""A run of a tool for which the other hosts of a bucket make room: its request, and their answers."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from registryctl.bucket import Bucket
from registryctl.hosts import times
from registryctl.hosts.messages import (
    BARRIER,
    ENTRIES,
    IDENTITY,
    LIMIT,
    Answer,
    Entry,
    MessageError,
    Request,
    answer_key,
    entry_of,
    journals_key,
    read_answer,
    read_journals,
    request_key,
    request_of,
    requester,
    send,
)
from registryctl.journals import BarrierError, BusyError, Journal
from registryctl.storage import NotThere, Unreadable

_BEATS_KNOWN = 1000
RANK = {"journals": 1, "turn": 1, "closed": 2}
"""How far an answer goes."""


def identities(bucket: Bucket) -> set[str]:
    """Of all hosts that write to the bucket. Raises StorageError; BarrierError for what is no host's."""
    found = set()
    for one in bucket.list(ENTRIES):
        identity = one.key.removeprefix(ENTRIES).removesuffix(".json")
        if not IDENTITY.fullmatch(identity):
            raise BarrierError(f"{one.key} in the bucket is no host's, and nobody knows what it is")
        found.add(identity)
    return found


def entries(bucket: Bucket) -> dict[str, Entry]:
    """All hosts that write to the bucket, by their identities. Raises as `identities` does."""
    found = {}
    for identity in sorted(identities(bucket)):
        key = Entry(identity, "").key
        try:
            found[identity] = entry_of(key, bucket.read(key, LIMIT))
        except NotThere:
            continue
        except (MessageError, Unreadable) as error:
            # Its identity alone is a word that may be typed.
            found[identity] = Entry(identity, identity, str(error))
    return found


@dataclass(frozen=True)
class Clock:
    """What a run goes by; tests have their own."""

    now: Callable[[], float] = times.boottime
    pause: Callable[[float], None] = time.sleep
    wall: Callable[[], float] = time.time
    beats: bool = True
    """Whether a thread of its own goes on with the beats."""


@dataclass
class Run:
    """A request, from its first beat to its end. Everything may raise StorageError."""

    bucket: Bucket
    me: Entry
    kind: str
    reason: str
    clock: Clock = field(default_factory=Clock)
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    peers: dict[str, Entry] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    """Those of this run that were there at the last look."""
    forget: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._beat = 0
        self._wants = ""
        self._sent: dict[int, float] = {}
        self._grants: dict[str, str] = {}
        self._read: dict[str, tuple[str, list[Journal]]] = {}
        self._heard: dict[str, Answer] = {}
        self._lock = threading.RLock()

    def want(self, wants: str) -> None:
        """From now on; it is said at once."""
        with self._lock:
            self._wants = wants
            self.beat()

    def beat(self) -> None:
        """Says again what is wanted, and looks what others say."""
        with self._lock:
            self._beat += 1
            self._sent = {beat: when for beat, when in self._sent.items() if beat > self._beat - _BEATS_KNOWN}
            # Before it is written: others read it later than that.
            self._sent[self._beat] = self.clock.now()
            it = Request(self.name, self._beat, self._wants, self.me.stack, self.reason, self._grants, self.forget)
            send(self.bucket, request_key(self.me.identity, self.kind), it)
            self.listen()

    def listen(self) -> None:
        """Reads what others say."""
        with self._lock:
            for peer in self.peers:
                answer = read_answer(self.bucket, answer_key(self.me.identity, self.kind, peer))
                if answer is not None and answer.run == self.name:
                    self.answers[peer] = self._heard[peer] = answer
                else:
                    self.answers.pop(peer, None)

    def find_peers(self) -> None:
        """Looks who else writes to the bucket. Only once the request is there: who comes now sees it."""
        found = entries(self.bucket)
        if found.pop(self.me.identity, None) is None:
            raise BarrierError("this host is not known in its bucket: run pulumi up, or wait for its service")
        self.peers = found

    def grant(self) -> None:
        """Holds on to what all have granted: nothing else counts from now on."""
        self._grants = {peer: self.answers[peer].grant for peer in self.peers}

    def reached(self, state: str, *, silent: float, patience: float) -> bool:
        """Whether all others are as far as that. BarrierError, BusyError: one never will be, or not in time.

        `silent` and `patience`: until when who says nothing, and who is busy, is waited for.
        """
        now, waits = self.clock.now(), False
        for peer, entry in self.peers.items():
            answer = self.answers.get(peer)
            if answer is not None and answer.state in {"failed", "ended"}:
                raise BarrierError(f"{entry.name}: {answer.text or answer.state}")
            if answer is not None and RANK.get(answer.state, 0) >= RANK[state]:
                continue
            waits = True
            if answer is not None and answer.state == "busy":
                if now > patience:
                    raise BusyError(f"{entry.name} has been at work: {answer.text}")
            elif now > silent:
                raise BarrierError(silence(entry))
        return not waits

    def check(self, state: str) -> None:
        """BarrierError unless all others surely are as far as that, for longer than what is sent now may take.

        All of it is asked for at this moment: this host may have been asleep since it last looked, and its clock too.
        """
        with self._lock:
            if identities(self.bucket) != {self.me.identity, *self.peers}:
                raise BarrierError("a host came to the bucket, or went, meanwhile")
            self.listen()
            if self.clock.now() - self._sent[self._beat] >= times.BEAT:
                self.beat()
            for peer, entry in self.peers.items():
                answer = self.answers.get(peer)
                granted = answer is not None and answer.grant == self._grants.get(peer)
                if answer is None or not granted or RANK.get(answer.state, 0) < RANK[state]:
                    text = answer.text if answer is not None and answer.text else "it does not hold any more"
                    raise BarrierError(f"{entry.name}: {text}")
                # One of which this host doesn't know when it said it counts as never said.
                if self.clock.now() >= self._sent.get(answer.beat, -times.LEASE) + times.LEASE - times.MARGIN:
                    raise BarrierError(f"{entry.name} has not been heard of for too long")

    def journals(self) -> list[Journal]:
        """Those of all others, as the last answers have them that they gave."""
        return [one for peer in self.peers for one in self._journals_of(peer)]

    def _journals_of(self, peer: str) -> list[Journal]:
        answer, entry = self._heard[peer], self.peers[peer]
        if abs(answer.time - self.clock.wall()) > times.SKEW:
            raise BarrierError(f"{entry.name}: its clock is not this host's; without the time nobody knows what is new")
        known, journals = self._read.get(peer, ("", []))
        if known != answer.journals:
            key = journals_key(self.me.identity, self.kind, peer)
            try:
                journals = read_journals(self.bucket, key, answer.journals, peer)
            except (MessageError, NotThere, Unreadable) as error:
                raise BarrierError(f"{entry.name}: its journals can't be read: {error}") from error
            self._read[peer] = (answer.journals, journals)
        return journals


def silence(entry: Entry) -> str:
    """In words, with what to do."""
    return (
        f"{entry.name}, which writes to the same bucket, does not answer. If it is gone for good: "
        f"registryctl hosts forget {entry.stack}"
    )


@dataclass
class Others:
    """The requests of other hosts, and which of them still go on."""

    bucket: Bucket
    me: str
    now: Callable[[], float]
    _seen: dict[str, tuple[str, float, Request | None]] = field(default_factory=dict)

    def first(self) -> Request | None:
        """The run of a host that goes before this one, where both want the same at the same time."""
        return next((request for host, request in sorted(self.active().items()) if host < self.me), None)

    def active(self) -> dict[str, Request]:
        """By host: runs that have not ended, and of which a beat has come lately. What can't be read goes on."""
        found: dict[str, Request] = {}
        for one in list(self.bucket.list(BARRIER)):
            who = requester(one.key)
            if who is None or who[1] != "run" or who[0] == self.me:
                continue
            etag, since, request = self._seen.get(one.key, ("", 0.0, None))
            if etag != one.etag:
                request, since = self._request(one.key), self.now()
                self._seen[one.key] = (one.etag, since, request)
            if request is not None and request.wants != "end" and self.now() - since <= times.LEASE:
                found[who[0]] = request
        return found

    def _request(self, key: str) -> Request | None:
        try:
            return request_of(self.bucket.read(key, LIMIT))
        except NotThere:
            return None
        except (MessageError, Unreadable):
            return Request("", 0, "turn", "another version", "something")


def merged(into: Mapping[str, list[str]], names: Iterable[str]) -> dict[str, list[str]]:
    """Generations named HOST/GENERATION, by host."""
    found = {host: list(some) for host, some in into.items()}
    for name in names:
        host, _, generation = name.partition("/")
        found.setdefault(host, []).append(generation)
    return found
