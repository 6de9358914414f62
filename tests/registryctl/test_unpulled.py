"""Retention by pulls, and what `registryctl usage` says of them."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from registryctl import host as tools
from registryctl import retention
from registryctl.machine import Machine
from registryctl.metrics import reader, store
from registryctl.metrics.reader import LOG
from registryctl.metrics.traffic import Pulls
from tests.e2e.artifacts import image, index
from tests.registryctl.stored import StoredHost

DAY = 86400
OLD = 90


class Counted(StoredHost):
    """A registry whose proxy logs its traffic, and whose pulls were counted for a year."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root, monkeypatch)
        self.facts["gc"]["maxShare"] = 100
        self.log = root / "srv/nginx/logs" / LOG
        self.log.parent.mkdir(parents=True)
        self.log.touch()
        self.counted(since=365)

    def pull(self, repository: str, reference: str, days: float) -> None:
        """Somebody pulled that so many days ago."""
        with self.log.open("a") as file:
            moment = time.time() - days * DAY
            file.write(f"manifest|200||200||1|{repository}\t1\t1\t0.001\t{reference} {moment:.3f}\n")

    def counted(self, since: float, until: float = 0) -> None:
        """Between so many days ago all pulls are known."""
        with store.opened(self.results / store.NAME) as kept:
            state = kept.load()
            state.since, state.until = time.time() - since * DAY, time.time() - until * DAY
            kept.save(state, Pulls())


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """With nothing in it."""
    return Counted(tmp_path, monkeypatch)


def test_pulls_at_other_hosts_are_not_known(host: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """So what goes by them stays; what goes by age alone goes."""
    host.push("r", image("unused"), "unused", days=OLD)
    host.push("aged", image("old"), "old", days=OLD)
    real = tools.open_host
    monkeypatch.setattr(retention, "open_host", lambda *words: replace(real(*words), others=lambda: ["o/p/two (b)"]))
    host.policies({"repositories": ["aged"], "keepDays": 1}, {"repositories": ["**"], "unpulledDays": 30})
    ran = host.retention()
    assert "r is not done: what is pulled of it at o/p/two (b) is not counted here" in ran.err
    assert ran.code == 14
    assert (host.has("r", image("unused")), host.has("aged", image("old"))) == (True, False)


def test_pulls_at_hosts_that_are_gone_are_not_known(host: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was pulled while there were any may have been pulled there."""
    host.push("r", image("unused"), "unused", days=OLD)
    host.policies({"repositories": ["**"], "unpulledDays": 30})
    seen = host.results / "seen"
    monkeypatch.setattr(reader, "SEEN", seen)
    seen.write_text(json.dumps({"hosts": [{"identity": "this"}, {"identity": "other"}]}))
    reader.read(Machine(), host.log.parent)
    seen.write_text(json.dumps({"hosts": [{"identity": "this"}]}))
    host.retention()
    assert host.has("r", image("unused"))
    with store.opened(host.results / store.NAME) as kept:
        state = kept.load()
        state.shared -= 31 * DAY
        kept.save(state, Pulls())
    host.retention()
    assert not host.has("r", image("unused"))


def test_what_nobody_pulls_goes(host: Counted) -> None:
    """And what somebody pulls stays, whatever he calls it; what was pushed of late too."""
    amd, arm = image("amd"), image("arm")
    for tag in ("unused", "by-tag", "long-ago"):
        host.push("r", image(tag), tag, days=OLD)
    host.push("r", image("by-digest"), "by-digest", days=OLD)
    host.push("r", index(amd, arm), "by-platform", days=OLD)
    host.push("r", image("new"), "new", days=1)
    host.push("other", image("unused"), "unused", days=OLD)
    host.pull("r", "by-tag", 10)
    host.pull("r", "long-ago", 60)
    host.pull("r", image("by-digest").digest, 10)
    host.pull("r", arm.digest, 10)
    # Of another repository.
    host.pull("r2", "unused", 10)
    dry = host.retention("--dry-run", unpulledDays=30)
    assert dry.code == 0, dry.err
    assert set(host.tags("r")) == {"unused", "by-tag", "long-ago", "by-digest", "by-platform", "new"}
    done = host.retention(unpulledDays=30)
    assert done.code == 0, done.err
    assert set(host.tags("r")) == {"by-tag", "by-digest", "by-platform", "new"}
    assert host.tags("other") == {}
    assert done.out.splitlines()[:-1] == dry.out.splitlines()[:-2]
    assert ", not pulled since " in done.out


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ({"unpulledDays": 30}, {"pulled"}),
        ({"unpulledDays": 30, "keepLast": 1}, {"pulled", "c"}),
        ({"unpulledDays": 30, "keepDays": 80}, {"pulled", "b", "c"}),
        ({"unpulledDays": 400}, {"pulled", "a", "b", "c"}),
        ({"unpulledDays": 30, "drop": ["pulled"]}, set()),
        ({"unpulledDays": 30, "keep": ["a"]}, {"pulled", "a"}),
    ],
)
def test_one_reason_is_enough(policy: dict[str, object], kept: set[str], host: Counted) -> None:
    """With other bounds."""
    for tag, days in (("pulled", 100), ("a", 90), ("b", 70), ("c", 60)):
        host.push("r", image(tag), tag, days=days)
    host.pull("r", "pulled", 3)
    assert host.retention(**policy).code == 0
    assert set(host.tags("r")) == kept


def test_before_somebody_counted_all_was_pulled(host: Counted) -> None:
    """So nothing goes until counting is as old as the bound."""
    host.push("r", image("a"), "a", days=OLD)
    host.counted(since=29)
    assert host.retention(unpulledDays=30).code == 0
    assert set(host.tags("r")) == {"a"}
    host.counted(since=31)
    assert host.retention(unpulledDays=30).code == 0
    assert host.tags("r") == {}


@pytest.mark.parametrize("how", ["never", "not-of-late", "damaged"])
def test_what_is_not_known_stays(how: str, host: Counted) -> None:
    """Where nobody counts, or the count is old. Other policies go on."""
    host.push("r", image("a"), "a", days=OLD)
    host.push("x", image("b"), "b", days=OLD)
    host.log.unlink()
    if how == "never":
        (host.results / store.NAME).unlink()
    elif how == "damaged":
        (host.results / store.NAME).write_text("?")
    else:
        host.counted(since=365, until=0.5)
    host.policies({"repositories": ["r"], "unpulledDays": 30}, {"repositories": ["**"], "keepDays": 30})
    done = host.run(called="registry-retention")
    assert done.code == 14
    assert "UNREADABLE: r is not done: " in done.err
    assert set(host.tags("r")) == {"a"}
    assert host.tags("x") == {}


def test_a_pull_of_just_now_counts(host: Counted) -> None:
    """The timer has not counted it yet: retention does."""
    host.push("r", image("a"), "a", days=OLD)
    host.counted(since=365)
    host.pull("r", "a", 0)
    assert host.retention(unpulledDays=30).code == 0
    assert set(host.tags("r")) == {"a"}
    with store.opened(host.results / store.NAME) as kept:
        assert kept.known("r").pulls["a"].times == 1


def test_usage_says_when_something_was_pulled(host: Counted) -> None:
    """Of each tag; without metrics nothing."""
    host.push("r", image("a"), "a", "b", days=OLD)
    host.push("r", image("c"), "c")
    host.pull("r", "a", 2)
    host.pull("r", "a", 40)
    host.pull("r", image("a").digest, 1)
    host.retention("--dry-run", unpulledDays=30)
    found = json.loads(host.run("usage", "--json").out)["repositories"][0]["tags"]
    day = [time.strftime("%Y-%m-%d", time.gmtime(time.time() - days * DAY)) for days in (0, 1)]
    said = {tag["name"]: (tag["lastPull"] and tag["lastPull"][:10], tag["pulls30Days"]) for tag in found}
    assert said == {"r:a": (day[1], 1), "r:b": (day[1], 0), "r:c": (None, 0)}
    text = host.run("usage").out
    assert f"r:a  pulled {day[1]}" in text
    assert "1 time in 30 days" in text
    assert "r:c  never pulled" in text
    (host.results / store.NAME).unlink()
    assert "pulled" not in host.run("usage").out
    assert "lastPull" not in host.run("usage", "--json").out
