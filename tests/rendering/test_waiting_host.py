"""The host's tools about containers that have just been started, or are about to be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.rendering.certificate_host import CertificateHost

# It answers from the third time on, if it ever does, and ends as often as a file says.
_DOCKER = """
echo "$*" >>{root}/calls
case "$*" in
    container\\ inspect*Healthcheck*) echo the-check ;;
    container\\ inspect*RestartCount*)
        cat {root}/restarts 2>/dev/null || echo 2
        [ ! -e {root}/restarts ] || echo $(($(cat {root}/restarts) + 1)) >{root}/restarts ;;
    container\\ inspect*) echo "/nginx running " ;;
    container\\ update*) [ ! -e {root}/unbounded ] || {{ rm {root}/unbounded; echo "stopped" >&2; exit 1; }} ;;
    container\\ logs*) echo "it says why" ;;
    exec*) [ "$(grep -c ^exec {root}/calls)" -ge {times} ] ;;
esac
"""


def test_a_container_is_asked_until_it_answers(tmp_path: Path) -> None:
    """By its own health check; its processes are bounded before."""
    host = CertificateHost(tmp_path / "host")
    host.command("docker", _DOCKER.format(root=tmp_path, times=3))
    done = host.run("await-container", "256", "0123")
    assert (done.code, done.out, done.err) == (0, "", "")
    calls = (tmp_path / "calls").read_text().splitlines()
    told = [call for call in calls if not call.startswith("container inspect")]
    assert told == ["container update --pids-limit 256 0123", *["exec 0123 /bin/sh -c the-check"] * 3]


def test_a_container_that_is_about_to_be_started_again(tmp_path: Path) -> None:
    """Docker refuses to bound its processes then: that is tried again, and is no error by itself."""
    host = CertificateHost(tmp_path / "host")
    host.command("docker", _DOCKER.format(root=tmp_path, times=1))
    (tmp_path / "unbounded").touch()
    done = host.run("await-container", "256", "0123")
    assert (done.code, done.out, done.err) == (0, "", "")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls.count("container update --pids-limit 256 0123") == 2


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


def test_a_container_that_ends_again_and_again(tmp_path: Path) -> None:
    """Is told of after a few times, not after two minutes; those before this run don't count."""
    host = CertificateHost(tmp_path / "host")
    host.command("docker", _DOCKER.format(root=tmp_path, times=100000))
    (tmp_path / "restarts").write_text("7\n")
    done = host.run("await-container", "256", "0123")
    assert done.code == 1
    assert done.err.startswith("container nginx running: no good answer after 4 restarts; what it said last:\n")
    assert "it says why" in done.err
    assert (tmp_path / "calls").read_text().count("exec 0123") == 4


# The proxy fails what it is told; `still` is whether it goes on running then.
_FAILING_PROXY = """
echo "$*" >>{root}/calls
case "$*" in
    container\\ inspect*) echo "running the/stack $([ {still} = yes ] || grep -c ^exec {root}/calls)" ;;
    exec*{failing}*) echo "it is restarting" >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize("failing", ["accounts", "reload"])
@pytest.mark.parametrize("still", ["yes", "no"])
def test_a_proxy_that_ends_while_it_is_told(failing: str, still: str, tmp_path: Path) -> None:
    """Reads its files when it starts: one that cannot run, again and again, is in nobody's way."""
    host = CertificateHost(tmp_path / "host")
    host.path("/var/lib/docker-registry/stack").write_text("the/stack\n")
    host.command("docker", _FAILING_PROXY.format(root=tmp_path, failing=failing, still=still))
    done = host.run("nginx-reload")
    assert (done.code, done.err) == ((1, "it is restarting\n") if still == "yes" else (0, ""))


def test_the_proxy_is_told_once_at_a_time(tmp_path: Path) -> None:
    """Several files of one run call for it together; two that hand over accounts would be in each other's way."""
    host = CertificateHost(tmp_path / "host")
    host.path("/var/lib/docker-registry/stack").write_text("the/stack\n")
    told = f"echo begins >>{tmp_path}/calls; sleep 0.1; echo ends >>{tmp_path}/calls"
    host.command("docker", f'case $1 in container) echo "running the/stack since" ;; exec) {told} ;; esac')
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(host.run, "nginx-reload") for _ in range(4)]
    assert [(run.result().code, run.result().err) for run in runs] == [(0, "")] * 4
    assert (tmp_path / "calls").read_text().split() == ["begins", "ends"] * 8


@pytest.mark.parametrize("hanging", ["container", "exec"])
def test_a_docker_that_hangs_keeps_nobody_waiting(hanging: str, tmp_path: Path) -> None:
    """It is told of, and whoever comes next has his turn."""
    host = CertificateHost(tmp_path / "host")
    host.path("/var/lib/docker-registry/stack").write_text("the/stack\n")
    tool = host.path("/usr/local/lib/docker-registry/nginx-reload")
    tool.write_text(tool.read_text().replace("timeout -k 5 90", "timeout -k 5 1"))
    runs = 'case $1 in container) echo "running the/stack since" ;; esac'
    host.command("docker", f"[ $1 != {hanging} ] || sleep 1000\n{runs}")
    done = host.run("nginx-reload")
    assert (done.code, done.err) == (124, "nginx-reload: Docker has not done it within 90 seconds\n")
    host.command("docker", runs)
    assert host.run("nginx-reload").code == 0


@pytest.mark.parametrize("site", [False, True])
def test_the_proxy_s_files_are_tested_once_there_is_a_site(site: bool, tmp_path: Path) -> None:
    """Before, nothing serves by them, and the start of the proxy is the test of all. What lies beside them counts."""
    host = CertificateHost(tmp_path / "host")
    host.command(
        "docker",
        f'for it; do case $it in *:/etc/nginx/conf.d:ro) grep -H "" "${{it%%:*}}"/* ;; esac; done >{tmp_path}/seen',
    )
    folder = tmp_path / "root/nginx/etc/conf.d"
    new = Path(f"{tmp_path}/new{folder}")
    for directory in (folder, new):
        directory.mkdir(parents=True)
    (folder / "own.conf").write_text("own\n")
    (folder / "kept.conf.20260101-000000~").write_text("kept\n")
    if site:
        (folder / "registry.conf").write_text("old\n")
    for name in ("registry.conf", "gate.js"):
        (new / name).write_text("new\n")
    done = host.run("nginx-test", "nginx:1", str(tmp_path / "root"), str(tmp_path / "new"))
    assert (done.code, done.err) == (0, "")
    seen = (tmp_path / "seen").read_text().splitlines() if site else []
    assert [line.rpartition("/")[2] for line in seen] == (
        ["gate.js:new", "own.conf:own", "registry.conf:new"] if site else []
    )
    assert (tmp_path / "seen").exists() is site
