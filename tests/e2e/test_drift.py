"""What on a host is not as declared is found, named, and mended by the next `up`; an untouched host shows nothing."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.e2e.drifting import CONTAINERS, FILES, TLS, Kind
from tests.e2e.leaks import Needles
from tests.e2e.support import Deployed, wait_until_healthy
from tests.lab.clone import Clone, Result

pytestmark = pytest.mark.e2e


@dataclass
class Life:
    """A registry that drifts twice and is mended twice, and what was said of it."""

    deployed: Deployed
    clone: Clone
    said: dict[str, Result] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def drift(self, when: str, target: str = "drift") -> Result:
        """Look for drift, as the workflow does."""
        start = time.monotonic()
        done = self.said[when] = self.clone.make(target, STACKS=self.deployed.stack.name)
        self.seconds[when] = time.monotonic() - start
        return done

    def happen(self, kinds: dict[str, Kind], when: str) -> None:
        """Let it drift, look twice (the second time with a request for repair), and `up`."""
        for kind in kinds.values():
            self.deployed.host.run(kind.by_hand)
        self.drift(when)
        self.drift(f"{when}, request", "repair")
        self.said[f"{when}, preview"] = self.deployed.stack.preview("--diff")
        self.said[f"{when}, up"] = self.deployed.stack.up()
        self.drift(f"{when}, mended")


@pytest.fixture(scope="module")
def life(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """What is moved aside on the way is removed in the end."""
    clone = Clone(tmp_path_factory.mktemp("drift") / "clone")
    clone.adopt(deployed.stack)
    made = Life(deployed, clone)
    made.drift("untouched")
    # The pair that is readable is the one that "current" leads to, until that is removed.
    made.happen({name: kind for name, kind in FILES.items() if name != "the certificate removed"}, "files")
    made.happen({"the certificate removed": FILES["the certificate removed"]} | CONTAINERS, "containers")
    yield made
    deployed.host.run(
        "find /var/opt /usr/local /etc/systemd /etc/docker-registry -depth -name '*~' -exec rm -rf {} + ; "
        "rm -f /root/config.yml; rmdir /etc/systemd/system/docker-registry-certificate.timer.d"
    )
    wait_until_healthy(deployed.host)


def test_an_untouched_host_shows_nothing(life: Life) -> None:
    """No finding, no note, and exit code 0."""
    done = life.said["untouched"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [f"--- {life.deployed.stack.name}", f"{life.deployed.stack.name}: as declared"]
    print("seconds:", {when: round(seconds, 1) for when, seconds in life.seconds.items()})


@pytest.mark.parametrize("kind", [*FILES, *CONTAINERS])
def test_each_kind_is_named(life: Life, kind: str) -> None:
    """In a line of its own."""
    later = kind in CONTAINERS or kind == "the certificate removed"
    done = life.said["containers" if later else "files"]
    assert (FILES | CONTAINERS)[kind].named in done.stdout.splitlines(), done.stdout


@pytest.mark.parametrize("when", ["files", "containers"])
def test_drift_is_an_exit_code(life: Life, when: str) -> None:
    """A request that was recorded is a success."""
    # make's own: it ends with 2 when a command fails.
    assert life.said[when].returncode == 2
    assert life.said[f"{when}, request"].returncode == 0


@pytest.mark.parametrize("when", ["files", "containers"])
def test_nothing_else_is_named(life: Life, when: str) -> None:
    """Lines that begin at the margin, up to what Pulumi says of Docker, are what was done by hand and no more."""
    said, _, _ = life.said[when].stdout.partition("Docker, as Pulumi's refresh finds it:")
    lines = [line for line in said.splitlines() if not line.startswith((" ", "---", "note: ", "reg"))]
    named = {kind.named for kind in (FILES | CONTAINERS).values()}
    also = {f"{TLS}/current/privkey.pem: is missing"}
    assert {
        line for line in lines if ": " in line and not line.endswith("make repair lets the next pulumi up mend it.")
    } <= (named | also)


def test_changed_lines_are_shown(life: Life) -> None:
    """As a diff; of a secret file only that it differs."""
    done = life.said["files"].stdout
    assert "    +# by hand" in done
    assert "the content is secret and not shown" in done
    assert "mallory" not in done


def test_the_preview_shows_what_up_will_mend(life: Life) -> None:
    """With the reason, and only what drifted."""
    shown = life.said["files, preview"].stdout
    assert "not as declared" in shown
    for drifted in ("nginx-files-configuration", "registry-files", "volumes-prepare"):
        assert f"::{drifted}]" in shown
    for declared in ("logs-rotation", "network-guard"):
        assert f"::{declared}]" not in shown


@pytest.mark.parametrize("when", ["files", "containers"])
def test_up_mends_everything(life: Life, when: str) -> None:
    """Afterwards nothing is found; what gave way lies beside, as a note says."""
    done = life.said[f"{when}, mended"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{life.deployed.stack.name}: as declared" in done.stdout


def test_what_gave_way_is_kept(life: Life) -> None:
    """Nothing by hand is lost: the rogue site and the changed one lie beside, out of use."""
    found = life.deployed.host.run("ls /var/opt/nginx/etc/conf.d").stdout
    assert "rogue" in found
    assert not [name for name in found.splitlines() if "rogue" in name and not name.endswith("~")]
    assert "registry.conf." in found


def test_the_registry_serves_as_before(life: Life) -> None:
    """Its users, its certificate authority and its stack are what they were; a further up changes nothing."""
    deployed = life.deployed
    wait_until_healthy(deployed.host)
    assert deployed.get("/v2/", password=deployed.password).status == 200
    assert deployed.get("/v2/", user="mallory", password="hunter2").status == 401
    deployed.stack.preview("--expect-no-changes")


def test_no_secret_is_shown(life: Life) -> None:
    """In nothing that was said."""
    needles = Needles.of(
        {"password": life.deployed.password, "SSH key": life.deployed.host.private_key_path.read_text()}
    )
    hash_ = life.deployed.host.get_file("/var/opt/nginx/etc/auth/registry.htpasswd").strip().partition(":")[2]
    hashes = Needles.of({"hash": hash_})
    for done in life.said.values():
        assert needles.found_in(done.stdout + done.stderr) == []
        assert hashes.found_in(done.stdout + done.stderr) == []
