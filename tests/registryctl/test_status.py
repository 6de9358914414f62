"""`registry-status`: what it says of containers, network, disk and timers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registryctl import VERSION
from tests.registryctl.fake_machine import FAILED
from tests.registryctl.status_host import CONTAINERS, MEGABYTE, WELL, StatusHost


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatusHost:
    """A host on which all is well."""
    return StatusHost(tmp_path, monkeypatch)


def test_all_is_well(host: StatusHost) -> None:
    """Every concern has its place, and each of its things the state ok."""
    code, found = host.all()
    assert code == 0
    concerns = ["program", "certificate", "containers", "network", "store", "hosts", "disk", "timers", "writes"]
    concerns += ["removals", "mirrors", "accounts", "backup", "notify"]
    assert list(found) == ["status", "problems", *concerns]
    things = [thing for key in concerns for thing in (found[key] if isinstance(found[key], list) else [found[key]])]
    assert [thing["state"] for thing in things] == [*["ok"] * 6, "off", "off", *["ok"] * 8, "off", "off"]
    assert found["program"]["version"] == VERSION
    assert host.run("program").out == f"program: ok, {VERSION}\n"
    assert [container["name"] for container in found["containers"]] == list(CONTAINERS)
    # One with two names, one that has lost its name, and one that was made by its name.
    images = ["nginx:1.28.0 other:2", "", "example.net/ui:2"]
    assert [container["image"] for container in found["containers"]] == images
    assert found["disk"][0]["freeBytes"] == 7 * MEGABYTE


@pytest.mark.parametrize(
    ("words", "state", "level"),
    [
        ("freed=1 held=1 skipped=0", "ok", 0),
        ("freed=1 held=1 skipped=2", "skipping", 1),
        ("freed=1 held=1 skipped=0 early=1", "short-of-room", 1),
        ("freed=1 held=1 skipped=0 unrecorded", "short-of-room", 1),
        ("freed=1 held=1 skipped=x early=$(id)", "ok", 0),
    ],
)
def test_what_the_last_clean_up_could_not_do(words: str, state: str, level: int, host: StatusHost) -> None:
    """What it left alone, and what it could not keep as long as it should."""
    host.machine.file("/var/lib/docker-registry/gc", f"ok 2026-11-25T05:01:09+00:00 {words}\n")
    code, found = host.all("removals")
    assert (code, found["removals"]["state"]) == (level, state)


def test_what_can_be_brought_back(host: StatusHost) -> None:
    """How many runs, and since when."""
    trash = host.data / "trash"
    trash.mkdir()
    for run in ("20261124T050109Z", "20261125T050109Z"):
        (trash / f"{run}.json").touch()
    _, found = host.all("removals")
    assert (found["removals"]["runs"], found["removals"]["oldest"]) == (2, "20261124T050109Z")


def test_mirrors(host: StatusHost) -> None:
    """A container each, and the place of what they have; others are none of this stack's."""
    host.facts["mirrors"] = ["docker.io", "ghcr.io"]
    host.containers(**{"docker.io": ("running", WELL), "quay.io": ("running", WELL)})
    code, found = host.all("containers", "disk")
    states = {one["name"]: one["state"] for one in found["containers"]}
    assert states == {
        **dict.fromkeys(CONTAINERS, "ok"),
        "registry-mirror-docker.io": "ok",
        "registry-mirror-ghcr.io": "missing",
    }
    assert code == 2
    assert [one["name"] for one in found["disk"]] == ["data", "logs", "mirrors"]


@pytest.mark.parametrize(
    ("result", "state", "level", "detail"),
    [
        (None, "ok", 0, "nobody has looked yet"),
        ({"stored": 5 * MEGABYTE, "over": False, "faults": 0}, "ok", 0, "5 MB of 9 MB"),
        ({"stored": 12 * MEGABYTE, "over": True, "faults": 0}, "too-large", 1, "12 MB of 9 MB; all else was used"),
        ({"stored": 5 * MEGABYTE, "over": True, "faults": 1}, "skipping", 1, "not all could go"),
        ({"failed": "no"}, "failing", 1, "not all could go"),
        ("?", "ok", 0, "nobody has looked yet"),
    ],
)
def test_bounds_of_mirrors(result: object, state: str, level: int, detail: str, host: StatusHost) -> None:
    """As the last run left it; of those that have none nothing is said."""
    if result is not None:
        host.machine.file("/var/lib/docker-registry/mirrors", json.dumps({"docker.io": result}))
    assert host.all("mirrors") == (0, {"status": 0, "problems": [], "mirrors": []})
    bound = {"prefix": "docker.io", "data": "/m", "unpulledDays": None, "maxBytes": 9 * MEGABYTE}
    host.facts["mirrorBounds"] = [bound]
    code, found = host.all("mirrors")
    assert (code, found["mirrors"][0]["state"]) == (level, state)
    assert detail in found["mirrors"][0]["detail"]
    host.machine.file("/var/lib/docker-registry/mirrors", "[")
    assert host.all("mirrors")[0] == 0


def test_what_an_earlier_upstream_left(host: StatusHost) -> None:
    """No bound counts for it, until somebody removes it: with the command that does."""
    host.facts["mirrorBounds"] = [{"prefix": "a.b", "data": "/m/data/new", "unpulledDays": 9, "maxBytes": None}]
    host.machine.file("/var/lib/docker-registry/mirrors", json.dumps({"a.b": {"earlier": 7 * MEGABYTE}}))
    assert host.all("mirrors")[0] == 0
    host.machine.file("/m/data/old.example.net/docker", "")
    code, found = host.all("mirrors")
    assert (code, found["mirrors"][0]["state"]) == (1, "earlier-upstream")
    told = "7 MB of an earlier upstream count for no bound: rm -r /m/data/old.example.net removes them"
    assert told in found["mirrors"][0]["detail"]


def test_single_concerns(host: StatusHost) -> None:
    """Only what is asked for is looked at."""
    host.containers(nginx=None)
    code, found = host.all("disk", "timers")
    assert (code, list(found)) == (0, ["status", "problems", "disk", "timers"])


def test_an_unknown_word(host: StatusHost) -> None:
    """Is an error, and no JSON."""
    done = host.run("--jsno")
    assert (done.code, done.out, done.err) == (2, "", "registry-status: unknown word --jsno; --help explains\n")


def test_it_explains_itself(host: StatusHost) -> None:
    """And looks at nothing."""
    done = host.run("--help")
    assert (done.code, done.err) == (0, "")
    assert "Exit code: 0 all is well" in done.out


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
    name: str, found: tuple[str, str] | None, state: str, level: int, host: StatusHost
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


def test_a_container_that_answers_before_docker_has_looked(host: StatusHost) -> None:
    """Is well: Docker's first check of a new container comes late."""
    host.containers(nginx=("running", "Up 1 second (health: starting)"))
    host.machine.says("docker container inspect", lambda *words, **_: "a check" if "Health" in words[1] else FAILED)
    host.machine.says(
        "docker exec", lambda *words, **_: "" if words == ("nginx", "/bin/sh", "-c", "a check") else FAILED
    )
    code, status = host.all("containers")
    assert (code, status["containers"][0]["state"]) == (0, "ok")


@pytest.mark.parametrize("place", ["", "the same", "another"])
def test_a_proxy_that_has_other_files_than_the_registry(host: StatusHost, place: str) -> None:
    """As after somebody has mounted a larger disk and restarted only the registry; without its own way, it has none."""
    if place:
        host.files(registry="the same", proxy=place)
    code, found = host.all("containers")
    assert code == (place == "another")
    assert found["containers"][0]["state"] == ("outdated" if place == "another" else "ok")
    if place == "another":
        assert found["problems"][0].startswith("container nginx: outdated; ")
        assert "docker restart nginx" in found["problems"][0]


def test_docker_does_not_answer(host: StatusHost) -> None:
    """All that it would know is unknown, and broken."""
    host.machine.silence("docker")
    code, found = host.all()
    assert code == 2
    assert {container["state"] for container in found["containers"]} == {"unknown"}
    assert found["network"]["state"] == "missing"
    assert all("Docker does not answer" in problem for problem in found["problems"])


def test_the_network_is_missing(host: StatusHost) -> None:
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
    data: tuple[int, str], logs: tuple[int, str], states: tuple[str, str], level: int, problems: int, host: StatusHost
) -> None:
    """From the threshold of the settings on it is a warning, from 95 % on it is broken; one disk is one problem."""
    host.disk(data=data, logs=logs)
    code, found = host.all()
    assert (code, tuple(disk["state"] for disk in found["disk"])) == (level, states)
    assert [disk["usedPercent"] for disk in found["disk"]] == [data[0], logs[0]]
    assert len(found["problems"]) == problems


def test_the_threshold_is_a_setting(host: StatusHost) -> None:
    """As the stack has told the host."""
    host.facts["warnPercent"] = 40
    assert host.all()[0] == 1


def test_there_is_no_such_directory(host: StatusHost) -> None:
    """Of data or logs: broken, and both told."""
    host.machine.says("df", FAILED)
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
def test_a_timer_that_does_not_run(name: str, timer: dict[str, str], state: str, host: StatusHost) -> None:
    """Or whose last run failed: somebody should look."""
    host.timer(name, **timer)
    code, found = host.all()
    states = {entry["name"]: entry["state"] for entry in found["timers"]}
    assert states == {"docker-registry-certificate": "ok", "docker-registry-gc": "ok", "logrotate": "ok"} | {
        name: state
    }
    assert code == int(state != "ok")


def test_the_times_of_a_timer(host: StatusHost) -> None:
    """In ISO 8601 and UTC; nothing where it never ran."""
    (first, *_) = host.all()[1]["timers"]
    assert (first["last"], first["next"]) == ("2026-11-24T05:01:09Z", "2026-11-25T05:01:00Z")
    host.change_unit("docker-registry-certificate.timer", "=Tue 2026-11-24 05:01:09 UTC", "=n/a")
    (first, *_) = host.all()[1]["timers"]
    assert first["last"] == ""


def test_the_certificate_s_timer_is_not_judged_twice(host: StatusHost) -> None:
    """Its service fails when the certificate is not well; that may be over, and has a line of its own."""
    host.timer("docker-registry-certificate", result="exit-code", code="1")
    code, found = host.all()
    assert (code, found["timers"][0]["state"]) == (0, "ok")
    assert found["timers"][0]["lastResult"] == "exit-code 1"


def test_a_timer_that_systemd_does_not_have(host: StatusHost) -> None:
    """As of a host without logrotate, or with a file that systemd refuses."""
    host.forget_unit("logrotate.timer")
    code, found = host.all()
    assert (code, found["timers"][-1]["state"]) == (1, "missing")


@pytest.mark.parametrize("subnets", [(), ("100.127.8.0/24",)])
def test_nobody_is_kept_out_of_the_network(subnets: tuple[str, ...], host: StatusHost) -> None:
    """Somebody has flushed the rules, or they are another subnet's."""
    host.guarded(*subnets)
    code, found = host.all()
    assert (code, found["network"]["state"]) == (1, "unguarded")
    assert "systemctl restart docker-registry-network" in found["problems"][0]
