"""How many faults in the code the tests would notice: `make mutation`, `make mutation PACKAGE=registryctl`.

mutmut writes the code anew with some thousand faults, of which one at a time is awake. All of them take hours; they are
tried here in an order drawn by a fixed seed, for some minutes, so that the share that is noticed is an honest guess at
that of all, with its error. A fault is tried by the tests of its module, the nearest first.
"""

from __future__ import annotations

import math
import os
import random
import signal
import sys
import time
from collections import Counter

from tests.mutation.program import Program
from tests.mutation.registryctl import Registryctl
from tests.mutation.subject import ROOT, Bound, Subject

SEED = 20261124
MINUTES = 20.0
MOST_SECONDS = 300
"""A fault that makes the tests run longer than this is noticed."""


def main() -> int:
    """Try faults until the time is over, and print each that no test noticed; the exit code is 1 below the least."""
    subjects: dict[str, type[Subject]] = {"program": Program, "registryctl": Registryctl}
    subject = subjects[os.environ.get("PACKAGE") or "program"]()
    faults = subject.faults()
    random.Random(SEED).shuffle(faults)  # noqa: S311 - nothing to keep from anybody
    subject.load()
    _expect_that_only_faults_are_noticed(subject, faults)
    ends = _try(subject, faults, time.monotonic() + 60 * float(os.environ.get("MINUTES") or MINUTES))
    if not ends:
        raise SystemExit("there was no time for a single one")
    tried = Counter(name.split(".")[1] for name in ends)
    missed = Counter(name.split(".")[1] for name, status in ends.items() if status == 0)
    print("\nnot noticed of those tried:", ", ".join(f"{module} {missed[module]}/{tried[module]}" for module in tried))
    share = 1 - missed.total() / len(ends)
    error = 1.96 * math.sqrt(share * (1 - share) / len(ends))
    endless = sum(os.WIFSIGNALED(status) for status in ends.values())
    print(
        f"{len(ends) - missed.total()} of {len(ends)} noticed ({endless} by coming to no end): "
        f"{share:.1%} (± {error:.1%}), of {len(faults)} there are"
    )
    return 0 if share >= subject.least else 1


def _expect_that_only_faults_are_noticed(subject: Subject, faults: list[str]) -> None:
    """All tests pass when no fault is awake, or every one would seem noticed; and not when everything fails."""
    tests = list(dict.fromkeys(test for name in sorted(faults) for test in subject.tests(name)))
    for name, wanted in (("none", True), ("fail", False)):
        _, status = os.waitpid(_start(subject, name, tests), 0)
        if (status == 0) is not wanted:
            raise SystemExit(f"without a fault the tests end with {status}: pytest -x {' '.join(tests)}")


def _try(subject: Subject, faults: list[str], end: float) -> dict[str, int]:
    """How the tests of each ended; 0: not noticed. Those that had not when the time was over count for nothing."""
    waiting, running = list(reversed(faults)), dict[int, tuple[str, float]]()
    ends: dict[str, int] = {}
    jobs = int(os.environ.get("JOBS") or os.cpu_count() or 1)
    while time.monotonic() < end and (waiting or running):
        while waiting and len(running) < jobs:
            name = waiting.pop()
            running[_start(subject, name, subject.tests(name))] = (name, time.monotonic())
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            name, _ = running.pop(pid)
            ends[name] = status
            if status == 0:
                print(f"\n{name}\n{subject.difference(name)}", flush=True)
            continue
        for late in [pid for pid, (_, start) in running.items() if time.monotonic() - start > MOST_SECONDS]:
            os.kill(late, signal.SIGKILL)
        time.sleep(0.05)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return ends


def _start(subject: Subject, name: str, tests: list[str]) -> int:
    """A process in which one fault is awake; it ends with 0 when all these tests pass."""
    if pid := os.fork():
        return pid
    import pytest  # noqa: PLC0415

    os.environ["MUTANT_UNDER_TEST"] = name
    os.chdir(ROOT)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    subject.enter()
    argv = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:warnings", "-m", "not e2e", *tests]
    code = pytest.main(argv, plugins=[Bound(subject.test_seconds)])
    os._exit(0 if code == 0 else 1)


if __name__ == "__main__":
    sys.exit(main())
