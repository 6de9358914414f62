"""How several test processes share the tests, so that all of them end at about the same time.

A unit of work is a module, because its tests share hosts; some modules share one more host and are a unit together.
Each process has a lab of its own. One begins with what needs no lab and keeps a core busy; the others begin with what
takes longest, which mostly waits.
"""

from collections.abc import Sequence

import pytest
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests.tiers import ACME, BLANK, DEPLOYED

E2E = "tests/e2e/"

LONGEST = (
    "tests/e2e/test_interruptions.py",
    "tests/e2e/test_alerts.py",
    "tests/e2e/test_idempotence.py",
    "tests/e2e/test_first_up.py",
    "tests/e2e/test_acme.py",
    "tests/e2e/test_backup_troubles.py",
    "tests/e2e/test_backup.py",
    "tests/e2e/test_registry_processes.py",
    "tests/e2e/test_garbage_collection_hold.py",
    "tests/e2e/test_acme_trouble.py",
    "tests/e2e/test_mirrors.py",
    "tests/e2e/test_garbage_collection_broken.py",
    "tests/e2e/test_roles.py",
    "tests/e2e/test_notifications.py",
    "tests/e2e/test_review.py",
    "tests/e2e/test_metrics_load.py",
    "tests/e2e/test_secrets.py",
    "tests/e2e/test_adoption.py",
    "tests/e2e/test_drift.py",
    "tests/e2e/test_fast_path.py",
    "tests/e2e/test_readme.py",
    "tests/e2e/test_upgrade.py",
    "tests/e2e/test_host_files.py",
    "tests/e2e/test_registry_reach.py",
    "tests/e2e/test_guessing.py",
    "tests/e2e/test_garbage_collection_storage.py",
    "tests/e2e/test_found_docker.py",
    "tests/e2e/test_logs.py",
    "tests/e2e/test_logs_disk_full.py",
    "tests/e2e/test_proxy.py",
    "tests/e2e/test_registry_start.py",
    "tests/e2e/test_doors_host.py",
)
"""The modules in the lab that take longest, in that order; the others follow as they are."""


def unit(nodeid: str) -> str:
    """The unit that a test belongs to."""
    module = nodeid.partition("::")[0]
    return next((together[0] for together in (DEPLOYED, BLANK, ACME) if module in together), module)


def rank(nodeid: str) -> tuple[bool, int, int]:
    """Sorts tests: those in the lab, the longest units first, then all others; a unit's own order."""
    name = unit(nodeid)
    module = nodeid.partition("::")[0]
    within = DEPLOYED.index(module) if module in DEPLOYED else 0
    return not name.startswith(E2E), LONGEST.index(name) if name in LONGEST else len(LONGEST), within


class Sharing(LoadScopeScheduling):
    """Hands out units: to the first process from the end of the queue, as long as that needs no lab."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        # What the processes collected is in order.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)

    def _reschedule(self, node: WorkerController) -> None:
        # A process has to know what comes next before it begins a test; to know more would bind a unit too early.
        if self.workqueue and self._pending_of(self.assigned_work[node]) > 1:
            return
        super()._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        last = next(reversed(self.workqueue))
        if node is self.nodes[0] and not last.startswith(E2E):
            self.workqueue.move_to_end(last, last=False)
        super()._assign_work_unit(node)


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests in the order of the queue. Within a unit it stays as it is."""
    return sorted(items, key=lambda item: rank(item.nodeid))
