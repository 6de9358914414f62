"""Doors that an attack found open on the host, in the stack file and in time, each tried as the attack did."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from components.host import table
from components.volumes import _directories
from tests.e2e.doors import drip, head, heard
from tests.e2e.role_users import Api, basic, forget, restored, settings
from tests.e2e.support import USER, Deployed

pytestmark = pytest.mark.e2e

BOUNDS = {"shutdownTimeout": 5, "connectionsPerAddress": 10}
PARTS = {"application/vnd.oci.image.config.v1+json": b"{}", "application/vnd.oci.image.layer.v1.tar": b""}
ENSURE = "/usr/local/lib/docker-registry/ensure-directories"


# --- the host ---------------------------------------------------------------------------------------------------------
def test_user_101_of_the_host_leads_root_nowhere(deployed: Deployed) -> None:
    """On a host as it is made now, and on one as it was made before, which is healed."""
    host = deployed.host
    host.run("rm -rf /var/lib/victim && mkdir -m 0700 /var/lib/victim && touch /var/lib/victim/file")
    attack = "mv logs logs.away && ln -s /var/lib/victim logs"
    as_101 = f"cd /var/opt/certbot && setpriv --reuid=101 --regid=101 --clear-groups sh -c '{attack}'"
    asked = table(_directories("/var/opt"))
    heal = f"printf '%s' '{asked}' | {ENSURE} {len(asked.splitlines())}"
    try:
        host.run(as_101, check=False)
        host.run(heal, check=False)
        assert host.run("stat -c '%a %u' /var/lib/victim").stdout.split() == ["700", "0"]
        assert host.run("find /var/opt/certbot ! -uid 0").stdout == ""

        host.run("chown -R 101:root /var/opt/certbot")
        host.run(heal)
        assert host.run("find /var/opt/certbot ! -uid 0").stdout == ""

        host.run("chown -R 101:root /var/opt/certbot")
        host.run(as_101)
        done = host.run(heal, check=False)
        assert "is a link that user 101 made" in done.stderr
        assert host.run("stat -c '%a %u' /var/lib/victim").stdout.split() == ["700", "0"]
    finally:
        host.run(
            "cd /var/opt/certbot && [ ! -d logs.away ] || { rm -rf logs; mv logs.away logs; }; rm -rf /var/lib/victim"
        )
        host.run(heal)


# --- the stack file ---------------------------------------------------------------------------------------------------
def test_a_plain_password_beside_an_encrypted_one_is_refused(deployed: Deployed) -> None:
    """As in a stack file that somebody edited by hand; a wrong role beside it is shown."""
    users = [*deployed.settings["users"], {"name": "plain", "password": "hunter2"}]
    deployed.stack.configure({**deployed.settings, "users": users})
    try:
        done = deployed.stack.preview(check=False)
    finally:
        deployed.stack.configure(deployed.settings)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "[secret] in plain text" in said
    assert "hunter2" not in said
    users[-1] = {"name": "wrong", "hash": "$apr1$/e4lfekL$VmKqyJxKtij.KARJ9tl84/", "role": "owner"}
    deployed.stack.configure({**deployed.settings, "users": users})
    try:
        done = deployed.stack.preview(check=False)
    finally:
        deployed.stack.configure(deployed.settings)
    assert 'found "owner"; expected pull, push, admin or metrics' in done.stdout + done.stderr


# --- what had begun before --------------------------------------------------------------------------------------------
MANIFEST = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
DRIPS = 15


@pytest.fixture(scope="module")
def bounded(deployed: Deployed) -> Iterator[Deployed]:
    """The shared registry with tight bounds, and with more accounts."""
    with restored(deployed):
        deployed.stack.configure(settings(deployed, nginx=BOUNDS))
        deployed.stack.up()
        yield deployed
    forget(deployed, "team-a")


def test_a_write_that_began_before_a_revocation_does_not_end_after_it(bounded: Deployed) -> None:
    """A manifest that drips: the account goes, and then the connection, within the time that the settings say."""
    lead = Api(bounded, "lead")
    parts = {name: (lead.push_blob("team-a/app", content), len(content)) for name, content in PARTS.items()}
    config, layer = ({"mediaType": kind, "digest": digest, "size": size} for kind, (digest, size) in parts.items())
    manifest = json.dumps({**MANIFEST, "config": config, "layers": [layer]}).encode()
    lines = [f"Authorization: {basic('lead', lead.password)}", f"Content-Length: {len(manifest) + DRIPS}"]
    lines += [f"Content-Type: {MANIFEST['mediaType']}"]
    with bounded.connect("https").sock as old, ThreadPoolExecutor(1) as pool:
        old.sendall(head("PUT", "/v2/team-a/app/manifests/dripped", bounded.fqdn, *lines) + manifest)
        dripping = pool.submit(drip, old, 3 * DRIPS, 2, b" ")
        changed = settings(bounded, nginx=BOUNDS)
        changed["users"] = [user for user in changed["users"] if user["name"] != "lead"]
        bounded.stack.configure(changed)
        bounded.stack.up()
        ended = time.monotonic()
        _, said = dripping.result()
        assert b"HTTP/1.1 201" not in said
        assert time.monotonic() - ended < 2 * BOUNDS["shutdownTimeout"] + 2
    assert Api(bounded, USER).ask("GET", "/v2/team-a/app/manifests/dripped").status == 404


def test_of_one_address_no_more_is_served_than_the_settings_say(bounded: Deployed) -> None:
    """Uploads that all go on at once: the last ones are too many."""
    started = Api(bounded, USER).ask("POST", "/v2/team-a/app/blobs/uploads/")
    location = urlsplit(started.headers["location"])
    path = f"{location.path}?{location.query}"
    lines = [f"Authorization: {basic(USER, bounded.password)}", "Content-Length: 10"]
    with ExitStack() as held:
        slow = [held.enter_context(bounded.connect("https").sock) for _ in range(12)]
        for connection in slow:
            connection.sendall(head("PATCH", path, bounded.fqdn, *lines) + b"x")
        time.sleep(1)
        answers = [heard(connection, 0.5) for connection in slow]
    assert sum(answer.startswith(b"HTTP/1.1 429") for answer in answers) == 12 - BOUNDS["connectionsPerAddress"]
    assert sum(not answer for answer in answers) == BOUNDS["connectionsPerAddress"]
