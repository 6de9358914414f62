"""Scenarios on a host that has a certificate: the old one serves, each is told by name, and it is over by itself."""

import re
from datetime import timedelta

from tests.e2e.acme_first_troubles import EAB_ID, EAB_KEY
from tests.e2e.acme_obstacles import full_disk, killed_renewal, server_down, shifted_clock
from tests.e2e.acme_trouble import Site, said
from tests.e2e.interrupting import kill
from tests.lab.acme_requests import INVALID_ORDER, RATE_LIMIT
from tests.lab.stack import Secret
from tests.unit.config import pki

DAY = 86400

WARNING = "warning: certificate"


def order_is_invalid(site: Site) -> None:
    """`up` with other names fails with the server's reason, and the old certificate serves."""
    before = site.serial()
    site.pebble.invalidate_orders()
    site.configure(eabKeyId=EAB_ID, eabHmacKey=Secret(EAB_KEY))
    assert INVALID_ORDER["patch"]["error"]["detail"] in site.failed_up()
    site.pebble.heal()
    assert site.serial() == before
    assert site.status().code == 0


def engine_is_killed_at_a_change(site: Site) -> None:
    """The host goes on when the engine is killed, and the next `up` takes what it got: there is no other order."""
    before, orders = site.serial(), site.pebble.orders()
    site.broken_up(site.challenged_slowly(), kill)
    site.pebble.heal()
    site.stack.up()
    site.wait_for_another(before)
    assert site.pebble.orders() == orders + 1
    site.assert_complete()


def clock_is_fast(site: Site) -> None:
    """A host that believes the certificate to have expired says so and fails; `up` warns, and asks for none."""
    orders = site.pebble.orders()
    with shifted_clock(site.host, 100 * DAY):
        succeeded, journal = site.renew()
        status = site.status()
        warned = said(site.stack.up())
    assert not succeeded
    assert (status.code, status.state) == (2, "expired"), status
    assert "expired" in status.text and "expired" in journal
    assert f"{WARNING} (acme): expired" in warned
    assert site.pebble.orders() == orders


def clock_is_slow(site: Site) -> None:
    """A host whose clock is before the certificate's begin says what time it has; with the right one all is well."""
    with shifted_clock(site.host, -10 * DAY):
        succeeded, journal = site.renew()
        status = site.status()
    assert not succeeded
    assert (status.code, status.state) == (2, "not-yet-valid"), status
    for text in (status.text, journal, status.certificate["detail"]):
        assert "this host's clock" in text
    assert site.renew()[0]
    assert site.status().code == 0


def expiry_is_near(site: Site) -> None:
    """A certificate within `warnDays` of its end: status and unit fail, and every `up` warns."""
    leaf = pki.issue(site.fqdn, starts=-timedelta(days=80), ends=timedelta(days=5))
    site.configure_certificate({"mode": "files", "chain": leaf.pem, "privateKey": Secret(leaf.key_pem)})
    assert re.search(rf"{WARNING} \(files\): expiring, until [^;]+; 4 days are left", said(site.stack.up()))
    succeeded, journal = site.renew()
    assert not succeeded
    status = site.status()
    assert (status.code, status.state, status.certificate["daysLeft"]) == (1, "expiring", 4), status
    assert "expiring" in status.text and "expiring" in journal


def disk_is_full_at_renewal(site: Site) -> None:
    """The old certificate serves, and the unit fails with the system's own words."""
    site.be_due()
    _renewal_fails(site, "No space left on device", room=2)


def server_is_down_at_renewal(site: Site) -> None:
    """The old certificate serves, unit and status fail, and the next `up` warns."""
    with server_down(site.host, site.pebble):
        _renewal_fails(site, "Max retries exceeded")
    warned = said(site.stack.up())
    assert re.search(rf"{WARNING} \(acme\): renewal-failed, until [^;]+; the last renewal failed", warned)


def nonces_are_rejected(site: Site) -> None:
    """The old certificate serves, and the unit fails with the server's reason."""
    site.pebble.reject_nonces()
    _renewal_fails(site, "anti-replay nonce")
    site.pebble.heal()


def rate_limit_is_reached(site: Site) -> None:
    """The old certificate serves, and the unit fails with the server's reason."""
    site.pebble.rate_limit()
    _renewal_fails(site, RATE_LIMIT["problem"]["detail"])
    site.pebble.heal()


def renewal_is_killed(site: Site) -> None:
    """The old certificate serves, and the status says so; the next run renews, and after all trouble all is well."""
    before = site.serial()
    killed_renewal(site.host, site.challenged_slowly())
    site.pebble.heal()
    assert site.serial() == before
    status = site.status()
    assert (status.code, status.state) == (1, "renewal-failed"), status
    assert site.renew()[0]
    site.wait_for_another(before)
    site.assert_complete()


def _renewal_fails(site: Site, reason: str, room: int = 0) -> None:
    before = site.serial()
    if room:
        with full_disk(site.host, room=room):
            succeeded, journal = site.renew()
    else:
        succeeded, journal = site.renew()
    assert not succeeded
    assert reason in journal
    assert site.serial() == before
    status = site.status()
    assert (status.code, status.state) == (1, "renewal-failed"), status
    assert "renewal-failed" in status.text
    site.assert_nothing_is_left()
