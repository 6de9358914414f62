"""`python -m tests.storage_oracle [FIRST] [COUNT] [objects]`: tries that many seeds, with progress; exit 1: wrong."""

from __future__ import annotations

import sys
import time

from tests.storage_oracle.trials import try_all

ALL = 20_000


def main(argv: list[str]) -> int:
    """Prints each seed at which something is wrong."""
    first = int(argv[0]) if argv else 0
    count = int(argv[1]) if len(argv) > 1 else ALL
    kind = argv[2] if len(argv) > 2 else "files"
    began, wrong = time.monotonic(), 0
    for done, (seed, found) in enumerate(try_all(range(first, first + count), kind=kind), 1):
        if found:
            wrong += 1
            print(f"seed {seed}:", *found, sep="\n  ", flush=True)
        if done % 1000 == 0 or done == count:
            print(f"{done} of {count} storages, {wrong} wrong, {time.monotonic() - began:.0f} s", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
