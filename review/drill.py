"""Tries whether a stack's newest backup can be restored, on the stack's own host."""

from __future__ import annotations

import json

from review.cli import Stack
from review.host import way_to
from review.state import read

_SCRIPT = '/usr/local/bin/registryctl backup drill 2>&1 || echo "exit code $?"\n'
_SECONDS = 7000
_ENDED = "exit code "


def drill(stack: Stack) -> bool:
    """Restores the newest backup into a directory of its own, verifies it, and removes it; whether all was whole.

    Says what came of it, with time and size. Raises `RuntimeError` when the host can't be reached.
    """
    way = way_to(read(json.loads(stack.ask("stack", "export", "--show-secrets"))))
    said = way.run(_SCRIPT, _SECONDS).rstrip()
    print(stack.mask(said), flush=True)
    return not said.rpartition("\n")[2].startswith(_ENDED)
