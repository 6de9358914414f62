"""What the benchmark of serving makes of the words of load, kernel and site."""

from __future__ import annotations

import pytest

from bench.contenders.serving import figures
from bench.contenders.serving.samples import Samples
from bench.contenders.serving.servers import like
from tests.lab.run import LabError
from tests.rendering.sites import site_of

SITE = site_of().content

FIRST = "11:memory:/docker/a\n4:cpu:/docker/a\n3:cpuacct:/docker/a\n1:name=systemd:/docker/a\n0::/docker/a\n"
JOINED = "4:cpu,cpuacct:/docker/b\n"
SECOND = "0::/system.slice/docker-c.scope\n"


def test_a_load() -> None:
    """Its figures stand in one line among others."""
    found = figures.moved("Running 3s test\nmeasured 300 requests 6000000 bytes 3000000 microseconds 0 errors\n")
    assert (found.rate, found.megabytes) == (100, 2)


@pytest.mark.parametrize(
    "output",
    [
        "unable to connect",
        "measured 300 requests 6000 bytes 3000000 microseconds 1 errors",
        "measured 0 requests 0 bytes 3000000 microseconds 0 errors",
    ],
)
def test_a_load_that_failed_has_no_figures(output: str) -> None:
    """Refusals are quick: they must not count."""
    with pytest.raises(LabError):
        figures.moved(output)


@pytest.mark.parametrize(
    ("membership", "unified", "path"),
    [
        (FIRST, False, "/sys/fs/cgroup/cpuacct/docker/a/x"),
        (JOINED, False, "/sys/fs/cgroup/cpuacct/docker/b/x"),
        (SECOND, True, "/sys/fs/cgroup/system.slice/docker-c.scope/x"),
    ],
)
def test_control_groups(membership: str, unified: bool, path: str) -> None:
    """The first version has a tree for each controller, the second has one."""
    assert figures.is_unified(membership) is unified
    assert figures.group_file(membership, "cpuacct", "x") == path


def test_cpu_seconds() -> None:
    """Nanoseconds of the first version, microseconds of the second."""
    assert figures.cpu_seconds(["1500000000\n"]) == 1.5
    assert figures.cpu_seconds(["usage_usec 2000000\nuser_usec 1\nsystem_usec 1\n", "usage_usec 500000\n"]) == 2.5


def test_the_site_without_authentication() -> None:
    """Nobody is asked; everything else is as it was."""
    before, after = SITE, figures.without_authentication(SITE, "alice")
    assert "auth_request /account;" in before
    assert "auth_request /account;" not in after
    assert "auth_request_set" not in after
    changed = set(before.splitlines()) ^ set(after.splitlines())
    assert all("auth_request" in line or line.strip() == "set $account alice;" for line in changed)


def test_a_site_of_another_form_is_noticed() -> None:
    """Else the same site would be measured twice."""
    with pytest.raises(LabError):
        figures.without_authentication("server {}\n", "alice")


def test_what_a_site_says_of_tls() -> None:
    """All of it, and no more."""
    lines = figures.tls_settings(SITE).splitlines()
    assert {line.split()[0] for line in lines} >= {"ssl_certificate", "ssl_protocols", "ssl_buffer_size"}
    assert all(line.startswith("ssl_") for line in lines)
    chain, key = figures.certificate(SITE)
    assert f"ssl_certificate {chain};" in lines
    assert f"ssl_certificate_key {key};" in lines


def test_a_container_like_another() -> None:
    """The same mounts, rights and limits, but for folders that were moved."""
    container = {
        "Image": "sha256:1",
        "Config": {"Cmd": ["sh", "start"]},
        "Mounts": [
            {"Type": "bind", "Source": "/a", "Destination": "/in/a", "RW": False},
            {"Type": "bind", "Source": "/b", "Destination": "/in/b", "RW": True},
        ],
        "HostConfig": {
            "ReadonlyRootfs": True,
            "Tmpfs": {"/run": "size=4m"},
            "CapDrop": ["ALL"],
            "CapAdd": ["CHOWN"],
            "SecurityOpt": None,
            "Memory": 5,
        },
    }
    argv = like(container, {"/a": "/moved"})
    assert " ".join(argv) == (
        "--read-only -v /moved:/in/a:ro -v /b:/in/b --tmpfs /run:size=4m --cap-drop ALL --cap-add CHOWN --memory 5 "
        "sha256:1 sh start"
    )


def test_samples() -> None:
    """Rows in the order of their first sample; nothing where nothing was measured."""
    samples = Samples()
    for value in (1.0, 3.0, 2.0):
        samples.add("large", "one", "4", value)
    samples.add("large", "other", "1", 5.0)
    rows = samples.rows("large", ("1", "4"))
    assert list(rows) == ["one", "other"]
    assert rows["one"][0] is None
    assert rows["one"][1] is not None
    assert rows["one"][1].samples == (1.0, 3.0, 2.0)
    assert samples.median("large", "one", "4") == 2
