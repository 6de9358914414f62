"""`registryctl mirrors trim`, on a host that has two mirrors, and what registry-status says of them."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from registryctl.metrics import store
from registryctl.metrics.traffic import Pulls
from registryctl.mirrors import command
from registryctl.mirrors.files import MirrorFiles, MirrorStorage, within
from tests.registryctl.fake_machine import FakeMachine
from tests.registryctl.mirrored import DAY, Mirrored
from tests.registryctl.running import Ran
from tests.registryctl.stored import StoredHost
from tests.registryctl.world import digest_of

BIG = b"x" * 1000


@contextmanager
def _enter(path: Path) -> Iterator[MirrorStorage]:
    """Without being root."""
    os.scandir(path).close()
    yield MirrorFiles(path)


class MirrorsHost(StoredHost):
    """docker.io has both bounds, ghcr.io has no storage yet."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root, monkeypatch)
        monkeypatch.setattr(command, "enter", _enter)
        monkeypatch.setattr(command, "Machine", lambda: FakeMachine(root))
        monkeypatch.setattr("registryctl.mirrors.trim.MOMENT", 0.0)
        (root / "srv/m").mkdir(parents=True)
        self.mirror = Mirrored(root / "srv/m/docker.io")
        self.mirror.now = time.time()
        self.bounds = [self._bound("docker.io"), self._bound("ghcr.io")]
        self.facts |= {"mirrors": ["docker.io", "ghcr.io"], "mirrorBounds": self.bounds}
        (root / "srv/nginx/logs").mkdir(parents=True)

    def _bound(self, prefix: str) -> dict[str, Any]:
        data = str(self.root / "srv/m" / prefix)
        return {"prefix": prefix, "data": data, "unpulledDays": None, "maxBytes": None}

    def trim(self, *words: str) -> Ran:
        """Run it."""
        return self.run("mirrors", "trim", *words)

    def pulled(self, repository: str, reference: str, days: float) -> None:
        """Somebody did, as far as it was counted; counting began a year ago."""
        with store.opened(self.results / store.NAME) as kept:
            state = kept.load()
            state.since, state.until = time.time() - 365 * DAY, time.time()
            when = round(time.time() - days * DAY)
            kept.save(state, Pulls({(repository, reference): when}))

    def result(self) -> dict[str, Any]:
        """What it left for the status."""
        found: dict[str, Any] = json.loads((self.results / "mirrors").read_text())
        return found


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MirrorsHost:
    """See above."""
    return MirrorsHost(tmp_path, monkeypatch)


def test_the_longest_unused_goes(host: MirrorsHost) -> None:
    """A dry run says the same, and leaves all as it is."""
    host.bounds[0]["maxBytes"] = 2500
    for days, tag in ((3, "old"), (2, "pulled"), (1, "new")):
        host.mirror.an_image("library/a", tag, tag.encode() * 300, days=days)
    host.pulled("docker.io/library/a", "pulled", 0.5)
    before = host.mirror.tree()
    dry = host.trim("--dry-run")
    assert host.mirror.tree() == before
    done = host.trim()
    assert done.code == dry.code == 0, done.err
    lines = ["docker.io/library/a:old (longest unused)", "docker.io/library/a:new (longest unused)"]
    assert done.out.splitlines()[:2] == [f"gone: {line}" for line in lines]
    assert dry.out.splitlines()[:2] == [f"would go: {line}" for line in lines]
    assert set(host.mirror.tags("library/a")) == {"pulled"}
    assert host.result()["docker.io"]["over"] is False


def test_what_nobody_pulls_goes(host: MirrorsHost) -> None:
    """Not before somebody counts pulls, or when he has stopped; that is said. A pull by digest counts."""
    host.bounds[0]["unpulledDays"] = 30
    digest = host.mirror.an_image("a", "1", BIG, days=40)
    host.mirror.an_image("a", "2", b"2", days=40)
    done = host.trim("docker.io")
    assert "stays: docker.io: nobody has counted pulls yet: what nobody pulls stays\n" in done.out
    assert (done.code, host.result()["docker.io"]["faults"]) == (0, 1)
    host.pulled("docker.io/a", digest, 10)
    with store.opened(host.results / store.NAME) as kept:
        state = kept.load()
        state.until = time.time() - 2 * store.LATE
        kept.save(state, Pulls())
    assert "pulls were not counted of late" in host.trim().out
    assert set(host.mirror.tags("a")) == {"1", "2"}
    host.pulled("docker.io/a", digest, 10)
    assert "gone: docker.io/a:2 (not pulled for 30 days)" in host.trim().out
    assert set(host.mirror.tags("a")) == {"1"}


def test_a_tag_is_used_as_long_as_it_is_trusted(host: MirrorsHost) -> None:
    """The proxy hands out its manifest meanwhile, and nobody asks the mirror: layers that go would be missed."""
    host.bounds[0] |= {"maxBytes": 10, "tagSeconds": DAY}
    old = host.mirror.an_image("a", "1", BIG, days=3)
    for tag, days in (("1", 1.01), ("2", 1.1)):
        host.mirror.an_image("a", tag, tag.encode(), days=days)
    host.mirror.aged([host.mirror.link_file("a", "_manifests/tags/1/index", old)], 1.02)
    assert "gone: docker.io/a:2 (longest unused)\n" in host.trim("docker.io").out
    assert set(host.mirror.tags("a")) == {"1"}
    assert old in host.mirror.pull("a", old)


def test_on_a_full_disk_a_mirror_makes_room(host: MirrorsHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nobody can note what was pulled."""
    host.bounds[0]["maxBytes"] = 10
    host.mirror.an_image("a", "1", BIG, days=2)
    host.pulled("docker.io/a", "1", 1)
    (host.root / "srv/nginx/logs/traffic").touch()

    def save(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store.Store, "save", save)
    done = host.trim("docker.io")
    assert (done.code, host.mirror.tags("a")) == (0, {})


def test_an_earlier_upstream_is_told_of(host: MirrorsHost) -> None:
    """No bound counts for it, and nothing of it goes: it may be wanted again. What removes it is said."""
    host.bounds[0] |= {"data": str(host.root / "srv/m/docker.io/data/new.example.net"), "maxBytes": 10}
    old = Mirrored(host.root / "srv/m/docker.io/data-old")
    old.an_image("a", "1", BIG, days=40)
    place = host.root / "srv/m/docker.io/data/old.example.net"
    place.parent.mkdir()
    old.root.rename(place)
    size = sum(path.stat().st_size for path in place.glob("docker/registry/v2/blobs/*/*/*/data"))
    told = f"docker.io: 0.0 MB of an earlier upstream count for no bound: rm -r {place} removes them\n"
    assert told in host.trim("--dry-run").out
    assert told in host.trim().out
    assert host.result()["docker.io"]["earlier"] == size > len(BIG)
    assert sum(path.stat().st_size for path in place.glob("docker/registry/v2/blobs/*/*/*/data")) == size


def test_too_much_that_is_in_use_is_said(host: MirrorsHost) -> None:
    """In one line."""
    host.bounds[0]["maxBytes"] = 10
    host.mirror.an_image("a", "1", BIG, days=0)
    assert "docker.io: more than 0.0 MB, and nothing more may go now\n" in host.trim().out
    assert host.result()["docker.io"]["over"] is True
    assert set(host.mirror.tags("a")) == {"1"}
    assert json.loads(host.trim("--json").out)["docker.io"]["over"] is True


def test_one_that_fails_is_no_harm_to_others(host: MirrorsHost) -> None:
    """It is named; the result of the other is there."""
    host.bounds[0]["maxBytes"] = 10
    host.mirror.an_image("a", "1", BIG, days=2)
    (host.root / "srv/m/ghcr.io").write_text("no directory")
    done = host.trim()
    assert done.code == 1
    assert done.err.startswith("ghcr.io: ")
    assert (host.mirror.tags("a"), set(host.result())) == ({}, {"docker.io", "ghcr.io"})


def test_a_name_that_is_no_text_is_no_harm(host: MirrorsHost) -> None:
    """Whoever has taken a mirror over writes what he likes: the next run, and those of other mirrors, go on."""
    host.pulled("docker.io/library/app", "1", 1)
    host.mirror.image("library/app", "1", BIG)
    (host.mirror.v2 / "repositories/a" / os.fsdecode(b"\xff") / "_layers").mkdir(parents=True)
    assert host.trim().code == 0


def test_wrong_words_are_refused(host: MirrorsHost) -> None:
    """Before anything is looked at."""
    assert host.run("mirrors").code == 2
    assert host.run("mirrors", "empty").code == 2
    assert (
        host.trim("quay.io").err
        == "registryctl mirrors: there is no mirror quay.io that has a bound; --help explains\n"
    )
    assert host.trim("--grace", "0").code == 2
    assert host.run("mirrors", "--help").code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="root's alone")
def test_no_link_leads_out_of_a_mirror(host: MirrorsHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in the place of a directory finds nothing; this process is outside again afterwards."""
    monkeypatch.setattr(command, "enter", within)
    host.bounds[0]["maxBytes"] = 10
    host.mirror.an_image("a", "1", BIG, days=2)
    own = Mirrored(host.root / "own")
    own.fetched(lambda: own.blob(b"own"), 3)
    assert host.trim().code == 0
    assert host.mirror.tags("a") == {}
    blobs = host.mirror.v2 / "blobs"
    blobs.rename(host.root / "away")
    blobs.symlink_to(own.v2 / "blobs")
    (host.mirror.root / "going").mkdir()
    (host.mirror.root / "going" / digest_of(b"?")).symlink_to(host.root / "host.json")
    here = Path.cwd()
    host.trim()
    assert own.has(digest_of(b"own"))
    assert (host.root / "host.json").exists()
    assert Path.cwd() == here
