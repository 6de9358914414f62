"""Which images go by tag, by digest and by pattern, and which stay, with either generation of the registry."""

from collections.abc import Iterator

import pytest

from tests.e2e.artifacts import DOCKER_IMAGE, DOCKER_LIST, IMAGE, INDEX, Repository, image, index
from tests.e2e.deleting import remove
from tests.e2e.support import Deployed

pytestmark = pytest.mark.e2e

DEFAULT = "3.1.2"


@pytest.fixture(scope="module")
def restored(deployed: Deployed) -> Iterator[Deployed]:
    """The shared registry, with its own settings back at the end."""
    yield deployed
    deployed.stack.configure(deployed.settings)
    deployed.stack.up()


@pytest.fixture(scope="module", params=[DEFAULT, "2.8.3"])
def registry(restored: Deployed, request: pytest.FixtureRequest) -> Deployed:
    """It, with each generation of Distribution. The older can't delete a tag alone."""
    if request.param != DEFAULT:
        restored.stack.configure({**restored.settings, "images": {"registry": f"registry:{request.param}"}})
        restored.stack.up()
    return restored


@pytest.fixture
def repository(registry: Deployed, request: pytest.FixtureRequest) -> Repository:
    """A repository of the test's own."""
    name = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")
    return Repository(registry, f"rmi/{name}")


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


def test_a_tag_whose_manifest_is_missing_goes(registry: Deployed, repository: Repository) -> None:
    """Alone; while it is there, nothing else of the repository does."""
    lost, whole = repository.push(image("lost"), "lost"), repository.push(image("whole"), "whole")
    revisions = f"/var/opt/docker-registry/data/docker/registry/v2/repositories/{repository.name}/_manifests/revisions"
    registry.host.run(["rm", "-r", f"{revisions}/{lost.digest.replace(':', '/')}"])
    refused = remove(registry, f"{repository.name}:whole")
    assert (refused.returncode, refused.stderr.split(":")[0]) == (14, "UNREADABLE")
    assert remove(registry, f"{repository.name}:lost").returncode == 0
    assert repository.tags() == {"whole"}
    assert repository.has(whole)


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
