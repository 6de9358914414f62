"""What a benchmark stands on: a lab and a stack of its own, both of its name, which are gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.docker import release
from tests.lab.lab import Lab
from tests.lab.stack import LabStack


@contextmanager
def cleared(name: str) -> Iterator[None]:
    """Nothing of that name is there when it begins, nor after it, whatever happens between."""
    _clear(name)
    try:
        yield
    finally:
        _clear(name)
        release()


def _clear(name: str) -> None:
    stack = LabStack(name)
    if stack.config_file.exists():
        stack.remove()
    found = Lab.find(name)
    if found is not None:
        found.remove()
