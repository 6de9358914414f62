"""Deploying: `pulumi up` beside a shell script, an Ansible playbook and a pyinfra deploy of the same registry."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.contenders.ansible import Ansible
from bench.contenders.clock import check, seconds, start_host, timed, unchanged
from bench.contenders.program import Empty, Program
from bench.contenders.pyinfra import Pyinfra
from bench.contenders.setup import Contender, Setup
from bench.contenders.shell import Shell
from bench.measure import Part, Series, Table, series
from bench.promises import ratio
from tests.lab.docker import release
from tests.lab.engine import engine
from tests.lab.hub import start_hub
from tests.lab.lab import Lab, default_name
from tests.lab.log import step
from tests.lab.pebble import Pebble

FIRST_ROUNDS = 3
AGAIN_ROUNDS = 5
EMPTY_ROUNDS = 7

COLUMNS = ("first run, s", "no change, s", "one file changed, s")
NOTE = (
    "Seconds, less is better: from the start of the command until it has ended and the registry answers "
    "`GET /v2/` with the account. Median (least to most) of {first} first runs, each on a new host with Docker and the "
    "images but nothing else, and of {again} runs each without changes and with one changed setting of the proxy. "
    "A first run gets the certificate by ACME as the how-to does, with certbot and a throw-away nginx, but from a "
    "server in the lab, which validates at once; certbot itself sleeps for two seconds of it, whoever starts it. "
    "The contenders take turns, and another begins each round."
)
EMPTY_NOTE = "Seconds, less is better; medians (least to most) of {rounds} runs in turns, by the same engine."


@dataclass
class Samples:
    """One contender's seconds in the three cases."""

    first: list[float] = field(default_factory=list)
    same: list[float] = field(default_factory=list)
    changed: list[float] = field(default_factory=list)

    def row(self) -> tuple[Series | None, ...]:
        """As the table has them."""
        return series(self.first), series(self.same), series(self.changed)


def run(first: int = FIRST_ROUNDS, again: int = AGAIN_ROUNDS, empty: int = EMPTY_ROUNDS) -> Part:
    """Measures in a lab of its own, which is gone afterwards, also after a failure."""
    with tempfile.TemporaryDirectory(prefix="docker-registry-lab-") as name:
        folder = Path(name)
        program = Program(_lab_name())
        contenders: list[Contender] = [program, Shell(), Ansible(folder), Pyinfra(folder)]
        least = Empty(f"{_lab_name()}-empty", folder)
        found = {contender.name: Samples() for contender in contenders}
        with _lab(contenders, least) as pebble:
            setups = _measure_first(contenders, pebble, found, first)
            _measure_again(contenders, setups, found, again)
            pairs = _measure_empty(program, least, empty)
    return part(found, pairs)


def part(found: dict[str, Samples], pairs: Sequence[tuple[float, float]]) -> Part:
    """The tables and what is promised of them; `pairs` are seconds of this program's and of an empty one's `up`."""
    up, shell, ansible, pyinfra = (found[kind.name] for kind in (Program, Shell, Ansible, Pyinfra))
    own, least = series([pair[0] for pair in pairs]), series([pair[1] for pair in pairs])
    ratios = (
        ratio("up_vs_shell", _ratio(up.first, shell.first)),
        ratio("ansible_vs_up", _ratio(ansible.first, up.first)),
        ratio("ansible_vs_noop", _ratio(ansible.same, up.same)),
        ratio("pyinfra_vs_noop", _ratio(pyinfra.same, up.same)),
        ratio("noop_vs_empty", own.median / least.median),
    )
    rows = {name: samples.row() for name, samples in found.items()}
    note = NOTE.format(first=len(up.first), again=len(up.same))
    tables = (
        Table("Deploying a registry", COLUMNS, rows, note),
        Table(
            "`pulumi up` without changes",
            ("s",),
            {"this program": (own,), "a program without a line": (least,)},
            EMPTY_NOTE.format(rounds=len(pairs)),
        ),
    )
    return Part("deploying", tables, ratios)


def turns(contenders: Sequence[Contender], number: int) -> list[Contender]:
    """The order of a round: the next one begins."""
    start = number % len(contenders)
    return [*contenders[start:], *contenders[:start]]


def _measure_first(
    contenders: Sequence[Contender], pebble: Pebble, found: dict[str, Samples], rounds: int
) -> dict[str, Setup]:
    """On fresh hosts in every round; those of the last one stay."""
    setups: dict[str, Setup] = {}
    for number in range(rounds):
        for contender in turns(contenders, number):
            if contender.name in setups:
                contender.forget()
                setups.pop(contender.name).host.remove()
            setup = setups[contender.name] = start_host(contender, pebble)
            contender.configure(setup)
            with step(f"deploying: first run of {contender.name}, {number + 1} of {rounds}"):
                found[contender.name].first.append(seconds(contender, setup))
            check(setup)
    return setups


def _measure_again(
    contenders: Sequence[Contender], setups: dict[str, Setup], found: dict[str, Samples], rounds: int
) -> None:
    for number in range(rounds):
        with step(f"deploying: no change and one change, {number + 1} of {rounds}"):
            for contender in turns(contenders, number):
                setup = setups[contender.name]
                found[contender.name].same.append(_undisturbed(contender, setup))
                # A run with one change follows one without, as it does where somebody works.
                setup = setups[contender.name] = replace(setup, read_timeout=setup.read_timeout + 1)
                contender.configure(setup)
                found[contender.name].changed.append(_undisturbed(contender, setup))
                check(setup)


def _measure_empty(program: Program, least: Empty, rounds: int) -> list[tuple[float, float]]:
    """This program's `up` in turns with an empty one's, both without changes."""
    least.configure()
    with step(f"deploying: against an empty program, {rounds} rounds"):
        return [(timed(program.run_again), timed(least.run_again)) for _ in range(rounds)]


def _undisturbed(contender: Contender, setup: Setup) -> float:
    """The seconds of a run that leaves all containers running."""
    with unchanged(setup):
        return seconds(contender, setup)


@contextmanager
def _lab(contenders: Sequence[Contender], least: Empty) -> Iterator[Pebble]:
    """A lab with an ACME server, which by default validates at once and takes every nonce."""

    def clear() -> None:
        forgetting: list[Callable[[], None]] = [contender.forget for contender in contenders]
        for forget in [*forgetting, least.forget]:
            forget()
        left = Lab.find(_lab_name())
        if left is not None:
            left.remove()

    clear()
    engine()
    try:
        lab = Lab.open(_lab_name())
        start_hub(lab)
        yield Pebble.start(lab)
    finally:
        with step("deploying: removing the lab"):
            clear()
            release()


def _lab_name() -> str:
    return f"{default_name()}-deploying"


def _ratio(one: list[float], other: list[float]) -> float:
    return series(one).median / series(other).median
