"""`registryctl backup`: what it says, with which exit code, and what status learns of it."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from registryctl import backup, backup_state, repository, restoring
from registryctl.restic import ResticError
from registryctl.staging import Stage
from tests.registryctl.backed import PASSWORD
from tests.registryctl.backed_host import NAME, BackedHost, host
from tests.registryctl.fake_restic import FakeRestic
from tests.registryctl.running import Ran, run

__all__ = ["host"]


def test_the_first_one_makes_the_repository(host: BackedHost) -> None:
    first = host.run("backup")
    assert (first.code, first.err) == (0, "")
    assert "the repository is new" in first.out
    assert host.known()["good"]["files"] == json.loads(host.run("backup", "--json").out)["files"]
    assert len(host.run("backup", "list").out.splitlines()) == 2


OWN_DISK = "the repository is on the registry's own file system: the end of its disk is the end of both"


def test_a_repository_on_the_registry_s_own_disk_is_named(host: BackedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a backup that went well, and the exit code is the same; what is elsewhere, or where can't be known, is not."""
    for _ in range(2):
        done = host.run("backup")
        assert (done.code, done.err, done.out.splitlines()[-1]) == (0, "", OWN_DISK)
    assert json.loads(host.run("backup", "--json").out)["tags"]
    data, its = host.world.root, repository.Repository({}, shown=host.settings["repository"])
    assert its.shares_disk(data)
    assert not repository.Repository({}, shown="/proc").shares_disk(data)
    assert not repository.Repository({}, shown=f"sftp:{its.shown}").shares_disk(data)
    assert not its.shares_disk(data / "none")
    monkeypatch.setattr(repository.Repository, "shares_disk", lambda *_: False)
    assert OWN_DISK not in host.run("backup").out


def test_without_settings_there_is_none(host: BackedHost) -> None:
    (host.root / "host.json").write_text(json.dumps(host.facts))
    assert run("backup").err.startswith("registryctl backup: no backup is set for this host")


def test_settings_that_are_damaged_show_no_secret(host: BackedHost) -> None:
    host.secrets = {"pass": PASSWORD}
    assert "is not what pulumi up writes: KeyError" in host.run("backup").err


def test_a_tag_in_the_backups(host: BackedHost) -> None:
    host.run("backup")
    digest = host.world.tags(NAME)["1.0"]
    assert digest in host.run("backup", "list", f"{NAME}:1.0").out
    assert host.run("backup", "list", f"{NAME}:2.0").out == f"no backup has {NAME}:2.0\n"
    assert host.run("backup", "list", f"{NAME}:*").code == 2


def test_a_host_that_was_set_up_anew_does_not_begin_with_nothing(host: BackedHost) -> None:
    host.run("backup")
    (host.results / "backup").unlink()
    top = host.world.v2 / "repositories"
    top.rename(top.with_name("gone"))
    refused = host.run("backup")
    assert (refused.code, refused.out) == (1, "")
    assert "registryctl restore brings it back, --force begins with nothing" in refused.err
    assert host.run("backup", "--force").code == 0


def test_what_failed_is_known_until_it_is_well(host: BackedHost) -> None:
    host.run("backup")
    host.secrets["password"] = "another password"
    failed = host.run("backup")
    assert failed.code == 1
    assert host.known()["failed"]["why"] in failed.err
    host.secrets["password"] = PASSWORD
    host.run("backup", "check")
    assert host.known()["failed"]["what"] == "backup"
    host.run("backup")
    assert "failed" not in host.known()


def test_damage_is_known_until_a_check_finds_none(host: BackedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run("backup")
    with monkeypatch.context() as patched:
        meaning = ResticError("DAMAGED", "the repository is damaged")

        def damaged(*_: object, **__: object) -> None:
            raise meaning

        patched.setattr(backup, "_check", damaged)
        assert host.run("backup", "check").code == 19
    host.run("backup")
    assert host.known()["failed"]["name"] == "DAMAGED"
    host.run("backup", "check")
    assert "failed" not in host.known()


def damaged(host: BackedHost, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """A check finds damage."""
    run = FakeRestic.run

    def patched(self: FakeRestic, *its: str, **options: Any) -> Any:  # noqa: ANN401
        if its[0] == "check":
            raise ResticError("DAMAGED", "the repository is damaged")
        return run(self, *its, **options)

    with monkeypatch.context() as patch:
        patch.setattr(FakeRestic, "run", patched)
        assert host.run("backup", "check", *words).code == 19


def test_damage_outlives_other_failures_and_nothing_is_removed(
    host: BackedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.settings["keep"] = {"last": 1}
    host.run("backup")
    host.run("backup")
    damaged(host, monkeypatch)
    host.secrets["password"] = "another password"
    assert host.run("backup").code == 1
    assert host.known()["failed"]["name"] == "DAMAGED"
    host.secrets["password"] = PASSWORD
    assert "found damage: nothing is removed" in host.run("backup", "prune").out
    assert len(json.loads(host.run("backup", "list", "--json").out)) == 2
    host.run("backup", "check")
    assert host.run("backup", "prune").out.endswith("1 backup kept\n")


def test_damage_that_lies_anywhere_is_over_when_all_was_read(host: BackedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run("backup")
    damaged(host, monkeypatch, "--all")
    host.run("backup", "check")
    assert host.known()["failed"]["name"] == "DAMAGED"
    host.run("backup", "check", "--all")
    assert {"failed", "damagedSomewhere"} & host.known().keys() == set()


def test_a_registry_whose_images_are_gone_is_no_newer_backup(host: BackedHost) -> None:
    host.run("backup")
    gone = host.root / "gone"
    (host.world.v2 / "repositories").rename(gone)
    (host.world.v2 / "repositories").mkdir()
    assert "is its disk mounted?" in host.run("backup").err
    assert len(json.loads(host.run("backup", "list", "--json").out)) == 1
    assert host.run("backup", "--force").code == 0
    assert host.run("backup").code == 0


def test_links_that_do_not_come_are_damage(host: BackedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run("backup")
    tag = host.world.tag_file(NAME, "1.0").relative_to(host.root / "srv")
    for file in (host.root / "repository").rglob(str(tag)):
        file.unlink()
    run = FakeRestic.run

    def patched(self: FakeRestic, *its: str, **options: Any) -> Any:  # noqa: ANN401
        done = run(self, *its, **options)
        if its[0] == "restore":
            raise ResticError("DAMAGED", "There were 1 errors")
        return done

    monkeypatch.setattr(FakeRestic, "run", patched)
    drill = host.run("backup", "drill")
    assert (drill.code, "drill" in host.known()) == (19, False)
    assert host.run("restore", f"{NAME}:*", "--merge").code != 0


def test_checks_read_all_in_turn(host: BackedHost) -> None:
    host.run("backup")
    said = [host.run("backup", "check").out.split(";")[1].split(",")[0] for _ in range(4)]
    assert said == [f" part {part} of 3 was read" for part in (1, 2, 3, 1)]


def test_another_tool_is_at_work(host: BackedHost) -> None:
    host.barrier.busy = True
    assert host.run("backup").word == "BUSY"
    assert host.known()["failed"]["name"] == "BUSY"


def test_what_is_removed(host: BackedHost) -> None:
    for _ in range(3):
        host.run("backup")
    assert "all backups are kept" in host.run("backup", "prune").out
    host.settings["keep"] = {"last": 2}
    assert host.run("backup", "prune").out.endswith("2 backups kept\n")
    host.settings["appendOnly"] = True
    assert "whoever has all rights" in host.run("backup", "prune").out


def test_a_drill_leaves_nothing(host: BackedHost) -> None:
    host.run("backup")
    done = host.run("backup", "drill")
    assert (done.code, done.err) == (0, "")
    assert "1 repository, 1 tag" in done.out
    assert host.known()["drill"]["tags"] == 1
    assert not (host.root / "srv/docker-registry/drill").exists()


def test_two_drills_at_once_take_nothing_from_each_other(host: BackedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run("backup")
    second: list[Ran] = []
    content = Stage.content

    def patched(self: Stage) -> None:
        content(self)
        if not second:
            second.append(host.run("backup", "drill"))

    monkeypatch.setattr(Stage, "content", patched)
    assert host.run("backup", "drill").code == 0
    assert (second[0].word, second[0].out) == ("BUSY", "")
    assert "another drill is at work" in second[0].err
    assert host.run("backup", "drill").code == 0
    assert "failed" not in host.known()


def test_what_two_runs_note_at_once_is_all_known(host: BackedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run("backup")
    read = backup_state.read

    def slow() -> dict[str, Any]:
        known = read()
        time.sleep(0.02)
        return known

    monkeypatch.setattr(backup_state, "read", slow)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: backup_state.note(**{f"fact{number}": number}), range(8)))
    assert {f"fact{number}" for number in range(8)} <= host.known().keys()


def test_a_half_restored_registry_is_not_backed_up(host: BackedHost) -> None:
    host.run("backup")
    (host.world.root / "restoring").write_text("20260101T000000Z\n")
    assert "is not restored to its end" in host.run("backup").err
    assert restoring.begun(host.root / "srv") == "20260101T000000Z"


def test_the_login_of_a_rest_server_is_in_no_command_line(host: BackedHost) -> None:
    host.settings |= {"repository": "rest:https://nas.example.net:8000/r", "restUser": "me"}
    host.secrets["restPassword"] = "p@ss/word"
    (host.root / "backup.json").write_text(json.dumps(host.settings))
    (host.root / "backup-secrets.json").write_text(json.dumps(host.secrets))
    found = repository.by_settings()
    assert found.environment["RESTIC_REPOSITORY"] == "rest:https://me:p%40ss%2Fword@nas.example.net:8000/r"
    assert found.shown == "rest:https://nas.example.net:8000/r"
    assert FakeRestic(found).masked("p%40ss%2Fword p@ss/word") == "[secret] [secret]"
    assert found.options == ()
