"""Large storages, made fast, and what tools need for them.

`python -m tests.storage_oracle.size FOLDER TAGS` makes one.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.storage_oracle import places
from tests.storage_oracle.reading import OCI_MANIFEST

LAYERS = 8
"""Of each image, so that it has ten blobs with its manifest and its configuration."""
REPOSITORIES = 20
WASTE = 500
"""Untagged images, in storages of any size: what goes does not grow with what stays."""
WORKERS = 2
ROOT = Path(__file__).parents[2]


FILES_A_TAG = 45
"""Files and directories of each image of a large storage."""


def memory(files: int = 0) -> str | None:
    """A folder that costs no disk, where there is one that takes so many files."""
    folder = "/dev/shm"  # noqa: S108
    fits = os.access(folder, os.W_OK) and os.statvfs(folder).f_favail > files
    return folder if fits else None


def build(root: Path, tags: int, waste: int = WASTE) -> None:
    """A storage of `tags` tags and ten times as many blobs, and of `waste` untagged images beside."""
    root.mkdir(parents=True, exist_ok=True)
    # Content is the same everywhere, by hard links: no tool may have to read it.
    (root / "content").write_bytes(b"x")
    with ProcessPoolExecutor(WORKERS) as pool:
        for _ in pool.map(partial(_images, str(root), tags), _parts(tags + waste)):
            pass
    (root / "content").unlink()


def _parts(count: int) -> Iterator[range]:
    for first in range(0, count, 500):
        yield range(first, min(first + 500, count))


def _images(root: str, tags: int, numbers: range) -> None:
    for number in numbers:
        name = f"team-{number % 4}/app-{number % REPOSITORIES}"
        blobs = [f"sha256:{hashlib.sha256(f'{number}/{n}'.encode()).hexdigest()}" for n in range(LAYERS + 1)]
        for digest in blobs:
            _put(root, places.blob(digest), None)
            _put(root, places.layer(name, digest), digest.encode())
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": blobs[0], "size": 1},
            "layers": [
                {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": one, "size": 1}
                for one in blobs[1:]
            ],
        }
        content = json.dumps(document).encode()
        digest = places.sha256(content)
        _put(root, places.blob(digest), content)
        _put(root, places.revision(name, digest), digest.encode())
        if number < tags:
            _put(root, places.history(name, f"v{number}", digest), digest.encode())
            _put(root, places.current(name, f"v{number}"), digest.encode())


def _put(root: str, path: str, content: bytes | None) -> None:
    whole = f"{root}/{path}"
    os.makedirs(whole.rpartition("/")[0], exist_ok=True)  # noqa: PTH103 (millions of them)
    if content is None:
        try:
            os.link(f"{root}/content", whole)
        except OSError:
            # There are file systems with a limit of links to one file.
            content = b"x"
        else:
            return
    handle = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(handle, content)
    os.close(handle)


@dataclass(frozen=True)
class Cost:
    """What a run took."""

    seconds: float
    work: float
    """Seconds of processors, which other work on the machine does not make longer."""
    held: float
    """Seconds for which writes waited."""
    mebibytes: float
    """The most memory at any time."""
    blobs: int
    """How many went."""


_RUN = """
import json, re, sys, time
from pathlib import Path
from tests.storage_oracle import running
began = time.perf_counter()
outcome = running.clean_up(running.opened(sys.argv[1]), trash_days=int(sys.argv[2]))
# Not ru_maxrss, which begins with that of the process that started this one.
most = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps([time.perf_counter() - began, time.process_time(), outcome.held, most, len(outcome.plan.blobs)]))
"""


def clean_up_cost(root: Path, trash_days: int = 0, limit: float = 1800) -> Cost:
    """A clean-up in a process of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "rootfs/usr/local/lib/docker-registry")])
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(root), str(trash_days)],
        check=True,
        capture_output=True,
        timeout=limit,
        env={**os.environ, "PYTHONPATH": path},
        cwd=ROOT,
    )
    seconds, work, held, mebibytes, blobs = json.loads(done.stdout.splitlines()[-1])
    return Cost(seconds, work, held, mebibytes, blobs)


def main(argv: list[str]) -> int:
    """Makes a storage, cleans it, and prints what that took."""
    root, tags = Path(argv[0]), int(argv[1])
    began = time.monotonic()
    build(root, tags)
    print(f"{tags} tags: built in {time.monotonic() - began:.0f} s", flush=True)
    if len(argv) > 2:
        print(clean_up_cost(root), flush=True)
    print(f"the builder: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
