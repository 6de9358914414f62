"""Who owns what on a host, and which files others can read."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.lab.host import LabHost

FORMAT = r"%y\t%m\t%u\t%g\t%U\t%G\t%p\0"


@dataclass(frozen=True)
class Entry:
    """One file, directory or link on a host."""

    path: str
    kind: str
    """`f` file, `d` directory, `l` link, else as `find -printf %y` says."""
    mode: int
    owner: str
    group: str
    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.kind} {self.mode:04o} {self.owner}({self.uid}):{self.group}({self.gid}) {self.path}"


def audit(host: LabHost, roots: Sequence[str], max_depth: int | None = None) -> list[Entry]:
    """All entries under `roots`, in the order of their paths; roots that don't exist are left out.

    `max_depth` bounds the descent below each root (0: the root alone).
    """
    depth = [] if max_depth is None else ["-maxdepth", str(max_depth)]
    argv = ["find", *roots, *depth, "-printf", FORMAT]
    done = host.run(argv, check=False)
    return _entries(done.stdout)


def readable_by_others(host: LabHost, roots: Sequence[str]) -> list[Entry]:
    """The files under `roots` that any user of the host can really read.

    A file with a readable mode below a directory that others can't enter is not one of them.
    """
    script = (
        'setpriv --reuid=65534 --regid=65534 --clear-groups find "$@" -type f -readable '
        f"-printf '{FORMAT}' 2>/dev/null || true"
    )
    done = host.run(["sh", "-c", script, "sh", *roots])
    return _entries(done.stdout)


def report(host: LabHost, roots: Sequence[str]) -> str:
    """The audit as text, one line per entry."""
    return "".join(f"{entry}\n" for entry in audit(host, roots))


def _entries(output: str) -> list[Entry]:
    entries = []
    for record in filter(None, output.split("\0")):
        kind, mode, owner, group, uid, gid, path = record.split("\t", 6)
        entries.append(Entry(path, kind, int(mode, 8), owner, group, int(uid), int(gid)))
    return sorted(entries, key=lambda entry: entry.path)
