"""The host's tools about containers that have just been started, or are about to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.certificate_host import CertificateHost
from tests.rendering.status_host import Host

# It answers from the third time on, if it ever does.
_DOCKER = """
echo "$*" >>{root}/calls
case "$*" in
    container\\ inspect*Healthcheck*) echo the-check ;;
    container\\ inspect*) echo "/nginx running " ;;
    container\\ logs*) echo "it says why" ;;
    exec*) [ "$(grep -c ^exec {root}/calls)" -ge {times} ] ;;
esac
"""


def test_a_container_that_answers_before_docker_has_looked(tmp_path: Path) -> None:
    """Is well: Docker's first check of a new container comes late."""
    host = Host(tmp_path / "host")
    host.containers(nginx=("running", "Up 1 second (health: starting)"))
    host.path("/answers").write_text("nginx")
    code, status = host.all("containers")
    assert (code, status["containers"][0]["state"]) == (0, "ok")


def test_a_container_is_asked_until_it_answers(tmp_path: Path) -> None:
    """By its own health check; its processes are bounded before."""
    host = CertificateHost(tmp_path / "host")
    host.command("docker", _DOCKER.format(root=tmp_path, times=3))
    done = host.run("await-container", "256", "0123")
    assert (done.code, done.out, done.err) == (0, "", "")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "container update --pids-limit 256 0123"
    assert [call for call in calls if call.startswith("exec")] == ["exec 0123 /bin/sh -c the-check"] * 3


def test_a_container_that_never_answers(tmp_path: Path) -> None:
    """Is told of with its last words."""
    host = CertificateHost(tmp_path / "host")
    tool = host.path("/usr/local/lib/docker-registry/await-container")
    tool.write_text(tool.read_text().replace("patience=120", "patience=1"))
    host.command("docker", _DOCKER.format(root=tmp_path, times=100000))
    done = host.run("await-container", "256", "0123")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("container nginx running: no good answer after 1 s; what it said last:\n")
    assert "it says why" in done.err


@pytest.mark.parametrize(("name", "site", "tested"), [("log.conf", False, False), ("log.conf", True, True)])
def test_a_file_beside_the_site_is_tested_once_there_is_a_site(
    name: str, site: bool, tested: bool, tmp_path: Path
) -> None:
    """Before, the test of the site is the test of all."""
    host = CertificateHost(tmp_path / "host")
    host.command("docker", f'echo "$*" >>{tmp_path}/calls')
    folder = tmp_path / "root/nginx/etc/conf.d"
    folder.mkdir(parents=True)
    if site:
        (folder / "registry.conf").touch()
    (tmp_path / "new").touch()
    done = host.run("nginx-test", "nginx:1", str(tmp_path / "root"), name, str(tmp_path / "new"))
    assert (done.code, (tmp_path / "calls").exists()) == (0, tested), done.err
