"""What faults are put into, and what has to notice them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import ClassVar, Protocol

import pytest

ROOT = Path(__file__).parents[2]
MUTANTS = ROOT / "mutants"


class Subject(Protocol):
    """Some code. A fault is called `PACKAGE.MODULE.FUNCTION__mutmut_NUMBER`."""

    least: ClassVar[float]
    """The share that must be noticed."""
    test_seconds: ClassVar[float]
    """A fault that makes one test compute for longer than this is noticed."""

    def faults(self) -> list[str]:
        """The names of all, in alphabetical order; the code is written anew with them."""

    def load(self) -> None:
        """Loads once, before the processes part, what takes long to load."""

    def enter(self) -> None:
        """In the process of one fault: sees to it that the tests find the code with the faults."""

    def tests(self, name: str) -> list[str]:
        """The test files for a fault, the nearest first."""

    def difference(self, name: str) -> str:
        """What a fault changes."""


class Bound:
    """Ends the process at a test that computes for too long: by the processor's time, as others may be at work."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self) -> None:
        """Before each test."""
        signal.setitimer(signal.ITIMER_PROF, self._seconds)
