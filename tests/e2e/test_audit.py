"""Owners and modes on the host."""

import re

import pytest

from tests.e2e.support import Deployed
from tests.lab.audit import Entry, audit, readable_by_others
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

EXPECTED = """
d 0700 0:0   /var/opt/docker-registry
d 0700 0:0   /var/opt/docker-registry/data
d 0700 0:0   /var/opt/docker-registry/etc
f 0600 0:0   /var/opt/docker-registry/etc/config.yml
f 0600 0:0   /var/opt/docker-registry/etc/http.secret
f 0600 0:0   /var/opt/docker-registry/etc/reader.yml
f 0700 0:0   /var/opt/docker-registry/etc/registry-await
f 0700 0:0   /var/opt/docker-registry/etc/registry-healthy
f 0700 0:0   /var/opt/docker-registry/etc/registry-log
f 0700 0:0   /var/opt/docker-registry/etc/registry-publish
f 0700 0:0   /var/opt/docker-registry/etc/registry-start
f 0700 0:0   /var/opt/docker-registry/etc/registry-storage
f 0700 0:0   /var/opt/docker-registry/etc/registry-writer
f 0700 0:0   /var/opt/docker-registry/etc/registry-writers
d 0700 0:0   /var/opt/docker-registry/logs
d 0700 0:0   /var/opt/docker-registry-ui
d 0700 0:0   /var/opt/docker-registry-ui/logs
d 0750 0:0   /var/opt/letsencrypt
d 0700 0:0   /var/opt/certbot
d 0700 0:0   /var/opt/certbot/logs
d 0700 0:0   /var/opt/certbot/nginx
d 0700 0:0   /var/opt/certbot/nginx/etc
d 0700 0:0   /var/opt/certbot/nginx/etc/conf.d
d 0750 0:3 /var/opt/certbot/webroot
d 0750 0:3 /var/opt/certbot/webroot/.well-known
d 0750 0:3 /var/opt/certbot/webroot/.well-known/acme-challenge
d 0700 0:0   /var/opt/nginx
d 0700 0:0   /var/opt/nginx/etc
d 0700 0:0   /var/opt/nginx/etc/auth
f 0600 0:0   /var/opt/nginx/etc/auth/registry.htpasswd
d 0700 0:0   /var/opt/nginx/etc/conf.d
f 0600 0:0   /var/opt/nginx/etc/conf.d/access.conf
f 0600 0:0   /var/opt/nginx/etc/conf.d/accounts.conf
f 0600 0:0   /var/opt/nginx/etc/conf.d/asked.js
f 0600 0:0   /var/opt/nginx/etc/conf.d/catalogue.js
f 0600 0:0   /var/opt/nginx/etc/conf.d/gate.js
f 0600 0:0   /var/opt/nginx/etc/conf.d/immutable.conf
f 0600 0:0   /var/opt/nginx/etc/conf.d/log.conf
f 0600 0:0   /var/opt/nginx/etc/conf.d/registry.conf
f 0600 0:0   /var/opt/nginx/etc/conf.d/rows.js
d 0700 0:0   /var/opt/nginx/etc/start
f 0600 0:0   /var/opt/nginx/etc/start/main.conf
f 0700 0:0   /var/opt/nginx/etc/start/nginx-start
f 0600 0:0   /var/opt/nginx/etc/start/passwords.conf
d 0700 0:0   /var/opt/nginx/etc/tls
d 0700 0:0   /var/opt/nginx/etc/tls/self-signed
f 0600 0:0   /var/opt/nginx/etc/tls/self-signed/ca.key
f 0600 0:0   /var/opt/nginx/etc/tls/self-signed/ca.pem
d 0700 0:0   /var/opt/nginx/etc/tls/self-signed/FINGERPRINT
f 0600 0:0   /var/opt/nginx/etc/tls/self-signed/FINGERPRINT/fullchain.pem
f 0600 0:0   /var/opt/nginx/etc/tls/self-signed/FINGERPRINT/privkey.pem
d 0700 0:0   /var/opt/nginx/logs
"""
"""Type, mode, owner and path of all that the program makes below the root directory."""

RUNTIME = ("/data/", "/logs/")
"""Below these directories lies what the containers write; the directories themselves are closed."""

ROOTS = ("/var/opt", "/var/lib/docker-registry", "/usr/local/lib/docker-registry")
TOOLS = "/usr/local/lib/docker-registry/"
_GENERATION = re.compile(r"/self-signed/[0-9A-F]{16}-[0-9a-f]{8}")


def test_files_and_directories_have_owner_and_mode(deployed: Deployed) -> None:
    """All below the root directory is as listed, and nothing else is there. `-s` prints the whole audit."""
    entries = audit(deployed.host, ["/var/opt"])
    print("\n" + "".join(f"{entry}\n" for entry in entries))
    made = [entry for entry in entries if entry.path != "/var/opt" and not _is_runtime(entry)]
    # Certificates of before, which other tests had made anew, are kept.
    assert any(entry.path.endswith(f"/self-signed/{_fingerprint(deployed.host)}") for entry in made)
    found = {_GENERATION.sub("/self-signed/FINGERPRINT", _line(entry)) for entry in made if entry.kind != "l"}
    assert found == {" ".join(line.split()) for line in EXPECTED.strip().splitlines()}
    assert [entry.path for entry in made if entry.kind == "l"] == ["/var/opt/nginx/etc/tls/self-signed/current"]


def test_others_read_nothing_but_the_tools(deployed: Deployed) -> None:
    """A user of the host without rights reads the tools, and nothing of the registry."""
    readable = {entry.path for entry in readable_by_others(deployed.host, ROOTS)}
    tools = {entry.path for entry in audit(deployed.host, [TOOLS]) if entry.kind == "f"}
    assert tools
    assert readable == tools


def test_nobody_but_root_writes_the_tools(deployed: Deployed) -> None:
    """The tools, which root runs, are root's; the modules of one of them are not run by themselves, in neither form."""
    entries = audit(deployed.host, [TOOLS.rstrip("/")])
    assert {(entry.kind, entry.mode, entry.uid, entry.gid) for entry in entries} == {
        ("d", 0o755, 0, 0),
        ("f", 0o755, 0, 0),
        ("f", 0o644, 0, 0),
    }
    files = [entry for entry in entries if entry.kind == "f"]
    assert all(entry.path.endswith((".py", ".pyc")) == (entry.mode == 0o644) for entry in files)
    assert any(entry.path.endswith(".pyc") for entry in files)


def _is_runtime(entry: Entry) -> bool:
    return any(part in entry.path for part in RUNTIME)


def _line(entry: Entry) -> str:
    return f"{entry.kind} {entry.mode:04o} {entry.uid}:{entry.gid} {entry.path}"


def _fingerprint(host: LabHost) -> str:
    return host.run(["readlink", "/var/opt/nginx/etc/tls/self-signed/current"]).stdout.strip()
