"""Puts files in place and takes them away again, and never over somebody else's work.

Each file is a process of its own, and there are dozens in a row: so nothing is loaded here that takes long.
"""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import sys
import time

from registryctl import durable, ledger
from registryctl.endings import ToolError, UsageError

# Not /run/lock: there everybody may make files, and hold their locks.
_LOCKS = "/run/docker-registry-locks"
_SECONDS = 300
_POLL = 0.05


def put(words: list[str], name: str) -> int:
    """put-file --for ID --size BYTES --mode MODE --owner USER:GROUP [--verify COMMAND] [--then COMMAND] PATH.

    The content comes on standard input.

    --for     who manages the file; remove-file takes it away only for the same ID
    --size    the number of bytes that must arrive: a connection that breaks halfway must not install half a file
    --verify  run with the path of the new file appended, before it replaces the old one; a failure changes nothing
    --then    run once the file is in place, also when it was there already: a run killed in between is made good
    """
    options, path = options_of(words, {"for", "size", "mode", "owner", "verify", "then"})
    # Read before taking the lock: a run whose connection died silently may wait here for hours.
    content = sys.stdin.buffer.read()
    if len(content) != int(options["size"]):
        raise ToolError(f"{name}: {path}: {len(content)} of {options['size']} bytes arrived; nothing was changed")
    os.umask(0o077)
    if code := put_one(name, path, content, options):
        return code
    return run(options["then"].split()) if "then" in options else 0


def put_one(name: str, path: str, content: bytes, options: dict[str, str]) -> int:
    """Puts one file in place, with the options `for`, `mode`, `owner`, and `verify`, whose exit code it returns."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    held = lock(name, path)
    directory, base = os.path.split(path)
    new = f"{directory}/.{base}.new~"
    try:
        durable.write(new, content, int(options["mode"], 8), ids(options["owner"]))
        if "verify" in options and (code := run([*options["verify"].split(), new])):
            return code
        _place(new, path, options["for"])
    finally:
        _remove(new)
        os.close(held)
    return 0


def remove(words: list[str], name: str) -> int:
    """remove-file --for ID PATH: a file that somebody changed since is kept beside instead."""
    options, path = options_of(words, {"for"})
    remove_one(path, options["for"])
    return 0


def remove_one(path: str, owner: str) -> None:
    """Removes a file, if it is that owner's."""
    entry = ledger.Entry(path)
    # Taken over by another resource since (a renamed one, or one over another connection): no longer ours to remove.
    if entry.owner != owner:
        return
    if os.path.exists(path):
        if ledger.digest(path) in entry.digests:
            _remove(path)
        else:
            kept = _beside(path)
            os.rename(path, kept)
            print(f"{path} was changed on the host: kept as {kept}", file=sys.stderr)
    entry.forget()
    _remove_if_empty("/etc/docker-registry")


def _remove_if_empty(directory: str) -> None:
    """Of the directories, the one alone that is made for files of ours."""
    try:
        os.rmdir(directory)
    except OSError:
        return


def options_of(words: list[str], known: set[str]) -> tuple[dict[str, str], str]:
    """The options of a tool, and the path that follows them. Raises `UsageError`."""
    *pairs, path = words
    options = {word.removeprefix("--"): value for word, value in zip(pairs[::2], pairs[1::2], strict=False)}
    if unknown := set(options) - known:
        raise UsageError(f"unknown option --{min(unknown)}")
    return options, path


def lock(name: str, path: str) -> int:
    """Nobody else has what is called so, until what is returned is closed."""
    os.makedirs(_LOCKS, mode=0o700, exist_ok=True)
    descriptor = os.open(f"{_LOCKS}/{ledger.entry_name(path)}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + _SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > end:
                raise ToolError(
                    f"{name}: {path}: another run has been at it for 5 minutes; nothing was changed"
                ) from None
        time.sleep(_POLL)


def ids(owner: str) -> tuple[int, int]:
    """The numbers of `user:group`, of which each may be a number already."""
    user, _, group = owner.partition(":")
    return (
        int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid,
        int(group) if group.isdigit() else grp.getgrnam(group).gr_gid,
    )


def _place(new: str, path: str, owner: str) -> None:
    entry, wanted = ledger.Entry(path), ledger.digest(new)
    if os.path.exists(path):
        found = ledger.digest(path)
        if found != wanted and found not in entry.digests:
            backup = _beside(path)
            _remove(backup)
            _copy(path, backup)
            print(f"{path} was there before and differs: kept as {backup}", file=sys.stderr)
    # Until the rename is done both digests are ours: wherever this is killed, the next run knows the file.
    entry.write(owner, [wanted, *entry.digests])
    os.replace(new, path)
    durable.sync(os.path.dirname(path))
    entry.write(owner, [wanted])


def _copy(path: str, backup: str) -> None:
    import shutil  # noqa: PLC0415 - it takes long, and is seldom needed

    shutil.copy2(path, backup)
    found = os.stat(path)
    os.chown(backup, found.st_uid, found.st_gid)


def _beside(path: str) -> str:
    """A name whose end keeps it out of conf.d, logrotate.d, cron.d and systemd."""
    return f"{path}.{time.strftime('%Y%m%d-%H%M%S')}~"


def _remove(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)


def run(words: list[str]) -> int:
    """Runs a command; its exit code."""
    return os.spawnvp(os.P_WAIT, words[0], words)  # noqa: S606 - the program's own words
