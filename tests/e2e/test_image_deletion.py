"""Deleting images, on the host and from elsewhere, with either generation of the registry."""

import base64
import json
import shlex
from collections.abc import Iterator

import pytest

from tests.e2e.artifacts import DOCKER_IMAGE, DOCKER_LIST, IMAGE, INDEX, Repository, image, index
from tests.e2e.support import Deployed
from tests.lab import gotools
from tests.lab.clients import Client
from tests.lab.docker import docker
from tests.lab.host import LabHost
from tests.lab.stack import Result

pytestmark = pytest.mark.e2e

ABSENT = "sha256:" + "0" * 64
TOOL = "docker-repository-rmi"


@pytest.fixture(scope="module")
def restored(deployed: Deployed) -> Iterator[Deployed]:
    """The shared registry, with its own settings back at the end."""
    yield deployed
    deployed.stack.configure(deployed.settings)
    deployed.stack.up()


@pytest.fixture(scope="module", params=["3.1.2", "2.8.3"])
def registry(restored: Deployed, request: pytest.FixtureRequest) -> Deployed:
    """It, with each generation of Distribution. The older can't delete a tag alone."""
    if f":{request.param}" != ":3.1.2":
        restored.stack.configure({**restored.settings, "images": {"registry": f"registry:{request.param}"}})
        restored.stack.up()
    return restored


@pytest.fixture
def repository(registry: Deployed, request: pytest.FixtureRequest) -> Repository:
    """A repository of the test's own."""
    name = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")
    return Repository(registry, f"rmi/{name}")


def remove(where: Deployed, *words: str, yes: bool = True) -> Result:
    """Run the tool on the host, without a terminal."""
    return where.host.run([TOOL, *(["--yes"] if yes else []), *words], check=False)


def test_a_tag_goes_alone_while_its_image_has_another(registry: Deployed, repository: Repository) -> None:
    """With its last tag the image goes."""
    one, two = repository.push(image("one"), "a", "b"), repository.push(image("two"), "c")
    done = remove(registry, f"{repository.name}:a")
    assert done.returncode == 0, done.stderr
    assert f"keep   {repository.name}@{one.digest} (used by {repository.name}:b)" in done.stdout.splitlines()
    assert repository.tags() == {"b", "c"}
    assert repository.has(one)
    assert repository.digest("b") == one.digest

    assert remove(registry, f"{repository.name}:b").returncode == 0
    assert repository.tags() == {"c"}
    assert not repository.has(one)
    assert repository.has(two)


@pytest.mark.parametrize(
    ("of_images", "of_indexes"), [(IMAGE, INDEX), (DOCKER_IMAGE, DOCKER_LIST)], ids=["oci", "docker"]
)
def test_an_index_takes_along_what_it_alone_needs(
    registry: Deployed, repository: Repository, of_images: str, of_indexes: str
) -> None:
    """Not the image that has a tag of its own, nor the one that another index contains."""
    own, shared, alone = (image(text, of_images) for text in ("own", "shared", "alone"))
    first = repository.push(index(own, shared, alone, media_type=of_indexes), "first")
    second = repository.push(index(shared, media_type=of_indexes), "second")
    repository.push(own, "own")
    done = remove(registry, f"{repository.name}:first")
    assert done.returncode == 0, done.stderr
    assert repository.tags() == {"second", "own"}
    assert [repository.has(one) for one in (first, alone)] == [False, False]
    assert all(repository.has(one) for one in (own, shared, second))


def test_attached_artifacts_go_with_their_image(registry: Deployed, repository: Repository) -> None:
    """A signature, a referrer in the fallback index, and the signature of the signature; those of others stay."""
    signed, other = repository.push(image("signed"), "1.0"), repository.push(image("other"), "2.0")
    signature = repository.push(image("signature"), signed.attached_tag(".sig"))
    countersigned = repository.push(image("countersigned"), signature.attached_tag(".sig"))
    referrer = repository.push(image("sbom", subject=signed))
    listing = repository.push(index(referrer), signed.attached_tag())
    kept = repository.push(image("kept"), other.attached_tag(".sig"))
    assert remove(registry, f"{repository.name}:1.0").returncode == 0
    assert repository.tags() == {"2.0", other.attached_tag(".sig")}
    assert not any(repository.has(one) for one in (signed, signature, countersigned, referrer, listing))
    assert repository.has(other)
    assert repository.has(kept)


def test_a_digest_goes_only_when_nothing_else_needs_it(registry: Deployed, repository: Repository) -> None:
    """Refused while it has tags, unless they may go too; and while an index contains it, in any case."""
    part = image("part")
    whole = repository.push(index(part), "multi")
    one = repository.push(image("one"), "a", "b")
    by_digest = f"{repository.name}@{one.digest}"

    tagged = remove(registry, by_digest)
    assert (tagged.returncode, tagged.stderr.split(":")[0]) == (7, "USED_BY_TAG")
    assert f"{repository.name}:a, {repository.name}:b" in tagged.stderr
    contained = remove(registry, "--all-tags", f"{repository.name}@{part.digest}")
    assert (contained.returncode, contained.stderr.split(":")[0]) == (8, "USED_BY_INDEX")
    assert f"the index {repository.name}:multi" in contained.stderr
    assert repository.tags() == {"a", "b", "multi"}

    assert remove(registry, "--all-tags", by_digest).returncode == 0
    assert repository.tags() == {"multi"}
    assert not repository.has(one)
    assert repository.has(whole)
    assert repository.has(part)
    untagged = repository.push(image("untagged"))
    assert remove(registry, f"{repository.name}@{untagged.digest}").returncode == 0
    assert not repository.has(untagged)


def test_a_pattern_takes_what_it_fits_and_a_dry_run_nothing(registry: Deployed, repository: Repository) -> None:
    """Both say the same; * stays within one part of a name."""
    below, deeper = Repository(registry, f"{repository.name}/x"), Repository(registry, f"{repository.name}/x/y")
    for where in (below, deeper):
        for tag in ("pr-1", "pr-2", "main"):
            where.push(image(f"{where.name} {tag}"), tag)
    pattern = f"{repository.name}/*:pr-*"
    dry = remove(registry, "--dry-run", pattern)
    assert dry.returncode == 0
    assert below.tags() == {"pr-1", "pr-2", "main"}
    done = remove(registry, pattern)
    assert done.stdout == dry.stdout + "deleted\n"
    assert below.tags() == {"main"}
    assert deeper.tags() == {"pr-1", "pr-2", "main"}
    assert remove(registry, f"{repository.name}/**:pr-*").returncode == 0
    assert deeper.tags() == {"main"}


def test_each_error_has_its_exit_code_and_nothing_is_deleted(registry: Deployed, repository: Repository) -> None:
    """All or nothing, whatever else was asked for."""
    repository.push(image("one"), "a")
    here = f"{repository.name}:a"
    expected = {
        f"{repository.name}:nope": (4, "MANIFEST_UNKNOWN"),
        f"{repository.name}@{ABSENT}": (4, "MANIFEST_UNKNOWN"),
        "rmi/nowhere:a": (5, "NAME_UNKNOWN"),
        "rmi/nowhere-*:a": (6, "UNMATCHED"),
        f"{repository.name}:pr-*": (6, "UNMATCHED"),
        repository.name: (2, "docker-repository-rmi"),
        "--no-such-option": (2, "docker-repository-rmi"),
        "$(touch /run/owned):a": (2, "docker-repository-rmi"),
    }
    found = {}
    for wrong in expected:
        done = remove(registry, *([wrong, here] if wrong.startswith("-") else [here, wrong]))
        found[wrong] = (done.returncode, done.stderr.split(":")[0])
    assert found == expected
    assert registry.host.run(["test", "-e", "/run/owned"], check=False).returncode == 1
    assert repository.tags() == {"a"}


def test_somebody_is_asked_and_must_agree(registry: Deployed, repository: Repository) -> None:
    """On a terminal; without one nothing is deleted."""
    repository.push(image("one"), "a")
    here = f"{repository.name}:a"
    assert remove(registry, here, yes=False).returncode == 3
    command = ["script", "-qec", shlex.join([TOOL, here]), "/dev/null"]
    no = registry.host.run(command, stdin="n\n", check=False)
    assert (no.returncode, "Delete these?" in no.stdout) == (3, True)
    assert repository.tags() == {"a"}
    yes = registry.host.run(command, stdin="y\n", check=False)
    assert yes.returncode == 0, yes.stdout
    assert repository.tags() == set()


def test_a_clean_up_is_waited_for(registry: Deployed, repository: Repository) -> None:
    """It has the same lock; a dry run needs none."""
    repository.push(image("one"), "a")
    here = f"{repository.name}:a"
    registry.host.run("mkdir -p /run/docker-registry; flock /run/docker-registry/lock sleep 15 >/dev/null 2>&1 &")
    busy = remove(registry, "--wait", "1", here)
    assert (busy.returncode, busy.stderr.split(":")[0]) == (16, "BUSY")
    assert repository.tags() == {"a"}
    assert remove(registry, "--dry-run", here).returncode == 0
    assert remove(registry, here).returncode == 0
    assert repository.tags() == set()


@pytest.mark.parametrize("with_regbot", [False, True], ids=["docker", "regbot"])
def test_it_works_from_elsewhere(registry: Deployed, repository: Repository, client: Client, with_regbot: bool) -> None:
    """With the account and the trust that Docker has there: by regbot's image, or by regbot where it is installed."""
    elsewhere = Elsewhere(registry, client.host, with_regbot)
    named = f"{registry.host.address} {registry.fqdn}"
    # Docker's containers know the names of the machine's own file; that of the lab's network they don't.
    client.host.run(f"grep -qx '{named}' /etc/hosts || echo '{named}' >>/etc/hosts")
    one = repository.push(image(f"one {with_regbot}"), "a", "b")
    done = elsewhere.remove(f"{repository.name}:a")
    assert done.returncode == 0, done.stderr
    assert repository.tags() == {"b"}
    assert repository.has(one)
    assert elsewhere.remove(f"{repository.name}:nope").returncode == 4
    assert elsewhere.remove(f"{repository.name}:b", password="wrong").returncode == 10
    if with_regbot:
        assert elsewhere.remove(f"{repository.name}:b", registry="unknown.example.net").returncode == 13
    assert repository.tags() == {"b"}


class Elsewhere:
    """A machine that isn't the registry's, with the tool in a folder of its own."""

    def __init__(self, where: Deployed, host: LabHost, with_regbot: bool) -> None:
        self._where, self._host = where, host
        self._folder = "/opt/registry-tools"
        for path in (
            "bin/docker-repository-rmi",
            *(f"lib/docker-registry/{part}-images.lua" for part in ("delete", "requested")),
        ):
            content = where.host.get_file(f"/usr/local/{path}")
            host.put_file(f"{self._folder}/{path.rpartition('/')[2]}", content, 0o755)
        self._path = "/usr/sbin:/usr/bin:/sbin:/bin"
        if with_regbot:
            docker("cp", str(gotools.build("regbot")), f"{host.container}:{self._folder}/regbot")
            self._path = f"{self._folder}:{self._path}"

    def remove(self, image_name: str, password: str = "", registry: str = "") -> Result:
        """Run it; a `password` other than that of docker login is only for this."""
        account = "/root/.docker"
        if password:
            account = f"{self._folder}/account"
            auth = base64.b64encode(f"alice:{password}".encode()).decode()
            self._host.put_file(
                f"{account}/config.json", json.dumps({"auths": {self._where.fqdn: {"auth": auth}}}), 0o600
            )
        variables = f"PATH={self._path} HOME=/root DOCKER_CONFIG={account}"
        words = ["--yes", "--registry", registry or self._where.fqdn, image_name]
        return self._host.run(f"{variables} {shlex.join([f'{self._folder}/{TOOL}', *words])}", check=False)


def test_a_registry_without_deletion_says_so_and_loses_no_tag(restored: Deployed) -> None:
    """The tag is not overwritten in the attempt."""
    repository = Repository(restored, "rmi/not-deleted")
    one = repository.push(image("one"), "a", "b")
    restored.stack.configure(
        {**restored.settings, "registry": {"deleteEnabled": False}, "ui": {"deleteEnabled": False}}
    )
    restored.stack.up()
    for request in (f"{repository.name}:a", f"{repository.name}:*"):
        done = remove(restored, request)
        assert (done.returncode, done.stderr.split(":")[0]) == (9, "UNSUPPORTED")
    assert {repository.digest(tag) for tag in repository.tags()} == {one.digest}
    assert repository.tags() == {"a", "b"}
