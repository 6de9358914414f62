"""What a clean-up of a large storage takes, beside Distribution's own collector, as long as that ends.

Both work on the files alone, without a host around them, as these are too many to be pushed.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.measure import Ratio, Series, Table, series
from bench.promises import ratio
from tests.lab import gotools
from tests.lab.log import step
from tests.storage_oracle.size import FILES_A_TAG, Cost, build, clean_up_cost, memory

SIZES = (1_000, 10_000, 30_000, 100_000)
OURS, THEIRS = "registry-gc", "garbage-collect --delete-untagged"
COLLECTOR_SECONDS = 300
"""Where Distribution's collector has not ended, it is stopped, and larger storages are not tried."""
MOST_MEBIBYTES = 512
SHORT = 0.1
"""What writes wait for less than this is noise."""

Result = TypeVar("Result")

_CONFIG = "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {root}}}}}\nhttp: {{addr: 127.0.0.1:0}}\n"


@dataclass(frozen=True)
class Found:
    """What was measured at each size."""

    ours: Mapping[int, Cost]
    theirs: Mapping[int, tuple[float, float]]
    """Seconds and MiB, where it ended."""


def measure() -> Found:
    """Each size once: a storage is made, cleaned by one, made again and cleaned by the other."""
    ours: dict[int, Cost] = {}
    theirs: dict[int, tuple[float, float]] = {}
    for size in SIZES:
        with step(f"bench: a storage of {size} tags and {size * 10} blobs"):
            ours[size] = _on_a_storage(size, clean_up_cost)
        if len(theirs) == SIZES.index(size):
            cost = _on_a_storage(size, _collect)
            if cost is not None:
                theirs[size] = cost
    return Found(ours, theirs)


def tables(found: Found) -> tuple[Table, ...]:
    """Time, memory, and for how long writes waited."""
    sizes = tuple(f"{size:,} tags, s" for size in SIZES)
    memories = tuple(f"{size:,} tags, MiB" for size in SIZES)
    return (
        Table(
            "Clean-up of a large storage",
            sizes,
            {
                OURS: tuple(series([found.ours[size].seconds]) for size in SIZES),
                "of that, processors at work": tuple(series([found.ours[size].work]) for size in SIZES),
                "of that, writes wait": tuple(series([found.ours[size].held]) for size in SIZES),
                THEIRS: tuple(_theirs(found, size, 0) for size in SIZES),
            },
            note="Ten blobs a tag, all images different, in 20 repositories; 500 images have no tag and go, whatever "
            "the size. In memory, without a host around. Beside Distribution's own collector, for all of whose time "
            f"writes have to wait; where there is no figure it had not ended after {COLLECTOR_SECONDS} s.",
        ),
        Table(
            "Memory of that",
            memories,
            {
                OURS: tuple(series([found.ours[size].mebibytes]) for size in SIZES),
                THEIRS: tuple(_theirs(found, size, 1) for size in SIZES),
            },
        ),
    )


def promised(found: Found) -> tuple[Ratio, ...]:
    """The time is linear, memory has a bound, and the hold does not grow."""
    before, last = SIZES[-2:]
    ours = found.ours
    return (
        ratio("collection_growth", (ours[last].work / last) / (ours[before].work / before)),
        ratio("collection_memory", ours[last].mebibytes / MOST_MEBIBYTES),
        ratio("collection_hold_growth", max(ours[last].held, SHORT) / max(ours[before].held, SHORT)),
    )


def _theirs(found: Found, size: int, which: int) -> Series | None:
    return series([found.theirs[size][which]]) if size in found.theirs else None


def _on_a_storage(size: int, act: Callable[[Path], Result]) -> Result:
    root = Path(tempfile.mkdtemp(prefix="registry-size-", dir=memory(size * FILES_A_TAG)))
    try:
        build(root, size)
        return act(root)
    finally:
        shutil.rmtree(root)


def _collect(root: Path) -> tuple[float, float] | None:
    """Distribution's collector; None where it does not end in time."""
    config = root / "config.yml"
    config.write_text(_CONFIG.format(root=root))
    argv = [str(gotools.build("registry")), "garbage-collect", "--delete-untagged", "--quiet", str(config)]
    began = time.perf_counter()
    process = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    )
    try:
        while time.perf_counter() - began < COLLECTOR_SECONDS:
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
            if ended:
                process.returncode = os.waitstatus_to_exitcode(status)
                return (time.perf_counter() - began, _mebibytes(used)) if process.returncode == 0 else None
            time.sleep(0.02)
        return None
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


def _mebibytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1024
