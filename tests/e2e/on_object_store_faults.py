"""What users see while an object store is slow, broken or full, and that all is well afterwards without a restart.

Not of `make test`, as the store takes a quarter of an hour to build: `make test-objects`.
"""

from __future__ import annotations

import http
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.docs.blocks import ROOT
from tests.e2e.clean_up import within
from tests.e2e.content import Api, RefusedError, digest_of
from tests.e2e.faulty_store import KEPT, REMEMBERED, SECONDS, Said, World
from tests.e2e.object_store import Key
from tests.e2e.second_volumes import SecondVolumes
from tests.e2e.support import round_trip
from tests.e2e.witness import NotPushedError, Witness, push
from tests.lab.stack import Secret

pytest_plugins = ["tests.e2e.faulty_store"]
pytestmark = pytest.mark.e2e

WAITS = 12
"""Seconds after which a request that has not ended is one that waits."""

WRITES = ["put", "part", "begin", "complete", "copy"]
FAILED = (500, 503)
"""At first, and once the registry has noticed it."""


@dataclass(frozen=True)
class Fault:
    """How the front makes it, and which statuses clients see: none where they wait."""

    making: Callable[[World], AbstractContextManager[None]]
    pull: tuple[int, ...] = FAILED
    push: tuple[int, ...] = FAILED


def _faulty(**fault: object) -> Callable[[World], AbstractContextManager[None]]:
    return lambda world: world.front.faulty(fault)


FAULTS = {
    "takes two seconds for each request": Fault(_faulty(delay=2), (200,), ()),
    "takes twenty seconds for each request": Fault(_faulty(delay=20), (), ()),
    "answers 500": Fault(_faulty(status=500, code="InternalError")),
    "doesn't know the key any more": Fault(_faulty(status=403, code="InvalidAccessKeyId")),
    "doesn't let the key do that any more": Fault(_faulty(status=403, code="AccessDenied")),
    "or the store or the host has a wrong clock": Fault(_faulty(status=403, code="RequestTimeTooSkewed")),
    "refuses connections": Fault(lambda world: world.front.refused()),
    "is cut off: packets get lost": Fault(lambda world: world.front.cut_off(), (), ()),
    "takes requests and is silent": Fault(lambda world: world.front.frozen(), (), ()),
    "breaks off its answers": Fault(_faulty(cut=20)),
    "is full": Fault(_faulty(status=507, code="XMinioStorageFull", kinds=WRITES), (200,)),
}
"""By the rows of the document's table."""


def documented() -> dict[str, list[str]]:
    """What the rows of the document's table have in their cells: pull, push, login and the status."""
    text = (ROOT / "docs/storage.md").read_text()
    table = text.partition("on_object_store_faults.py -->\n")[2].partition("<!-- end -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    return {name: cells for name, *cells in rows}


def _slug(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name)


def _tried(do: Callable[[Api], object], world: World, good: int) -> tuple[int, float]:
    """The status that a client sees in the end, and after how many seconds."""
    api, began = Api(world.registry), time.monotonic()
    try:
        do(api)
    except (RefusedError, NotPushedError) as error:
        return error.status, time.monotonic() - began
    finally:
        api.close()
    return good, time.monotonic() - began


def _blob(api: Api, repository: str, digest: str) -> None:
    path = f"/v2/{repository}/blobs/{digest}"
    status, _, content = api.request("GET", path)
    if status != http.HTTPStatus.OK:
        raise RefusedError(f"GET {path}", status, content)
    assert digest_of(content) == digest


def _is_seen(name: str, asking: Future[tuple[int, float]], statuses: tuple[int, ...]) -> None:
    if not asking.done():
        print(f"{name}: waits")
        assert statuses == ()
        return
    status, seconds = asking.result()
    print(f"{name}: {status} after {seconds:.1f} s")
    assert status in statuses


def test_all_faults_are_told_of() -> None:
    """Each has a row, and each row is tried."""
    assert set(documented()) == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_store_that(world: World, name: str) -> None:
    """Who pulls and pushes sees what the document says, the status says why; what was pulled lately is pulled again."""
    fault, wanted = FAULTS[name], re.findall(r"`([^`]+)`", documented()[name][3])
    cold, new = f"cold/{_slug(name)}", f"new/{_slug(name)}"
    layer = Api(world.registry).blob(cold, os.urandom(20_000))
    with world.unharmed(f"witness/{_slug(name)}"), ThreadPoolExecutor() as pool, fault.making(world):
        began = time.monotonic()
        pulling = pool.submit(_tried, lambda api: _blob(api, cold, layer["digest"]), world, 200)
        pushing = pool.submit(_tried, lambda api: push(api, new, "1", 20_000), world, 201)
        world.pull_warm()
        print(f"{name}: warm {time.monotonic() - began:.1f} s")
        # It is `away` in the second step, which `test_both_steps` waits for.
        words = [word for word in wanted if word != "away"]
        status = Said(0, "")
        while status.code == 0 or not all(word in status.last for word in words):
            assert time.monotonic() < began + REMEMBERED, status
            status = world.status()
        print(status)
        assert world.registry.get("/v2/", password=world.registry.password).status in {200, 503}
        patience = WAITS + 10 if 200 in fault.pull else WAITS
        wait([pulling, pushing] if fault.push else [pulling], timeout=began + patience - time.monotonic())
        _is_seen(f"{name}, pull", pulling, fault.pull)
        _is_seen(f"{name}, push", pushing, fault.push)
        world.pull_warm()


def test_both_steps(world: World) -> None:
    """docker's users get 503 before long; meanwhile, and as long as it is remembered, warm pulls go on."""
    cells = documented()["answers 500"]

    def pulls_go_on() -> int:
        end, count = time.monotonic() + REMEMBERED, 0
        while time.monotonic() < end:
            world.pull_warm()
            count += 1
            time.sleep(0.5)
        return count

    with world.unharmed("witness/steps"), ThreadPoolExecutor() as pool:
        with world.front.faulty({"status": 500, "code": "InternalError"}):
            pulling = pool.submit(pulls_go_on)
            # docker tries for fifty seconds.
            pushing = pool.submit(world.push, "new/steps:1", SECONDS)
            assert within(SECONDS, lambda: "away; " in world.status().last), world.status()
            pull, login, status = world.pull(SECONDS), world.login(SECONDS), world.status()
            assert pulling.result()
            said = [pull, pushing.result(), login, status]
        for cell, one in zip(cells, said, strict=True):
            assert one.code != 0, one
            assert all(words in one.last for words in re.findall(r"`([^`]+)`", cell)), (cell, one)
        # Nothing was kept of it that makes a later push fail.
        assert within(SECONDS, lambda: world.push("new/steps:1", SECONDS).code == 0)
    round_trip(world.client, KEPT, world.digest)


def test_a_store_that_lost_a_part_of_its_content(world: World) -> None:
    """Images that lie there can't be pulled, which is an error and no image that is not there; all others can."""
    second, witness = SecondVolumes(world.store), Witness((world.registry,), "witness/volumes")
    with witness.pushing():
        assert within(SECONDS, lambda: len(witness.acknowledged) > 5 and second.bytes() > 100_000), second.bytes()
    with world.unharmed("witness/beside"):
        with second.lost():
            lost = witness.lost(world.registry)
            print(*lost, world.status(), sep="\n")
            assert lost, "nothing lay there"
            assert not [one for one in lost if re.search(r": (404|200) ", one)], lost
        assert within(SECONDS, lambda: witness.lost(world.registry) == []), witness.lost(world.registry)


def test_an_upload_that_the_store_forgets(world: World) -> None:
    """As by a lifecycle rule: the push fails, and never succeeds without its content; it does when it is begun anew."""
    api, content = Api(world.registry), os.urandom(6 * 1024 * 1024)
    digest = digest_of(content)
    with world.unharmed("witness/forgotten"):
        _, headers = api.write("POST", "/v2/forgotten/blobs/uploads/")
        where = urlsplit(headers["Location"])
        _, headers = api.write("PATCH", f"{where.path}?{where.query}", content)
        assert world.store.forget_uploads() > 0
        where = urlsplit(headers["Location"])
        status, _, said = api.request("PUT", f"{where.path}?{where.query}&digest={digest}")
        assert status == 500, said
        assert not api.serves("forgotten", digest)
        assert api.blob("forgotten", content)["digest"] == digest
        assert api.serves("forgotten", digest)


def test_another_key_is_one_up(world: World) -> None:
    """Also where the old one has been revoked already."""
    old, new, settings = world.store.key, Key(), dict(world.registry.settings)
    witness = Witness((world.registry,), "witness/keys")
    with witness.pushing():
        world.store.lets_in(new)
        assert within(SECONDS, lambda: "InvalidAccessKeyId (403), the key is not known there" in world.status().last)
        assert old.access not in world.status().last
        keys = {"accessKey": Secret(new.access), "secretKey": Secret(new.secret)}
        storage = settings["storage"]
        other = {**settings, "storage": {**storage, "s3": {**storage["s3"], **keys}}}
        world.registry.stack.configure(other)
        world.registry.stack.up()
        assert within(SECONDS, lambda: world.status().code == 0), world.status()
        # In the order that nobody notices: both count, `up`, and the old one goes.
        world.store.lets_in(new, old)
        world.registry.stack.configure(settings)
        world.registry.stack.up()
        world.store.lets_in(old)
        count = len(witness.acknowledged)
        assert within(SECONDS, lambda: len(witness.acknowledged) > count + 1), witness.refused[-3:]
    assert witness.lost(world.registry) == []
    round_trip(world.client, KEPT, world.digest)
    assert within(SECONDS, lambda: world.status("").code == 0), world.status("")
