"""The host's clean-up, with a collector that stands in for the registry's own, on random storages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.rendering.host_tools import FakeHost, Ran
from tests.rendering.random_storage import RandomStorage

_STEPS = {"awk": 14, "comm": 9, "join": 1, "sed": 14, "sort": 12, "xargs": 12}
"""The commands of a run, and one of the calls of each that is killed."""

_COLLECTOR = """
import json, shutil, sys
from pathlib import Path
top = Path(sys.argv[1])
if sys.argv[2] == "--version":
    sys.exit(print("registry github.com/distribution/distribution/v3 3.0.0"))
marked = set()
def blob(digest):
    algorithm, name = digest.split(":")
    return top / "blobs" / algorithm / name[:2] / name / "data"
def mark(repository, digest):
    marked.add(digest)
    manifest = json.loads(blob(digest).read_bytes())
    named = {key.lower().replace("\\u017f", "s"): its for key, its in manifest.items()}
    for one in [*named.get("layers", []), *named.get("manifests", []), *[named[k] for k in ("config",) if k in named]]:
        its = next(its for key, its in one.items() if key.lower().replace("\\u017f", "s") == "digest")
        child = repository / "_manifests/revisions" / its.replace(":", "/") / "link"
        if its not in marked:
            marked.add(its)
            if child.exists():
                mark(repository, its)
for link in sorted((top / "repositories").glob("**/_manifests/revisions/*/*/link")):
    mark(link.parents[4], link.read_text())
for data in sorted((top / "blobs").glob("*/*/*/data")):
    digest = f"{data.parts[-4]}:{data.parts[-2]}"
    if digest not in marked:
        print("blob eligible for deletion:", digest)
        if "--dry-run" not in sys.argv:
            shutil.rmtree(data.parent)
"""


def _host(tmp_path: Path) -> FakeHost:
    """A host whose registry has its storage in `tmp_path`."""
    host = FakeHost(tmp_path / "host")
    tool = host.path("/usr/local/lib/docker-registry/collect-garbage")
    text = tool.read_text().replace("/etc/docker-registry/", f"{host.root}/").replace(" PATH=/usr", " IGNORED=/usr")
    tool.write_text(text.replace("grep -q '/docker-registry-gc\\.service' /proc/self/cgroup", ":"))
    (host.root / "host.conf").write_text(f"root={tmp_path}\n")
    (host.root / "gc.conf").write_text("delete_untagged=yes max_share=100 drain_seconds=1\n")
    for name, script in (("container-process", "echo 1"), ("hold-writes", "exit 0")):
        host.path(f"/usr/local/lib/docker-registry/{name}").write_text(f"#!/bin/sh\n{script}\n")
    (host.root / "collector.py").write_text(_COLLECTOR)
    host.command("docker", ":")
    host.command("nsenter", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
    host.command("registry", f'exec {sys.executable} {host.root}/collector.py {_store(tmp_path)} "$@"')
    return host


def _store(tmp_path: Path) -> Path:
    return tmp_path / "docker-registry/data/docker/registry/v2"


def _made(tmp_path: Path, seed: int) -> RandomStorage:
    (tmp_path / "docker-registry/data/docker/registry").mkdir(parents=True)
    return RandomStorage(_store(tmp_path), seed)


def _state(made: RandomStorage) -> set[str]:
    """All that is there: links, and content."""
    return {
        str(file.relative_to(made.storage.root))
        for name in ("link", "data")
        for file in made.storage.root.rglob(name)
        if file.is_file()
    }


def _must_stay(made: RandomStorage) -> set[str]:
    """The links of tags, of the manifests that they need, and what is needed itself."""
    needed = made.needed()[0]
    paths = {str(made.path(digest).relative_to(made.storage.root)) for digest in needed}
    return {
        path
        for path in _state(made)
        if path in paths
        or path.endswith("/current/link")
        or ("/revisions/" in path and path.split("/revisions/")[-1].removesuffix("/link").replace("/", ":") in needed)
    }


def _may_stay(made: RandomStorage) -> set[str]:
    return {str(made.path(digest).relative_to(made.storage.root)) for digest in made.needed()[1]}


def _run(host: FakeHost, *words: str) -> Ran:
    return host.run("collect-garbage", *words)


@pytest.mark.parametrize("seed", range(4))
def test_what_no_tag_needs_goes_and_nothing_else(tmp_path: Path, seed: int) -> None:
    """A dry run says what; another run finds nothing."""
    host, made = _host(tmp_path), _made(tmp_path, seed)
    before, stays = _state(made), _must_stay(made)
    dry = _run(host, "--dry-run")
    assert (dry.code, dry.err, _state(made)) == (0, "", before)
    done = _run(host)
    assert (done.code, done.err) == (0, "")
    left = _state(made)
    assert stays <= left
    assert {path for path in left if path.endswith("/data")} <= _may_stay(made)
    gone = {line.split()[1] for line in dry.out.splitlines() if line.startswith("blob ")}
    assert {path for path in before - left if path.startswith("blobs/")} == {
        str(made.path(digest).relative_to(made.storage.root)) for digest in gone
    }
    assert "nothing to remove" in _run(host).out


def test_more_than_the_share_is_not_removed(tmp_path: Path) -> None:
    """A run says where to look at what would go, a dry one has just shown it."""
    host, made = _host(tmp_path), _made(tmp_path, 0)
    (host.root / "gc.conf").write_text("delete_untagged=yes max_share=0 drain_seconds=1\n")
    before = _state(made)
    done, dry = _run(host), _run(host, "--dry-run")
    assert (done.code, dry.code, _state(made)) == (3, 3, before)
    assert done.err.endswith("nothing was removed. registry-gc --dry-run shows what; registry-gc --force does it\n")
    assert dry.err.endswith("gc.maxShare (0 %); a run without --force refuses that; registry-gc --force does it\n")
    assert "blob " in dry.out


@pytest.mark.parametrize(("name", "call"), list(_STEPS.items()))
def test_a_step_that_is_killed_removes_nothing_that_is_needed(tmp_path: Path, name: str, call: int) -> None:
    """The next run does the rest."""
    host, made = _host(tmp_path), _made(tmp_path, 3)
    stays = _must_stay(made)
    host.fails_at(name, call)
    _run(host)
    assert host.called(name) >= call
    assert stays <= _state(made)
    assert _run(host).code == 0
    assert stays <= _state(made)
    assert {path for path in _state(made) if path.endswith("/data")} <= _may_stay(made)
