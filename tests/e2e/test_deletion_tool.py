"""docker-repository-rmi as people meet it: wrong requests, the question it asks, the clean-up, another machine."""

import shlex
from pathlib import Path

import pytest

from tests.e2e.artifacts import Repository, image
from tests.e2e.deleting import TOOL, Elsewhere, remove
from tests.e2e.support import Deployed
from tests.lab.clients import Client

pytestmark = pytest.mark.e2e

ABSENT = "sha256:" + "0" * 64


@pytest.fixture
def repository(deployed: Deployed, request: pytest.FixtureRequest) -> Repository:
    """A repository of the test's own."""
    name = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")
    return Repository(deployed, f"tool/{name}")


def test_each_error_has_its_exit_code_and_nothing_is_deleted(deployed: Deployed, repository: Repository) -> None:
    """All or nothing, whatever else was asked for."""
    repository.push(image("one"), "a")
    here = f"{repository.name}:a"
    expected = {
        f"{repository.name}:nope": (4, "MANIFEST_UNKNOWN"),
        f"{repository.name}@{ABSENT}": (4, "MANIFEST_UNKNOWN"),
        "tool/nowhere:a": (5, "NAME_UNKNOWN"),
        "tool/nowhere-*:a": (6, "UNMATCHED"),
        f"{repository.name}:pr-*": (6, "UNMATCHED"),
        repository.name: (2, "docker-repository-rmi"),
        "--no-such-option": (2, "docker-repository-rmi"),
        "$(touch /run/owned):a": (2, "docker-repository-rmi"),
    }
    found = {}
    for wrong in expected:
        done = remove(deployed, *([wrong, here] if wrong.startswith("-") else [here, wrong]))
        found[wrong] = (done.returncode, done.stderr.split(":")[0])
    assert found == expected
    assert deployed.host.run(["test", "-e", "/run/owned"], check=False).returncode == 1
    assert repository.tags() == {"a"}


def test_somebody_is_asked_and_must_agree(deployed: Deployed, repository: Repository) -> None:
    """On a terminal; without one nothing is deleted."""
    repository.push(image("one"), "a")
    here = f"{repository.name}:a"
    assert remove(deployed, here, yes=False).returncode == 3
    command = ["script", "-qec", shlex.join([TOOL, here]), "/dev/null"]
    no = deployed.host.run(command, stdin="n\n", check=False)
    assert (no.returncode, "Delete these?" in no.stdout) == (3, True)
    assert repository.tags() == {"a"}
    yes = deployed.host.run(command, stdin="y\n", check=False)
    assert yes.returncode == 0, yes.stdout
    assert repository.tags() == set()


def test_a_clean_up_is_waited_for(deployed: Deployed, repository: Repository) -> None:
    """They take turns; a dry run needs none."""
    repository.push(image("one"), "a")
    here = f"{repository.name}:a"
    deployed.host.run("flock /run/docker-registry/turn sleep 8 >/dev/null 2>&1 &")
    busy = remove(deployed, "--wait", "1", here)
    assert (busy.returncode, busy.stderr.split(":")[0]) == (16, "BUSY")
    assert repository.tags() == {"a"}
    assert remove(deployed, "--dry-run", here).returncode == 0
    assert remove(deployed, here).returncode == 0
    assert repository.tags() == set()


def test_it_works_from_elsewhere(deployed: Deployed, repository: Repository, client: Client, tmp_path: Path) -> None:
    """With the account and the trust that Docker has there, as one file."""
    elsewhere = Elsewhere(deployed, client.host, tmp_path)
    named = f"{deployed.host.address} {deployed.fqdn}"
    client.host.run(f"grep -qx '{named}' /etc/hosts || echo '{named}' >>/etc/hosts")
    install = "apt-get update -q && apt-get install -qy --no-install-recommends python3"
    client.host.run(f"command -v python3 >/dev/null || {{ {install}; }}")
    one = repository.push(image("one"), "a", "b")
    done = elsewhere.remove(f"{repository.name}:a")
    assert done.returncode == 0, done.stderr
    assert repository.tags() == {"b"}
    assert repository.has(one)
    assert elsewhere.remove(f"{repository.name}:nope").returncode == 4
    assert elsewhere.remove(f"{repository.name}:b", password="wrong").returncode == 10
    assert elsewhere.remove(f"{repository.name}:b", registry="unknown.example.net").returncode == 13
    assert repository.tags() == {"b"}
