"""Where the lab keeps what it builds and what it writes.

Things that are slow to make and the same for every checkout live in the user's cache folder. Things that
belong to one checkout (keys, logs, stack states) live in `.lab/` inside it.
"""

import os
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout this lab belongs to."""

LAB_SOURCES = Path(__file__).resolve().parent

LOG_BYTES = 20_000_000
"""A log file larger than this becomes `.log.old` before the next command writes to it."""


def private_directory(path: Path) -> Path:
    """Make `path`, and what is missing of the way to it, for this user alone and return it."""
    if not path.is_dir():
        private_directory(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def cache_dir(*parts: str) -> Path:
    """A folder for reusable build results, shared by all checkouts of this user."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return private_directory(base.joinpath("docker-registry-lab", *parts))


def run_dir(*parts: str) -> Path:
    """A folder of this checkout's lab."""
    return private_directory(ROOT.joinpath(".lab", *parts))


def log_file(name: str) -> Path:
    """The file that takes the full output of the commands of one step."""
    path = run_dir("logs") / f"{name}.log"
    # Another process may do the same.
    with suppress(FileNotFoundError):
        if path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.old"))
    path.touch(mode=0o600)
    return path


def write_private(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """Write a file that never is readable by others, not even while it is being written."""
    private_directory(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    data = content.encode() if isinstance(content, str) else content
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(data)
    temporary.replace(path)
    return path
