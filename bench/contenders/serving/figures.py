"""Numbers out of what the load and the kernel say."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.lab.run import LabError

MEGABYTE = 1_000_000
_MEASURED = re.compile(r"^measured (\d+) requests (\d+) bytes (\d+) microseconds (\d+) errors$", re.MULTILINE)


@dataclass(frozen=True)
class Moved:
    """What one load got."""

    requests: int
    bytes: int
    seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def megabytes(self) -> float:
        """Megabytes a second."""
        return self.bytes / MEGABYTE / self.seconds


def moved(output: str) -> Moved:
    """What `load.lua` printed. Raises LabError where a request failed: a refusal is quick, and would count as fast."""
    found = _MEASURED.search(output)
    if not found:
        raise LabError("the load printed no figures")
    requests, size, microseconds, errors = map(int, found.groups())
    if errors:
        raise LabError(f"{errors} requests of {requests} failed")
    if not size or not microseconds:
        raise LabError("the load got nothing")
    return Moved(requests, size, microseconds / 1e6)


def group_file(membership: str, controller: str, name: str) -> str:
    """The path of the file `name` of a process' control group; `membership` is its /proc/PID/cgroup.

    The first version has a tree for each controller, the second one for all, which may also be there beside the first.
    """
    one = ""
    for line in membership.splitlines():
        number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return f"/sys/fs/cgroup/{controller}{path}/{name}"
        if number == "0" and not controllers:
            one = path
    return f"/sys/fs/cgroup{one}/{name}"


def is_unified(membership: str) -> bool:
    """Whether a /proc/PID/cgroup has control groups of the second version alone."""
    return all(line.startswith("0::") for line in membership.splitlines())


def cpu_seconds(texts: Iterable[str]) -> float:
    """The sum of several groups, each a cpuacct.usage (nanoseconds) or a cpu.stat."""
    total = 0.0
    for text in texts:
        found = re.search(r"^usage_usec (\d+)$", text, re.MULTILINE)
        total += int(found.group(1)) / 1e6 if found else int(text) / 1e9
    return total


def without_authentication(site: str, account: str) -> str:
    """The program's site where everybody is `account`, unasked: rights, headers and all else are as they were."""
    site, asked = re.subn(r"^\s*auth_request /account;\n", "", site, flags=re.MULTILINE)
    site, named = re.subn(r"\bauth_request_set \$account [^;]+;", f"set $account {account};", site)
    site = re.sub(r"^\s*auth_request_set \$(?:refusal|password_cache) [^;]+;\n", "", site, flags=re.MULTILINE)
    if not asked or not named:
        raise LabError("the site asks for no account: its form has changed")
    return site


def tls_settings(site: str) -> str:
    """The lines of a site that say how TLS is spoken, certificate included."""
    return "\n".join(re.findall(r"^ssl_\w+ [^;]+;$", site, re.MULTILINE))


def certificate(site: str) -> tuple[str, str]:
    """The paths of the chain and the key that a site serves with."""
    chain, key = (re.search(rf"^{name} ([^;]+);$", site, re.MULTILINE) for name in _CERTIFICATE)
    if not chain or not key:
        raise LabError("the site has no certificate: its form has changed")
    return chain.group(1), key.group(1)


_CERTIFICATE = ("ssl_certificate", "ssl_certificate_key")
