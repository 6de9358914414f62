"""How many faults in `components/` and `config/` the unit tests would notice: `make mutation`.

mutmut writes the code anew with some thousand faults, of which one at a time is awake. All of them take hours; they are
tried here in an order drawn by a fixed seed, for some minutes, so that the share that is noticed is an honest guess at
that of all, with its error. A fault is tried by the tests of its module, the nearest first.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
MUTANTS = ROOT / "mutants"
SEED = 20261124
MINUTES = 20.0
MOST_SECONDS = 300
"""A fault that makes the tests run longer than this is noticed."""
LEAST = 0.8
"""The share that must be noticed."""

UNIT = "tests/unit"
WIDE = ("test_program.py", "test_outputs.py", "test_secrets_stay_secret.py")
"""Tests of the whole program, which the snapshot of the example comes before."""


def main() -> int:
    """Try faults until the time is over, and print each that no test noticed; the exit code is 1 below the least."""
    faults = _faults()
    random.Random(SEED).shuffle(faults)  # noqa: S311 - nothing to keep from anybody
    _load()
    _expect_success_without_a_fault(faults)
    end = time.monotonic() + 60 * float(os.environ.get("MINUTES", MINUTES))
    noticed = _try(faults, end)
    for name in [name for name in faults if noticed.get(name) is False]:
        print(f"\n{name}\n{_difference(name)}")
    if not noticed:
        raise SystemExit("there was no time for a single one")
    share = sum(noticed.values()) / len(noticed)
    error = 1.96 * math.sqrt(share * (1 - share) / len(noticed))
    print(
        f"\n{sum(noticed.values())} of {len(noticed)} noticed: {share:.1%} (± {error:.1%}), of {len(faults)} there are"
    )
    return 0 if share >= LEAST else 1


def _faults() -> list[str]:
    """The names of all faults, written by mutmut, in alphabetical order. The tests it runs besides are few."""
    argv = [str(Path(sys.executable).with_name("mutmut")), "run", "none of them"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    found: set[str] = set()
    for path in MUTANTS.rglob("*.meta"):
        found |= json.loads(path.read_text())["exit_code_by_key"].keys()
    if not found:
        raise SystemExit(f"mutmut made nothing:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return sorted(found)


def _load() -> None:
    """What takes long to load and is not changed is loaded once, before the processes part."""
    import pulumi_command  # noqa: F401, PLC0415
    import pulumi_docker  # noqa: F401, PLC0415
    import pytest  # noqa: F401, PLC0415


def _expect_success_without_a_fault(faults: list[str]) -> None:
    """All tests that any fault is tried by pass when none is awake: or every fault would seem to be noticed."""
    tests = sorted({test for name in faults for test in _tests(name)})
    _, status = os.waitpid(_start("none", tests), 0)
    if status != 0:
        raise SystemExit(f"the tests fail without a fault; see: cd {MUTANTS} && pytest -x {' '.join(tests)}")


def _try(faults: list[str], end: float) -> dict[str, bool]:
    """Whether each was noticed. Those that were not at their end when the time was over count for nothing."""
    waiting, running = list(reversed(faults)), dict[int, tuple[str, float]]()
    noticed: dict[str, bool] = {}
    while time.monotonic() < end and (waiting or running):
        while waiting and len(running) < (os.cpu_count() or 1):
            name = waiting.pop()
            running[_start(name, _tests(name))] = (name, time.monotonic())
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            name, _ = running.pop(pid)
            noticed[name] = status != 0
            continue
        for late in [pid for pid, (_, start) in running.items() if time.monotonic() - start > MOST_SECONDS]:
            os.kill(late, signal.SIGKILL)
        time.sleep(0.05)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return noticed


def _start(name: str, tests: list[str]) -> int:
    """A process in which one fault is awake; it ends with 0 when all these tests pass."""
    if pid := os.fork():
        return pid
    import pytest  # noqa: PLC0415

    os.chdir(MUTANTS)
    # The tests and what they test are those beside the faults.
    sys.path[:] = [str(MUTANTS), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
    for module in [module for module in sys.modules if module.partition(".")[0] in ("tests", "config", "components")]:
        del sys.modules[module]
    os.environ["MUTANT_UNDER_TEST"] = name
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:warnings", "-m", "not e2e", *tests])
    os._exit(0 if code == 0 else 1)


def _tests(name: str) -> list[str]:
    """The test files for a fault in `package.module.function`, the nearest first."""
    package, module, *_ = name.split(".")
    if package == "config":
        near = [path for path in sorted((ROOT / UNIT / "config").glob("test_*.py")) if module in path.stem]
        return [*(f"{UNIT}/config/{path.name}" for path in near), f"{UNIT}/config", f"{UNIT}/test_snapshot.py"]
    own = sorted(path.name for path in (ROOT / UNIT).glob(f"test_{module}*.py"))
    wide = [test for test in WIDE if test not in own]
    return [f"{UNIT}/{test}" for test in ["test_snapshot.py", *own, *wide]]


def _difference(name: str) -> str:
    argv = [str(Path(sys.executable).with_name("mutmut")), "show", name]
    shown = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return "\n".join(line for line in shown.splitlines() if re.match(r"[-+](?![-+]{2} )", line))


if __name__ == "__main__":
    sys.exit(main())
