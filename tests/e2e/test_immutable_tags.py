"""Tags that can't be moved and accounts that end, on a host: what clients show, and what the host's tools say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.role_users import PASSWORD, Api, forget, restored
from tests.e2e.support import USER, Deployed
from tests.lab.clients import TEST_IMAGE, Client
from tests.lab.host import LabHost
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

NAME = "release/app"
LIVES = (40, 120, 600)
"""Seconds for which an account lives; the next, where `up` was too slow for one."""

IMMUTABLE = {"access": {"immutable": {"tags": ["release/*:v*"], "deletable": False}}}
_HOME = "/root/immutable"


@pytest.fixture(scope="module")
def registry(deployed: Deployed) -> Iterator[Deployed]:
    """The shared registry with immutable tags."""
    with restored(deployed):
        deployed.stack.configure({**deployed.settings, **IMMUTABLE})
        deployed.stack.up()
        yield deployed
        forget(deployed, "release")


@pytest.fixture(scope="module")
def client(registry: Deployed, client_host: LabHost) -> LabHost:
    """A host with clients that are logged in, and two images in each one's form."""
    Client(client_host, registry.fqdn).trust(registry.ca.read_text())
    Client(client_host, registry.fqdn).crane("version")
    client_host.run(
        f"""
        set -e; umask 077; mkdir -p {_HOME}; cd {_HOME}; cat > password
        export SSL_CERT_FILE=/root/registry-ca.pem
        docker pull --quiet {TEST_IMAGE}; docker tag {TEST_IMAGE} one:1
        docker commit --change 'LABEL another=one' "$(docker create {TEST_IMAGE})" two:1
        for image in one two; do
            docker save -o $image.tar $image:1
            skopeo --insecure-policy copy -q docker-archive:$image.tar dir:$image
            podman load -q -i $image.tar
        done
        for login in 'docker login' 'skopeo login' 'podman login' 'crane auth login'; do
            $login -u {USER} --password-stdin {registry.fqdn} < password
        done
        """,
        stdin=registry.password,
    )
    return client_host


@pytest.mark.parametrize("make", ["docker", "skopeo", "podman", "crane"])
def test_clients_show_that_a_tag_is_immutable(registry: Deployed, client: LabHost, make: str) -> None:
    """The first image and the same again are pushed; another one is not, and the client says why."""
    target = f"{registry.fqdn}/{NAME}:v-{make}"
    command = {
        "docker": f"docker tag IMAGE:1 {target} && docker push {target}",
        "skopeo": f"skopeo --insecure-policy copy -q dir:IMAGE docker://{target}",
        "podman": f"podman push -q IMAGE:1 {target}",
        "crane": f"crane push IMAGE.tar {target}",
    }[make]
    done = {}
    for number, image in enumerate(("one", "one", "two")):
        script = f"cd {_HOME} && export SSL_CERT_FILE=/root/registry-ca.pem && {command.replace('IMAGE', image)}"
        done[number] = client.run(script, check=False, timeout=200)
    said = done[2].stdout + done[2].stderr
    print(f"\n{make}: {said[-300:]}")
    assert [found.returncode == 0 for found in done.values()] == [True, True, False], done
    assert f"the tag v-{make} is immutable" in said


def test_the_host_s_tools_leave_them(registry: Deployed) -> None:
    """And say so."""
    api = Api(registry, USER)
    for content in (b"{}", b""):
        api.push_blob(NAME, content)
    api.push_manifest(NAME, "v1")
    assert api.code("DELETE", f"/v2/{NAME}/manifests/v1") == "DENIED"
    done = registry.host.run(f"registryctl rm --yes {NAME}:v1", check=False)
    assert done.returncode == 18
    assert done.stderr.startswith(f"IMMUTABLE: {NAME}:v1 stays")
    assert (
        api.ask("HEAD", f"/v2/{NAME}/manifests/v1", Accept="application/vnd.oci.image.manifest.v1+json").status == 200
    )


def with_guest(registry: Deployed) -> float:
    """The registry gets an account that soon ends; when."""
    for seconds in LIVES:
        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        guest = {"name": "guest", "password": Secret(PASSWORD), "expires": ends.isoformat()}
        users = [*registry.settings["users"], guest]
        registry.stack.configure({**registry.settings, **IMMUTABLE, "users": users})
        registry.stack.up()
        if time.time() < ends.timestamp() - LIVES[0] / 4:
            return ends.timestamp()
    raise AssertionError(f"an up takes more than {LIVES[-1]} s")


def test_an_account_ends_without_an_up(registry: Deployed) -> None:
    """`registryctl access` and `registry-status` tell of it before and after; other accounts notice nothing."""
    end = with_guest(registry)
    [row] = json.loads(registry.host.run("registryctl access guest --json").stdout)
    assert datetime.fromisoformat(row["ends"].replace("Z", "+00:00")).timestamp() == end
    assert (row["ended"], row["pull"]) == (False, ["*"])
    told = registry.host.run("registry-status accounts", check=False)
    assert (told.returncode, "guest ends" in told.stdout) == (1, True)
    guest, alice = Api(registry, "guest"), Api(registry, USER)
    answers = []
    while time.time() < end + 1:
        began = time.time()
        answers.append((began, guest.ask("GET", "/v2/").status))
        assert alice.ask("GET", "/v2/").status == 200
        time.sleep(0.05)
    assert {status for moment, status in answers if moment < end - 0.2} == {200}
    assert {status for moment, status in answers if moment >= end} == {401}
    [row] = json.loads(registry.host.run("registryctl access guest --json").stdout)
    assert (row["ended"], row["pull"]) == (True, [])
    told = registry.host.run("registry-status accounts", check=False)
    assert (told.returncode, "1 ended" in told.stdout) == (0, True)
