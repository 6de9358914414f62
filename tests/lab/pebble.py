"""Pebble, the ACME test server of Let's Encrypt, in a lab, with a name server of its own and faults on request.

Three containers: `NAME` is what clients talk to (it passes requests on, and counts), `NAME-ca` is Pebble,
`NAME-dns` tells Pebble where names point to. Hosts, and containers on them, reach it at a fixed address.
"""

import json
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.lab import images
from tests.lab.acme_requests import BAD_NONCE, INVALID_ORDER, PATHS, RATE_LIMIT, Request, count, patch
from tests.lab.acme_settings import MANAGEMENT_PORT, PORT, Settings
from tests.lab.authority import Authority
from tests.lab.docker import docker
from tests.lab.lab import IP_LABEL, Lab
from tests.lab.locks import locked
from tests.lab.log import step
from tests.lab.paths import LAB_SOURCES, write_private
from tests.lab.run import LabError

DNS_MANAGEMENT_PORT = 8055
START_SECONDS = 30

FRONT_COMMAND = ("python3", "/etc/pebble/front.py")
DNS_COMMAND = (
    *("pebble-challtestsrv", "-dns01", ":53", "-management", f":{DNS_MANAGEMENT_PORT}"),
    *("-defaultIPv4", "", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""),
)


class Pebble:
    """An ACME server in a lab. Get one with `Pebble.start`."""

    def __init__(self, lab: Lab, name: str, settings: Settings) -> None:
        self.lab = lab
        self.name = name
        self.settings = settings
        self.address = ""
        self._ca_address = ""
        self._dns_address = ""
        self._authority = Authority(f"{name} lab authority")
        self._faults: dict[Request, dict[str, Any]] = {}

    @classmethod
    def start(cls, lab: Lab, settings: Settings | None = None, name: str = "pebble") -> "Pebble":
        """Start an ACME server; its `name` begins with `pebble`, so that it is told from a host.

        It validates HTTP-01 at port 80 of the address that `resolve` gave a name.
        """
        if not name.startswith("pebble"):
            raise LabError(f"an ACME server's name begins with 'pebble': not {name!r}")
        pebble = cls(lab, name, settings or Settings())
        images.build("pebble")
        try:
            with step(f"ACME server {name}"):
                with locked(f"lab-{lab.name}-addresses"):
                    pebble._dns_address = pebble._create("-dns", DNS_COMMAND)
                    pebble._ca_address = pebble._create_ca()
                    pebble.address = pebble._create("", FRONT_COMMAND)
                docker("start", pebble._container("-dns"))
                pebble._start_ca()
                pebble._start_front()
        except BaseException:
            pebble.remove()
            raise
        return pebble

    @property
    def directory(self) -> str:
        """The URL for `certbot --server`."""
        return f"https://{self.address}:{PORT}{PATHS['directory']}"

    @property
    def server_ca(self) -> str:
        """PEM of the authority behind the directory's own HTTPS (for REQUESTS_CA_BUNDLE); a restart keeps it."""
        return self._authority.certificate

    def root(self) -> str:
        """PEM of the root that clients of issued certificates must trust; another one after each restart."""
        return self._manage("/roots/0")

    def intermediate(self) -> str:
        """PEM of the certificate that issues; it is part of every chain given out."""
        return self._manage("/intermediates/0")

    def resolve(self, fqdn: str, address: str) -> None:
        """Let Pebble find `fqdn` at `address` only (no AAAA)."""
        self.forget(fqdn)
        self._dns("add-a", {"host": fqdn, "addresses": [address]})

    def forget(self, fqdn: str) -> None:
        """Let `fqdn` have no address, which is what every name starts with."""
        self._dns("clear-a", {"host": fqdn})

    def requests(self, kind: Request) -> int:
        """How many requests of a `kind` came since `start`, whatever the answer; `stop` and `restart` keep count."""
        return count(self._log(""), kind)

    def orders(self) -> int:
        """How many new-order requests came since `start`, whatever the answer."""
        return self.requests("new-order")

    def issued(self) -> int:
        """How many certificates were issued since `start` or the last `restart`."""
        return self.log().count("Issued certificate serial")

    def log(self) -> str:
        """What Pebble itself logged since `start` or the last `restart`."""
        return self._log("-ca")

    def stop(self) -> None:
        """Take the server down: nothing answers at its address. It forgets nothing."""
        docker("kill", self._container(""))

    def resume(self) -> None:
        """Bring it up again after `stop`."""
        docker("start", self._container(""))
        self._wait()

    def restart(self, settings: Settings | None = None) -> None:
        """Start Pebble anew, with other `settings` if given: accounts, certificates and the root are gone, names stay.

        `dataclasses.replace(pebble.settings, validity_seconds=…)` changes one setting.
        """
        self.settings = settings or self.settings
        docker("rm", "--force", self._container("-ca"))
        self._create_ca()
        self._start_ca()
        self._write_faults()

    def remove(self) -> None:
        """Remove its containers."""
        docker("rm", "--force", *(self._container(part) for part in ("", "-ca", "-dns")), check=False)

    def fault(self, kind: Request, *faults: Mapping[str, Any]) -> None:
        """Make requests of a `kind` go wrong until `heal`: some of `problem`, `patch`, `delay` of acme_requests."""
        merged: dict[str, Any] = {"path": PATHS[kind]}
        for fault in faults:
            merged |= fault
        self._faults[kind] = merged
        self._write_faults()

    def heal(self) -> None:
        """End all faults."""
        self._faults.clear()
        self._write_faults()

    def rate_limit(self) -> None:
        """Answer every new order with 429 until `heal`."""
        self.fault("new-order", RATE_LIMIT)

    def reject_nonces(self) -> None:
        """Reject every nonce of a new order until `heal`; the setting `nonce_reject` rejects some, of any request."""
        self.fault("new-order", BAD_NONCE)

    def invalidate_orders(self) -> None:
        """Let every order be invalid in the client's eyes, after its names were validated, until `heal`.

        Pebble itself issues, so that `issued` counts these too.
        """
        self.fault("order", INVALID_ORDER)
        self.fault("finalize", INVALID_ORDER)

    def suggest_renewal(self, certificate: str, start: timedelta, end: timedelta) -> None:
        """Let the server suggest (by ARI) to renew `certificate` (PEM) between two times, told from now."""
        now = datetime.now(UTC)
        window = {"start": (now + start).isoformat(), "end": (now + end).isoformat()}
        answer = json.dumps({"suggestedWindow": window})
        self._manage("/set-renewal-info/", {"Certificate": certificate, "ARIResponse": answer})

    def _create_ca(self) -> str:
        command = ("pebble", "-config", "/etc/pebble/pebble.json", "-dnsserver", f"{self._dns_address}:53")
        return self._create("-ca", command, self.settings.variables(), self._ca_address)

    def _create(
        self, part: str, command: tuple[str, ...], variables: Mapping[str, str] | None = None, address: str = ""
    ) -> str:
        address = address or self.lab.free_address()
        docker(
            "create",
            *("--name", self._container(part), "--network", self.lab.name, "--ip", address),
            *("--network-alias", f"{self.name}{part}", "--label", f"{IP_LABEL}={address}", *self.lab.labels()),
            *(word for name, value in (variables or {}).items() for word in ("-e", f"{name}={value}")),
            images.build("pebble"),
            *command,
        )
        return address

    def _container(self, part: str) -> str:
        return f"{self.lab.name}-{self.name}{part}"

    def _start_ca(self) -> None:
        self._put("-ca", self._ca_address, {"pebble.json": self.settings.content()})
        docker("start", self._container("-ca"))
        _retry(f"ACME server {self.name}", self.root)

    def _start_front(self) -> None:
        settings = {"port": PORT, "upstream": f"{self._ca_address}:{PORT}"}
        source = (LAB_SOURCES / "acme_front.py").read_text()
        self._put("", self.address, {"front.py": source, "front.json": json.dumps(settings)})
        self._write_faults()
        docker("start", self._container(""))
        self._wait()

    def _wait(self) -> None:
        _retry(f"ACME server {self.name}", lambda: self._fetch(f"https://{self.address}:{PORT}/"))

    def _write_faults(self) -> None:
        faults = list(self._faults.values())
        if not self.settings.renewal_info and "directory" not in self._faults:
            faults.append({"path": PATHS["directory"]} | patch({"renewalInfo": None}))
        _copy({"faults.json": json.dumps(faults)}, self._container(""))

    def _put(self, part: str, address: str, files: Mapping[str, str]) -> None:
        """Give a container its files and a certificate for its address."""
        certificate, key = self._authority.issue(address, self.name)
        common = {"certificate.pem": certificate, "key.pem": key, "authority.pem": self.server_ca}
        _copy(common | dict(files), self._container(part))

    def _log(self, part: str) -> str:
        return docker("logs", self._container(part), log="acme", private=True).stdout

    def _manage(self, path: str, content: Mapping[str, Any] | None = None) -> str:
        return self._fetch(f"https://{self._ca_address}:{MANAGEMENT_PORT}{path}", content)

    def _dns(self, action: str, content: Mapping[str, Any]) -> None:
        address = f"http://{self._dns_address}:{DNS_MANAGEMENT_PORT}/{action}"
        _retry(f"name server of {self.name}", lambda: self._fetch(address, content))

    def _fetch(self, address: str, content: Mapping[str, Any] | None = None) -> str:
        data = None if content is None else json.dumps(content).encode()
        context = ssl.create_default_context(cadata=self.server_ca) if address.startswith("https:") else None
        with urllib.request.urlopen(address, data, timeout=10, context=context) as answer:  # noqa: S310
            text: str = answer.read().decode()
        return text


def _copy(files: Mapping[str, str], container: str) -> None:
    with tempfile.TemporaryDirectory(prefix="docker-registry-lab-") as folder:
        for name, content in files.items():
            write_private(Path(folder) / name, content)
        docker("cp", f"{folder}/.", f"{container}:/etc/pebble")


def _retry(what: str, action: Callable[[], object]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            action()
        except urllib.error.HTTPError:
            return  # It answers, if with a 404.
        except OSError as error:
            if time.monotonic() > deadline:
                raise LabError(f"the {what} does not answer: {error}") from None
            time.sleep(0.1)
        else:
            return
