"""Looking for secrets in places where they must not be."""

import base64
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.docker import environment
from tests.lab.host import LabHost

OVER = "/run/processes-are-no-longer-watched"

SAMPLER = f"""
rm -f {OVER}
while [ ! -e {OVER} ]; do
    cat /proc/[0-9]*/cmdline 2>/dev/null
    find /proc -maxdepth 2 -path '/proc/[0-9]*/environ' ! -user root -exec cat {{}} + 2>/dev/null
    sleep 0.05
done
"""
"""Prints, again and again, what any user sees of the host's processes, and the environment of those not root's."""

SAMPLE_SECONDS = 0.05
END_SECONDS = 30

PIECE = 32
"""Characters of a key's line that are looked for: so many stay together however the key is wrapped."""


@dataclass(frozen=True)
class Needles:
    """Secrets, and the forms in which they could be found: name of the secret → forms."""

    forms: Mapping[str, frozenset[bytes]] = field(repr=False)

    @classmethod
    def of(cls, secrets: Mapping[str, str]) -> "Needles":
        """The needles of texts, or of PEM keys (each line of which is one)."""
        return cls({name: frozenset(_forms(secret)) for name, secret in secrets.items()})

    def found_in(self, haystack: bytes | str) -> list[str]:
        """The names of the secrets that `haystack` has in some form."""
        data = haystack.encode(errors="replace") if isinstance(haystack, str) else haystack
        return sorted(name for name, forms in self.forms.items() if any(form in data for form in forms))

    def found_below(self, folder: Path, *, since: float, but: Iterable[str] = ()) -> dict[str, list[str]]:
        """The files below `folder`, written `since` then, that have a secret; its subfolders `but` are left out."""
        skipped = {folder / name for name in but}
        files = [path for path in folder.rglob("*") if path.is_file() and not skipped.intersection(path.parents)]
        hits = {str(path): self._found_in_file(path, since) for path in files}
        return {path: names for path, names in hits.items() if names}

    def _found_in_file(self, path: Path, since: float) -> list[str]:
        # Another test process may remove what is its own.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime >= since:
                return self.found_in(path.read_bytes())
        return []

    def found_in_files(self, host: LabHost, paths: Iterable[str]) -> list[str]:
        """Those of the files `paths` of `host` that have a secret."""
        patterns = b"\n".join(form for forms in self.forms.values() for form in forms).decode()
        listed = list(paths)
        if not listed:
            return []
        done = host.run(["grep", "-laF", "-f", "-", "--", *listed], stdin=patterns + "\n", check=False, private=True)
        return done.stdout.splitlines()


def _forms(secret: str) -> Iterator[bytes]:
    lines = secret.strip().splitlines()
    if len(lines) == 1:
        yield from _with_base64(secret)
        return
    # The first half of a key names its kind and has the public part, which is no secret; the last line is a mark.
    for line in lines[len(lines) // 2 : -1]:
        for piece in (line[:PIECE], line[PIECE : 2 * PIECE]):
            if len(piece) == PIECE:
                yield from _with_base64(piece)


def _with_base64(text: str) -> Iterator[bytes]:
    """`text`, and what base64 makes of it wherever it stands in the encoded text, without the edges."""
    data = text.encode()
    yield data
    for before in range(3):
        yield base64.b64encode(b"\0" * before + data)[4:-4]


@contextmanager
def watched_processes(host: LabHost) -> Iterator[set[bytes]]:
    """Collect, until the end of the block, the words of all command lines on `host` and on this machine."""
    over = threading.Event()
    seen: set[bytes] = set()
    local = threading.Thread(target=_watch_this_machine, args=(over, seen), daemon=True)
    argv = ["docker", "exec", host.container, "sh", "-c", SAMPLER]
    with tempfile.TemporaryFile() as record:
        remote = subprocess.Popen(argv, stdout=record, stderr=subprocess.DEVNULL, env=environment())
        local.start()
        try:
            yield seen
        finally:
            over.set()
            local.join(END_SECONDS)
            host.run(["touch", OVER])
            remote.wait(END_SECONDS)
        record.seek(0)
        seen.update(record.read().split(b"\0"))


def _watch_this_machine(over: threading.Event, seen: set[bytes]) -> None:
    while not over.wait(SAMPLE_SECONDS):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.update(path.read_bytes().split(b"\0"))
            except OSError:
                continue
