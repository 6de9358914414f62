"""docker buildx and BuildKit as clients. Not of `make test`, as they take minutes to build: `make test-buildx`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.other_registries import other_registry
from tests.e2e.support import Deployed
from tests.lab import gotools
from tests.lab.clients import CA_FILE, TEST_IMAGE, Client
from tests.lab.lab import Lab

pytestmark = pytest.mark.e2e

SOCKET = "/run/buildkit/buildkitd.sock"
CONTEXT = "/root/buildx"


def test_the_daemons_own_builder_pushes(deployed: Deployed, client: Client) -> None:
    """An image that dockerd builds and pushes itself, pulled again by its digest."""
    _equip(client)
    name = f"{client.registry}/buildx/daemon:1"
    _build(client, "--builder default", "FROM scratch\nCOPY own /own\n", f"--push -t {name}")
    client.host.run(["docker", "pull", "-q", f"{client.registry}/buildx/daemon@{client.digest('buildx/daemon:1')}"])


def test_buildkit_pushes_platforms_and_its_cache(deployed: Deployed, client: Client) -> None:
    """An index of two platforms with attestations, and a cache in the registry that a second build takes from."""
    host, name = client.host, f"{client.registry}/buildx/kit"
    with _buildkit(client):
        recipe = "FROM scratch AS first\nCOPY own /own\nFROM scratch\nCOPY --from=first /own /taken\n"
        cache = f"ref={name}-cache,mode=max,image-manifest=true"
        options = f"--platform linux/amd64,linux/arm64 --cache-to type=registry,{cache} --push -t {name}:1"
        _build(client, "--builder kit", recipe, options)
        index = json.loads(host.run(f"SSL_CERT_FILE={CA_FILE} docker buildx imagetools inspect --raw {name}:1").stdout)
        platforms = {entry["platform"]["architecture"] for entry in index["manifests"]}
        assert platforms == {"amd64", "arm64", "unknown"}

        host.run("docker buildx --builder kit prune --all --force")
        said = _build(
            client, "--builder kit", recipe, f"--cache-from type=registry,ref={name}-cache --push -t {name}:2"
        )
        assert "CACHED" in said
        host.run(f"SSL_CERT_FILE={CA_FILE} docker buildx imagetools create -t {name}:both {name}:1 {name}:2")
        host.run(["docker", "pull", "-q", f"{name}:both"])
        _build(client, "--builder kit", f"FROM {name}:1\nCOPY own /again\n", f"--push -t {name}:on-top")
        host.run(["docker", "pull", "-q", f"{name}:on-top"])


def test_buildkit_builds_on_what_a_mirror_has(deployed: Deployed, client: Client, lab: Lab) -> None:
    """Docker Hub's names lead to the mirror; the second build asks the other registry for nothing but the tag."""
    with other_registry(lab, "kit-there") as other:
        mirror = {"prefix": "docker.io", "upstream": other.url, "insecure": True}
        deployed.stack.configure({**deployed.settings, "mirrors": [mirror]})
        deployed.stack.up()
        try:
            with _buildkit(client, f'[registry."docker.io"]\nmirrors = ["{client.registry}/docker.io"]\n'):
                for again in (False, True):
                    other.forget()
                    name = f"{client.registry}/buildx/mirrored:{int(again)}"
                    _build(client, "--builder kit", f"FROM {TEST_IMAGE}\nCOPY own /own\n", f"--push -t {name}")
                    asked = {line.partition("?")[0] for line in other.asked()}
                    head = f"HEAD /v2/library/{TEST_IMAGE.replace(':', '/manifests/')}"
                    assert head in asked
                    assert not again or asked == {head}
                    client.host.run("docker buildx --builder kit prune --all --force")
        finally:
            deployed.stack.configure(deployed.settings)
            deployed.stack.up()


@contextmanager
def _buildkit(client: Client, more: str = "") -> Iterator[None]:
    """BuildKit's daemon, for `--builder kit`."""
    _equip(client)
    host = client.host
    host.put_file("/etc/buildkit/buildkitd.toml", f'[registry."{client.registry}"]\nca = ["{CA_FILE}"]\n{more}')
    daemon = ["/usr/local/bin/buildkitd", f"--addr=unix://{SOCKET}", "--oci-worker-snapshotter=native"]
    host.run(["systemd-run", "--quiet", "--collect", "--unit=buildkitd", *daemon])
    try:
        host.run(f"timeout 30 sh -c 'until [ -S {SOCKET} ]; do sleep 0.2; done'")
        host.run(f"docker buildx create --name kit --driver remote unix://{SOCKET}")
        yield
    finally:
        host.run("docker buildx rm kit; systemctl stop buildkitd", check=False)


def _equip(client: Client) -> None:
    host = client.host
    if host.run(["test", "-e", CONTEXT], check=False).returncode == 0:
        return
    host.put_file("/usr/local/lib/docker/cli-plugins/docker-buildx", gotools.build("buildx").read_bytes(), 0o755)
    host.put_file("/usr/local/bin/buildkitd", gotools.build("buildkitd").read_bytes(), 0o755)
    host.run(f"mkdir -p {CONTEXT} && head -c 3000000 /dev/urandom >{CONTEXT}/own")


def _build(client: Client, builder: str, recipe: str, options: str) -> str:
    client.host.put_file(f"{CONTEXT}/Dockerfile", recipe)
    done = client.host.run(f"docker buildx {builder} build --progress plain {options} {CONTEXT} 2>&1", timeout=300)
    return done.stdout
