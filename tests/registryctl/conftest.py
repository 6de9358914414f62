"""What the tests of registryctl share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registryctl.backed import Backed
from tests.registryctl.world import World


@pytest.fixture(autouse=True)
def _no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test cuts the power."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture(params=["files", "objects"])
def kind(request: pytest.FixtureRequest) -> str:
    """What the images of a `StoredHost` are to its tools."""
    return str(request.param)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory in memory, where there is such a thing: for many small files."""
    shared = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as path:
        yield Path(path)


@pytest.fixture
def world(memory: Path) -> World:
    """An empty registry."""
    return World(memory / "data")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's own file, which is not there yet."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder / "config.json"


@pytest.fixture(params=["fake", pytest.param("restic", marks=pytest.mark.nightly)])
def backed(request: pytest.FixtureRequest, tmp_path: Path) -> Backed:
    """A registry and its backups, with restic, and with the tests' own."""
    return Backed(tmp_path, request.param)


@pytest.fixture
def fast(tmp_path: Path) -> Backed:
    """The same, with the tests' own alone."""
    return Backed(tmp_path, "fake")
