"""As much of restic as registryctl uses, fast: a snapshot is a copy of its files. Tests hold it against restic."""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

from registryctl.restic import Answer, Restic

REPOSITORY = Path()


def fail(text: str) -> NoReturn:
    print(f"Fatal: {text}", file=sys.stderr)
    raise SystemExit(1)


def opened() -> None:
    if not (REPOSITORY / "config").exists():
        fail(
            f"unable to open config file: no such file\nIs there a repository at the following location?\n{REPOSITORY}"
        )
    if (REPOSITORY / "config").read_text() != os.environ["RESTIC_PASSWORD"]:
        fail("wrong password or no key found")


def snapshots(options: argparse.Namespace) -> list[dict[str, Any]]:
    found = [json.loads(file.read_text()) for file in (REPOSITORY / "snapshots").iterdir()]
    wanted = set(options.tag.split(",")) if options.tag else set()
    return sorted(
        (one for one in found if wanted <= set(one["tags"]) and (not options.host or one["hostname"] == options.host)),
        key=lambda its: (its["time"], its["made"]),
    )


def excluded(path: Path, patterns: list[str]) -> bool:
    parts = path.parts
    for pattern in patterns:
        words = pattern.split("/")
        for first in range(len(parts) - len(words) + 1):
            if all(fnmatch.fnmatchcase(part, word) for part, word in zip(parts[first:], words, strict=False)):
                return True
    return False


def backup(options: argparse.Namespace) -> None:
    name = uuid.uuid4().hex * 2
    tree, files, size = REPOSITORY / "trees" / name, 0, 0
    for target in options.words:
        above = Path()
        for part in Path(target).parts[:-1]:
            above /= part
            (tree / above).mkdir(parents=True, exist_ok=True)
            (tree / above).chmod(above.stat().st_mode & 0o7777)
        for source in (Path(target), *sorted(Path(target).rglob("*"))):
            if excluded(Path.cwd() / source, options.exclude) or not os.path.lexists(source):
                continue
            copy = tree / source
            if source.is_dir() and not source.is_symlink():
                copy.mkdir(parents=True, exist_ok=True)
                shutil.copystat(source, copy)
            elif copy.parent.exists():
                shutil.copy2(source, copy, follow_symlinks=False)
                files, size = files + 1, size + source.lstat().st_size
    when = datetime.strptime(options.time, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    one = {
        "id": name,
        "time": when.isoformat(),
        "made": time.time_ns(),
        "hostname": options.host,
        "tags": options.tag.split(","),
    }
    (REPOSITORY / "snapshots" / name).write_text(json.dumps(one))
    said = {"snapshot_id": name[:8], "total_files_processed": files, "total_bytes_processed": size, "data_added": size}
    print(json.dumps({"message_type": "summary", **said}))


def tree_of(snapshot: str) -> Path:
    (found,) = (REPOSITORY / "trees").glob(f"{snapshot}*")
    return found


def restore(options: argparse.Namespace) -> None:
    tree = tree_of(options.words[0])
    for source in sorted(tree.rglob("*")):
        path = f"/{source.relative_to(tree)}"
        if options.include and not any(
            path == one or path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in options.include
        ):
            continue
        copy = Path(options.target) / source.relative_to(tree)
        if source.is_dir() and not source.is_symlink():
            copy.mkdir(parents=True, exist_ok=True)
            shutil.copystat(source, copy)
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)


def ls(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    tree = tree_of(options.words[0])
    for source in sorted(tree.rglob("*")):
        if f"/{source.relative_to(tree)}".startswith(options.words[1]):
            kind = "dir" if source.is_dir() else "file"
            yield {"path": f"/{source.relative_to(tree)}", "type": kind, "size": source.stat().st_size}


def forget(options: argparse.Namespace) -> None:
    if not options.dry_run:
        for name in options.words:
            (found,) = (REPOSITORY / "snapshots").glob(f"{name}*")
            found.unlink()
            shutil.rmtree(REPOSITORY / "trees" / found.name)
        return
    there = snapshots(options)
    last = options.keep_last or len(there)
    print(json.dumps([{"keep": there[-last:], "remove": there[:-last]}]))


def parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", action="append")
    for flag in ("--json", "--quiet", "--dry-run", "--force", "--no-scan", "--read-data", "--recursive"):
        parser.add_argument(flag, action="store_true")
    for option in ("--host", "--time", "--tag", "--parent", "--target", "--group-by", "--read-data-subset"):
        parser.add_argument(option)
    for option in ("--exclude", "--include"):
        parser.add_argument(option, action="append", default=[])
    parser.add_argument("--keep-last", type=int)
    parser.add_argument("act")
    parser.add_argument("words", nargs="*")
    return parser.parse_intermixed_args(list(words))


def act(words: Sequence[str]) -> None:
    """What restic would do."""
    options = parsed(words)
    if options.act == "init":
        for folder in ("snapshots", "trees"):
            (REPOSITORY / folder).mkdir(parents=True)
        (REPOSITORY / "config").write_text(os.environ["RESTIC_PASSWORD"])
        return
    opened()
    if options.act == "snapshots":
        print(json.dumps(snapshots(options)))
    elif options.act == "ls":
        for one in ls(options):
            print(json.dumps(one))
    elif options.act == "dump":
        file = tree_of(options.words[0]) / options.words[1].lstrip("/")
        if not file.is_file():
            fail(f'cannot dump file: path "{options.words[1]}" not found in snapshot')
        sys.stdout.write(file.read_text())
    elif options.act in {"backup", "restore", "forget"}:
        {"backup": backup, "restore": restore, "forget": forget}[options.act](options)


class FakeRestic(Restic):
    """restic without a process."""

    def lines(self, *words: str) -> Iterator[dict[str, Any]]:
        """See `Restic`."""
        yield from map(json.loads, self.run("--json", *words).out.splitlines())

    def _run(self, words: Sequence[str], cwd: Path | None) -> Answer:
        global REPOSITORY  # noqa: PLW0603 - one at a time
        REPOSITORY = Path(self.repository.environment["RESTIC_REPOSITORY"])
        out, err, code, before = StringIO(), StringIO(), 0, Path.cwd()
        with redirect_stdout(out), redirect_stderr(err), mock.patch.dict(os.environ, self.repository.environment):
            os.chdir(cwd or before)
            try:
                act(words)
            except SystemExit as end:
                code = int(end.code or 0)
            finally:
                os.chdir(before)
        return Answer(code, out.getvalue(), err.getvalue())
