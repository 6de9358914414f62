"""The clean-up on a full disk, with the registry of another generation, and after an upgrade."""

import os
from collections.abc import Iterator

import pytest

from tests.e2e.clean_up import Kept, Puller, at_work, clean_up, empty_trash, held, let_a_day_pass, stored
from tests.e2e.content import Api, RefusedError, forget
from tests.e2e.support import Deployed, wait_until_healthy

pytestmark = pytest.mark.e2e

DATA = "/var/opt/docker-registry/data"
SPACE = 16_000_000
OLD, NEW = "registry:2.8.3", "registry:3.1.2"


@pytest.fixture
def small_disk(deployed: Deployed) -> Iterator[None]:
    """The images lie on a file system of their own, with little space."""
    host = deployed.host
    host.run(f"docker stop registry && mount -t tmpfs -o size={SPACE},mode=0700 tmpfs {DATA} && docker start registry")
    wait_until_healthy(host)
    yield
    host.run(f"docker stop registry && umount {DATA} && docker start registry")
    wait_until_healthy(host)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_loses_nothing_and_is_cleaned_up(deployed: Deployed) -> None:
    """A push fails and says why, pulls go on, deleting and cleaning up need no space, and then pushes succeed again."""
    host, api = deployed.host, Api(deployed)
    kept = Kept.push(deployed, "disk/kept", size=4_000_000)
    gone = api.image("disk/gone", "1.0", os.urandom(3_000_000))
    new = os.urandom(2_000_000)

    host.run(f"head -c {SPACE} /dev/zero >{DATA}/filler; df {DATA} | grep -q 100%")
    with at_work([puller := Puller(kept)]):
        with pytest.raises(RefusedError) as refused:
            api.image("disk/new", "1.0", new)
        api.delete("disk/gone", gone["digest"])
        run = clean_up(host)
    assert refused.value.status == 500
    assert "no space left on device" in str(refused.value)
    assert (run.code, held(host)) == (0, False), run.said
    assert "removed 3.0 MB" in run.said
    assert (puller.failures, puller.done > 0) == ([], True)

    # The filler is still there: what was freed is enough.
    image = api.image("disk/new", "1.0", new)
    assert image["digest"] in api.pull("disk/new", "1.0")
    kept.check()
    assert clean_up(host).code == 0
    kept.check()


def test_an_older_registry_and_its_upgrade_keep_every_image(deployed: Deployed) -> None:
    """With Distribution 2 untagged manifests stay, what was deleted goes; one `up` to 3 keeps all the rest."""
    host, stack = deployed.host, deployed.stack
    # What other tests left may be the larger part, and `gc.maxShare` would hold. So is what they deleted a
    # moment ago, which stays until the proxy's journals are a day old, and at the end what is untagged.
    let_a_day_pass(host)
    assert clean_up(host, "--force").code == 0
    stack.configure({**deployed.settings, "images": {"registry": OLD}})
    stack.up()
    try:
        assert "github.com/docker/distribution" in host.run("docker exec registry registry --version").stdout
        api = Api(deployed)
        kept = Kept.push(deployed, "versions/kept", size=1_000_000)
        layer = os.urandom(1000)
        untagged = api.image("versions/moved", "latest", layer)
        api.image("versions/moved", "latest", layer)
        gone = api.image("versions/gone", "1.0", os.urandom(1000))
        api.delete("versions/gone", gone["digest"])

        with at_work([puller := Puller(kept)]):
            run = clean_up(host)
        assert (run.code, puller.failures) == (0, []), run.said
        assert not stored(host, gone["digest"])
        assert stored(host, untagged["digest"])
        assert "versions/gone" not in api.repositories()
        kept.check()
    finally:
        stack.configure(deployed.settings)
        stack.up()
    assert "/distribution/v3" in host.run("docker exec registry registry --version").stdout
    kept.check()
    assert clean_up(host).code == 0
    api.close()
    assert not api.serves("versions/moved", untagged["digest"])
    empty_trash(host)
    # What other tests have put aside may be most of what is there.
    assert clean_up(host, "--force").code == 0
    assert not stored(host, untagged["digest"])
    kept.check()
    api.pull("versions/moved", "latest")
    forget(deployed, "versions/moved", "versions/kept/inner", "versions/kept")
    assert clean_up(host, "--force").code == 0
