"""Storages that real registries made by real pushes: cleaned, undone, and pulled from through the registry again."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.storage_oracle import running
from tests.storage_oracle.pushing import Pusher
from tests.storage_oracle.reading import as_go_does
from tests.storage_oracle.registries import Client, serving
from tests.storage_oracle.serving import taken
from tests.storage_oracle.trials import choose, times_of, times_wrong
from tests.storage_oracle.verdict import judge, wrongs

ACTS = 150
Got = dict[tuple[str, str, str], bytes]

pytestmark = [pytest.mark.e2e, pytest.mark.parametrize("version", ["3.1.2", "2.8.3"])]


@pytest.mark.parametrize("seed", range(3))
def test_a_clean_up_takes_what_nobody_needs_and_nothing_else(version: str, seed: int, tmp_path: Path) -> None:
    """Everything that a client got before by a tag it gets afterwards, and pushes go on."""
    data = tmp_path / "data"
    data.mkdir()
    with serving(version, data, tmp_path / "registry") as client:
        _push(client, seed)
        got = _pulled(client, data)
    before = taken(data)
    verdict = judge(before)
    running.clean_up(running.opened(data))
    assert wrongs(before, taken(data), verdict) == []
    with serving(version, data, tmp_path / "registry") as client:
        assert _pulled(client, data) == got
        _push(client, seed + 100)
    before = taken(data)
    running.clean_up(running.opened(data))
    assert wrongs(before, taken(data), judge(before)) == []


@pytest.mark.parametrize("seed", range(10, 12))
def test_what_was_deleted_comes_back(version: str, seed: int, tmp_path: Path) -> None:
    """Every tag with its digest and push time, also after a clean-up; the rest is there all the time."""
    data = tmp_path / "data"
    data.mkdir()
    with serving(version, data, tmp_path / "registry") as client:
        _push(client, seed)
        got = _pulled(client, data)
    before = taken(data)
    times, tags = times_of(data, before), choose(before, Random(seed))
    removed = running.remove(running.opened(data), tags)
    running.clean_up(running.opened(data), trash_days=7)
    gone = {(name, tag) for name, some in tags.items() for tag in some}
    with serving(version, data, tmp_path / "registry") as client:
        assert _pulled(client, data) == {key: text for key, text in got.items() if key[:2] not in gone}
    assert running.bring_back(running.opened(data), removed.run).missing == []
    with serving(version, data, tmp_path / "registry") as client:
        assert _pulled(client, data) == got
    assert times_wrong(data, times) == []


def _push(client: Client, seed: int) -> None:
    pusher = Pusher(client, Random(seed))
    for _ in range(ACTS):
        pusher.act()


def _pulled(client: Client, data: Path) -> Got:
    """What the registry gives by each tag: repository, tag, digest → bytes."""
    found: Got = {}
    for name, tags in taken(data).tags.items():
        for tag in tags:
            waiting, seen = [tag], {tag}
            while waiting:
                reference = waiting.pop()
                manifest = client.manifest(name, reference)
                if manifest is None:
                    continue
                found[name, tag, reference] = manifest
                said = as_go_does(manifest)
                assert said is not None
                for digest in said.blobs:
                    content = client.blob(name, digest)
                    if content is not None:
                        found[name, tag, digest] = content
                more = set(said.children) - seen
                seen |= more
                waiting.extend(more)
    return found
