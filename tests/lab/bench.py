"""What an `up` without changes costs, held against the same of an empty program: `python -m tests.lab bench`."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.lab.docker import release
from tests.lab.host import LabHost
from tests.lab.hub import start_hub
from tests.lab.lab import Lab, default_name
from tests.lab.log import step
from tests.lab.paths import ROOT
from tests.lab.stack import LabStack, default_config

LIMIT = 3.0
"""How many times as long as the empty program's the program's `up` may take."""

ROUNDS = 7
FQDN = "bench.example.net"


def lab_name() -> str:
    """The benchmark has a lab of its own, and removes it."""
    return f"{default_name()}-bench"


def run(rounds: int = ROUNDS) -> bool:
    """Prints both medians (seconds) and their ratio; says whether the ratio keeps to LIMIT."""
    _clear()
    with tempfile.TemporaryDirectory(prefix="docker-registry-lab-") as folder:
        program, empty = _deployed(), _empty(Path(folder))
        try:
            samples = [(_seconds(program), _seconds(empty)) for _ in range(rounds)]
        finally:
            empty.remove()
            _clear()
            release()
    return _report([pair[0] for pair in samples], [pair[1] for pair in samples])


def _clear() -> None:
    for stack in (LabStack(lab_name()), LabStack(f"{lab_name()}-empty")):
        if stack.config_file.exists():
            stack.remove()
    found = Lab.find(lab_name())
    if found is not None:
        found.remove()


def _deployed() -> LabStack:
    lab = Lab.open(lab_name())
    start_hub(lab)
    host = LabHost.start("registry", lab=lab)
    stack = LabStack(lab_name(), host)
    stack.init()
    stack.configure(default_config(host, FQDN))
    with step("bench: the first up"):
        stack.up()
    return stack


def _empty(folder: Path) -> LabStack:
    """A program without a line, run by the same engine and in the same Python environment."""
    described = (ROOT / "Pulumi.yaml").read_text().replace("virtualenv: .venv", f"virtualenv: {sys.prefix}")
    (folder / "Pulumi.yaml").write_text(described)
    (folder / "__main__.py").write_text("")
    stack = LabStack(f"{lab_name()}-empty", program=folder)
    stack.init()
    stack.configure({})
    # The first one makes the stack's own resource.
    stack.up()
    return stack


def _seconds(stack: LabStack) -> float:
    """The time of one `up`. Raises CommandError when it finds something to change."""
    started = time.perf_counter()
    stack.up("--expect-no-changes")
    return time.perf_counter() - started


def _report(program: list[float], empty: list[float]) -> bool:
    ratio = statistics.median(program) / statistics.median(empty)
    for name, samples in (("this program", program), ("empty program", empty)):
        shown = " ".join(f"{seconds:.2f}" for seconds in samples)
        print(f"up without changes, {name}: median {statistics.median(samples):.2f} s of {shown}")
    kept = ratio <= LIMIT
    print(f"ratio {ratio:.2f}, which is {'within' if kept else 'ABOVE'} the limit of {LIMIT:g}")
    return kept
