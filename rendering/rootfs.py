"""The tree `rootfs/` mirrors the host's own paths; this module turns a file of the tree into a file for a host."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TREE = Path(__file__).parent.parent / "rootfs"

TOOLS = "/usr/local/lib/docker-registry"
"""Where the host's tools lie."""

PACKAGE = f"{TOOLS}/registryctl"
"""Where the modules of `registryctl` lie, which the tools of this name import."""

COMMANDS = "/usr/local/bin"
"""Where the tools lie that people call by name."""

# What lies below this folder of the tree lands below the stack's `storage.root`.
_DATA = "/var/opt"

_environment = Environment(
    loader=FileSystemLoader(TREE),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    # Configuration files and scripts, not HTML.
    autoescape=False,  # noqa: S701
)


@dataclass(frozen=True)
class HostFile:
    """A file as it will be on the host: its absolute path there and its whole content."""

    path: str
    content: str


def render(path: str, *, root: str = _DATA, **context: object) -> HostFile:
    """The file whose default place on a host is `path`, filled in from `context`.

    `root` is the stack's storage root, which takes the place of `/var/opt`.

    Raises `FileNotFoundError` when the tree has no such file, and Jinja's `UndefinedError` when the
    template names something `context` lacks.
    """
    source = TREE / path.lstrip("/")
    if source.is_file():
        content = source.read_text()
    elif source.with_name(source.name + ".j2").is_file():
        content = _environment.get_template(path.lstrip("/") + ".j2").render(root=root, **context)
    else:
        raise FileNotFoundError(f"rootfs has no {path}")
    return HostFile(path=on_host(path, root), content=content)


def fingerprint(text: str, length: int = 12) -> str:
    """A short mark that changes with the text: `length` hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def on_host(path: str, root: str) -> str:
    """Where a path of the tree lies on a host whose storage root is `root`."""
    return root + path.removeprefix(_DATA) if path.startswith(_DATA + "/") else path


def tools() -> list[str]:
    """The paths of the host's tools, sorted: those that people call by name, those that they don't, and modules."""
    searches = ((TOOLS, "*"), (PACKAGE, "**/*.py"), (COMMANDS, "*"))
    found = (file for folder, names in searches for file in (TREE / folder[1:]).glob(names) if file.is_file())
    return sorted(f"/{file.relative_to(TREE)}" for file in found)


def packages() -> list[str]:
    """The directories of modules, an inner one before the one that it lies in."""
    return sorted({path.rpartition("/")[0] for path in tools() if path.endswith(".py")}, reverse=True)
