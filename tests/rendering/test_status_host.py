"""`registry-status`: what it says of containers, network, disk, timers and writes that are held off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.status_host import CONTAINERS, MEGABYTE, Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host on which all is well."""
    return Host(tmp_path / "host")


def test_all_is_well(host: Host) -> None:
    """Every concern has its place, and each of its things the state ok."""
    code, found = host.all()
    assert code == 0
    concerns = ("certificate", "containers", "network", "disk", "timers", "writes")
    assert list(found) == ["status", "problems", *concerns]
    things = [thing for key in concerns for thing in (found[key] if isinstance(found[key], list) else [found[key]])]
    assert [thing["state"] for thing in things] == ["ok"] * 11
    assert [container["name"] for container in found["containers"]] == list(CONTAINERS)
    # One with two names, one that has lost its name, and one that was made by its name.
    images = ["nginx:1.28.0 other:2", "", "example.net/ui:2"]
    assert [container["image"] for container in found["containers"]] == images
    assert found["disk"][0]["freeBytes"] == 7 * MEGABYTE


def test_single_concerns(host: Host) -> None:
    """Only what is asked for is looked at."""
    host.containers(nginx=None)
    code, found = host.all("disk", "timers")
    assert (code, list(found)) == (0, ["status", "problems", "disk", "timers"])


def test_an_unknown_word(host: Host) -> None:
    """Is an error, and no JSON."""
    done = host.run("../../bin/registry-status", "--jsno")
    assert (done.code, done.out, done.err) == (2, "", "registry-status: unknown word --jsno\n")


def test_it_explains_itself(host: Host) -> None:
    """And looks at nothing."""
    done = host.run("../../bin/registry-status", "--help")
    assert (done.code, done.err) == (0, "")
    assert "Exit code: 0 all is well" in done.out
    assert "shellcheck" not in done.out


@pytest.mark.parametrize(
    ("found", "state", "level"),
    [
        (("running", "Up 3 seconds (health: starting)"), "starting", 1),
        (("running", "Up 3 minutes (unhealthy)"), "unhealthy", 2),
        (("exited", "Exited (0) 5 minutes ago"), "exited", 2),
        (("restarting", "Restarting (1) 2 seconds ago"), "restarting", 2),
        (("paused", "Up 2 hours (Paused)"), "paused", 2),
        (None, "missing", 2),
    ],
)
@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_that_is_not_well(
    name: str, found: tuple[str, str] | None, state: str, level: int, host: Host
) -> None:
    """Its state is in Docker's words; the others are well."""
    host.containers(**{name.replace("-", "_"): found})
    code, status = host.all()
    assert code == level
    assert {entry["name"]: entry["state"] for entry in status["containers"]} == dict.fromkeys(CONTAINERS, "ok") | {
        name: state
    }
    assert len(status["problems"]) == 1
    assert status["problems"][0].startswith(f"container {name}: {state}; {found[1] if found else 'there is no'}")


@pytest.mark.parametrize("place", ["", "the same", "another"])
def test_a_proxy_that_has_other_files_than_the_registry(host: Host, place: str) -> None:
    """As after somebody has mounted a larger disk and restarted only the registry; without its own way, it has none."""
    if place:
        host.files("registry", "the same")
        host.files("nginx", place)
    code, found = host.all("containers")
    assert code == (place == "another")
    assert found["containers"][0]["state"] == ("outdated" if place == "another" else "ok")
    if place == "another":
        assert found["problems"][0].startswith("container nginx: outdated; ")
        assert "docker restart nginx" in found["problems"][0]


def test_docker_does_not_answer(host: Host) -> None:
    """All that it would know is unknown, and broken."""
    host.command("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    code, found = host.all()
    assert code == 2
    assert {container["state"] for container in found["containers"]} == {"unknown"}
    assert found["network"]["state"] == "missing"
    assert all("Docker does not answer" in problem for problem in found["problems"])


def test_the_network_is_missing(host: Host) -> None:
    """Exit code 2."""
    host.network(None)
    code, found = host.all()
    assert (code, found["network"]["state"]) == (2, "missing")


@pytest.mark.parametrize(
    ("data", "logs", "states", "level", "problems"),
    [
        ((84, "/"), (84, "/"), ("ok", "ok"), 0, 0),
        ((85, "/"), (85, "/"), ("filling", "filling"), 1, 1),
        ((10, "/"), (94, "/var/log"), ("ok", "filling"), 1, 1),
        ((95, "/"), (10, "/var/log"), ("full", "ok"), 2, 1),
        ((90, "/srv"), (100, "/var/log"), ("filling", "full"), 2, 2),
    ],
)
def test_the_disk_fills(
    data: tuple[int, str], logs: tuple[int, str], states: tuple[str, str], level: int, problems: int, host: Host
) -> None:
    """From the threshold of the settings on it is a warning, from 95 % on it is broken; one disk is one problem."""
    host.disk(data=data, logs=logs)
    code, found = host.all()
    assert (code, tuple(disk["state"] for disk in found["disk"])) == (level, states)
    assert [disk["usedPercent"] for disk in found["disk"]] == [data[0], logs[0]]
    assert len(found["problems"]) == problems


def test_the_threshold_is_a_setting(host: Host) -> None:
    """As the stack has told the host."""
    host.facts(warn_percent=40)
    assert host.all()[0] == 1


def test_there_is_no_such_directory(host: Host) -> None:
    """Of data or logs: broken, and both told."""
    host.command("df", "echo 'df: no such file' >&2; exit 1")
    code, found = host.all()
    assert (code, [disk["state"] for disk in found["disk"]]) == (2, ["missing", "missing"])
    assert len(found["problems"]) == 2


@pytest.mark.parametrize(
    ("timer", "state"),
    [
        ({"file": "disabled", "active": "inactive"}, "disabled"),
        ({"file": "disabled"}, "disabled"),
        ({"active": "inactive"}, "stopped"),
        ({"active": "failed"}, "stopped"),
        ({"result": "exit-code", "code": "1"}, "failed"),
        ({"result": "timeout", "code": "15"}, "failed"),
        ({"result": "success", "running": "activating"}, "ok"),
    ],
)
@pytest.mark.parametrize("name", ["docker-registry-gc", "logrotate"])
def test_a_timer_that_does_not_run(name: str, timer: dict[str, str], state: str, host: Host) -> None:
    """Or whose last run failed: somebody should look."""
    host.timer(name, **timer)
    code, found = host.all()
    states = {entry["name"]: entry["state"] for entry in found["timers"]}
    assert states == {"docker-registry-certificate": "ok", "docker-registry-gc": "ok", "logrotate": "ok"} | {
        name: state
    }
    assert code == int(state != "ok")


def test_the_times_of_a_timer(host: Host) -> None:
    """In ISO 8601 and UTC; nothing where it never ran."""
    (first, *_) = host.all()[1]["timers"]
    assert (first["last"], first["next"]) == ("2026-11-24T05:01:09Z", "2026-11-25T05:01:00Z")
    path = host.path("/units/docker-registry-certificate.timer")
    path.write_text(path.read_text().replace("LastTriggerUSec=Tue 2026-11-24 05:01:09 UTC", "LastTriggerUSec=n/a"))
    (first, *_) = host.all()[1]["timers"]
    assert first["last"] == ""


def test_the_certificate_s_timer_is_not_judged_twice(host: Host) -> None:
    """Its service fails when the certificate is not well; that may be over, and has a line of its own."""
    host.timer("docker-registry-certificate", result="exit-code", code="1")
    code, found = host.all()
    assert (code, found["timers"][0]["state"]) == (0, "ok")
    assert found["timers"][0]["lastResult"] == "exit-code 1"


def test_a_timer_that_systemd_does_not_have(host: Host) -> None:
    """As of a host without logrotate, or with a file that systemd refuses."""
    host.path("/units/logrotate.timer").unlink()
    code, found = host.all()
    assert (code, found["timers"][-1]["state"]) == (1, "missing")


@pytest.mark.parametrize(("minutes", "level"), [(0, 0), (59, 0), (61, 1), (6000, 1)])
def test_writes_are_held_off(minutes: int, level: int, host: Host) -> None:
    """By what and since when; after an hour somebody should look whether it will ever end."""
    host.held_off("garbage collection\nmore\n", minutes * 60)
    code, found = host.all()
    assert code == level
    writes = found["writes"]
    assert (writes["state"], writes["reason"]) == ("held-off", "garbage collection")
    assert writes["since"].startswith("20") and writes["since"].endswith("Z")
    assert "by garbage collection" in host.run("../../bin/registry-status").out.splitlines()[-1]


@pytest.mark.parametrize("text", ["", '"\\ $(reboot) `x`\t\x01\xe4\n', "x" * 5000])
def test_a_strange_reason_is_still_json(text: str, host: Host) -> None:
    """Whoever holds writes off writes the reason: quotes, control characters and none at all."""
    host.held_off(text, 0)
    code, found = host.all()
    assert code == 0
    assert found["writes"]["reason"] == text.split("\n", maxsplit=1)[0].replace("\t", "?").replace("\x01", "?").replace(
        "\xe4", "??"
    )
