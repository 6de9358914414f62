"""What was removed comes back: after a clean-up, a deletion by pattern and a retention. And what everything takes."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.artifacts import pushed
from tests.e2e.clean_up import STORAGE, clean_up, empty_trash, stored
from tests.e2e.closing import written
from tests.e2e.content import Api, digest_of
from tests.e2e.deleting import remove
from tests.e2e.support import Deployed
from tests.lab.host import LabHost
from tests.lab.stack import Result

pytestmark = pytest.mark.e2e

RETAINED = "undo/retained"
MANIFESTS = 9
"""Of an image, an index of two, one in which another lies, and a signature with its index."""


@pytest.fixture(scope="module")
def registry(deployed: Deployed) -> Iterator[Deployed]:
    """The shared registry, with a policy that drops at once. Most of what is there may go."""
    policies = [{"repositories": [RETAINED], "drop": ["pr-*"]}]
    settings = {"gc": {"maxShare": 100}, "retention": {"mode": "on", "policies": policies}}
    deployed.stack.configure({**deployed.settings, **settings})
    deployed.stack.up()
    _free(deployed.host)
    yield deployed
    remove(deployed, "undo/**:*")
    empty_trash(deployed.host)
    deployed.stack.configure(deployed.settings)
    deployed.stack.up()


@dataclass
class Images:
    """What is in a repository: images of every kind that may go, all tagged `pr-…` or attached, and one that stays."""

    registry: Deployed
    repository: str
    digests: dict[str, str] = field(default_factory=dict)
    """Tag → digest."""
    parts: dict[str, set[str]] = field(default_factory=dict)
    """Tag → all digests below it."""

    @classmethod
    def push(cls, registry: Deployed, repository: str) -> "Images":
        """With push times long ago, each another one."""
        api, images, base = Api(registry), cls(registry, repository), os.urandom(50_000)
        signed = api.image(repository, "pr-1", base, os.urandom(3000))
        platforms = [api.image(repository, "", base, os.urandom(2000)) for _ in range(2)]
        tops = {"pr-1": signed, "pr-multi": api.index(repository, "pr-multi", platforms)}
        inner = api.index(repository, "", [api.image(repository, "", base, os.urandom(1000))])
        tops["pr-nested"] = api.index(repository, "pr-nested", [inner])
        images.digests = {tag: str(top["digest"]) for tag, top in tops.items()}
        images.digests[api.signature(repository, signed)] = ""
        api.image(repository, "main", base, os.urandom(1000))
        pushed(registry.host, {f"{repository}:{tag}": 10.25 + day for day, tag in enumerate(images.digests)})
        images.parts = {tag: api.pull(repository, tag) for tag in images.digests}
        api.close()
        return images

    @property
    def tags(self) -> list[str]:
        """The tags that may go."""
        return list(self.digests)

    def check_there(self, *, tagged: bool = True) -> None:
        """All are whole, by tag and by digest, or by digest alone."""
        api = Api(self.registry)
        assert set(api.tags(self.repository)) == {"main", *(self.digests if tagged else ())}
        for tag, digest in self.digests.items():
            for reference in filter(None, (tag if tagged else "", digest)):
                assert api.pull(self.repository, reference) == self.parts[tag], reference
        api.close()

    def check_gone(self) -> None:
        """The registry has none of them, and still the one that stays."""
        api = Api(self.registry)
        assert api.tags(self.repository) == ["main"]
        others = api.pull(self.repository, "main")
        for digest in set().union(*self.parts.values()) - others:
            assert not api.serves(self.repository, digest), digest
        api.close()

    def links(self) -> dict[str, str]:
        """What there is by name: tags and manifests with their push times, layers without."""
        top = f"{STORAGE}/repositories/{self.repository}"
        found = self.registry.host.run(
            f"cd {top} && find _manifests/tags/*/current _manifests/revisions _layers -name link -printf '%p %T@\\n'"
        )
        links = dict(line.split() for line in found.stdout.splitlines())
        return {path: "" if path.startswith("_layers/") else when for path, when in links.items()}


def _by_clean_up(images: Images) -> None:
    assert clean_up(images.registry.host).code == 0


def _by_pattern(images: Images) -> None:
    done = remove(images.registry, f"{images.repository}:pr-*")
    assert done.returncode == 0, done.stderr


def _by_retention(images: Images) -> None:
    done = images.registry.host.run(["registry-retention"], check=False)
    assert done.returncode == 0, done.stderr


def registryctl(host: LabHost, *words: str) -> Result:
    """Runs it."""
    return host.run(["registryctl", *words], check=False)


def runs(host: LabHost) -> list[dict[str, Any]]:
    """The runs that can be undone, the oldest first."""
    found: list[dict[str, Any]] = json.loads(registryctl(host, "trash", "--json").stdout)
    return found


@pytest.mark.parametrize(
    ("reason", "repository", "act"),
    [("gc", "undo/cleaned", _by_clean_up), ("rm", "undo/deleted", _by_pattern), ("retention", RETAINED, _by_retention)],
    ids=["clean-up", "deletion", "retention"],
)
def test_all_comes_back(registry: Deployed, reason: str, repository: str, act: Callable[[Images], None]) -> None:
    """Every tag with its digest and push time; everything can be pulled whole again, and stays at the next clean-up."""
    host, images = registry.host, Images.push(registry, repository)
    by_tag = reason != "gc"
    if not by_tag:
        api = Api(registry)
        for tag in images.tags:
            api.delete(repository, tag)
        api.close()
    images.check_there(tagged=by_tag)
    before = images.links()
    act(images)
    images.check_gone()
    record = runs(host)[-1]
    assert (record["reason"], record["repositories"]) == (reason, [repository])
    assert (record["tags"], record["manifests"]) == (len(images.tags) if by_tag else 0, MANIFESTS)
    listed = registryctl(host, "trash").stdout.splitlines()[-1]
    assert listed.startswith(f"{record['run']} {record['made']} {reason}: ")

    undone = registryctl(host, "undo")
    assert undone.returncode == 0, undone.stderr
    if by_tag:
        told = {line for line in undone.stdout.splitlines() if line.startswith("back ")}
        assert told == {f"back   {repository}:{tag}" for tag in images.tags}
    images.check_there(tagged=by_tag)
    assert images.links() == before
    assert record["run"] not in [run["run"] for run in runs(host)]
    if by_tag:
        assert clean_up(host).code == 0
        images.check_there()


def test_what_the_trash_let_go_of_does_not_come_back(registry: Deployed) -> None:
    """Of two runs one is given up: it says that there is none, and the other still has all that it needs."""
    host, images = registry.host, Images.push(registry, "undo/emptied")
    for tag in ("pr-1", "pr-multi"):
        assert remove(registry, f"{images.repository}:{tag}").returncode == 0
    first, second = (run["run"] for run in runs(host)[-2:])
    assert registryctl(host, "trash", "empty", first).returncode == 0
    assert clean_up(host).code == 0
    assert not stored(host, images.digests["pr-1"])
    assert stored(host, images.digests["pr-multi"])

    before = written(host)
    refused = registryctl(host, "undo", first)
    assert (refused.returncode, refused.stderr.split(":")[0]) == (4, "MANIFEST_UNKNOWN")
    assert written(host) == before
    assert registryctl(host, "undo", second).returncode == 0
    api = Api(registry)
    assert api.pull(images.repository, "pr-multi") == images.parts["pr-multi"]
    assert "pr-1" not in api.tags(images.repository)
    api.close()


def test_where_a_part_is_lost_it_is_named_and_nothing_changes(registry: Deployed) -> None:
    """A manifest and a layer. Once they are there again, all comes back."""
    host, images = registry.host, Images.push(registry, "undo/lost")
    before = images.links()
    _by_pattern(images)
    api = Api(registry)
    manifests = [images.digests["pr-1"], images.digests["pr-nested"]]
    layer = next(iter(images.parts["pr-1"] - {images.digests["pr-1"]} - api.pull(images.repository, "main")))
    api.close()
    lost = sorted([*manifests, layer])
    _move(host, lost, away=True)
    found = written(host)
    refused = registryctl(host, "undo")
    assert refused.returncode == 1
    assert refused.stdout.splitlines() == [f"missing blob {digest}: it is missing" for digest in lost]
    assert "nothing was changed" in refused.stderr
    assert written(host) == found
    images.check_gone()
    _move(host, lost, away=False)
    assert registryctl(host, "undo").returncode == 0
    images.check_there()
    assert images.links() == before


def _move(host: LabHost, digests: list[str], *, away: bool) -> None:
    for name in (digest.removeprefix("sha256:") for digest in digests):
        paths = [f"{STORAGE}/blobs/sha256/{name[:2]}/{name}/data", f"/root/lost-{name}"]
        host.run(["mv", *(paths if away else paths[::-1])])


def test_a_tag_that_was_pushed_again_stays(registry: Deployed) -> None:
    """It is said, and what it was is there by its digest."""
    host, images = registry.host, Images.push(registry, "undo/again")
    _by_pattern(images)
    api = Api(registry)
    new = api.image(images.repository, "pr-1", os.urandom(1000))["digest"]
    undone = registryctl(host, "undo")
    assert undone.returncode == 0
    assert f"keep   {images.repository}:pr-1 (it was pushed again since" in undone.stdout
    assert new in api.pull(images.repository, "pr-1")
    assert api.pull(images.repository, images.digests["pr-1"]) == images.parts["pr-1"]
    assert api.pull(images.repository, "pr-multi") == images.parts["pr-multi"]
    api.close()


def test_usage_sums_to_the_disk_and_knows_what_a_removal_frees(registry: Deployed) -> None:
    """With layers of several repositories, something in the trash, and something that nothing needs."""
    host, images = registry.host, Images.push(registry, "undo/usage")
    api = Api(registry)
    shared, own = os.urandom(40_000), os.urandom(7000)
    api.image("undo/usage/one", "a", shared, own)
    api.image("undo/usage/two", "b", shared)
    unneeded = os.urandom(5000)
    name = digest_of(unneeded).removeprefix("sha256:")
    before = json.loads(registryctl(host, "usage", "--json").stdout)["unneeded"]
    host.put_file(f"{STORAGE}/blobs/sha256/{name[:2]}/{name}/data", unneeded)
    _by_pattern(images)
    used = json.loads(registryctl(host, "usage", "--json").stdout)
    assert used["total"] == _on_disk(host)
    alone = sum(one["alone"] for one in used["repositories"])
    assert alone + used["shared"] + used["trash"] + used["unneeded"] == used["total"]
    assert used["trash"] > 8000
    assert used["unneeded"] - before == len(unneeded)
    found = {one["name"]: one for one in used["repositories"]}
    assert found["undo/usage/one"]["shared"] == len(shared)
    assert found["undo/usage/two"]["shared"] == len(shared)
    (tag,) = found["undo/usage/one"]["tags"]
    assert (tag["name"], tag["shared"]) == ("undo/usage/one:a", len(shared))
    assert len(own) < tag["frees"] < len(own) + 2000

    _free(host)
    before = _on_disk(host)
    assert remove(registry, "undo/usage/one:a").returncode == 0
    _free(host)
    assert before - _on_disk(host) == tag["frees"]
    api.close()


def _free(host: LabHost) -> None:
    """All that a clean-up takes, and all that can be brought back, is given up, however much others left."""
    assert clean_up(host, "--force").code == 0
    empty_trash(host)
    assert clean_up(host, "--force").code == 0


def _on_disk(host: LabHost) -> int:
    """Bytes of all blobs."""
    sizes = host.run(f"find {STORAGE}/blobs -name data -printf '%s\\n'").stdout
    return sum(map(int, sizes.split()))
