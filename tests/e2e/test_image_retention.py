"""Retention: what the policies keep and drop, for real, with either generation of the registry."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.artifacts import Artifact, Repository, image, index, pushed
from tests.e2e.retention_cases import CASES, PROTECTED, policies
from tests.e2e.support import Deployed
from tests.lab.stack import Result

pytestmark = pytest.mark.e2e

STORE = "/var/opt/docker-registry/data/docker/registry/v2"
UNIT = "docker-registry-retention"
JOURNAL = f"journalctl --sync && journalctl --unit {UNIT} --output cat --lines 40"
RESULT = "/var/lib/docker-registry/retention"


@pytest.fixture(scope="module")
def restored(deployed: Deployed) -> Iterator[Deployed]:
    """The shared registry, with its own settings back at the end."""
    yield deployed
    deployed.stack.configure(deployed.settings)
    deployed.stack.up()
    assert deployed.host.run(["systemctl", "cat", f"{UNIT}.timer"], check=False).returncode != 0


@pytest.fixture(scope="module", params=["3.1.2", "2.8.3"])
def registry(restored: Deployed, request: pytest.FixtureRequest) -> Deployed:
    """It, with all policies, and everything pushed anew for each generation of Distribution."""
    settle(restored, request.param, "on")
    return restored


def settle(deployed: Deployed, version: str, mode: str) -> None:
    """`up` with the policies, in this mode, with this registry."""
    retention: dict[str, Any] = {"mode": mode, "protected": PROTECTED, "policies": policies()}
    images = {"registry": f"registry:{version}"}
    # Most of what is here may go.
    bounds = {"gc": {"maxShare": 100}}
    deployed.stack.configure({**deployed.settings, **bounds, "images": images, "retention": retention})
    deployed.stack.up()


def retention(registry: Deployed, *words: str) -> Result:
    """Run it by hand."""
    return registry.host.run(["registry-retention", *words], check=False)


def seed(registry: Deployed) -> None:
    """Push the histories of all cases."""
    times = {}
    for case in CASES:
        repository = Repository(registry, case.repository)
        for tag, (days, text) in case.pushes.items():
            repository.push(image(f"{case.name} {text}"), tag)
            times[f"{case.repository}:{tag}"] = days
    pushed(registry.host, times)


def all_tags(registry: Deployed) -> dict[str, set[str]]:
    """The tags of every case's repository."""
    return {case.name: Repository(registry, case.repository).tags() for case in CASES}


def test_what_remains_is_what_the_policies_keep(registry: Deployed) -> None:
    """The dry run says what the real one does; a second run finds nothing to do."""
    seed(registry)
    before = all_tags(registry)
    dry = retention(registry, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert all_tags(registry) == before == {case.name: set(case.pushes) for case in CASES}

    done = retention(registry)
    assert done.returncode == 0, done.stderr
    assert dry.stdout == done.stdout + "nothing was deleted, because of --dry-run\n"
    remains = {case.name: set(case.remains) for case in CASES}
    assert all_tags(registry) == remains
    for case in CASES:
        repository = Repository(registry, case.repository)
        kept = {case.pushes[tag][1] for tag in case.remains}
        for _, text in case.pushes.values():
            assert repository.has(image(f"{case.name} {text}")) == (text in kept), (case.name, text)
    again = retention(registry)
    assert again.stdout == "0 tags and 0 manifests of 0 repositories\n"
    assert all_tags(registry) == remains


def test_an_image_that_an_index_or_a_tag_needs_stays(registry: Deployed) -> None:
    """With what is attached to it. Attached artifacts have no age of their own and don't count."""
    repository = Repository(registry, "retention/attached")
    platform, lonely = image("platform"), image("lonely")
    whole = repository.push(index(platform, image("other")), "multi")
    repository.push(platform, "linux")
    repository.push(lonely, "old")
    gone = repository.push(image("signature of old"), lonely.attached_tag(".sig"))
    listed: Artifact = repository.push(index(repository.push(image("sbom", subject=lonely))), lonely.attached_tag())
    kept = repository.push(image("signature of multi"), whole.attached_tag(".sig"))
    times = dict.fromkeys(repository.tags(), 90.0) | {"multi": 80.0}
    pushed(registry.host, {f"{repository.name}:{tag}": days for tag, days in times.items()})

    done = retention(registry)
    assert done.returncode == 0, done.stderr
    assert repository.tags() == {"multi", whole.attached_tag(".sig")}
    assert all(repository.has(one) for one in (whole, platform, kept))
    assert not any(repository.has(one) for one in (lonely, gone, listed))


def test_patterns_of_repositories_know_the_parts_of_a_name(registry: Deployed) -> None:
    """The first that fits counts."""
    flat, deep = Repository(registry, "retention/wide/a"), Repository(registry, "retention/wide/a/b")
    for repository in (flat, deep):
        for tag in ("flat", "deep"):
            repository.push(image(tag), tag)
    assert retention(registry).returncode == 0
    assert flat.tags() == {"deep"}
    assert deep.tags() == {"flat"}


def test_a_repository_that_can_t_be_read_is_left_alone(registry: Deployed) -> None:
    """It is said, the unit fails, and the others are done all the same."""
    broken, sound = Repository(registry, "retention/broken"), Repository(registry, "retention/dropped-at-once")
    part = image("part that is lost")
    broken.push(index(part, image("part")), "multi")
    broken.push(image("newer"), "newer")
    pushed(registry.host, {f"{broken.name}:multi": 50, f"{broken.name}:newer": 40})
    sound.push(image("a request"), "pr-9")
    revision = f"{STORE}/repositories/{broken.name}/_manifests/revisions/sha256/{part.digest.partition(':')[2]}"
    registry.host.run(["mv", revision, "/root/lost-revision"])
    try:
        done = registry.host.run(["systemctl", "start", f"{UNIT}.service"], check=False)
        assert done.returncode != 0
        assert broken.tags() == {"multi", "newer"}
        assert "pr-9" not in sound.tags()
        assert re.fullmatch(r"failed \S+ exit code 14\n", registry.host.get_file(RESULT))
        journal = registry.host.run(JOURNAL).stdout
        assert f"UNREADABLE: {broken.name} is not done: multi: " in journal
    finally:
        registry.host.run(["mv", "/root/lost-revision", revision])
    registry.host.run(["systemctl", "start", f"{UNIT}.service"])
    assert broken.tags() == {"newer"}
    assert re.fullmatch(r"ok \S+ 1 tag and 3 manifests of 1 repository\n", registry.host.get_file(RESULT))


def test_mode_dry_run_deletes_nothing_on_schedule(restored: Deployed) -> None:
    """The journal says what would go; by hand it deletes nothing either."""
    settle(restored, "3.1.2", "dry-run")
    repository = Repository(restored, "retention/dropped-at-once")
    one = repository.push(image("a request"), "pr-1")
    timer = restored.host.run(["systemctl", "show", f"{UNIT}.timer", "--property=ActiveState,UnitFileState"]).stdout
    assert set(timer.split()) == {"ActiveState=active", "UnitFileState=enabled"}
    restored.host.run(["systemctl", "start", f"{UNIT}.service"])
    journal = restored.host.run(JOURNAL).stdout
    assert f"delete {repository.name}:pr-1 {one.digest} (fits pr-*)" in journal.splitlines()
    assert "nothing was deleted, because of retention.mode dry-run" in journal.splitlines()
    assert retention(restored).returncode == 0
    assert "pr-1" in repository.tags()
    assert repository.has(one)
    assert restored.host.get_file(RESULT).endswith(", not deleted: dry-run\n")


def test_an_image_pushed_while_it_waits_stays(registry: Deployed) -> None:
    """The time of the tag's push before says nothing about it."""
    repository = Repository(registry, "retention/thirty-days")
    repository.push(image("long ago"), "nightly")
    pushed(registry.host, {f"{repository.name}:nightly": 60})
    waiting = "until pgrep -f '[r]egistryctl retention' >/dev/null; do sleep 0.2; done"
    # It waits for its turn by then, which another tool has.
    started = f'systemctl start --no-block {UNIT}.service && timeout 30 sh -c "{waiting}" && sleep 1'
    holding = "systemd-run --quiet --unit test-has-turn flock /run/docker-registry/turn sleep 60"
    registry.host.run(["sh", "-c", f"{holding} && sleep 1 && {started}"])
    fresh = repository.push(image("of today"), "nightly")
    registry.host.run(["systemctl", "stop", "test-has-turn"])
    done = registry.host.run(["systemctl", "start", f"{UNIT}.service"], check=False)
    assert done.returncode == 0
    assert "nightly" in repository.tags()
    assert repository.has(fresh)
    registry.host.run(["docker-repository-rmi", "--yes", f"{repository.name}:nightly"])


def test_a_tag_given_at_the_moment_of_the_deletion_is_not_lost(registry: Deployed) -> None:
    """Pushes wait meanwhile: the image stays whole, or whoever pushes is told that part of it is gone."""
    repository = Repository(registry, "retention/dropped-at-once")
    images = [image(f"request {number}") for number in range(12)]
    for number, one in enumerate(images):
        repository.push(one, f"pr-{number}")
    promoted = {}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(retention, registry)
        number = 0
        while not running.done():
            name, one = f"promoted-{number}", images[number % len(images)]
            if repository.tagged(one, name):
                promoted[name] = one
            number += 1
            time.sleep(0.02)
    assert running.result().returncode == 0, running.result().stderr
    assert promoted
    assert repository.tags() >= promoted.keys()
    assert all(repository.has(one) for one in promoted.values())
    assert not any(tag.startswith("pr-") for tag in repository.tags()), running.result()
    assert not registry.host.run("ls /run/docker-registry/sockets/closing", check=False).stdout
    registry.host.run(["docker-repository-rmi", "--yes", f"{repository.name}:promoted-*"])
