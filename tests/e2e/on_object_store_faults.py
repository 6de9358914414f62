"""What users see while an object store is slow, broken or full, and that all is well afterwards without a restart.

Not of `make test`, as the store takes a quarter of an hour to build: `make test-objects`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

import pytest

from tests.docs.blocks import ROOT
from tests.e2e.clean_up import within
from tests.e2e.content import Api, digest_of
from tests.e2e.faulty_store import Said, World
from tests.e2e.object_store import Key
from tests.e2e.second_volumes import SecondVolumes
from tests.e2e.support import round_trip, runs
from tests.e2e.witness import Witness
from tests.lab.stack import Secret

pytest_plugins = ["tests.e2e.faulty_store"]
pytestmark = pytest.mark.e2e

SECONDS = 240
NOTICED = 420
"""Seconds until the registry says 503 also where packets get lost, on a slow machine."""

WAITS = 20
"""Seconds after which a command that has not ended is one that waits."""

WRITES = ["put", "part", "begin", "complete", "copy"]
Making = Callable[[World], AbstractContextManager[None]]


def _faulty(**fault: object) -> Making:
    return lambda world: world.front.faulty(fault)


FAULTS: dict[str, Making] = {
    "takes two seconds for each request": _faulty(delay=2),
    "takes twenty seconds for each request": _faulty(delay=20),
    "answers 500": _faulty(status=500, code="InternalError"),
    "doesn't know the key any more": _faulty(status=403, code="InvalidAccessKeyId"),
    "or the host has a wrong clock": _faulty(status=403, code="RequestTimeTooSkewed"),
    "refuses connections": lambda world: world.front.refused(),
    "is cut off: packets get lost": lambda world: world.front.cut_off(),
    "takes requests and is silent": lambda world: world.front.frozen(),
    "is full": _faulty(status=507, code="XMinioStorageFull", kinds=WRITES),
}
"""Of the document's table → how the front makes it."""


def documented() -> dict[str, list[str]]:
    """The rows of the document's table: what pull, push, login and the status say."""
    text = (ROOT / "docs/storage.md").read_text()
    table = text.partition("on_object_store_faults.py -->\n")[2].partition("<!-- end -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    return {name: cells for name, *cells in rows}


def _limit(cell: str) -> int:
    return WAITS if "waits" in cell else SECONDS


def _is_documented(cell: str, said: Said) -> None:
    messages = re.findall(r"`([^`]+)`", cell)
    if "waits" in cell:
        assert said.code == 124, said
    else:
        assert (said.code != 0) == bool(messages), said
        assert all(message in said.last for message in messages), (messages, said)


def _witness(world: World, name: str) -> Witness:
    return Witness((world.registry,), f"witness/{re.sub('[^a-z0-9]+', '-', name)}")


def _all_is_well(world: World, witness: Witness, before: object) -> None:
    """What was acknowledged is there, everything works, and nothing was started anew."""
    count = len(witness.acknowledged)
    assert within(SECONDS, lambda: world.reads() and len(witness.acknowledged) > count), witness.refused[-3:]
    assert runs(world.registry.host) == before


def test_all_faults_are_told_of() -> None:
    """Each has a row, and each row is tried."""
    assert set(documented()) == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_users_see_what_the_document_says(world: World, name: str) -> None:
    """Once the registry has noticed it; nothing that was acknowledged before, meanwhile or after is lost."""
    pull, push, login, status = documented()[name]
    state = re.findall(r"`([^`]+)`", status)
    fresh = f"team/{re.sub('[^a-z0-9]+', '-', name)}:1"
    world.fresh(fresh)
    before, witness = runs(world.registry.host), _witness(world, name)
    with witness.pushing(), ThreadPoolExecutor() as pool:
        assert within(SECONDS, lambda: len(witness.acknowledged) > 1), witness.refused
        with FAULTS[name](world):
            # docker tries for fifty seconds, in which the registry notices what is to be noticed.
            pushing = pool.submit(world.push, fresh, _limit(push))
            assert within(NOTICED, lambda: all(part in world.status().last for part in state)), world.status()
            _is_documented(login, world.login(_limit(login)))
            _is_documented(pull, world.pull(_limit(pull)))
            _is_documented(push, pushing.result())
            assert all(part in world.status().last for part in state), world.status()
        _all_is_well(world, witness, before)
    assert witness.lost(world.registry) == []
    assert world.push(fresh, SECONDS).code == 0
    round_trip(world.client, "team/kept:1", world.digest)
    assert within(SECONDS, lambda: world.status().code == 0), world.status()


def test_a_store_that_lost_a_part_of_its_content(world: World) -> None:
    """Images that lie there can't be pulled, which is an error and no image that is not there; all others can."""
    second, witness = SecondVolumes(world.store), _witness(world, "volumes")
    before = runs(world.registry.host)
    with witness.pushing():
        assert within(SECONDS, lambda: len(witness.acknowledged) > 5 and second.bytes() > 100_000)
        with second.lost():
            lost = witness.lost(world.registry)
            assert lost, "nothing lay there"
            assert not [one for one in lost if re.search(r": (404|200) ", one)], lost
        _all_is_well(world, witness, before)
    assert witness.lost(world.registry) == []


def test_an_upload_that_the_store_forgets(world: World) -> None:
    """As by a lifecycle rule: the push fails, or begins anew, and never succeeds without its content."""
    api, content = Api(world.registry), os.urandom(6 * 1024 * 1024)
    digest = digest_of(content)
    _, headers = api.write("POST", "/v2/forgotten/blobs/uploads/")
    where = urlsplit(headers["Location"])
    _, headers = api.write("PATCH", f"{where.path}?{where.query}", content)
    assert world.store.forget_uploads() > 0
    where = urlsplit(headers["Location"])
    status, _, said = api.request("PUT", f"{where.path}?{where.query}&digest={digest}")
    assert (status, b"Path not found" in said) == (500, True), said
    assert not api.serves("forgotten", digest)
    assert api.blob("forgotten", content)["digest"] == digest
    assert api.serves("forgotten", digest)


def test_docker_pushes_again_what_the_store_forgets(world: World) -> None:
    """In the middle of a layer."""
    world.fresh("forgotten/by-docker:1", 40_000_000)
    with world.front.faulty({"kinds": ["part"], "delay": 2}):
        pushing = "nohup docker push -q faults.example.net/forgotten/by-docker:1 >/root/said 2>&1; echo $? >/root/code"
        world.client.host.run(f"rm -f /root/code; ({pushing}) >/dev/null 2>&1 &")
        assert within(SECONDS, lambda: world.store.forget_uploads() > 0)
        assert within(SECONDS, lambda: world.client.host.run("test -s /root/code", check=False).returncode == 0)
    assert world.client.host.get_file("/root/code").strip() == "1", world.client.host.get_file("/root/said")
    assert "unknown" in world.client.host.get_file("/root/said")
    assert world.push("forgotten/by-docker:1", SECONDS).code == 0


def test_another_key_is_one_up(world: World) -> None:
    """Also where the old one has been revoked already."""
    old, new, settings = world.store.key, Key(), dict(world.registry.settings)
    endpoint = world.front.endpoint
    world.store.lets_in(new)
    assert within(SECONDS, lambda: "away" in world.status().last), world.status()
    assert "InvalidAccessKeyId (403), the key is not known there" in world.status().last
    assert old.access not in world.status().last
    keys = {"accessKey": Secret(new.access), "secretKey": Secret(new.secret)}
    world.registry.stack.configure({**settings, **world.store.settings(endpoint=endpoint, **keys)})
    world.registry.stack.up()
    assert within(SECONDS, world.reads)
    round_trip(world.client, "team/kept:1", world.digest)
    world.client.push("team/kept:2")
    assert within(SECONDS, lambda: world.status().code == 0), world.status()
    # In the order that nobody notices: both count, `up`, and the old one goes.
    world.store.lets_in(new, old)
    world.registry.stack.configure(settings)
    world.registry.stack.up()
    world.store.lets_in(old)
    assert within(SECONDS, world.reads)
    round_trip(world.client, "team/kept:2", world.digest)
