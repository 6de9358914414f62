"""What clients of every make are let do: each runs one script on a host for each account, a line for each request."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.e2e.role_users import BASE, OTHER, OWN, REPOSITORIES
from tests.e2e.support import Deployed
from tests.lab.clients import TEST_IMAGE, Client
from tests.lab.host import LabHost

HOME = "/root/roles"
TAG = "v1"
IMAGE_OF_PODMAN = "localhost/to-push:1"
SECONDS = 300

_SCRIPT = """
mkdir -p {home} && cd {home} && umask 077
cat > password
[ -e auth.json ] || echo '{{"auths":{{}}}}' > auth.json
cell() {{
    name=$1; shift
    if "$@" >out 2>&1; then echo "$name yes"; return; fi
    printf '%s no %s\\n' "$name" "$(tr '\\n' ' ' <out | tail -c 400)"
}}
web() {{
    status=$(curl -sS --cacert /root/registry-ca.pem -K curlrc -o body -w '%{{http_code}}' "$@") || return
    case $status in 2??) ;; *) echo "$status"; cat body; return 1 ;; esac
}}
export SSL_CERT_FILE=/root/registry-ca.pem DOCKER_CONFIG={home} REGISTRY_AUTH_FILE={home}/auth.json
"""


@dataclass(frozen=True)
class Told:
    """The answer to one request of a client: whether it was let, and what it said if not."""

    let: bool
    words: str


Told_ = Mapping[tuple[str, str], Told]
"""Act and repository → the answer; the repository is empty where none is meant."""


@dataclass(frozen=True)
class Makes:
    """The clients on a host, for one registry."""

    host: LabHost
    registry: Deployed

    def prepare(self) -> None:
        """An image to push, in each client's own form, and crane."""
        user = Client(self.host, self.registry.fqdn)
        user.trust(self.registry.ca.read_text())
        user.crane("version")
        self.host.run(["docker", "pull", "--quiet", TEST_IMAGE])
        self.host.run(
            f"mkdir -p {HOME} && cd {HOME} && docker save -o image.tar {TEST_IMAGE} && "
            f"skopeo --insecure-policy copy -q docker-archive:image.tar dir:image && "
            f"podman tag \"$(podman load -q -i image.tar | sed 's/.*: //')\" {IMAGE_OF_PODMAN}"
        )

    def ask(self, make: str, user: str | None, password: str, digests: Mapping[str, str]) -> Told_:
        """All requests of one client as one account; `digests` are the manifests that it may try to delete."""
        who = user or "nobody"
        home = f"{HOME}/{make}-{who}"
        lines = [_SCRIPT.format(home=home), *self._script(make, user, who, digests)]
        done = self.host.run("\n".join(lines), stdin=password, timeout=SECONDS)
        return dict(_read(done.stdout))

    def _script(self, make: str, user: str | None, who: str, digests: Mapping[str, str]) -> Iterator[str]:
        registry = self.registry.fqdn
        yield f'printf \'user = "%s:%s"\\n\' {shlex.quote(user)} "$(cat password)" >curlrc' if user else ": >curlrc"
        if user:
            login = {
                "docker": f"docker login -u {user} --password-stdin {registry}",
                "skopeo": f"skopeo login -u {user} --password-stdin {registry}",
                "podman": f"podman login -u {user} --password-stdin {registry}",
                "crane": f"crane auth login -u {user} --password-stdin {registry}",
                "curl": f"web https://{registry}/v2/",
            }
            yield f"cell 'login ' {login[make]} <password"
        if make in ("crane", "curl"):
            catalog = {"crane": f"crane catalog {registry}", "curl": f"web https://{registry}/v2/_catalog"}
            yield f"cell 'catalog ' {catalog[make]}"
        for repository in REPOSITORIES:
            for act, command in _commands(make, registry, repository, who, digests.get(repository, "")).items():
                yield f"cell '{act} {repository}' {command}"
        if make == "crane":
            for source in (OWN, BASE, OTHER):
                name = f"{registry}/{OWN}:mounted-{source.replace('/', '-')}-{who}"
                yield f"cell 'copy {source}' crane copy {registry}/{source}:{TAG} {name}"


def _commands(make: str, registry: str, repository: str, who: str, digest: str) -> dict[str, str]:
    """Act → command. A push is of the same image under a tag of its own."""
    name, new = f"{registry}/{repository}:{TAG}", f"{registry}/{repository}:{make}-{who}"
    api = f"https://{registry}/v2/{repository}"
    image = {
        "docker": {
            "pull": f"docker pull -q {name}",
            "push": f"sh -c 'docker tag {TEST_IMAGE} {new} && docker push {new}'",
        },
        "skopeo": {
            "pull": f"skopeo --insecure-policy copy -q docker://{name} dir:pulled",
            "push": f"skopeo --insecure-policy copy -q dir:../image docker://{new}",
            "tags": f"skopeo list-tags docker://{registry}/{repository}",
            "delete": f"skopeo delete docker://{registry}/{repository}@{digest}",
        },
        "podman": {
            "pull": f"podman pull -q {name}",
            "push": f"podman push -q {IMAGE_OF_PODMAN} {new}",
            "tags": f"podman search --list-tags {registry}/{repository}",
        },
        "crane": {
            "pull": f"crane pull {name} pulled.tar",
            "push": f"crane push ../image.tar {new}",
            "tags": f"crane ls {registry}/{repository}",
            "delete": f"crane delete {registry}/{repository}@{digest}",
        },
        "curl": {
            "pull": f"web -H 'Accept: */*' {api}/manifests/{TAG}",
            "push": f"web -X POST {api}/blobs/uploads/",
            "tags": f"web {api}/tags/list",
            "delete": f"web -X DELETE {api}/manifests/{digest}",
        },
    }
    return image[make]


def _read(text: str) -> Iterator[tuple[tuple[str, str], Told]]:
    # Not by splitlines: clients that show their progress go back to the beginning of a line.
    for line in text.removesuffix("\n").split("\n"):
        act, repository, let, *words = line.split(" ", 3)
        yield (act, repository), Told(let == "yes", " ".join(words))
