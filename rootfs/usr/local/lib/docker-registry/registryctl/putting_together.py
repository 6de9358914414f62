"""Puts files that belong together in place: all are tested together before the first is put."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from registryctl import directories, ledger, putting
from registryctl.endings import ToolError

STAGE = "/run/docker-registry-new"
"""Where new files lie while they are tested; the rest of the name is the process that does so."""

RELOAD = "reload"
"""What nginx-reload holds while it is at work."""


@dataclass
class Bundle:
    """What came on standard input."""

    directories: list[str] = field(default_factory=list)
    """`MODE USER:GROUP PATH` each."""
    files: dict[str, tuple[str, str, bytes]] = field(default_factory=dict)
    """Path → mode, `user:group`, content."""


def put(words: list[str], name: str) -> int:
    """put-files --for ID [--verify COMMAND] [--then COMMAND].

    --verify and --then are as with put-file; --verify gets a directory in which each new file has its whole path. What
    ID had besides is removed. On standard input comes a head for each file, and its content; of a directory only a
    head, with - for its size:

      == PATH BYTES MODE USER:GROUP
      == end
    """
    options, _ = putting.options_of([*words, ""], {"for", "verify", "then"})
    bundle = read(sys.stdin.buffer.read())
    if bundle is None:
        raise ToolError(f"{name}: {options['for']}: the files did not arrive whole; nothing was changed")
    os.umask(0o077)
    _forget_stages()
    if "verify" in options and (code := _verify(bundle, options["verify"].split())):
        return code
    # A reload that another file asks for meanwhile would find some of them new and some old.
    held = putting.lock(name, RELOAD) if options.get("then", "").endswith("/nginx-reload") else None
    try:
        _place(bundle, name, options["for"])
    finally:
        if held is not None:
            os.close(held)
    return putting.run(options["then"].split()) if "then" in options else 0


def _place(bundle: Bundle, name: str, owner: str) -> None:
    directories.make(bundle.directories)
    for path, (mode, user, content) in bundle.files.items():
        putting.put_one(name, path, content, {"for": owner, "mode": mode, "owner": user})
    for path in ledger.paths_of(owner):
        if path not in bundle.files:
            putting.remove_one(path, owner)


def read(text: bytes) -> Bundle | None:
    """None where it is not whole."""
    found = Bundle()
    while True:
        head, end, text = text.partition(b"\n")
        match head.decode(errors="replace").split() if end else []:
            case ["==", "end"]:
                return found
            case ["==", path, "-", mode, owner]:
                found.directories.append(f"{mode} {owner} {path}")
            case ["==", path, size, mode, owner] if size.isdigit() and len(text) >= int(size):
                found.files[path] = (mode, owner, text[: int(size)])
                text = text[int(size) :]
            case _:
                return None


def _forget_stages() -> None:
    """Those of killed runs."""
    for left in Path(STAGE).parent.glob(f"{Path(STAGE).name}.*"):
        if not _lives(left.suffix[1:]):
            shutil.rmtree(left)


def _verify(bundle: Bundle, command: list[str]) -> int:
    stage = f"{STAGE}.{os.getpid()}"
    try:
        for path, (_, _, content) in bundle.files.items():
            target = Path(f"{stage}{path}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return putting.run([*command, stage])
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _lives(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    return True
