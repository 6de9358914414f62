"""How many examples a property is tried with: few in each run, all of them with `EXAMPLES=all` (`make test-all`)."""

import os

ALL = os.environ.get("EXAMPLES") == "all"


def examples(few: int, many: int) -> int:
    """Give the number of examples of this run."""
    return many if ALL else few
