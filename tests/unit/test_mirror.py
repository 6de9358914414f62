"""A mirror: a container of its own that sees nothing of the registry, and an account that is nowhere else."""

from __future__ import annotations

import json
from functools import cache

import pytest
import yaml

from config import Login
from config.mirrors import Mirror
from rendering.mirrors import credentials_file
from tests.unit.config import pki
from tests.unit.programs import MIRROR_PASSWORD, run_stack, stack_of, whole
from tests.unit.recorder import Recorded, Recording, text_of

HOME = "/var/opt/docker-registry-mirrors/docker.io"
HUB: dict[str, object] = {
    "prefix": "docker.io",
    "username": "acme",
    "password": MIRROR_PASSWORD,
    "repositories": ["library/*"],
}


@cache
def _run(mirrors: str, preview: bool = False) -> Recording:
    return run_stack(json.dumps({**stack_of("plain"), "mirrors": json.loads(mirrors)}), preview)


def _with(*mirrors: dict[str, object]) -> Recording:
    return _run(json.dumps(mirrors))


def _as_they_are(run: Recording) -> dict[str, tuple[object, ...]]:
    return {one.name: (one.type, one.inputs, one.depends_on) for one in run if not one.name.startswith("mirror-")}


@pytest.fixture
def container(preview: bool) -> Recorded:
    """Of Docker Hub's mirror."""
    return whole("mirrors", preview)["mirror-docker.io-container"]


def test_it_sees_nothing_of_the_registry(container: Recorded) -> None:
    """Its own directories alone: it speaks with strangers."""
    assert container.inputs["volumes"] == [
        {"hostPath": f"{HOME}/etc", "containerPath": "/etc/distribution", "readOnly": True},
        {
            "hostPath": "/run/docker-registry/sockets/mirrors/docker.io",
            "containerPath": "/run/registry",
            "readOnly": False,
        },
        {"hostPath": f"{HOME}/data/registry-1.docker.io", "containerPath": "/var/lib/registry", "readOnly": False},
    ]


def test_it_is_made_like_the_others(container: Recorded) -> None:
    """No port, no capability, nothing writable but what it needs, a log that is bounded, back after a reboot."""
    inputs = container.inputs
    assert inputs["name"] == "registry-mirror-docker.io"
    assert (inputs["ports"], inputs["readOnly"], inputs["restart"]) == ([], True, "unless-stopped")
    assert inputs["capabilities"] == {"drops": ["ALL"], "adds": []}
    assert inputs["securityOpts"] == ["no-new-privileges:true"]
    assert inputs["memory"] == inputs["memorySwap"] == 1024
    assert inputs["logOpts"] == {"max-size": "10m", "max-file": "3"}
    assert "127.0.0.1" in inputs["healthcheck"]["tests"][1]


def test_its_distribution_removes_nothing_and_waits_for_no_upstream() -> None:
    """What its documentation would have otherwise loses blobs, or doesn't start."""
    run = whole("mirrors", False)
    found = yaml.safe_load(str(run.files[f"{HOME}/etc/mirror.yml"][1].content))
    assert found["proxy"].keys() == {"remoteurl", "ttl", "cachewritetimeout", "exec"}
    assert (found["proxy"]["remoteurl"], found["proxy"]["ttl"]) == ("https://registry-1.docker.io", "0s")
    assert "cache" not in found["storage"]
    assert found["http"]["net"] == "unix"


def test_the_account_is_in_its_file_alone(preview: bool) -> None:
    """As a secret; in no label, variable or name."""
    run = whole("mirrors", preview)
    words = json.dumps(MIRROR_PASSWORD)[1:-1]
    places = {
        (one.name, key)
        for one in run
        for key, value in one.inputs.items()
        if words in text_of(value) or MIRROR_PASSWORD in text_of(value)
    }
    assert places == {("mirror-docker.io-credentials", "stdin")}
    assert "stdin" in run["mirror-docker.io-credentials"].secrets
    assert "delete" not in run["mirror-docker.io-credentials"].inputs


@pytest.mark.parametrize("login", [None, Login("acme", 'quotes " and \\ and ü')])
def test_the_account_is_told_in_the_words_of_docker_s_helpers(login: Login | None) -> None:
    """Also that there is none."""
    file = credentials_file(Mirror(prefix="docker.io"), login, "/srv")
    assert file.path == "/srv/docker-registry-mirrors/docker.io/etc/credentials.json"
    wanted = {"Username": login.username, "Secret": login.password} if login else {}
    assert json.loads(file.content) == wanted


def test_another_password_restarts_nothing() -> None:
    """One file changes; the mirror looks into it again and again."""
    before, after = _with(HUB), _with({**HUB, "password": "another"})
    changed = {one.name for one in after if dict(one.inputs) != dict(before[one.name].inputs)}
    assert changed == {"mirror-docker.io-credentials"}


def test_another_configuration_replaces_the_container() -> None:
    """Which reads it at its start."""
    before, after = _with(HUB), _with({**HUB, "upstream": "https://hub.example.net"})
    changed = {one.name for one in after if dict(one.inputs) != dict(before[one.name].inputs)}
    assert changed == {"mirror-docker.io-prepare", "mirror-docker.io-files", "mirror-docker.io-container"}


def test_a_mirror_more_touches_the_site_alone() -> None:
    """Which is loaded without a pause: no other container is replaced."""
    without, one, two = _with(), _with(HUB), _with(HUB, {"prefix": "ghcr.io"})
    assert not [found.name for found in without if "mirror" in found.name]
    for before, after in ((without, one), (one, two)):
        old, new = _as_they_are(before), _as_they_are(after)
        assert {name for name in new if new[name][:2] != old[name][:2]} == {"nginx-files-configuration", "facts-host"}
    same = {found.name for found in one if found.name.startswith("mirror-docker.io")}
    assert all(dict(one[name].inputs) == dict(two[name].inputs) for name in same)


def test_the_proxy_gets_as_far_as_its_images() -> None:
    """Where it reads them, and nobody else does; not to the account."""
    stack = {**stack_of("plain"), "mirrors": [HUB], "nginx": {"mirrorFastPath": True}}
    run = run_stack(json.dumps(stack), False)
    lines = [line.split() for line in str(run["mirror-docker.io-prepare"].inputs["stdin"]).splitlines()]
    way = ["/var/opt/docker-registry-mirrors", HOME, f"{HOME}/data", f"{HOME}/data/registry-1.docker.io"]
    assert [sorted(set(line) - {path}) for path in way for line in lines if path in line] == [["0710", "root:3"]] * 4
    assert [sorted(set(line)) for line in lines if f"{HOME}/etc" in line] == [[f"{HOME}/etc", "0700", "root:root"]]


def test_an_authority_of_its_own_is_trusted_besides() -> None:
    """It is in the container's configuration, and in a directory that has nothing else."""
    authority = pki.issue("ca.example.net", authority=True).pem
    run = _with({**HUB, "serverCa": authority})
    assert str(run.files[f"{HOME}/etc/certs/ca.pem"][1].content) == authority
    container, other = run["mirror-docker.io-container"].inputs, _with(HUB)["mirror-docker.io-container"].inputs
    assert "SSL_CERT_DIR=/etc/distribution/certs" in container["envs"]
    assert not [one for one in other["envs"] if one.startswith("SSL_")]
    assert container["labels"] != other["labels"]


def test_without_mirrors_nothing_is_as_if_there_were_some() -> None:
    """No file, and no word in one."""
    run = whole("plain", False)
    assert not [path for path in run.files if "mirror" in path]
    site = str(run.files["/var/opt/nginx/etc/conf.d/registry.conf"][1].content)
    assert "mirror" not in site


def test_the_proxy_leads_there_once_it_may(preview: bool) -> None:
    """The host refuses a mirror that would hide images of the registry's own."""
    run = whole("mirrors", preview)
    assert "mirror-docker.io-prepare" in run["nginx-files-configuration"].depends_on
    create = str(run["mirror-docker.io-prepare"].inputs["create"])
    assert create.endswith("/prepare-mirror 7 docker.io /var/opt/docker-registry/data")
    assert len(run["mirror-docker.io-prepare"].inputs["stdin"].splitlines()) == 7


def test_its_socket_s_directory_is_there_after_a_boot() -> None:
    """Before Docker starts, which would make one of its own."""
    _, entry = whole("mirrors", False).files["/etc/tmpfiles.d/docker-registry-mirror-docker.io.conf"]
    assert [line for line in str(entry.content).splitlines() if line.startswith("d ")] == [
        "d /run/docker-registry/sockets/mirrors 0755 root root -",
        "d /run/docker-registry/sockets/mirrors/docker.io 0755 root root -",
    ]


def test_another_registry_behind_the_same_prefix_begins_anew() -> None:
    """What came from one is never taken for the other's."""
    urls = ("https://a.example.net", "https://b.example.net", "https://a.example.net:5000", "https://[fd00::1]:5000")
    places = [Mirror(prefix="a.b", upstream=url).place for url in urls]
    assert len(set(places)) == len(urls)
    assert places[2:] == ["a.example.net_5000", "_fd00__1__5000"]


def test_a_host_that_is_taken_over_is_free_first() -> None:
    """A mirror's container is in the network, which comes after what was there by hand; so are the proxy's files."""
    run = whole("mirrors-adopted", False)

    def needs(name: str) -> set[str]:
        found: set[str] = set()
        left = [name]
        while left:
            new = {urn.rpartition("::")[2] for urn in run[left.pop()].depends_on} - found
            found |= new
            left += [one for one in new if one in {resource.name for resource in run}]
        return found

    for name in ("mirror-docker.io-container", "nginx-files-configuration"):
        assert any(one.startswith("adoption") for one in needs(name)), needs(name)
