"""Scenarios on a host that has no certificate yet: each is told by name, loses nothing, and the next `up` goes on."""

import json
import re

from tests.e2e.acme_obstacles import (
    SOMEBODY,
    full_disk,
    kill_tools,
    port_80_taken,
    server_down,
    small_disk,
)
from tests.e2e.acme_trouble import LETSENCRYPT, THROWN_AWAY, UNIT, Site, said
from tests.e2e.interrupting import Running, kill
from tests.e2e.leaks import Needles
from tests.e2e.traces import traces
from tests.lab.audit import audit, readable_by_others
from tests.lab.stack import Secret

EAB_ID, EAB_KEY = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
PERMISSIONS_OF_OTHERS = 0o077
ONLY_AN_ACCOUNT_S_KEY, ONLY_HALF_A_CERTIFICATE = 2, 8
"""Files for which there is room, when the disk is full in the middle of a first certificate."""


def port_80_is_taken(site: Site) -> None:
    """`up` says who has the port before anything is touched."""
    site.configure(eabKeyId=EAB_ID, eabHmacKey=Secret(EAB_KEY), names=[second_name(site)])
    before = traces(site.host)
    with port_80_taken(site.host):
        assert f"port 80 is taken by {SOMEBODY}" in site.failed_up()
    assert traces(site.host) == before


def names_do_not_lead_to_the_host(site: Site) -> None:
    """`up` fails with certbot's own words for each name: one leads nowhere, the other to another machine."""
    site.pebble.resolve(second_name(site), str(site.host.lab.subnet[2]))
    output = site.failed_up()
    for name in (site.fqdn, second_name(site)):
        assert re.search(rf"Domain: {name}\n\s*Type: .*\n\s*Detail: .*{name}", output), output
    assert not site.exists(f"{LETSENCRYPT}/live/{site.fqdn}")
    site.assert_nothing_is_left()


def port_80_is_taken_meanwhile(site: Site) -> None:
    """Where the port is taken between the check and the challenge, `up` fails with Docker's own words."""
    for name in (site.fqdn, second_name(site)):
        site.pebble.resolve(name, site.host.address)
    orders = site.pebble.orders()
    with port_80_taken(site.host):
        assert "address already in use" in site.failed_up()
    assert site.pebble.orders() == orders
    site.assert_nothing_is_left()


def server_is_down_at_first(site: Site) -> None:
    """`up` fails with certbot's own words; the next one completes, and no secret lies open."""
    with server_down(site.host, site.pebble):
        assert "Max retries exceeded" in site.failed_up()
        site.assert_nothing_is_left()
    site.stack.up()
    site.assert_complete()
    assert site.pebble.issued() == 1


def secrets_are_root_s_alone(site: Site) -> None:
    """No private key on the host is for others; the account's key is nowhere on it, nor in the plain state."""
    keys = [entry for entry in audit(site.host, [LETSENCRYPT]) if re.search(r"/priv[^/]*\.(pem|json)$", entry.path)]
    files = [key for key in keys if key.kind == "f"]
    assert len(files) == 2, keys
    for key in files:
        assert (key.owner, key.mode & PERMISSIONS_OF_OTHERS) == ("root", 0), key
    assert readable_by_others(site.host, ["/var/opt/letsencrypt", "/var/opt/certbot"]) == []
    needles = Needles.of({"account": EAB_KEY})
    paths = site.host.run("find /etc/docker-registry /var/opt /var/lib/docker-registry -type f").stdout.splitlines()
    assert needles.found_in_files(site.host, paths) == []
    assert needles.found_in(json.dumps(site.stack.export())) == []


def systemd_accepts_the_units(site: Site) -> None:
    """Nothing to remark in service and timer."""
    units = [f"/etc/systemd/system/{UNIT}.{kind}" for kind in ("service", "timer")]
    done = site.host.run(["systemd-analyze", "verify", *units], check=False)
    assert (done.returncode, said(done)) == (0, "")


def disk_is_full_at_first(site: Site) -> None:
    """`up` fails with the system's own words, wherever in certbot's run the room ends."""
    small_disk(site.host)
    site.configure()
    site.pebble.resolve(site.fqdn, site.host.address)
    for room in (ONLY_AN_ACCOUNT_S_KEY, ONLY_HALF_A_CERTIFICATE):
        with full_disk(site.host, room=room):
            assert "No space left on device" in site.failed_up()
        site.assert_nothing_is_left()


def all_but_certbot_is_killed_at_first(site: Site) -> None:
    """The next `up` completes: it waits for certbot, takes what that got, and removes the throw-away proxy.

    There is no other order; and no trouble before, a full disk among them, has given the certificate another name.
    """
    orders = site.pebble.orders()

    def kill_all(run: Running) -> None:
        kill(run)
        kill_tools(run.host)
        assert site.containers() >= THROWN_AWAY

    site.broken_up(site.challenged_slowly(), kill_all)
    site.pebble.heal()
    site.stack.up()
    site.assert_complete()
    assert site.pebble.orders() == orders + 1


def second_name(site: Site) -> str:
    """A further name for the certificate."""
    return f"www.{site.fqdn}"
