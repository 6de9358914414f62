"""What outlives `destroy`, and what an `up` after it finds."""

import re

import pytest

from tests.e2e.support import USER, Deployed, round_trip
from tests.e2e.traces import Traces, traces
from tests.lab.clients import Client

pytestmark = pytest.mark.e2e

IMAGE = "kept/image:1.0"

LEFT_PATHS = (
    # Images, and the logs of registry and page.
    r"/var/opt/docker-registry/",
    r"/var/opt/docker-registry/data/(.*)",
    r"/var/opt/docker-registry/logs/(.*)",
    r"/var/opt/docker-registry-ui/",
    r"/var/opt/docker-registry-ui/logs/(.*)",
    # The secret that signs uploads under way.
    r"/var/opt/docker-registry/etc/",
    r"/var/opt/docker-registry/etc/http\.secret",
    # Accounts, certificates and the proxy's logs.
    r"/var/opt/nginx/",
    r"/var/opt/nginx/etc/",
    r"/var/opt/nginx/etc/auth/",
    r"/var/opt/nginx/etc/auth/registry\.htpasswd",
    r"/var/opt/nginx/etc/conf\.d/",
    r"/var/opt/nginx/etc/start/",
    r"/var/opt/nginx/etc/tls/",
    r"/var/opt/nginx/etc/tls/self-signed/",
    r"/var/opt/nginx/etc/tls/self-signed/ca\.(key|pem)",
    r"/var/opt/nginx/etc/tls/self-signed/current",
    r"/var/opt/nginx/etc/tls/self-signed/[0-9A-F]{16}-[0-9a-f]{8}/",
    r"/var/opt/nginx/etc/tls/self-signed/[0-9A-F]{16}-[0-9a-f]{8}/(fullchain|privkey)\.pem",
    r"/var/opt/nginx/logs/(.*)",
    # Where certificate authorities look.
    r"/var/opt/letsencrypt/",
    r"/var/opt/certbot/",
    r"/var/opt/certbot/nginx/(etc/(conf\.d/)?)?",
    r"/var/opt/certbot/logs/",
    r"/var/opt/certbot/webroot/(\.well-known/(acme-challenge/)?)?",
    # Which files are this program's, so that the next `up` knows the accounts again.
    r"/var/lib/docker-registry/",
    r"/var/lib/docker-registry/files/",
    r"/var/lib/docker-registry/files/%2Fvar%2Fopt%2Fnginx%2Fetc%2Fauth%2Fregistry\.htpasswd",
)
"""All that `destroy` leaves below /etc, /home, /opt, /root, /srv, /usr and /var."""

LEFT_IF_NEEDED = r"/var/lib/docker-registry/prepare\.log"
"""What was installed, and how Docker was enabled, on a host where that was wanting."""

LEFT_VOLUMES = {"registry-data", "registry-logs", "registry-ui-logs"}
LEFT_IMAGES = {"nginx", "registry", "joxit/docker-registry-ui"}


def test_destroy_and_up_keep_images_certificate_and_accounts(deployed: Deployed, client: Client) -> None:
    """`destroy` leaves the list above and nothing else; the next `up` serves the same images to the same users."""
    digest = client.push(IMAGE)
    certificate = deployed.certificate()
    accounts = deployed.host.get_file("/var/opt/nginx/etc/auth/registry.htpasswd")

    deployed.stack.destroy()
    left = traces(deployed.host)
    # The other tests need the registry, whatever was left.
    deployed.stack.up()

    _expect_only_what_is_listed(deployed.before, left)
    round_trip(client, IMAGE, digest)
    assert deployed.certificate() == certificate
    assert deployed.host.get_file("/var/opt/nginx/etc/auth/registry.htpasswd") == accounts
    assert deployed.get("/v2/", user=USER, password=deployed.password).status == 200
    assert _backups(deployed) == []


def _expect_only_what_is_listed(before: Traces, after: Traces) -> None:
    left = after.paths - before.paths
    allowed = (*LEFT_PATHS, LEFT_IF_NEEDED)
    surplus = sorted(path for path in left if not any(re.fullmatch(pattern, path) for pattern in allowed))
    assert surplus == []
    unmatched = [pattern for pattern in LEFT_PATHS if not any(re.fullmatch(pattern, path) for path in left)]
    assert unmatched == []
    assert before.paths - after.paths == set()
    assert after.contents == before.contents
    assert after.containers == before.containers
    assert after.networks == before.networks
    assert after.volumes - before.volumes == LEFT_VOLUMES
    assert after.images - before.images == LEFT_IMAGES


def _backups(deployed: Deployed) -> list[str]:
    """Copies that `up` keeps of files it doesn't know: none, as all are its own."""
    return deployed.host.run("find /var/opt -name '*~'").stdout.splitlines()
