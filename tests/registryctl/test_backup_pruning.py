"""Which backups go: whole runs by restic's own rules, and never on the word of a clock that was wrong."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from registryctl import backups, pruning
from registryctl.endings import EndError
from tests.docs.blocks import blocks
from tests.registryctl.backed import NOW, STACK, Backed, during


def test_one_that_was_cut_off_is_no_backup(fast: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    fast.world.image("team/app", "1.0", b"first")
    first = fast.take().backup.run

    def die() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        during(patched, backups.BLOBS, die)
        with pytest.raises(KeyboardInterrupt):
            fast.take()
    assert [one.whole for one in fast.backups()] == [True, False]
    assert fast.stage().backup.run == first
    fast.take()
    choice = pruning.choose(fast.restic, fast.now)
    assert [len(choice.halves), len(choice.old), choice.whole] == [1, 0, 2]
    pruning.carry_out(fast.restic, choice.snapshots)
    assert [one.whole for one in fast.backups()] == [True, True]


def test_one_that_was_cut_off_takes_no_place_of_a_whole_one(fast: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    fast.world.image("team/app", "1.0", b"first")
    whole = [fast.take().backup.run for _ in range(2)]

    def die() -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with monkeypatch.context() as patched:
            during(patched, backups.BLOBS, die)
            with pytest.raises(KeyboardInterrupt):
                fast.take()
    fast.take()
    choice = pruning.choose(fast.with_settings(keep=("--keep-last", "3")), fast.now)
    assert (len(choice.halves), choice.old) == (2, [])
    choice = pruning.choose(fast.with_settings(keep=("--keep-last", "2")), fast.now)
    assert [one.run for one in choice.old] == whole[:1]


def test_others_in_the_repository_are_left_alone(backed: Backed) -> None:
    mine = [backed.take().backup.run for _ in range(2)]
    other = backed.with_settings(stack="another", keep=("--keep-last", "1"))
    others = [backed.take(other).backup.run for _ in range(2)]
    assert [(one.stack, one.run) for one in backed.backups()] == [(STACK, run) for run in mine]
    with pytest.raises(EndError, match=f"--stack another or {STACK}"):
        backups.backups(backed.with_settings(stack=""))
    choice = pruning.choose(other, backed.now)
    assert [one.run for one in choice.old] == others[:1]
    pruning.carry_out(other, choice.snapshots)
    assert [one.run for one in backups.backups(other)] == others[1:]
    assert [one.run for one in backed.backups()] == mine
    assert all(one.whole for one in backed.backups())


def test_what_is_kept_is_restics_to_say(backed: Backed) -> None:
    runs = [backed.take().backup.run for _ in range(3)]
    restic = backed.with_settings(keep=("--keep-last", "2"))
    choice = pruning.choose(restic, backed.now)
    assert [one.run for one in choice.old] == runs[:1]
    pruning.check(choice, 10)
    pruning.carry_out(restic, choice.snapshots)
    assert [one.run for one in backed.backups()] == runs[1:]


def test_what_whoever_has_all_rights_is_told_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document's commands: whole runs go or stay, also where some were cut off, and others lie there."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed here")
    backed = Backed(tmp_path, "restic")
    others = backed.take(backed.with_settings(stack="another")).backup.run

    def die() -> None:
        raise KeyboardInterrupt

    runs = []
    for _ in range(3):
        runs.append(backed.take().backup.run)
        # Later on the same day.
        backed.now -= 86400 - 60
        with monkeypatch.context() as patched:
            during(patched, backups.TAGS, die)
            with pytest.raises(KeyboardInterrupt):
                backed.take()
        backed.now += 86400 - 120
    (block,) = (one for one in blocks() if one.document == "docs/backup.md" and one.heading == "Old backups")
    script = block.text.replace("--keep-daily 7 --keep-weekly 5", "--keep-daily 2")
    environment = dict(backed.repository.environment)
    subprocess.run(["sh", "-euc", script], env=environment, check=True, capture_output=True)
    assert [one.run for one in backed.backups() if one.whole] == runs[1:]
    assert [one.run for one in backups.backups(backed.with_settings(stack="another"))] == [others]


def test_not_all_goes_at_once(fast: Backed) -> None:
    for _ in range(5):
        fast.take()
    choice = pruning.choose(fast.with_settings(keep=("--keep-last", "1")), fast.now)
    with pytest.raises(EndError, match="4 of 5 backups would go"):
        pruning.check(choice, 50)


def test_nothing_goes_after_a_backup_of_the_future(fast: Backed) -> None:
    fast.take()
    restic = fast.with_settings(keep=("--keep-last", "1"))
    with pytest.raises(EndError, match="of the future"):
        pruning.choose(restic, NOW - 86400)
    assert pruning.choose(restic, NOW - 86400, force=True).old == []
    # Nor does anybody know which one is the newest.
    with pytest.raises(EndError, match="--from says which is meant"):
        backups.chosen(fast.backups(), None, NOW - 86400)
    assert backups.chosen(fast.backups(), fast.backups()[0].run, NOW - 86400)
