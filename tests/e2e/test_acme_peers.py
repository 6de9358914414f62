"""Several hosts with one name: a certificate authority may ask any of them for what one has ordered."""

from dataclasses import replace

import pytest

from tests.e2e.acme_registry import AcmeRegistry, from_server, served
from tests.lab.acme_settings import Settings
from tests.lab.lab import Lab
from tests.lab.pebble import Pebble

pytestmark = pytest.mark.e2e


def test_any_host_may_be_asked(lab: Lab) -> None:
    """Each gets its certificate though the name leads to the other one, at its first `up` and later."""
    server = Pebble.start(lab, Settings(renewal_info=False), "pebble-peers")
    one, two = (AcmeRegistry(lab, name, server) for name in ("peer-one", "peer-two"))
    fqdn = one.deployed.fqdn
    site = {"fqdn": fqdn, "peers": [registry.deployed.host.address for registry in (one, two)]}
    one.become(from_server(server), site=site)
    # The first time a throw-away proxy answers, as nothing serves yet.
    two.become(from_server(server), site=site)
    first, second = (served(replace(registry.deployed, fqdn=fqdn)) for registry in (one, two))
    assert first.serial_number != second.serial_number
    server.resolve(fqdn, two.deployed.host.address)
    one.become(from_server(server, keyType="rsa"), site=site)
    assert served(replace(one.deployed, fqdn=fqdn)).serial_number != first.serial_number
    assert server.orders() == server.issued() == 3
