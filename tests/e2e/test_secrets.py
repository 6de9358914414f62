"""No secret is where others could read it."""

import base64
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.leaks import Needles, watched_processes
from tests.e2e.support import USER
from tests.lab.audit import readable_by_others
from tests.lab.host import LabHost
from tests.lab.paths import run_dir
from tests.lab.stack import LabStack, Result, Secret, default_config

pytestmark = pytest.mark.e2e

FQDN = "secrets.example.net"
HTTP_SECRET_FILE = "/var/opt/docker-registry/etc/http.secret"
TLS_KEY_FILE = "/var/opt/nginx/etc/tls/files/current/privkey.pem"
READABLE_ROOTS = ("/dev/shm", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var")  # noqa: S108
"""Where on the host a secret could have been left."""


@dataclass(frozen=True)
class Own:
    """Secrets that nobody else has, and the certificate of the key."""

    password: str
    http_secret: str
    tls_key: str
    chain: str


@dataclass
class Life:
    """A stack with secrets that lived through everything, and all that it showed."""

    host: LabHost
    stack: LabStack
    first: Own
    needles: Needles
    start: float
    shown: dict[str, Result] = field(default_factory=dict)
    processes: set[bytes] = field(default_factory=set)


@pytest.fixture(scope="module")
def life(new_host: NewHost, new_stack: NewStack) -> Life:
    """A preview, an up, a refresh, and two ups whose steps with secrets fail, all watched."""
    host = new_host("secrets", aliases=[FQDN])
    first, second = _own(), _own()
    made = Life(host, new_stack("secrets", host), first, _needles(host, first, second), time.time())
    with watched_processes(host) as seen:
        made.stack.configure(_settings(host, first))
        made.shown["preview"] = made.stack.preview("--diff")
        made.shown["up"] = made.stack.up("--diff")
        made.shown["refresh"] = made.stack.refresh("--diff")
        _write_protect(host)
        made.stack.configure(_settings(host, second))
        made.shown["preview of a change"] = made.stack.preview("--diff")
        made.shown["failing certificate"] = made.stack.up("--continue-on-error", check=False)
        # The accounts wait for the certificate, so that they fail only where that does not.
        made.stack.configure(_settings(host, first, password=second.password))
        made.shown["failing accounts"] = made.stack.up(check=False)
    made.processes = seen
    return made


@pytest.mark.parametrize(
    ("up", "steps"),
    [
        ("failing certificate", ("certificate-files", "registry-http-secret")),
        ("failing accounts", ("nginx-files-htpasswd",)),
    ],
)
def test_failing_step_says_why_without_its_secret(life: Life, up: str, steps: tuple[str, ...]) -> None:
    """A step that got a secret on its standard input, and fails, tells the reason and not the secret."""
    done = life.shown[up]
    output = done.stdout + done.stderr
    assert done.returncode != 0
    for step in steps:
        assert re.search(rf"{step}\b.*(failed|error)", output), output
    assert "Read-only file system" in output
    assert life.needles.found_in(output) == []


def test_no_output_has_a_secret(life: Life) -> None:
    """Neither preview nor up nor refresh shows a secret, with all details."""
    found = {verb: life.needles.found_in(done.stdout + done.stderr) for verb, done in life.shown.items()}
    assert {verb: names for verb, names in found.items() if names} == {}


def test_state_settings_and_logs_have_no_secret_in_plain(life: Life) -> None:
    """The exported state, the lab's log files, and the files of state and settings have no secret in plain text."""
    state = json.dumps(life.stack.export())
    assert "http.secret" in state
    assert life.needles.found_in(state) == []
    # The lab's own keys lie in "labs", which is this user's alone.
    assert life.needles.found_below(run_dir(), since=life.start, but=["labs"]) == {}


def test_no_process_shows_a_secret(life: Life) -> None:
    """No command line on the host or on this machine had a secret while the stack was deployed."""
    seen = b"\n".join(life.processes)
    assert b"put-file" in seen and b"--config-file" in seen, "the commands were not sampled"
    assert life.needles.found_in(seen) == []


def test_others_read_no_secret_on_the_host(life: Life) -> None:
    """No file that an ordinary user of the host can read has a secret, nor has Docker's record of the containers."""
    readable = [entry.path for entry in readable_by_others(life.host, READABLE_ROOTS)]
    assert "/etc/passwd" in readable
    assert life.needles.found_in_files(life.host, readable) == []
    record = life.host.run("docker inspect $(docker ps -aq)", private=True).stdout
    assert "OTEL_TRACES_EXPORTER" in record
    assert life.needles.found_in(record) == []


def test_the_search_finds_secrets_where_they_are(life: Life) -> None:
    """The tests above look for the right things: the same search finds the secrets at home, and in base64."""
    home = [HTTP_SECRET_FILE, TLS_KEY_FILE, "/etc/hostname"]
    assert life.needles.found_in_files(life.host, home) == home[:2]
    header = base64.b64encode(f"{USER}:{life.first.password}".encode())
    assert life.needles.found_in(header) == ["first password"]
    key = life.host.private_key_path.read_text()
    assert life.needles.found_in(json.dumps(key)) == ["SSH key"]


def _needles(host: LabHost, first: Own, second: Own) -> Needles:
    named: dict[str, str] = {"SSH key": host.private_key_path.read_text()}
    for order, own in (("first", first), ("second", second)):
        named |= {
            f"{order} password": own.password,
            f"{order} http secret": own.http_secret,
            f"{order} TLS key": own.tls_key,
        }
    return Needles.of(named)


def _settings(host: LabHost, own: Own, **changed: str) -> Mapping[str, Any]:
    values = {**vars(own), **changed}
    return default_config(host, FQDN, values["password"]) | {
        "registry": {"httpSecret": Secret(values["http_secret"])},
        "certificate": {"mode": "files", "chain": values["chain"], "privateKey": Secret(values["tls_key"])},
    }


def _write_protect(host: LabHost) -> None:
    """From now on nothing below the root directory can be changed."""
    host.run("mount --bind /var/opt /var/opt && mount -o remount,bind,ro /var/opt")


def _own() -> Own:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, FQDN)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(FQDN)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Own(
        password=secrets.token_hex(16),
        http_secret=secrets.token_hex(24),
        tls_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        chain=certificate.public_bytes(Encoding.PEM).decode(),
    )
