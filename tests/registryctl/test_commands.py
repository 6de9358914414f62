"""The commands as people call them: by which name, with which words, and what came of it where."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from registryctl import VERSION, cli
from rendering.rootfs import TREE
from tests.e2e.artifacts import image
from tests.registryctl.running import run
from tests.registryctl.stored import StoredHost


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> StoredHost:
    """A host of a registry into which nothing was pushed."""
    return StoredHost(tmp_path, monkeypatch, kind)


@pytest.mark.parametrize("name", ["registryctl", *cli.NAMES])
def test_the_tree_has_each_name(name: str, tmp_path: Path) -> None:
    """It runs from a clone, explains itself, and leaves nothing behind that Python made."""
    copy = tmp_path / "local"
    shutil.copytree(TREE / "usr/local", copy, ignore=shutil.ignore_patterns("__pycache__"))
    argv = [str(copy / "bin" / name), "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(name)
    assert not list(copy.rglob("__pycache__"))


@pytest.mark.parametrize("words", [[], ["nope"], ["--nope"], ["gc", "--nope"], ["gc", "--dry-run", "--force"],
                                   ["usage", "--nope"], ["undo", "a", "b"], ["trash", "burn"], ["trash", "list", "x"],
                                   ["retention", "x"], ["gc", "--wait", "0"]])  # fmt: skip
def test_wrong_words(host: StoredHost, words: list[str]) -> None:
    """Exit code 2 and one line, or the help."""
    done = host.run(*words)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1 or not words


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_each_command_explains_itself(command: str) -> None:
    """With its exit codes, or what it says."""
    done = run(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"registryctl {command} ")


def test_a_clean_up_by_its_command(host: StoredHost) -> None:
    """By the host's facts; with its result for registry-status."""
    host.push("r", image("kept"), "1")
    host.push("r", image("untagged"))
    host.facts["gc"].update(trashDays=0, maxShare=10)
    refused = host.run("gc")
    assert (refused.code, "gc.maxShare (10 %)" in refused.err) == (3, True)
    assert re.fullmatch(r"failed \S+ code=3\n", (host.results / "gc").read_text())
    assert host.run("gc", "--dry-run").code == 3
    assert host.has("r", image("untagged"))
    done = host.run("gc", "--force")
    assert done.code == 0, done.err
    assert not host.has("r", image("untagged"))
    assert host.has("r", image("kept"))
    assert (host.results / "gc").read_text().startswith("ok ")
    host.facts["gc"]["deleteUntagged"] = False
    host.push("r", image("untagged"))
    assert host.run("gc", "--force").code == 0
    assert host.has("r", image("untagged"))


def test_the_trash_lists_what_can_be_brought_back_and_lets_go(host: StoredHost) -> None:
    """A run that is given up can't be undone any more."""
    assert host.run("trash").out == "nothing can be brought back\n"
    for tag in ("a", "b"):
        host.push("r", image(tag), tag)
        host.remove(f"r:{tag}")
    first, second = json.loads(host.run("trash", "list", "--json").out)
    assert (first["reason"], first["tags"], first["repositories"]) == ("rm", 1, ["r"])
    assert host.run("trash", "empty", first["run"]).code == 0
    for unknown in (first["run"], "20200101T000000Z", "../../x"):
        assert host.run("undo", unknown).code == 4
        assert host.run("trash", "empty", unknown).code == 4
    host.barrier.busy = True
    assert host.run("trash", "empty").code == host.run("undo").code == 16
    host.barrier.busy = False
    assert host.run("undo").code == 0
    assert set(host.tags("r")) == {"b"}
    assert host.run("trash", "empty").code == 0
    assert second["run"] not in host.run("trash").out


def test_what_is_lost_is_listed_and_nothing_is_brought_back(host: StoredHost) -> None:
    """All or nothing."""
    one = host.push("r", image("one"), "a")
    host.remove("r:a")
    host.blob(one.digest).unlink()
    before = host.tree()
    done = host.run("undo")
    assert (done.code, host.tree()) == (1, before)
    assert one.digest in done.out
    assert "nothing was changed" in done.err


@pytest.mark.parametrize(
    ("ended", "code"), [("0 1 0", 0), ("0 1 6", 6), ("1 1 3", 3), ("1 1 75", 75), ("1 2 15", 1), ("1 1 0", 1)]
)
def test_registry_gc_starts_the_unit_and_shows_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], ended: str, code: int
) -> None:
    """Its exit code is the run's; a signal's number is none."""
    started, exited, status = ended.split()
    answers = f"""case "$*" in
        start*) exit {started} ;;
        *LoadState*) echo loaded ;; *InvocationID*) echo abc ;; *Result*) echo exit-code ;;
        *ExecMainCode*) echo {exited} ;; *ExecMainStatus*) echo {status} ;; esac"""
    for name, script in (("systemctl", answers), ("journalctl", 'case "$*" in *=abc) echo it said this ;; esac')):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert run(called="registry-gc").code == code
    assert "it said this" in capfd.readouterr().out


def test_registry_gc_that_may_not_start_the_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user without rights: it does not tell of an earlier run as if it were this one."""
    refused = "Failed to start docker-registry-gc.service: Interactive authentication required."
    answers = f"""case "$*" in
        start*) echo "{refused}" >&2; exit 1 ;; *LoadState*) echo loaded ;; *Result*) echo success ;; esac"""
    for name, script in (("systemctl", answers), ("journalctl", "echo it said this")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    done = run(called="registry-gc")
    assert (done.code, done.err) == (1, f"FAILED: it was not started: {refused}\n")
    assert "said" not in done.out


def test_registry_gc_without_its_unit(host: StoredHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """pulumi up brings it."""
    (host.root / "systemctl").write_text("#!/bin/sh\necho not-found\n")
    (host.root / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{host.root}:/usr/bin:/bin")
    done = host.run(called="registry-gc")
    assert (done.code, "pulumi up brings it" in done.err) == (1, True)


def test_registry_gc_does_by_force_what_the_unit_refused(host: StoredHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the unit has failed no more."""
    program = host.root / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$*" >>{host.root}/said\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{host.root}:/usr/bin:/bin")
    host.push("r", image("untagged"))
    host.facts["gc"]["maxShare"] = 10
    assert host.run("--force", called="registry-gc").code == 0
    assert not host.has("r", image("untagged"))
    assert (host.root / "said").read_text() == "reset-failed docker-registry-gc.service\n"


def test_registry_gc_looks_without_the_unit(host: StoredHost) -> None:
    """Whoever asks what would go changes nothing."""
    host.push("r", image("untagged"))
    done = host.run("--dry-run", called="registry-gc")
    assert (done.code, "would go" in done.out) == (0, True)
    assert host.has("r", image("untagged"))


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Which is also that of the program that put it there."""
    assert cli.main(cli.load(["--version"])) == 0
    assert capsys.readouterr().out == f"registryctl {VERSION}\n"
