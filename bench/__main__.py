"""`python -m bench [PART…]`: measures, prints and writes `bench/results/`; 1 when a promised ratio is not kept."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from bench import figures
from bench.measure import Part
from bench.report import markdown, write
from tests.lab.lab import default_name
from tests.lab.locks import locked
from tests.lab.log import say
from tests.lab.run import LabError

PARTS = ("deploying", "serving", "earlier", "first", "metrics", "mirrors", "objects", "buckets", "growth")


def main(names: Sequence[str]) -> int:
    """Runs the parts, all without names."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        say(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
        return 2
    try:
        with locked(f"command-{default_name()}-bench", wait=False):
            found = [_run(name) for name in names or PARTS]
        figures.main()
    except LabError as error:
        say(f"\nbench: {error}")
        return 1
    return 0 if all(found) else 1


def _run(name: str) -> bool:
    part: Part = importlib.import_module(f"bench.{name}").run()
    write(part)
    print("\n\n".join(markdown(table) for table in part.tables) + "\n")
    for ratio in part.ratios:
        print(ratio)
    return all(ratio.kept for ratio in part.ratios)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
