"""A certificate from an authority: trusted from the first `up`, never asked for twice, renewed on time."""

import base64
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.acme_registry import AcmeRegistry, from_server, served
from tests.e2e.leaks import Needles
from tests.e2e.renewing import WEEKLY, Renewal, Timer
from tests.e2e.support import CONTAINERS, USER, Deployed, round_trip, wait_until_healthy
from tests.lab.browser import look
from tests.lab.host import LabHost
from tests.lab.machine import ensure_commands
from tests.lab.paths import write_private
from tests.lab.run import run

pytest_plugins = ["tests.e2e.acme_fixtures"]
pytestmark = pytest.mark.e2e

IMAGE = "from/docker:1.0"
LETSENCRYPT = "/var/opt/letsencrypt"
UNTRUSTED = 60
"""curl's exit code for a certificate that it does not trust."""
KEYS = f"find {LETSENCRYPT} -type f \\( -name 'privkey*.pem' -o -name private_key.json \\)"


@pytest.fixture(scope="module")
def registry(acme: AcmeRegistry) -> Deployed:
    """The registry with the settings that it was made with."""
    acme.become(from_server(acme.server))
    return acme.deployed


@pytest.fixture(scope="module")
def pushed(registry: Deployed, client_host: LabHost) -> str:
    """The digest of an image that docker pushed."""
    return registry.client(client_host).push(IMAGE)


def test_client_trusts_the_certificate(registry: Deployed) -> None:
    """Who trusts the authority, and nothing else, reaches the registry under its name."""
    assert registry.get("/v2/", password=registry.password).status == 200


def test_curl_trusts_the_certificate(registry: Deployed) -> None:
    """With the authority's root it is asked for an account; without it refuses to talk."""
    ensure_commands("curl")
    place = f"{registry.fqdn}:443:{registry.host.address}"
    asking = ["curl", "--silent", "--resolve", place, "--output", "/dev/null", "--write-out", "%{http_code}"]
    url = f"https://{registry.fqdn}/v2/"
    assert run([*asking, "--cacert", str(registry.ca), url], log="curl").stdout == "401"
    assert run([*asking, url], log="curl", check=False).returncode == UNTRUSTED


def test_docker_trusts_the_certificate(registry: Deployed, client_host: LabHost, pushed: str) -> None:
    """docker logs in, pushes, pulls and runs."""
    round_trip(registry.client(client_host), IMAGE, pushed)


def test_skopeo_trusts_the_certificate(registry: Deployed, pushed: str, tmp_path: Path) -> None:
    """skopeo finds the image."""
    ensure_commands("skopeo")
    token = base64.b64encode(f"{USER}:{registry.password}".encode()).decode()
    accounts = write_private(tmp_path / "auth.json", json.dumps({"auths": {registry.fqdn: {"auth": token}}}))
    write_private(tmp_path / "certs" / "ca.crt", registry.ca.read_text())
    argv = ["skopeo", "inspect", "--authfile", str(accounts), "--cert-dir", str(tmp_path / "certs")]
    done = _where_it_resolves(registry, [*argv, f"docker://{registry.fqdn}/{IMAGE}"], tmp_path)
    assert json.loads(done.stdout)["Digest"] == pushed


def test_browser_trusts_the_certificate(registry: Deployed, pushed: str) -> None:
    """Chromium shows the page and the image."""
    assert pushed
    look(
        f"https://{registry.fqdn}/ui/",
        registry.fqdn,
        registry.host.address,
        username=USER,
        password=registry.password,
        authority=registry.ca,
        expect=["from/docker"],
        picture="acme",
    )


def test_nothing_of_the_first_issue_is_left(registry: Deployed) -> None:
    """The throw-away proxy and certbot's container are gone, and so is what they answered with."""
    names = registry.host.run(["docker", "ps", "--all", "--format", "{{.Names}}"]).stdout.split()
    assert set(names) - registry.before.containers == set(CONTAINERS)
    assert registry.host.run("find /var/opt/certbot/webroot -type f").stdout == ""


def test_keys_are_root_s_alone(registry: Deployed) -> None:
    """The keys of certificate and account can be read by root only, and others don't even see their names."""
    keys = registry.host.run(KEYS).stdout.split()
    # Each renewal leaves the key before it in the archive.
    assert {re.sub(r"\d+", "N", Path(path).name) for path in keys} == {"privkeyN.pem", "private_key.json"}
    assert registry.host.run(f"{KEYS} -perm /077").stdout == ""
    tried = registry.host.run(["runuser", "-u", "deploy", "--", "ls", LETSENCRYPT], check=False)
    assert tried.returncode != 0 and "Permission denied" in tried.stderr


def test_keys_stay_on_the_host(registry: Deployed) -> None:
    """Neither key is in the stack's state or its outputs, nor in a log on the host."""
    host = registry.host
    keys = {path: host.get_file(path) for path in host.run(KEYS).stdout.split()}
    needles = Needles.of({path: _private_part(key) for path, key in keys.items()})
    assert needles.found_in(json.dumps(registry.stack.export())) == []
    assert needles.found_in(json.dumps(registry.stack.outputs(show_secrets=True))) == []
    assert needles.found_in_files(host, host.run("find /var/opt/certbot /var/log -type f").stdout.splitlines()) == []


def test_status_is_good(registry: Deployed) -> None:
    """`registry-status` on the host says that the certificate is well, and until when."""
    status = json.loads(registry.host.run(["registry-status", "--json", "certificate"]).stdout)
    assert status["status"] == 0
    assert status["certificate"]["state"] == "ok"
    assert 88 <= status["certificate"]["daysLeft"] <= 90


def test_timer_looks_twice_a_day(registry: Deployed) -> None:
    """The timer is there from the first `up`: twice a day, spread over an hour, done after an outage if missed."""
    timer = Timer.of(registry.host)
    assert timer.enabled and timer.active and timer.persistent
    assert (timer.calendar, timer.random_delay) == ("*-*-* 00,12:00:00", "1h")


def test_second_up_asks_for_nothing(acme: AcmeRegistry, registry: Deployed) -> None:
    """An `up` without changes does nothing, and places no order."""
    orders, certificate = acme.server.orders(), served(registry)
    registry.stack.up("--expect-no-changes")
    assert acme.server.orders() == orders
    assert served(registry) == certificate


def test_destroy_and_up_keep_certificate_and_account(acme: AcmeRegistry, registry: Deployed) -> None:
    """`destroy` leaves certificate and account, and the `up` after it serves that certificate without an order."""
    orders, certificate, files = acme.server.orders(), served(registry), _certbot_files(registry)
    acme.destroy()
    assert _certbot_files(registry) == files
    acme.become(from_server(acme.server))
    assert acme.server.orders() == orders
    assert served(registry) == certificate
    wait_until_healthy(registry.host)


def test_new_certificate_is_served_within_seconds(renewal: Renewal) -> None:
    """Once the timer's service has renewed a certificate that was due, the proxy serves it."""
    assert renewal.renewed.result == "success"
    assert renewal.served_soon
    assert renewal.renewed.orders == renewal.before.orders + 1
    assert renewal.renewed.certificate.serial_number != renewal.before.certificate.serial_number


def test_renewal_drops_no_request(renewal: Renewal) -> None:
    """A client that asks all the time gets each answer while the certificate is renewed."""
    assert renewal.asking.failures == []
    assert renewal.asking.answers > 20


def test_renewal_is_logged(renewal: Renewal) -> None:
    """certbot's words are in its log below the storage root and in the journal."""
    success = f"/etc/letsencrypt/live/{renewal.fqdn}/fullchain.pem (success)"
    before, after = renewal.before, renewal.renewed
    assert success in after.certbot_log.removeprefix(before.certbot_log)
    assert success in after.journal.removeprefix(before.journal)


def test_schedule_is_a_setting(renewal: Renewal) -> None:
    """A weekly run on Tuesday at midnight is one setting."""
    timer = renewal.timer
    assert timer.enabled and timer.active and timer.persistent
    assert (timer.calendar, timer.random_delay) == (WEEKLY, "0")
    assert re.fullmatch(r"Tue \d{4}-\d\d-\d\d 00:00:00 UTC", timer.next_run)


def test_missed_run_is_made_up_for(renewal: Renewal) -> None:
    """On a host that was off at the time the timer's service runs at once."""
    assert renewal.made_up.result == "success"
    assert len(renewal.made_up.certbot_log) > len(renewal.renewed.certbot_log)


def test_nothing_is_reloaded_when_nothing_is_due(renewal: Renewal) -> None:
    """A run that finds nothing to renew places no order and leaves the proxy's workers alone; a renewal doesn't."""
    assert renewal.made_up.orders == renewal.renewed.orders
    assert renewal.made_up.certificate == renewal.renewed.certificate
    assert renewal.made_up.workers == renewal.renewed.workers
    assert not renewal.renewed.workers & renewal.before.workers


def _private_part(key: str) -> str:
    """What of a key must not get known: the account's is a JWK, the certificate's a PEM with a curve's key."""
    if key.startswith("{"):
        return str(json.loads(key)["d"])
    # In its second line the private number ends, before the public key begins.
    return key.splitlines()[2][:24]


def _where_it_resolves(registry: Deployed, argv: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command of this machine for which the registry's name leads to its host."""
    hosts = folder / "hosts"
    hosts.write_text(f"{registry.host.address} {registry.fqdn}\n")
    script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
    assert os.geteuid() == 0
    return run(["unshare", "--mount", "sh", "-c", script, "sh", str(hosts), *argv], log="skopeo", timeout=60)


def _certbot_files(registry: Deployed) -> str:
    """Certbot's files of certificates and accounts, with their digests."""
    return registry.host.run(
        f"cd {LETSENCRYPT} && find live archive renewal accounts ! -type d | xargs sha256sum"
    ).stdout
