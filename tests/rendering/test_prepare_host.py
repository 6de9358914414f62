"""prepare-host installs what a host lacks, by the rules of its own distribution, and says which part it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.bare_host import BareHost
from tests.rendering.host_tools import Ran

READY = Ran(0, "Docker 26.1.5\n", "")
OTHERS = ["iptables", "logrotate", "openssl", "python3"]


@pytest.fixture
def host(tmp_path: Path) -> BareHost:
    """A host with nothing on it."""
    return BareHost(tmp_path / "host")


@pytest.mark.parametrize(("split", "docker"), [(False, ["docker.io"]), (True, ["docker-cli", "docker.io"])])
def test_a_blank_host_gets_what_its_distribution_has(host: BareHost, *, split: bool, docker: list[str]) -> None:
    """The command line comes with the daemon, or as a package of its own."""
    host.archive_docker(split=split)
    done = host.prepare()
    assert (done.code, done.out) == (0, READY.out)
    assert host.installed_by_us() == [[*docker, *OTHERS]]
    assert done.err == f"installing {' '.join([*docker, *OTHERS])} \n"


def test_a_host_without_package_lists_gets_the_command_line_too(host: BareHost) -> None:
    """Whether it is split is only known once the lists are there."""
    host.archive_docker(split=True, listed=False)
    assert host.prepare().code == 0
    assert host.installed_by_us()[-1] == ["docker-cli", "docker.io", *OTHERS]


def test_a_host_on_which_all_is_there_is_left_alone(host: BareHost) -> None:
    """apt is not even asked."""
    host.install_all_but_docker()
    host.install("docker.io", "dockerd", "docker")
    assert host.prepare() == READY
    assert host.installed_by_us() == []


def test_images_in_an_object_store_need_its_client(host: BareHost) -> None:
    """Also where an earlier run was cut off inside dpkg; nobody else has it."""
    host.install_all_but_docker()
    host.install("docker.io", "dockerd", "docker")
    host.archive("python3-botocore")
    assert host.prepare("--backup", "no", "--objects", "yes").code == 0
    assert host.installed_by_us() == [["python3-botocore"]]
    assert host.prepare("--backup", "no", "--objects", "yes") == READY
    host.install("python3-botocore", state="half-configured")
    assert host.prepare("--objects", "yes").code == 0
    assert (host.root / "packages/python3-botocore").read_text() == "installed"


def test_only_the_command_line_is_missing(host: BareHost) -> None:
    """As where somebody installed `docker.io` without what it recommends."""
    host.archive_docker(split=True)
    host.install_all_but_docker()
    host.install("docker.io", "dockerd")
    assert host.prepare().code == 0
    assert host.installed_by_us() == [["docker-cli"]]


def test_only_the_daemon_is_missing(host: BareHost) -> None:
    """As where only the clients were wanted."""
    host.archive_docker(split=True)
    host.install_all_but_docker()
    host.install("docker-cli", "docker")
    assert host.prepare().code == 0
    assert host.installed_by_us() == [["docker.io"]]


def test_docker_s_own_packages_are_fine(host: BareHost) -> None:
    """Those of the distribution would take their place."""
    host.archive_docker(split=True)
    host.install_all_but_docker()
    host.install("docker-ce", "dockerd")
    host.install("docker-ce-cli", "docker")
    assert host.prepare() == READY
    assert host.installed_by_us() == []


@pytest.mark.parametrize(
    ("there", "command", "wanted"),
    [("docker-ce-cli", "docker", "docker-ce"), ("docker-ce", "dockerd", "docker-ce-cli")],
)
def test_docker_s_own_packages_are_completed_by_their_own(
    host: BareHost, there: str, command: str, wanted: str
) -> None:
    """Not by the distribution's."""
    host.archive_docker(split=True)
    host.archive("docker-ce", "dockerd")
    host.archive("docker-ce-cli", "docker")
    host.install_all_but_docker()
    host.install(there, command)
    assert host.prepare().code == 0
    assert host.installed_by_us() == [[wanted]]


def test_the_time_zone_is_set(host: BareHost) -> None:
    """Where it is another, and by its name too where a host has that."""
    host.install_all_but_docker()
    host.install("docker.io", "dockerd", "docker")
    zone, link, name = (host.path(path) for path in ("/usr/share/zoneinfo/Etc/UTC", "/etc/localtime", "/etc/timezone"))
    name.write_text("Asia/Tokyo\n")
    assert host.prepare() == READY
    assert (link.readlink(), name.read_text()) == (zone, "Etc/UTC\n")
    name.write_text("left alone\n")
    assert host.prepare() == READY
    assert name.read_text() == "left alone\n"


def test_a_time_zone_that_is_not_to_be_had_is_named(host: BareHost) -> None:
    host.install_all_but_docker()
    host.install("docker.io", "dockerd", "docker")
    host.path("/usr/share/zoneinfo/Etc/UTC").unlink()
    assert host.prepare(install="no") == Ran(1, "", "host: there is no time zone Etc/UTC\n")


def test_a_login_joins_docker_s_group_once(host: BareHost) -> None:
    """Root needs none."""
    host.install_all_but_docker()
    host.install("docker.io", "dockerd", "docker")
    host.command("usermod", f'echo "$*" >>{host.root}/joined; touch {host.root}/member')
    host.command("id", f"test ! -e {host.root}/member || echo users docker")
    for user in ("deploy", "deploy", "root"):
        assert host.prepare(user=user) == READY
    assert (host.root / "joined").read_text() == "-aG docker deploy\n"


def test_docker_is_enabled_and_started(host: BareHost) -> None:
    """What is so already isn't enabled again: that takes systemd a while."""
    host.install_all_but_docker()
    host.install("docker.io", "dockerd", "docker")
    assert host.prepare() == READY
    assert (host.root / "units" / "docker").read_text() == "enabled\n"
    (host.root / "broken").touch()
    assert host.prepare() == READY


def test_nothing_on_the_host_makes_way(host: BareHost) -> None:
    """apt removes what conflicts with a package, unless it may not."""
    host.archive_docker(split=True)
    assert host.prepare().code == 0
    assert "--no-remove" in (host.root / "apt-calls").read_text().split()


@pytest.mark.parametrize("state", ["unpacked", "half-configured", "half-installed"])
@pytest.mark.parametrize("package", ["docker.io", "docker-cli", "python3"])
def test_what_was_cut_off_half_installed_is_mended(host: BareHost, package: str, state: str) -> None:
    """The command is there then, and the package is not set up."""
    host.archive_docker(split=True)
    host.install_all_but_docker()
    host.install("docker.io", "dockerd")
    host.install("docker-cli", "docker")
    host.install(package, state=state)
    done = host.prepare()
    assert (done.code, done.err) == (0, f"installing {package} \n")
    assert (host.root / "packages" / package).read_text().strip() == "installed"


def test_python_without_its_modules_is_not_enough(host: BareHost) -> None:
    """Images with `python3-minimal` have the command, and cannot run the tools."""
    host.archive_docker(split=False)
    host.install_all_but_docker()
    host.install("docker.io", "dockerd", "docker")
    (host.root / "packages" / "python3").unlink()
    assert host.prepare().code == 0
    assert host.installed_by_us() == [["python3"]]


@pytest.mark.parametrize(
    ("package", "command", "said"),
    [
        ("docker.io", "dockerd", "host: Docker's command line (docker) is missing\n"),
        ("docker-cli", "docker", "host: Docker's daemon (dockerd) is missing, though its command line is there\n"),
    ],
)
def test_the_part_that_is_missing_is_named(host: BareHost, package: str, command: str, said: str) -> None:
    """In one line, where nothing may be installed."""
    host.install(package, command)
    assert host.prepare(install="no") == Ran(1, "", said)


def test_a_package_that_is_not_to_be_had_is_named(host: BareHost) -> None:
    """With what apt says of it."""
    host.install_all_but_docker()
    done = host.prepare()
    assert done.code == 1
    assert "host: installing docker.io failed; the end of" in done.err
    assert "E: Unable to locate package docker.io" in done.err


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("broken", "host: Docker does not start; see journalctl -u docker\n"),
        ("silent", "host: Docker's daemon does not answer; see journalctl -u docker\n"),
    ],
)
def test_a_daemon_that_is_there_and_does_not_work_is_told_apart(host: BareHost, fault: str, said: str) -> None:
    """From one that is missing."""
    host.install_all_but_docker()
    host.install("docker.io", "dockerd", "docker")
    (host.root / fault).touch()
    assert host.prepare() == Ran(1, "", said)
