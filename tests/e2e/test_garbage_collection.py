"""The clean-up removes what no image needs, nothing else, and no pull notices it."""

import json
import os
import re
from collections.abc import Iterator

import pytest

from tests.e2e.clean_up import (
    RESULT,
    STORAGE,
    UNIT,
    Kept,
    Puller,
    Pusher,
    at_work,
    clean_up,
    empty_trash,
    held,
    let_a_day_pass,
    stored,
    within,
)
from tests.e2e.client_tools import ClientPusher
from tests.e2e.content import Api, forget
from tests.e2e.deleting import remove
from tests.e2e.support import Deployed
from tests.lab.clients import Client

pytestmark = pytest.mark.e2e

RUNS = 10
PULLS, PUSHES = 3000, 200
"""At least so many beside them."""
PUSHES_BETWEEN = 4
BALLAST, BALLAST_BYTES = "clean/ballast", 60_000_000
BUSY_SECONDS = 240


@pytest.fixture(scope="module")
def kept(deployed: Deployed) -> Iterator[Kept]:
    """Images that must survive all of this module."""
    repository = "clean/kept"
    kept = Kept.push(deployed, repository)
    # What these tests leave behind must stay the smaller part, however little else there is: `gc.maxShare` holds.
    Api(deployed).image(BALLAST, "1.0", os.urandom(BALLAST_BYTES))
    yield kept
    forget(deployed, f"{repository}/inner", repository, BALLAST)
    empty_trash(deployed.host)
    assert clean_up(deployed.host, "--force").code == 0
    api = Api(deployed)
    # A push may still be about to name layers that a client was told of: they stay, but no tag does.
    assert not [name for name in _ours(api) if api.tags(name)]
    let_a_day_pass(deployed.host)
    empty_trash(deployed.host)
    assert clean_up(deployed.host, "--force").code == 0
    assert _ours(api) == []


def _ours(api: Api) -> list[str]:
    """The repositories of this module."""
    return [name for name in api.repositories() if name.startswith(("clean/", "load/"))]


def test_clients_at_work_notice_nothing_but_a_pause(
    deployed: Deployed, kept: Kept, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many pull, push and delete while it runs ten times: no pull and no push fails, and what was pushed is whole."""
    pullers = [Puller(kept) for _ in range(4)]
    pushers = [Pusher(deployed, f"load/{number}") for number in range(2)]
    tools = ClientPusher(deployed, client, "load/tools")
    runs = []
    with at_work([*pullers, *pushers, tools]):
        for _ in range(RUNS):
            assert _push_more(pushers), [pusher.failures for pusher in pushers]
            runs.append(clean_up(deployed.host))
        enough = within(BUSY_SECONDS, lambda: _pulls(pullers) >= PULLS and _pushes(pushers) >= PUSHES)

    assert [run.code for run in runs] == [0] * RUNS, runs
    removed = [run for run in runs if "removed" in run.said]
    assert len(removed) > RUNS // 2, runs
    assert [worker.failures for worker in (*pullers, *pushers, tools)] == [[]] * (len(pullers) + len(pushers) + 1)
    assert enough, (_pulls(pullers), _pushes(pushers))
    assert set(tools.pushed.values()) == {"docker", "podman", "skopeo"}
    kept.check()
    whole = sum(pusher.check() for pusher in pushers) + tools.check()
    # They wait, and are never told to come back.
    assert [pause for pusher in pushers for pause in pusher.api.pauses] == []
    with capsys.disabled():
        print(
            f"\n{RUNS} clean-ups beside {_pulls(pullers)} pulls, {_pushes(pushers)} pushes over the API and "
            f"{tools.done} by docker, podman and skopeo; {whole} images pulled whole afterwards; longest wait of a "
            f"write: {max(pusher.api.longest for pusher in pushers):.1f} s, round of a client: {tools.longest:.1f} s"
        )
    forget(deployed, "load/0", "load/1", "load/tools")


def _pulls(pullers: list[Puller]) -> int:
    return sum(puller.done for puller in pullers)


def _pushes(pushers: list[Pusher]) -> int:
    return sum(pusher.done for pusher in pushers)


def _push_more(pushers: list[Pusher]) -> bool:
    """Each of them pushes some images more."""
    wanted = [pusher.done + PUSHES_BETWEEN for pusher in pushers]
    return within(30, lambda: all(p.done >= count for p, count in zip(pushers, wanted, strict=True)))


def test_a_dry_run_tells_what_a_run_then_removes(deployed: Deployed, kept: Kept) -> None:
    """It removes nothing itself, and a run with nothing to do holds nothing off."""
    # What other tests deleted a moment ago goes now, and not in one of the runs below.
    let_a_day_pass(deployed.host)
    assert clean_up(deployed.host, "--force").code == 0
    api = Api(deployed)
    image = api.image("clean/gone", "1.0", os.urandom(1000))
    digests = api.pull("clean/gone", "1.0")
    api.delete("clean/gone", image["digest"])

    dry = clean_up(deployed.host, "--dry-run")
    assert dry.code == 0
    told = {line.split()[1] for line in dry.said.splitlines() if line.startswith("blob ")}
    assert told == digests
    assert "empty repository clean/gone\n" in dry.said
    assert "clean/gone" in api.repositories()
    assert all(stored(deployed.host, digest) for digest in digests)

    real = clean_up(deployed.host)
    assert real.code == 0
    assert not any(stored(deployed.host, digest) for digest in digests)
    freed = dict(word.split("=") for word in deployed.host.get_file(RESULT).split()[2:])["freed"]
    assert int(freed) > 1000
    assert "nothing to remove" in clean_up(deployed.host).said
    assert not held(deployed.host)
    kept.check()


def test_what_no_tag_leads_to_goes_with_its_layers(deployed: Deployed, kept: Kept) -> None:
    """A tag that moved on leaves its old image behind, which the registry has no more; the new one's layers stay.

    It takes its space until the trash is emptied.
    """
    api = Api(deployed)
    shared, own = os.urandom(1000), os.urandom(1000)
    old = api.image("clean/moved", "latest", shared, own)
    before = api.pull("clean/moved", "latest")
    api.image("clean/moved", "latest", shared)
    after = api.pull("clean/moved", "latest")
    gone = before - after
    assert old["digest"] in gone
    assert clean_up(deployed.host).code == 0
    assert api.pull("clean/moved", "latest") == after
    assert not any(api.serves("clean/moved", digest) for digest in gone)
    assert all(stored(deployed.host, digest) for digest in gone)
    empty_trash(deployed.host)
    assert clean_up(deployed.host).code == 0
    assert not any(stored(deployed.host, digest) for digest in gone)
    assert api.pull("clean/moved", "latest") == after
    kept.check()
    forget(deployed, "clean/moved")


def test_empty_repositories_leave_the_catalogue(deployed: Deployed, kept: Kept) -> None:
    """Also where one lies in another, whichever of the two is empty."""
    api = Api(deployed)
    for repository in ("clean/team", "clean/team/app", "clean/group", "clean/group/app"):
        api.image(repository, "1.0", os.urandom(100))
    for repository in ("clean/team", "clean/group/app"):
        forget(deployed, repository)
    assert {"clean/team", "clean/group/app"} <= set(api.repositories())
    assert clean_up(deployed.host).code == 0
    found = set(api.repositories())
    assert not {"clean/team", "clean/group/app"} & found
    assert {"clean/team/app", "clean/group"} <= found
    for repository in ("clean/team/app", "clean/group"):
        api.pull(repository, "1.0")
    # And can be pushed to again.
    api.image("clean/team", "2.0", os.urandom(100))
    api.pull("clean/team", "2.0")
    kept.check()
    forget(deployed, "clean/team", "clean/team/app", "clean/group")


def test_an_index_keeps_what_another_repository_has_lost(deployed: Deployed, kept: Kept) -> None:
    """The collector itself would take the layers of a platform that was deleted in a repository with the same index."""
    api = Api(deployed)
    layer = os.urandom(1000)
    for repository in ("clean/a-promoted", "clean/b-promoted"):
        config = api.blob(repository, json.dumps({"architecture": "amd64", "os": "linux"}).encode())
        document = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
        child = api.put(repository, "", {**document, "config": config, "layers": [api.blob(repository, layer)]})
        api.index(repository, "1.0", [child])
    api.delete("clean/a-promoted", child["digest"])
    whole = api.pull("clean/b-promoted", "1.0")
    # Something else must go, so that it runs at all.
    api.image("clean/gone", "1.0", os.urandom(100))
    forget(deployed, "clean/gone")

    run = clean_up(deployed.host)
    assert run.code == 0
    assert "untagged" not in run.said
    assert api.pull("clean/b-promoted", "1.0") == whole
    kept.check()
    forget(deployed, "clean/a-promoted", "clean/b-promoted")


def test_a_tag_whose_manifest_is_missing_is_named(deployed: Deployed, kept: Kept) -> None:
    """Its repository keeps all it has until somebody has decided about it; the rest is cleaned all the same."""
    api = Api(deployed)
    repository = "clean/dangling"
    digest = api.image(repository, "lost", os.urandom(100))["digest"]
    untagged = api.image(repository, "moved", os.urandom(100))["digest"]
    api.image(repository, "moved", os.urandom(100))
    api.image("clean/gone", "1.0", os.urandom(100))
    forget(deployed, "clean/gone")
    name = digest.removeprefix("sha256:")
    deployed.host.run(["rm", f"{STORAGE}/blobs/sha256/{name[:2]}/{name}/data"])
    for option in (["--dry-run"], []):
        assert "clean/gone" in api.repositories()
        run = clean_up(deployed.host, *option)
        assert (run.code, f"stays: {repository}:lost {digest}" in run.said) == (6, True), run.said
    assert f"{UNIT}.service" not in deployed.host.failed_units()
    assert re.fullmatch(r"ok \S+ freed=\d+ held=\d+ skipped=1\n", deployed.host.get_file(RESULT))
    assert "clean/gone" not in api.repositories()
    assert api.serves(repository, untagged)

    assert remove(deployed, f"{repository}:lost").returncode == 0
    assert clean_up(deployed.host).code == 0
    assert api.tags(repository) == ["moved"]
    assert not api.serves(repository, untagged)
    forget(deployed, repository)
    # That the lost image had them can't be known any more: its layers are like those of a push under way.
    let_a_day_pass(deployed.host)
    assert clean_up(deployed.host).code == 0
    assert repository not in api.repositories()
    kept.check()


def test_too_much_at_once_is_not_removed(deployed: Deployed, kept: Kept) -> None:
    """Somebody may have deleted by mistake: it fails, so that it is noticed, and --force does it."""
    api = Api(deployed)
    image = api.image("clean/much", "1.0", os.urandom(2_000_000))
    forget(deployed, "clean/much")
    facts = "/etc/docker-registry/host.json"
    deployed.host.run(
        f"""sed -i.kept 's/"maxShare": [0-9]*/"maxShare": 1/; s/"trashDays": [0-9]*/"trashDays": 0/' {facts}"""
    )
    try:
        run = clean_up(deployed.host)
        assert run.code == 3
        assert "gc.maxShare (1 %)" in run.said
        assert stored(deployed.host, image["digest"])
        assert not held(deployed.host)
        assert f"{UNIT}.service" in deployed.host.failed_units()
        assert deployed.host.get_file(RESULT).startswith("failed ")
        assert clean_up(deployed.host, "--dry-run").code == 3
        assert clean_up(deployed.host, "--force").code == 0
        assert not stored(deployed.host, image["digest"])
        assert f"{UNIT}.service" not in deployed.host.failed_units()
    finally:
        deployed.host.run(f"mv {facts}.kept {facts}")
    kept.check()


def test_uploads_never_finished_are_looked_for(deployed: Deployed) -> None:
    """By the registry itself, whose maintenance settings it has taken up."""
    assert "Starting upload purge in" in deployed.host.run("docker logs registry 2>&1").stdout
