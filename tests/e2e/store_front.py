"""The front of an object store, on the store's host: registries ask it in place of the store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.object_store import PORT as BEHIND
from tests.e2e.object_store import ObjectStore
from tests.lab.paths import LAB_SOURCES

PORT = 9443
SECONDS = 60
_HOME = "/srv/front"
_UNIT = "[Service]\nExecStart=/usr/bin/python3 /srv/front/store_front.py\nTimeoutStopSec=5\nKillSignal=SIGKILL\n"
_DROP = f"INPUT -p tcp --dport {PORT} -j DROP"


@dataclass(frozen=True)
class StoreFront:
    """See above. The store serves already; its host has Python."""

    store: ObjectStore

    @classmethod
    def on(cls, store: ObjectStore) -> StoreFront:
        """Begins, without faults."""
        found, host = cls(store), store.host
        host.put_file("/etc/weed/ca.pem", store.authority.certificate)
        settings = {
            "address": host.address,
            "port": PORT,
            "upstream": f"{host.address}:{BEHIND}",
            "certificate": "/etc/weed/cert.pem",
            "key": "/etc/weed/key.pem",
            "authority": "/etc/weed/ca.pem",
        }
        host.put_file(f"{_HOME}/front.json", json.dumps(settings))
        host.put_file(f"{_HOME}/requests.jsonl", "")
        host.put_file(f"{_HOME}/store_front.py", (LAB_SOURCES / "store_front.py").read_text())
        host.put_file("/etc/systemd/system/front.service", _UNIT)
        host.run(["systemctl", "daemon-reload"])
        found.makes()
        found.start()
        return found

    @property
    def endpoint(self) -> str:
        """Where registries ask."""
        return f"https://{self.store.host.address}:{PORT}"

    def makes(self, *faults: dict[str, Any]) -> None:
        """These, for each request from now on; see `tests/lab/store_front.py`."""
        place = f"{_HOME}/faults.json"
        self.store.host.put_file(f"{place}.new", json.dumps(faults))
        self.store.host.run(["mv", f"{place}.new", place])

    @contextmanager
    def faulty(self, *faults: dict[str, Any]) -> Iterator[None]:
        """For a while."""
        self.makes(*faults)
        try:
            yield
        finally:
            self.makes()

    @contextmanager
    def refused(self) -> Iterator[None]:
        """Nothing listens for a while."""
        self.store.host.run(["systemctl", "stop", "front"])
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Packets to the store get lost for a while, those of connections that are there too."""
        self.store.host.run(f"iptables -I {_DROP}")
        try:
            yield
        finally:
            self.store.host.run(f"iptables -D {_DROP}")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Takes connections for a while, and says nothing."""
        self.store.host.run(["systemctl", "kill", "--signal=STOP", "front"])
        try:
            yield
        finally:
            self.store.host.run(["systemctl", "kill", "--signal=CONT", "front"])

    def start(self) -> None:
        """Until it listens."""
        host = self.store.host
        host.run(["systemctl", "start", "front"])
        deadline = time.monotonic() + SECONDS
        look = f"import socket; socket.create_connection(({host.address!r}, {PORT})).close()"
        while host.run(["python3", "-c", look], check=False).returncode:
            assert time.monotonic() < deadline, host.run("journalctl -u front -n 50 --no-pager").stdout
            time.sleep(0.2)
