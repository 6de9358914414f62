"""A second process of an object store that holds some of the content, and can be lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.clean_up import within
from tests.e2e.object_store import BUCKET, ObjectStore

_SECONDS = 60
_PORT, _MASTER = 8081, 9333
_FOLDER = "/srv/weed-second"
_UNIT = (
    "[Service]\nExecStart=/usr/local/bin/weed volume -dir={folder} -ip={address} -port={port} -port.grpc=18081 -max=40 "
    "-master={address}:{master} -preStopSeconds=0\nTimeoutStopSec=5\n"
)


class SecondVolumes:
    """From now on about half of what is new lies there, and nowhere else."""

    def __init__(self, store: ObjectStore) -> None:
        self._store, self._host = store, store.host
        address = self._host.address
        unit = _UNIT.format(folder=_FOLDER, address=address, port=_PORT, master=_MASTER)
        self._host.put_file("/etc/systemd/system/weed-second.service", unit)
        self._host.run(f"mkdir -p {_FOLDER} && systemctl daemon-reload && systemctl start weed-second")
        asked = f"collection={BUCKET}&count=20&replication=000&dataNode={address}:{_PORT}"
        grow = f"http://{address}:{_MASTER}/vol/grow?{asked}"
        assert within(_SECONDS, lambda: '"count":20' in self._fetched(grow)), self._fetched(grow)

    def bytes(self) -> int:
        """How much content lies there."""
        return int(self._host.run(f"cat {_FOLDER}/*.dat | wc -c").stdout)

    @contextmanager
    def lost(self) -> Iterator[None]:
        """For a while, at once and without a word, as with its host."""
        self._host.run(["systemctl", "kill", "--signal=KILL", "weed-second"])
        try:
            yield
        finally:
            self._host.run(["systemctl", "start", "weed-second"])

    def _fetched(self, url: str) -> str:
        program = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=10).read().decode())"
        done = self._host.run(["python3", "-c", program], check=False)
        return done.stdout or done.stderr
