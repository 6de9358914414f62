"""How many faults in `components/` and `config/` the unit tests would notice: `make mutation`.

mutmut changes the code in some thousand ways, one at a time, and runs the tests that reach the change. All of them take
hours; a sample, drawn by a fixed seed from all, takes minutes, and says how good the guess is. `SAMPLE=all` takes all.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MUTANTS = ROOT / "mutants"
SEED = 20261124
SAMPLE = 250
LEAST = 0.8
"""The share that must be noticed."""

NOT_RUN, SURVIVED, UNTESTED = None, 0, 33


def main() -> int:
    """Draw, run, and print the score with every survivor; the exit code is 1 below the least score."""
    _mutmut("a mutant that does not exist")
    every = sorted(_results())
    wanted = os.environ.get("SAMPLE", str(SAMPLE))
    drawn = every if wanted == "all" else random.Random(SEED).sample(every, min(int(wanted), len(every)))  # noqa: S311
    _mutmut(*drawn)
    codes = {name: code for name, code in _results().items() if name in set(drawn)}
    left = sorted(name for name, code in codes.items() if code in (SURVIVED, UNTESTED))
    missed = [name for name, code in codes.items() if code is NOT_RUN]
    for name in left:
        print(f"\n{name}{' (no test reaches it)' if codes[name] == UNTESTED else ''}\n{_difference(name)}")
    killed = len(codes) - len(left) - len(missed)
    score = killed / (killed + len(left))
    error = 1.96 * math.sqrt(score * (1 - score) / (killed + len(left)))
    print(f"\n{killed} of {killed + len(left)} noticed: {score:.1%} (± {error:.1%}), of {len(every)} there are")
    if missed:
        print(f"{len(missed)} were not run")
    return 0 if score >= LEAST and not missed else 1


def _mutmut(*names: str) -> None:
    argv = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(os.cpu_count() or 2), *names]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if not (MUTANTS / "mutmut-stats.json").exists():
        raise SystemExit(
            "the tests must pass before the code is changed:\n" + done.stdout[-3000:] + done.stderr[-3000:]
        )


def _results() -> dict[str, int | None]:
    """The exit code of each mutant's tests, by its name."""
    found: dict[str, int | None] = {}
    for path in MUTANTS.rglob("*.meta"):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def _difference(name: str) -> str:
    argv = [str(Path(sys.executable).with_name("mutmut")), "show", name]
    shown = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return "\n".join(line for line in shown.splitlines() if re.match(r"[-+](?![-+]{2} )", line))


if __name__ == "__main__":
    sys.exit(main())
