"""The proxy goes on serving while its configuration changes, and while what it serves is replaced."""

import time
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography import x509

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.support import Deployed
from tests.e2e.traces import traces
from tests.e2e.traffic import Asking, SlowPush
from tests.lab.clients import TEST_IMAGE
from tests.lab.paths import write_private
from tests.lab.run import LabError
from tests.lab.stack import Result, Secret, default_config
from tests.unit.config.pki import Issued, issue

pytestmark = pytest.mark.e2e

FQDN = "proxy.example.net"
PASSWORD = "a password for alice"
SITE = "/var/opt/nginx/etc/conf.d/registry.conf"
ADDED = "/var/opt/nginx/etc/conf.d/added.conf"
RELOAD = "/usr/local/lib/docker-registry/nginx-reload"
_CHILDREN = 'for p in $(grep -lx "PPid:.*[^0-9]1" /proc/[0-9]*/status)'
_WORKERS = _CHILDREN + '; do echo "$p:$(tr -d "\\000" <"${p%status}cmdline")"; done'
PUSH_BYTES = 8 * 1024 * 1024
FOUND_SECONDS = 10
OLD, NEW = issue(FQDN, common_name="old"), issue(FQDN, common_name="new")


@dataclass(frozen=True)
class Proxy:
    """What of the proxy must not change by itself: the site's content, the container and its start."""

    site: str
    container: str

    @classmethod
    def of(cls, registry: Deployed) -> "Proxy":
        """The proxy as it is now."""
        argv = ["docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", "nginx"]
        return cls(registry.host.get_file(SITE), registry.host.run(argv).stdout.strip())


@dataclass(frozen=True)
class Reload:
    """What clients saw of an `up` that changed accounts, certificate and site."""

    before: Proxy
    after: Proxy
    asking: Asking
    push_was_under_way: bool
    push_status: int | None


@pytest.fixture(scope="module")
def registry(new_host: NewHost, new_stack: NewStack) -> Deployed:
    """A registry with a certificate from the settings; its clients trust that and the next one."""
    host = new_host("proxy", aliases=[FQDN])
    stack = new_stack("proxy", host)
    settings = default_config(host, FQDN, PASSWORD) | _certificate(OLD)
    before = traces(host)
    stack.configure(settings)
    stack.up()
    ca = write_private(host.folder / "registry-ca.pem", OLD.pem + NEW.pem)
    return Deployed(host, stack, FQDN, PASSWORD, ca, settings, before)


@pytest.fixture(scope="module")
def refused(registry: Deployed) -> tuple[Proxy, Result]:
    """The proxy before an `up` with a changed site that nginx refuses, because of a file of the administrator's."""
    before = Proxy.of(registry)
    registry.host.put_file(ADDED, "upstream nowhere { server; }\n")
    registry.stack.configure({**registry.settings, "nginx": {"readTimeout": 901}})
    return before, registry.stack.up(check=False)


@pytest.fixture(scope="module")
def reload(registry: Deployed, refused: tuple[Proxy, Result]) -> Reload:
    """An `up` that changes accounts, certificate and site at once, while clients are at work."""
    before, _ = refused
    registry.host.run(["rm", "-f", ADDED])
    users = [*registry.settings["users"], {"name": "bob", "password": Secret("a password for bob")}]
    changed = {"users": users, "nginx": {"readTimeout": 902}, **_certificate(NEW)}
    registry.stack.configure({**registry.settings, **changed})
    push = SlowPush(registry, "slow/push", PUSH_BYTES)
    with Asking(registry) as asking:
        registry.stack.up()
    reloaded = "worker process is shutting down" in registry.host.run(["docker", "top", "nginx"]).stdout
    under_way = push.under_way and reloaded
    return Reload(before, Proxy.of(registry), asking, under_way, push.finish())


def test_refused_site_fails_with_nginx_s_words(refused: tuple[Proxy, Result]) -> None:
    """A configuration that nginx refuses fails `up`, with what nginx has to say about it."""
    _, up = refused
    assert up.returncode != 0
    assert 'invalid number of arguments in "server" directive' in up.stdout + up.stderr


def test_refused_site_leaves_the_old_one_serving(registry: Deployed, refused: tuple[Proxy, Result]) -> None:
    """A configuration that nginx refuses never reaches the running proxy: file, container and answers stay."""
    before, _ = refused
    assert Proxy.of(registry) == before
    assert registry.get("/v2/").status == 401
    assert registry.get("/v2/", password=PASSWORD).status == 200


def test_change_of_accounts_certificate_and_site_drops_no_request(reload: Reload) -> None:
    """A client that asks all the time gets each answer while accounts, certificate and site change."""
    assert reload.asking.failures == []
    assert reload.asking.answers > 20


def test_push_under_way_survives_a_reload(reload: Reload) -> None:
    """A push that began before the change is finished after it, over the same connection."""
    assert reload.push_was_under_way
    assert reload.push_status == 201


def test_change_reloads_in_place(reload: Reload) -> None:
    """The proxy's container is neither replaced nor restarted; its site is the new one."""
    assert reload.after.container == reload.before.container
    assert "proxy_read_timeout 900s;" in reload.before.site
    assert "proxy_read_timeout 902s;" in reload.after.site


def test_a_reload_is_over_when_it_says_so(registry: Deployed) -> None:
    """What was taken away is gone then: no worker that read the old files takes another connection."""
    for _ in range(3):
        before = _serving(registry)
        registry.host.run([RELOAD])
        assert before
        assert before & _serving(registry) == set()


def _serving(registry: Deployed) -> set[str]:
    """The workers that take connections: nginx names those that only finish what they have otherwise.

    The first process is their parent; who compares passwords has another.
    """
    found = registry.host.run(["docker", "exec", "nginx", "sh", "-c", _WORKERS]).stdout
    return {line.split(":", 1)[0] for line in found.splitlines() if line.endswith(":nginx: worker process")}


def test_changes_are_in_effect(registry: Deployed, reload: Reload) -> None:
    """After the change the new account gets in, and the new certificate is served."""
    assert reload.after.site != reload.before.site
    assert registry.get("/v2/", user="bob", password="a password for bob").status == 200
    assert registry.get("/v2/", user="bob", password="another password").status == 401
    served = x509.load_der_x509_certificate(registry.certificate())
    assert served.serial_number == NEW.certificate.serial_number


def test_recreated_registry_is_found(registry: Deployed, reload: Reload) -> None:
    """A registry removed by hand is made anew by refresh and `up`, and nginx finds it at its new address."""
    host = registry.host
    before = _address(registry)
    host.run(["docker", "pull", "--quiet", TEST_IMAGE])
    host.run(["docker", "rm", "--force", "registry"])
    # Somebody else takes the address that became free.
    host.run(
        [
            "docker",
            "run",
            "-d",
            "--name",
            "squatter",
            "--network",
            "registry",
            "--ip",
            before,
            TEST_IMAGE,
            "sleep",
            "600",
        ]
    )
    registry.stack.refresh()
    registry.stack.up()
    _wait_for_answer(registry)
    assert _address(registry) != before
    assert Proxy.of(registry) == reload.after
    host.run(["docker", "rm", "--force", "squatter"])


def _certificate(issued: Issued) -> dict[str, Any]:
    return {"certificate": {"mode": "files", "chain": issued.pem, "privateKey": Secret(issued.key_pem)}}


def _address(registry: Deployed) -> str:
    form = '{{(index .NetworkSettings.Networks "registry").IPAddress}}'
    return registry.host.run(["docker", "inspect", "--format", form, "registry"]).stdout.strip()


def _wait_for_answer(registry: Deployed) -> None:
    deadline = time.monotonic() + FOUND_SECONDS
    while (status := registry.get("/v2/", password=PASSWORD).status) != 200:
        if time.monotonic() > deadline:
            raise LabError(f"{FOUND_SECONDS} s after the registry was healthy the proxy still answers {status}")
        time.sleep(0.1)
