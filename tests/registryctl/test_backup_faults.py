"""Whatever goes wrong, and at which step: one line says it, status knows, nothing is lost, and the next run goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from registryctl import restoring
from registryctl.restic import Answer
from tests.registryctl.backed_host import BackedHost
from tests.registryctl.breaking import NAME, SAID, STEPS, at_call, backed_up, calls_of, fails, well_again


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackedHost:
    """With images, and one good backup of them."""
    return backed_up(tmp_path, monkeypatch)


@pytest.mark.parametrize("fault", SAID)
def test_a_backup_that_fails_at_any_step(host: BackedHost, fault: str) -> None:
    written, said = SAID[fault]
    good = host.known()["good"]
    for number in range(calls_of(host, "backup")):
        run = host.known()["good"]["run"]
        with at_call(number, fails(written)):
            failed = host.run("backup")
        # A lock of a dead run is removed, and then it goes on.
        if fault == "locked":
            assert failed.code == 0, number
            continue
        assert failed.code != 0
        assert (failed.out, len(failed.err.splitlines())) == ("", 1)
        assert said in failed.err
        assert said in host.known()["failed"]["why"]
        assert host.known()["good"]["run"] == run
        listed = json.loads(host.run("backup", "list", "--json").out)
        assert [one["run"] for one in listed if one["whole"]][-1] == run
    assert host.known()["good"] != good
    if fault == "damage":
        # A backup says nothing of what is damaged: a check does.
        host.run("backup", "check", "--all")
    well_again(host)


@pytest.mark.parametrize("fault", [fault for fault in SAID if fault not in {"locked", "damage"}])
@pytest.mark.parametrize("act", ["check", "prune", "drill", "list"])
def test_what_else_fails_at_any_step(host: BackedHost, act: str, fault: str) -> None:
    """And what goes well ends it."""
    written, said = SAID[fault]
    host.settings["keep"] = {"last": 1}
    number, steps = 0, 1
    while number < steps:
        run = json.loads(host.run("backup", "--json").out)["run"]
        with at_call(number, fails(written)) as seen:
            failed = host.run("backup", act)
        assert (failed.out, len(failed.err.splitlines()), len(seen)) == ("", 1, number + 1)
        assert said in failed.err
        assert ("failed" in host.known()) == (act != "list")
        assert json.loads(host.run("backup", "list", "--json").out)[-1] | {"time": ""} == _whole(run)
        with at_call(-1, fails("")) as seen:
            assert host.run("backup", act).code == 0
        assert "failed" not in host.known()
        number, steps = number + 1, max(steps, len(seen))
    assert number >= {"check": 1, "list": 1, "prune": 3, "drill": 5}[act]
    well_again(host)


def _whole(run: str) -> dict[str, object]:
    return {"run": run, "time": "", "whole": True}


@pytest.mark.parametrize("act", ["check", "drill"])
def test_damage_is_known_until_what_found_it_finds_none(host: BackedHost, act: str) -> None:
    written, said = SAID["damage"]
    with at_call(0, fails(written)):
        failed = host.run("backup", act)
    assert (failed.code, failed.out, len(failed.err.splitlines())) == (19, "", 1)
    assert said in failed.err
    assert host.known()["failed"]["name"] == "DAMAGED"
    assert host.run("backup", act).code == 0
    assert "failed" not in host.known()


@pytest.mark.parametrize("fault", [fault for fault in SAID if fault not in {"locked", "damage"}])
def test_a_restore_that_fails_at_any_step(host: BackedHost, fault: str) -> None:
    written, said = SAID[fault]
    images = {tag: host.world.pull(NAME, tag) for tag in ("1.0", "2.0")}
    number = 0
    while True:
        host.world.v2.rename(host.root / f"gone-{number}")
        (host.world.root / "restoring").unlink(missing_ok=True)
        with at_call(number, fails(written)) as seen:
            failed = host.run("restore")
        if len(seen) <= number:
            assert failed.code == 0
            break
        assert (failed.out, len(failed.err.splitlines())) == ("", 1)
        assert said in failed.err
        # What is half restored is nobody's newest backup.
        if restoring.begun(host.root / "srv"):
            assert "is not restored to its end" in host.run("backup").err
        assert host.run("restore").code == 0
        assert {tag: host.world.pull(NAME, tag) for tag in images} == images
        number += 1
    assert number > len(STEPS)
    well_again(host)


def test_an_image_out_of_the_past_that_fails_at_any_step(host: BackedHost) -> None:
    written, said = SAID["cut"]
    words = ("restore", f"{NAME}:1.0", "--as", f"{NAME}:old")
    for number in range(calls_of(host, *words)):
        host.world.tag_file(NAME, "old").unlink(missing_ok=True)
        with at_call(number, fails(written)):
            failed = host.run(*words)
        assert (failed.out, len(failed.err.splitlines())) == ("", 1)
        assert said in failed.err
        assert set(host.world.tags(NAME)) == {"1.0", "2.0"}
        assert host.run(*words).code == 0
        assert not list((host.root / "srv/docker-registry").glob("restore*"))


def test_a_full_disk_of_the_host_forgets_no_good_backup(host: BackedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be noted, status at least tells of one that is overdue."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    known = host.known()
    with monkeypatch.context() as patched:
        patched.setattr("registryctl.host.leave_result", full)
        with at_call(2, fails(SAID["full"][0])):
            failed = host.run("backup")
        assert (failed.code, len(failed.err.splitlines())) == (1, 1)
        done = host.run("backup")
        assert (done.code, done.err.count("registry-status can't know")) == (1, 1)
    assert host.known() == known
    well_again(host)


def test_a_clock_that_is_ahead_removes_no_backup(host: BackedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does anybody take the backup that it made for the newest one, once the clock is right."""
    host.settings["keep"] = {"last": 1}
    host.run("backup", "prune")
    real = time.time
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: real() + 400 * 86400)
        assert host.run("backup").code == 0
        refused = host.run("backup", "prune")
        assert (refused.out, len(refused.err.splitlines())) == ("", 1)
        assert "is of the future: a clock was wrong, or is" in refused.err
    run = json.loads(host.run("backup", "--json").out)["run"]
    for words in (("backup", "drill"), ("restore", NAME)):
        assert "--from says which is meant" in host.run(*words).err
    assert host.run("backup", "drill", "--from", run).code == 0
    assert len(json.loads(host.run("backup", "list", "--json").out)) == 3


def test_a_clock_that_was_behind_hides_no_backup(host: BackedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is right the newest is of the future: nothing is removed, and a restore asks which is meant."""
    host.settings["keep"] = {"last": 1}
    real = time.time
    run = host.known()["good"]["run"]
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: real() - 400 * 86400)
        assert host.run("backup").code == 0
        assert "is of the future: a clock was wrong, or is" in host.run("backup", "prune").err
        assert "--from says which is meant" in host.run("backup", "drill").err
        assert host.run("backup", "drill", "--from", run).code == 0
    # The leap forward is believed only after some days; whoever knows better says so.
    assert "is of the future" in host.run("backup", "prune").err
    assert host.run("backup", "prune", "--force").code == 0
    assert [one["run"] for one in json.loads(host.run("backup", "list", "--json").out)] == [run]
    well_again(host)


def test_a_server_that_only_lets_add_keeps_what_was_to_go(host: BackedHost) -> None:
    """restic 0.14 ends well then: what it was to forget is looked for."""
    host.settings["keep"] = {"last": 1}
    host.run("backup")
    said = (
        "Remove(<snapshot/c6f5d57237>) returned error, retrying after 15.3s: blob not removed, server response: "
        "403 Forbidden (403)\nunable to remove <snapshot/c6f5d57237> from the repository\n"
        "blob not removed, server response: 403 Forbidden (403)\n"
        "github.com/restic/restic/internal/backend/rest.(*Backend).Remove\n\truntime/asm_amd64.s:1594\n"
    )
    number = 2
    with at_call(number, lambda *_: Answer(0, "", said)) as seen:
        refused = host.run("backup", "prune")
    assert seen[number].startswith("forget ")
    assert (refused.code, refused.out) == (1, "")
    assert "this host may not do that there" in refused.err
    assert refused.err.endswith("blob not removed, server response: 403 Forbidden (403)\n")
    assert len(json.loads(host.run("backup", "list", "--json").out)) == 2
    assert host.run("backup", "prune").code == 0
    assert "failed" not in host.known()
