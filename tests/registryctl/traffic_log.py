"""The proxy's log of traffic, to which somebody writes, and runs that count."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from registryctl.machine import RESULTS
from registryctl.metrics import reader, store
from registryctl.metrics.reader import LOG
from registryctl.metrics.store import Named, Pulled
from registryctl.metrics.traffic import Sums
from tests.registryctl.fake_machine import FakeMachine

LINE = "blob|200||||1|team/app\t1000\t200\t0.003\t"
PULL = "manifest|200||200||1|team/app\t1\t1\t0.001\tv1 1795600000.123"
DAY = 86400


class Log:
    """See above."""

    def __init__(self, root: Path) -> None:
        self.machine = FakeMachine(root)
        self.machine.real("fallocate")
        self.machine.path(RESULTS).mkdir(parents=True)
        self.logs = root / "logs"
        self.logs.mkdir()

    @property
    def path(self) -> Path:
        return self.logs / LOG

    def write(self, *lines: str, end: str = "\n") -> None:
        with self.path.open("a") as file:
            file.write("\n".join(lines) + end)

    def counted(self, groups: int = 50) -> Sums:
        return reader.read(self.machine, self.logs, Named(groups)).sums

    def pulls(self, repository: str = "team/app") -> Mapping[str, Pulled]:
        with store.opened(self.machine.path(store.of_host())) as found:
            return found.known(repository).pulls

    def requests(self) -> int:
        return sum(numbers[0] for numbers in self.counted().requests.values())
