"""A backup or a restore that is killed at any step, restic with it: nothing is lost, and the next run goes on."""

from __future__ import annotations

import json
import os
import pkgutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registryctl import pruning, restoring
from registryctl.restic import Answer, Restic, ResticError
from tests.registryctl.backed import PASSWORD, Backed
from tests.registryctl.backed_host import BackedHost
from tests.registryctl.breaking import (
    NAME,
    STEPS,
    Call,
    Killed,
    after,
    at_call,
    backed_up,
    before,
    calls_of,
    well_again,
)
from tests.registryctl.world import World


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackedHost:
    """With images, and one good backup of them."""
    return backed_up(tmp_path, monkeypatch)


@pytest.mark.parametrize("kill", [before, after])
def test_a_backup_that_is_killed_at_any_step(host: BackedHost, kill: Callable[..., Answer]) -> None:
    for number in range(calls_of(host, "backup")):
        run = host.known()["good"]["run"]
        with at_call(number, kill), pytest.raises(Killed):
            host.run("backup")
        assert host.known()["good"]["run"] == run
        assert json.loads(host.run("backup", "drill", "--json").out)["tags"] == 2
    well_again(host)
    host.settings["keep"] = {"last": 1}
    host.run("backup", "prune", "--force")
    assert [one["whole"] for one in json.loads(host.run("backup", "list", "--json").out)] == [True]


PLACES = (
    "registryctl.staging.Stage.begin",
    "registryctl.staging.Stage.content",
    "registryctl.staging.Stage.take",
    "registryctl.staging.Stage.fetch",
    "registryctl.staging.Stage.clear",
    "registryctl.staging._put",
    "registryctl.placing.Links.look",
    "registryctl.placing.Links.place",
    "registryctl.placing.Links._move",
    "registryctl.placing.Links._records",
    "registryctl.placing.renamed",
    "registryctl.restoring.place_files",
)


@pytest.mark.parametrize("kill", ["before", "after"])
@pytest.mark.parametrize("place", PLACES)
def test_a_restore_that_is_killed_anywhere_goes_on(tmp_path: Path, place: str, kill: str) -> None:
    """Each time that this is done: the first, the second, until it is done no more."""
    backed = Backed(tmp_path, "fake")
    for name in (NAME, "team/inner/app"):
        for tag in ("1.0", "2.0"):
            backed.world.image(name, tag, name.encode(), tag.encode())
    backed.take()
    whole = _tree(backed.world)
    number = 0
    while _killed(backed, f"other-{number}", place, kill, number):
        other, restored = backed.restored(f"other-{number}")
        assert (restored.placed.broken, restored.lost) == ({}, 0)
        assert _tree(other) == whole
        root = other.root.parents[1]
        assert (root / "nginx/etc/auth/registry.htpasswd").read_text() == "alice:hash"
        assert (root / "letsencrypt/live/dr.example.net/cert.pem").read_text() == "a certificate"
        assert (root / "nginx/etc/tls/self-signed/pair/fullchain.pem").read_text() == "a chain"
        assert restoring.begun(root) is None
        assert sorted(path.name for path in (root / "docker-registry").iterdir()) == ["data", "etc"]
        number += 1
    assert number


def _tree(world: World) -> dict[str, tuple[str, int]]:
    """All files with their times, but for what a tag was before: what is gone on with gets the tag's own time there."""
    return {path: (text, 0 if "/index/" in path else when) for path, (text, when) in world.tree().items()}


def _killed(backed: Backed, name: str, place: str, kill: str, number: int) -> bool:
    """Restores, killed at this place at its time of this number; whether it came to that."""
    real, times = pkgutil.resolve_name(place), [0]

    def patched(*words: Any, **options: Any) -> Any:  # noqa: ANN401
        times[0] += 1
        if times[0] != number + 1:
            return real(*words, **options)
        if kill == "after":
            real(*words, **options)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, patched)
        try:
            backed.restored(name)
        except Killed:
            return True
    return False


# With restic itself.


@pytest.fixture
def real(tmp_path: Path) -> Backed:
    """With restic itself, two images and a good backup."""
    found = Backed(tmp_path, "restic")
    for tag in ("1.0", "2.0"):
        found.world.image(NAME, tag, tag.encode())
    found.take()
    return found


def locked(locks: Path) -> set[Path]:
    """The locks there are; one that is still being written is none."""
    return {path for path in locks.iterdir() if "-tmp-" not in path.name}


def dies(run: Call, restic: Any, words: Any, cwd: Any) -> Answer:  # noqa: ANN401
    """restic is killed while it has the repository's lock, and so is who has started it."""
    locks = Path(restic.repository.environment["RESTIC_REPOSITORY"]) / "locks"
    known = locked(locks)
    process = subprocess.Popen(
        restic._words(words),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(restic.repository.environment),
        cwd=cwd,
    )
    while process.poll() is None and not locked(locks) - known:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    raise Killed


def test_restic_that_dies_at_any_step_costs_only_its_run(real: Backed) -> None:
    """The locks that it leaves are in nobody's way, also for what wants the repository alone."""
    first = real.backups()[0].run
    locks = real.folder / "repository/locks"
    for number in range(len(STEPS)):
        with at_call(number, dies, Restic), pytest.raises(Killed):
            real.take()
        assert [one.run for one in real.backups() if one.whole] == [first]
    assert locked(locks)
    real.restic.run("check")
    assert not locked(locks)
    real.take()
    restic = real.with_settings(keep=("--keep-last", "1"))
    choice = pruning.choose(restic, real.now)
    assert [one.run for one in choice.old] == [first]
    for number in (0, 1):
        with at_call(number, dies, Restic), pytest.raises(Killed):
            pruning.carry_out(restic, choice.snapshots)
        assert [one.whole for one in real.backups()][-1:] == [True]
        choice = pruning.choose(restic, real.now)
    pruning.carry_out(restic, choice.snapshots)
    real.restic.run("check", "--read-data")
    other, restored = real.restored()
    assert (restored.placed.tags, restored.placed.broken) == (2, {})
    assert other.tree() == real.world.tree()


def test_restic_that_dies_in_a_restore_costs_only_its_run(real: Backed) -> None:
    """One time after the other, each time a step further."""
    # The content, tags, links, and the host's own files; the content is there from the second time on.
    for number in (1, 2, 2, 3):
        with at_call(number, dies, Restic) as seen, pytest.raises(Killed):
            real.restored()
        assert seen[-1].startswith("restore ")
        assert restoring.begun(real.folder / "other") == real.backups()[0].run
    other, restored = real.restored()
    assert (restored.placed.broken, restored.lost) == ({}, 0)
    assert other.tree() == real.world.tree()


def test_a_damaged_pack_is_named_and_costs_what_needs_it(real: Backed) -> None:
    """And what is whole comes; the rest once the repository is whole again."""
    cached = {path.name for path in (real.folder / "cache").rglob("*")}
    packs = [path for path in (real.folder / "repository/data").rglob("*") if path.is_file()]
    pack = max((path for path in packs if path.name not in cached), key=lambda path: path.stat().st_size)
    content = pack.read_bytes()
    pack.chmod(0o600)
    pack.write_bytes(b"damage" + content[6:])
    with pytest.raises(ResticError) as error:
        real.restic.run("check", "--read-data")
    assert (error.value.kind, "\n" in str(error.value)) == ("DAMAGED", False)
    _, restored = real.restored()
    assert restored.lost or restored.damage
    pack.write_bytes(content)
    real.restic.run("check", "--read-data")
    other, restored = real.restored(merge=True)
    assert (restored.placed.broken, restored.lost, restored.damage) == ({}, 0, "")
    assert other.tags(NAME) == real.world.tags(NAME)
    other.pull(NAME, "1.0")


def test_a_repository_that_is_gone_meanwhile(real: Backed) -> None:
    """At each step: its disk is taken away, and comes back."""
    repository = real.folder / "repository"
    first = real.backups()[0].run

    def taken_away(run: Call, restic: Any, words: Any, cwd: Any) -> Answer:  # noqa: ANN401
        repository.rename(real.folder / "away")
        try:
            return run(restic, words, cwd)
        finally:
            (real.folder / "away").rename(repository)

    for number in range(len(STEPS)):
        with at_call(number, taken_away, Restic), pytest.raises(ResticError) as error:
            real.take()
        assert error.value.kind == "MISSING"
        assert (PASSWORD in str(error.value), "\n" in str(error.value)) == (False, False)
        assert [one.run for one in real.backups() if one.whole] == [first]
    assert real.take().backup.whole
