"""All concerns of `registry-status`, in the order in which it speaks of them. A new one is a module and a line here."""

from __future__ import annotations

from registryctl.status import (
    accounts,
    backup,
    certificate,
    containers,
    disk,
    hosts,
    mirrors,
    network,
    notify,
    program,
    removals,
    store,
    timers,
    writes,
)
from registryctl.status.finding import Look

CONCERNS: dict[str, Look] = {
    "program": program.look,
    "certificate": certificate.look,
    "containers": containers.look,
    "network": network.look,
    "store": store.look,
    "hosts": hosts.look,
    "disk": disk.look,
    "timers": timers.look,
    "writes": writes.look,
    "removals": removals.look,
    "mirrors": mirrors.look,
    "accounts": accounts.look,
    "backup": backup.look,
    "notify": notify.look,
}
