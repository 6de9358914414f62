"""Whatever Docker a host has already, or a part of it, it works afterwards or is refused in one clear line.

The two tools are run as `up` runs them; each test leaves a host that the next one begins with.
"""

import pytest

from rendering.rootfs import TOOLS
from rendering.tools import check_script, install_script
from tests.e2e.conftest import NewHost
from tests.lab.host import LabHost
from tests.lab.stack import Result

pytestmark = pytest.mark.e2e

ARCHIVES = "/var/cache/apt/archives"
SHIM = "the command docker is podman's here, and the registry needs Docker; remove it: apt-get remove podman-docker"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends"
# Docker's own packages can't be had here: these are the distribution's under their names.
REPACK = """
set -e
cd /root
for pair in docker.io:docker-ce docker-cli:docker-ce-cli; do
    old=${pair%:*} new=${pair#*:}
    rm -rf "$new" && dpkg-deb -R "$ARCHIVES/$old"_*.deb "$new"
    sed -i -e "s/^Package: .*/Package: $new/" -e '/^\\(Conflicts\\|Breaks\\|Replaces\\|Recommends\\|Suggests\\):/d' \
        -e "\\$ a Conflicts: $old\\nReplaces: $old" "$new/DEBIAN/control"
    dpkg-deb -Znone -b "$new" "$new.deb" >/dev/null
done
"""


@pytest.fixture(scope="module")
def host(new_host: NewHost) -> LabHost:
    """A host of the release that has Docker in two packages; neither is installed."""
    return new_host("found", image="blank")


def _run(host: LabHost, script: str, *words: str, path: str = PATH) -> Result:
    """A script on the host by standard input, as before there are tools."""
    return host.run(["env", f"PATH={path}", "sh", "-s", "--", *words], stdin=script, check=False)


def _prepare(host: LabHost, install: str = "yes") -> tuple[int, str]:
    """How prepare-host ended, and what it said."""
    words = (f"{TOOLS}/prepare-host", "--install", install, "--time-zone", "Etc/UTC", "--user", "root")
    done = _run(host, install_script("host-tools@ssh"), *words)
    assert done.returncode or done.stdout.startswith("Docker "), done
    return done.returncode, done.stderr


def _faults(host: LabHost, user: str = "root", path: str = PATH) -> list[str]:
    """What check-host says, without its last line; the host is not claimed."""
    words = ("--stack", "a/b/c", "--subnet", "100.127.255.0/24", "--ports", "80 443", "--install", "yes")
    done = _run(host, check_script(), *words, "--user", user, path=path)
    host.run(["rm", "-rf", "/var/lib/docker-registry"])
    lines = done.stderr.splitlines()
    assert (done.returncode == 0) is (lines == []), done
    return [line.removeprefix("host: ") for line in lines[:-1]]


def test_masked_units_are_named(host: LabHost) -> None:
    """Also where there is nothing to mask yet."""
    host.run(["systemctl", "mask", "docker.service", "docker.socket"])
    units = ("docker.service", "docker.socket")
    assert _faults(host) == [f"{unit} is masked; to let Docker run: systemctl unmask {unit}" for unit in units]
    host.run(["systemctl", "unmask", *units])
    assert _faults(host) == []


def test_podman_s_shim_is_refused(host: LabHost, client_host: LabHost) -> None:
    """The real one, on a host that has podman, before its Docker."""
    host.run("cd /root && apt-get download -q podman-docker && dpkg-deb -x podman-docker_*.deb shim")
    client_host.put_file("/root/shim/docker", host.get_file("/root/shim/usr/bin/docker"), 0o755)
    assert _faults(client_host) == []
    assert _faults(client_host, path=f"/root/shim:{PATH}") == [SHIM]


def test_half_installed_docker_is_mended(host: LabHost) -> None:
    """Its files are there and nothing is set up, as after a run that was killed inside dpkg."""
    host.run(f"dpkg --unpack --force-depends {ARCHIVES}/docker.io_*.deb")
    assert host.run(["dpkg-query", "--show", "--showformat", "${db:Status-Status}", "docker.io"]).stdout == "unpacked"
    code, said = _prepare(host)
    assert (code, said.split()[:3]) == (0, ["installing", "docker-cli", "docker.io"])


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("docker-cli", "host: Docker's command line (docker) is missing\n"),
        ("docker.io", "host: Docker's daemon (dockerd) is missing, though its command line is there\n"),
    ],
)
def test_one_part_is_missing(host: LabHost, package: str, said: str) -> None:
    """It is named where nothing may be installed, and else installed."""
    host.run(f"{APT} remove {package}")
    assert _prepare(host, install="no") == (1, said)
    assert _prepare(host) == (0, f"installing {package} \n")
    assert _prepare(host) == (0, "")


def test_a_login_with_a_docker_of_its_own_is_refused(host: LabHost) -> None:
    """What setting up a rootless Docker leaves: a context in the place of the default."""
    socket = "unix:///run/user/1000/docker.sock"
    host.ssh(f"docker context create rootless --docker host={socket} && docker context use rootless", user="deploy")
    refusal = (
        f"the docker of deploy leads to {socket} (rootless, or another context), not to the host's own;"
        " as deploy: docker context use default"
    )
    assert _faults(host, user="deploy") == [refusal]
    assert _faults(host, user="root") == []
    host.ssh("docker context use default", user="deploy")
    assert _faults(host, user="deploy") == []


def test_docker_s_own_packages_stay(host: LabHost) -> None:
    """Whole, they are as good as the distribution's; of a half the distribution's is not put in their place."""
    host.run(f"ARCHIVES={ARCHIVES}; {REPACK}")
    host.run(f"{APT} remove docker.io docker-cli")
    host.run("dpkg -i /root/docker-ce.deb /root/docker-ce-cli.deb")
    assert _faults(host) == []
    assert _prepare(host) == (0, "")
    host.run(["dpkg", "--remove", "docker-ce"])
    code, said = _prepare(host)
    assert (code, said.splitlines()[0]) == (1, "installing docker-ce ")
    assert (
        host.run(["dpkg-query", "--show", "--showformat", "${db:Status-Status}", "docker-ce-cli"]).stdout == "installed"
    )
