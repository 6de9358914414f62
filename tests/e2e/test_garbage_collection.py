"""The clean-up removes what no image needs, nothing else, and no pull notices it."""

import json
import os
from collections.abc import Iterator
from statistics import median

import pytest

from tests.e2e.clean_up import STORAGE, UNIT, Kept, Puller, Pusher, at_work, clean_up, held, stored, within
from tests.e2e.content import Api, forget
from tests.e2e.deleting import remove
from tests.e2e.support import Deployed

pytestmark = pytest.mark.e2e

RUNS = 10
PUSHES_BETWEEN = 4
RESULT = "/var/lib/docker-registry/gc"


@pytest.fixture(scope="module")
def kept(deployed: Deployed) -> Iterator[Kept]:
    """Images that must survive all of this module."""
    repository = "clean/kept"
    yield Kept.push(deployed, repository)
    forget(deployed, f"{repository}/inner", repository)
    assert clean_up(deployed.host, "--force").code == 0
    assert not [name for name in Api(deployed).repositories() if name.startswith(("clean/", "load/"))]


def test_clients_at_work_notice_nothing_but_a_pause(
    deployed: Deployed, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four pull and two push and delete, while it runs ten times: no pull fails, no push that succeeded is harmed."""
    pullers = [Puller(kept) for _ in range(4)]
    pushers = [Pusher(deployed, f"load/{number}") for number in range(2)]
    runs = []
    with at_work([*pullers, *pushers]):
        for _ in range(RUNS):
            assert _push_more(pushers)
            runs.append(clean_up(deployed.host))

    assert [run.code for run in runs] == [0] * RUNS, runs
    removed = [run for run in runs if "removed" in run.said]
    assert len(removed) > RUNS // 2, runs
    assert sum(pusher.done for pusher in pushers) >= RUNS * PUSHES_BETWEEN * len(pushers)
    assert [puller.failures for puller in pullers] == [[]] * len(pullers)
    kept.check()
    whole = [pusher.check() for pusher in pushers]
    # A push that begins before a run and ends after it may have lost a layer: it is told so, and is repeated.
    failures = [failure for pusher in pushers for failure in pusher.failures]
    assert [failure for failure in failures if "MANIFEST_BLOB_UNKNOWN" not in failure] == []
    pauses = [pause for pusher in pushers for pause in pusher.api.pauses]
    assert pauses
    with capsys.disabled():
        print(
            f"\n{RUNS} clean-ups beside {sum(puller.done for puller in pullers)} pulls and "
            f"{sum(pusher.done for pusher in pushers)} pushes, of which {len(failures)} were told to repeat; "
            f"{sum(whole)} images pulled whole afterwards; "
            f"pause for writes: median {median(pauses):.1f} s, longest {max(pauses):.1f} s"
        )
    forget(deployed, "load/0", "load/1")


def _push_more(pushers: list[Pusher]) -> bool:
    """Each of them pushes some images more."""
    wanted = [pusher.done + PUSHES_BETWEEN for pusher in pushers]
    return within(30, lambda: all(p.done >= count for p, count in zip(pushers, wanted, strict=True)))


def test_a_dry_run_tells_what_a_run_then_removes(deployed: Deployed, kept: Kept) -> None:
    """It removes nothing itself, and a run with nothing to do holds nothing off."""
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
    """A tag that moved on leaves its old image behind; what the new one shares stays."""
    api = Api(deployed)
    shared, own = os.urandom(1000), os.urandom(1000)
    old = api.image("clean/moved", "latest", shared, own)
    before = api.pull("clean/moved", "latest")
    api.image("clean/moved", "latest", shared)
    after = api.pull("clean/moved", "latest")
    assert clean_up(deployed.host).code == 0
    assert api.pull("clean/moved", "latest") == after
    assert not any(stored(deployed.host, digest) for digest in before - after)
    assert old["digest"] in before - after
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
    """Nothing is removed until somebody has decided about it."""
    api = Api(deployed)
    digest = api.image("clean/dangling", "lost", os.urandom(100))["digest"]
    api.image("clean/gone", "1.0", os.urandom(100))
    forget(deployed, "clean/gone")
    name = digest.removeprefix("sha256:")
    deployed.host.run(["rm", f"{STORAGE}/blobs/sha256/{name[:2]}/{name}/data"])
    for option in ([], ["--dry-run"]):
        run = clean_up(deployed.host, *option)
        assert (run.code, f"clean/dangling:lost {digest}" in run.said) == (1, True), run.said
    assert "clean/gone" in api.repositories()
    assert remove(deployed, "clean/dangling:lost").returncode == 0
    assert clean_up(deployed.host).code == 0
    assert not {"clean/gone", "clean/dangling"} & set(api.repositories())
    kept.check()


def test_too_much_at_once_is_not_removed(deployed: Deployed, kept: Kept) -> None:
    """Somebody may have deleted by mistake: it fails, so that it is noticed, and --force does it."""
    api = Api(deployed)
    image = api.image("clean/much", "1.0", os.urandom(2_000_000))
    forget(deployed, "clean/much")
    deployed.host.run("sed -i.kept s/^max_share=.*/max_share=1/ /etc/docker-registry/gc.conf")
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
        # For once only.
        assert deployed.host.run(["test", "-e", "/run/docker-registry/gc-force"], check=False).returncode != 0
    finally:
        deployed.host.run("mv /etc/docker-registry/gc.conf.kept /etc/docker-registry/gc.conf")
    kept.check()


def test_uploads_never_finished_are_looked_for(deployed: Deployed) -> None:
    """By the registry itself, whose maintenance settings it has taken up."""
    assert "Starting upload purge in" in deployed.host.run("docker logs registry 2>&1").stdout
