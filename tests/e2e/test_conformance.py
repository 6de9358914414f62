"""OCI's own conformance suite: through the proxy the registry answers as Distribution does alone."""

import json
from collections import Counter
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

from tests.e2e.clean_up import within
from tests.e2e.support import USER, Deployed
from tests.lab import gotools
from tests.lab.clients import CA_FILE, Client
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

PLACE = "/root/conformance"
LEAST = 800
"""Tests that the suite has; fewer would say that it gave up."""
SECONDS = 600

_CONFIG = {
    "version": 0.1,
    "log": {"level": "error"},
    "storage": {"filesystem": {"rootdirectory": f"{PLACE}/data"}, "delete": {"enabled": True}},
    "http": {"addr": "127.0.0.1:5999", "secret": "only-for-tests"},
}

_CONNECT = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/5999"]


def test_the_proxy_changes_nothing_of_what_the_suite_finds(deployed: Deployed, client: Client) -> None:
    """What Distribution fails by itself the proxy can't mend; nothing else fails, and nothing is skipped."""
    host = client.host
    for tool in ("registry", "conformance"):
        host.put_file(f"{PLACE}/{tool}", gotools.build(tool).read_bytes(), 0o755)
    host.put_file(f"{PLACE}/config.yml", json.dumps(_CONFIG))
    alone = ["env", "OTEL_TRACES_EXPORTER=none", f"{PLACE}/registry", "serve", f"{PLACE}/config.yml"]
    host.run(["systemd-run", "--quiet", "--unit=conformance-registry", *alone])
    try:
        # It has just been started, and takes its time on a busy machine.
        assert within(SECONDS, lambda: host.run(_CONNECT, check=False).returncode == 0)
        bare = _found(host, {"OCI_REGISTRY": "127.0.0.1:5999", "OCI_TLS": "disabled"})
        known = {"OCI_USERNAME": USER, "OCI_PASSWORD": deployed.password, "SSL_CERT_FILE": CA_FILE}
        ours = _found(host, {"OCI_REGISTRY": client.registry, "OCI_TLS": "enabled", **known})
    finally:
        host.run(["systemctl", "stop", "conformance-registry"])
        host.run(["rm", "-rf", PLACE])
    print(f"\nconformance: of {bare.tests} tests Distribution alone fails {bare.failures}")
    assert bare.tests >= LEAST
    assert (ours.cases - bare.cases, bare.cases - ours.cases) == (Counter(), Counter())
    assert (ours.tests, ours.failures) == (bare.tests, bare.failures)


@dataclass(frozen=True)
class Found:
    """What the suite reports; a case of its report may be several tests."""

    tests: int
    failures: int
    cases: Counter[tuple[str, str]]
    """How often a case of a name ended how."""


def _found(host: LabHost, settings: dict[str, str]) -> Found:
    """Runs the suite, which ends with 1 where any test fails."""
    values = {**settings, "OCI_RESULTS_DIR": f"{PLACE}/results", "OCI_REPO1": "oci/one", "OCI_REPO2": "oci/two"}
    text = "".join(f"export {name}='{value}'\n" for name, value in values.items())
    host.put_file(f"{PLACE}/settings", text, 0o600)
    done = host.run(f". {PLACE}/settings; {PLACE}/conformance >/dev/null", check=False, timeout=SECONDS)
    assert done.returncode in (0, 1), done.stderr
    report = ElementTree.fromstring(host.get_file(f"{PLACE}/results/junit.xml"))  # noqa: S314  # of our own making
    suite = next(report.iter("testsuite"))
    cases = Counter((case.get("name", ""), case.get("status", "")) for case in report.iter("testcase"))
    return Found(int(suite.get("tests", 0)), int(suite.get("failures", 0)), cases)
