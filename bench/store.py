"""Where images in an object store are measured: a store, two registries with one bucket, and one with its own disk."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from bench.contenders.serving.load import Load
from bench.contenders.serving.place import Place, deployed, load_client, new_passwords, put_logins
from bench.contenders.serving.servers import ALONE, PROGRAM, Servers
from bench.stage import cleared
from tests.e2e.object_store import ObjectStore
from tests.lab import gotools
from tests.lab.authority import Authority
from tests.lab.host import LabHost
from tests.lab.hub import start_hub
from tests.lab.lab import Lab, default_name
from tests.lab.log import step
from tests.lab.stack import LabStack, Secret

ONE = replace(PROGRAM, name="this program, object store")
TWO = replace(PROGRAM, name="a second host, the same bucket", fqdn="two.example.net")
DISK = replace(PROGRAM, name="this program, local disk", fqdn="disk.example.net")
DIRECT = replace(ALONE, name="Distribution alone, object store")

CHUNK_MEBIBYTES = 10
"""The program's default. The lab's store has less otherwise."""

LIST = "LIST"
_READS, _WRITES = ("GET", "HEAD"), ("PUT", "POST", "COPY", "DELETE")


@dataclass(frozen=True)
class Asked:
    """The requests that a store had."""

    reads: int
    """Of objects, uploads and their parts, by GET and HEAD."""
    writes: int
    lists: int
    """Of objects. Registries look every ten seconds by one, whether the store is there."""


@dataclass(frozen=True)
class Stored:
    """The store, and the registries' client."""

    store: ObjectStore
    spot: Place
    load: Load

    def asked(self, do: Callable[[], float]) -> tuple[float, Asked]:
        """What the store is asked for meanwhile, and what comes of it."""
        return counted(self.store, do)


def counted(store: ObjectStore, do: Callable[[], float]) -> tuple[float, Asked]:
    """What a store is asked for while something is done, and what comes of that."""
    before = store.requests()
    found = do()
    after = Counter(store.requests())
    after.subtract(before)
    return found, Asked(sum(after[one] for one in _READS), sum(after[one] for one in _WRITES), after[LIST])


def store_of(lab: Lab) -> ObjectStore:
    """A store that serves."""
    store = ObjectStore(LabHost.start("store", "blank", lab=lab), Authority("CA of the store"))
    with step("bench: the object store"):
        store.serve(gotools.build("weed"))
    return store


@contextmanager
def stored() -> Iterator[Stored]:
    """Three registries of this program, one of Distribution's beside the first, a store and a client."""
    name = f"{default_name()}-bench-objects"
    names = {ONE: name, TWO: f"{name}-two", DISK: f"{name}-disk"}
    with ExitStack() as kept:
        for its in names.values():
            kept.enter_context(cleared(its))
        lab = Lab.open(name)
        start_hub(lab)
        store = store_of(lab)
        on_store: dict[str, Any] = {
            **store.settings(chunkSize=CHUNK_MEBIBYTES),
            "registry": {"httpSecret": Secret(secrets.token_hex(16))},
            "gc": {"enabled": False},
        }
        settings = {ONE: on_store, TWO: on_store, DISK: {}}
        passwords = new_passwords()
        hosts = {
            one: LabHost.start(its.removeprefix(lab.name).strip("-") or "registry", aliases=[one.fqdn], lab=lab)
            for one, its in names.items()
        }
        with step("bench: up of three registries"), ThreadPoolExecutor() as pool:
            made = pool.map(
                lambda one: deployed(LabStack(names[one], hosts[one]), hosts[one], one.fqdn, passwords, settings[one]),
                names,
            )
            authorities = dict(zip([one.fqdn for one in names], made, strict=True))
        client = load_client(lab, authorities, passwords)
        spot = Place(hosts[ONE], client, passwords)
        Servers(spot).start_alone_on_store()
        put_logins(spot, [one.authority for one in (ONE, TWO, DISK, DIRECT)])
        yield Stored(store, spot, Load(spot))
