"""What repositories take, in the metrics: measured by a clean-up and by `registryctl usage`, and no more often."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registryctl import usage
from registryctl.endings import EndError
from registryctl.metrics import exposition, sizes
from registryctl.metrics.sizes import MEASURED
from registryctl.metrics.store import NAME as COUNTED
from tests.e2e.artifacts import image
from tests.registryctl.fake_machine import FakeMachine
from tests.registryctl.stored import StoredHost


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredHost:
    """A host on which metrics are enabled."""
    found = StoredHost(tmp_path, monkeypatch)
    monkeypatch.setattr(sizes, "RESULTS", found.results)
    (found.results / COUNTED).touch()
    return found


def _told(host: StoredHost, most: int = 50) -> dict[str, float]:
    text = exposition.text(sizes.samples(FakeMachine(host.root), most))
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def _sums(host: StoredHost) -> float:
    return sum(value for name, value in _told(host).items() if name.startswith("docker_registry_storage_bytes"))


def test_a_clean_up_measures(host: StoredHost) -> None:
    """What is in the metrics then is what usage says, and all of it together is the disk's."""
    one, two = image("one"), image("two")
    host.push("team/a", one, "1")
    host.push("team/b", one, "1")
    host.push("team/b", two, "2")
    host.push("team/b", image("untagged"))
    assert _told(host) == {}
    assert host.run("gc").code == 0
    told = _told(host)
    said = json.loads(host.run("usage", "--json").out)
    for repository in said["repositories"]:
        label = f'{{repository="{repository["name"]}"}}'
        assert told[f"docker_registry_repository_alone_bytes{label}"] == repository["alone"]
        assert told[f"docker_registry_repository_size_bytes{label}"] == repository["alone"] + repository["shared"]
    assert said["trash"] > 0
    assert _sums(host) == said["total"] == host.size()
    assert (host.results / "usage").stat().st_mode & 0o777 == 0o600


def test_usage_measures_too(host: StoredHost) -> None:
    """Also where somebody looks at one repository alone. A dry run of the clean-up does not."""
    host.push("a", image("one"), "1")
    host.push("b", image("two"), "1")
    host.run("gc", "--dry-run")
    assert _told(host) == {}
    assert host.run("usage", "a").code == 0
    assert _sums(host) == host.size()


def test_without_metrics_nobody_measures(host: StoredHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be a second walk through the storage for nothing."""
    (host.results / COUNTED).unlink()
    monkeypatch.setattr(usage, "measured", None)
    host.push("a", image("one"), "1")
    assert host.run("gc").code == 0
    assert not (host.results / "usage").exists()


@pytest.mark.parametrize("error", [EndError("UNREADABLE", "x"), OSError("full")])
def test_a_clean_up_is_good_all_the_same(error: Exception, host: StoredHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured before stays, with its time."""
    host.push("a", image("one"), "1")
    host.run("gc")
    before = _told(host)

    def fails(_: object) -> None:
        raise error

    monkeypatch.setattr(usage, "measured", fails)
    host.push("a", image("two"), "2")
    done = host.run("gc")
    assert done.code == 0
    assert done.err.startswith("sizes for the metrics could not be measured: ")
    assert _told(host) == before


def test_names_are_bounded_and_nothing_is_lost(host: StoredHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest have one. One that is called as all others are is among them."""
    monkeypatch.setattr(sizes, "MOST", 5)
    for number in range(8):
        host.push(f"team/r{number}", image("x" * 100 * (number + 1)), "1")
    host.push("other", image("y" * 1000), "1")
    host.run("usage")
    name = 'docker_registry_repository_size_bytes{{repository="{}"}}'.format
    for most, named in ((3, ["other", "team/r6", "team/r7"]), (50, ["other", *(f"team/r{n}" for n in range(4, 8))])):
        told = _told(host, most)
        assert {key for key in told if "size_bytes" in key} == {name(one) for one in named}
        assert sum(value for key, value in told.items() if "alone_bytes" in key) == host.size()


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"time": 1}', '{"time": "x", "repositories": [], "rest": [0, 0], "stored": {}}']
)
def test_what_is_none_of_ours_is_nothing(damage: str, host: StoredHost) -> None:
    """Not half of it, and no error."""
    (host.results / "usage").write_text(damage)
    assert _told(host) == {}
    assert MEASURED.kind == "gauge"
