"""Python's own form of the tools' modules, beside them: with it a tool starts in half the time."""

from __future__ import annotations

import contextlib
import marshal
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

from registryctl import durable

_PACKAGE = Path(__file__).parent
# A pyc whose hash Python compares with its module's at each start (PEP 552).
_CHECKED_HASH = (3).to_bytes(4, "little")


def compile_modules(package: Path = _PACKAGE) -> None:
    """Compiles all modules; where there is no room for that, tools start as they did.

    One of another module, or of another Python, is never used.
    """
    with contextlib.suppress(OSError):
        for folder in sorted({module.parent for module in package.rglob("*.py")}):
            compiled = folder / "__pycache__"
            compiled.mkdir(exist_ok=True)
            compiled.chmod(0o755)
            for module in folder.glob("*.py"):
                # Somebody else's may be none.
                with contextlib.suppress(SyntaxError, ValueError):
                    _compile(module)
            durable.sync(compiled)


def _compile(module: Path) -> None:
    source = module.read_bytes()
    code = marshal.dumps(compile(source, str(module), "exec", dont_inherit=True))
    # Python trusts what has the right head: half of one would keep each tool from starting. py_compile may put half of
    # one in place where the disk is full, and does not wait until it is on the disk.
    head = MAGIC_NUMBER + _CHECKED_HASH + source_hash(source)
    durable.replace(cache_from_source(str(module)), head + code, 0o644)
