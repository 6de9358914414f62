"""Gets a certificate from a certificate authority (ACME, HTTP-01), if the one on the host does not serve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from registryctl.certificate import certbot, openssl
from registryctl.certificate.openssl import CertificateError
from registryctl.certificate.proxy import serve
from registryctl.locks import locked
from registryctl.machine import Machine

_PROXY = "registry-acme"
# The challenges are the group's that the proxy's workers have; see nginx-start.
_SERVE = (
    r'sed -i "s/^\([[:space:]]*user[[:space:]]\{1,\}[^[:space:];]*\)[^;]*;/\1 sys;/" /etc/nginx/nginx.conf'
    ' && exec nginx -g "daemon off;"'
)
# In one process: looking from outside takes longer than nginx needs to start.
_STARTED = (
    "for _ in $(seq 100); do test -s /run/nginx.pid && break; test -s /var/run/nginx.pid && break; sleep 0.05; done"
)
# It ends by itself, should nobody be left to end it.
_PROXY_SECONDS = "1800"


@dataclass(frozen=True)
class Wanted:
    """A certificate as the stack wants it. The first of its names names it; `address` is where challenges come."""

    nginx: str
    certbot: str
    root: Path
    address: str
    server: str
    key_type: str
    names: tuple[str, ...]
    email: str = ""
    profile: str = ""
    key_id: str = ""

    @property
    def letsencrypt(self) -> Path:
        """Certbot's own directory."""
        return self.root / "letsencrypt"

    @property
    def chain(self) -> Path:
        """The certificate that certbot keeps up to date."""
        return self.letsencrypt / "live" / self.names[0] / "fullchain.pem"

    @property
    def record(self) -> Path:
        """What certbot knows of it."""
        return self.letsencrypt / "renewal" / f"{self.names[0]}.conf"


def issue(machine: Machine, wanted: Wanted, key: str) -> str:
    """Its end and fingerprint. `key` is that of an external account. Raises `CertificateError`.

    A certificate is kept, and nobody asked, if it is valid for the names, from this server, of this type and profile,
    and not in its last third. The running proxy answers the challenge; if there is none, a throw-away one does.
    """
    with locked(machine, "issue"):
        # Certbot and its throw-away proxy outlive a killed run.
        certbot.await_end(machine)
        _clean_up(machine, wanted)
        if not (_is_as_wanted(machine, wanted) and _is_in_good_time(machine, wanted.chain)):
            try:
                _ask(machine, wanted, key)
            finally:
                _clean_up(machine, wanted)
        private = wanted.chain.with_name("privkey.pem")
        if private.exists():
            private.chmod(0o600)
        serve(machine, wanted.chain)
        return openssl.told(machine, wanted.chain)


def _clean_up(machine: Machine, wanted: Wanted) -> None:
    machine.run("docker", "rm", "--force", _PROXY)
    _account(wanted).unlink(missing_ok=True)


def _account(wanted: Wanted) -> Path:
    return wanted.letsencrypt / "eab.ini"


def _is_as_wanted(machine: Machine, wanted: Wanted) -> bool:
    if not wanted.chain.exists() or not wanted.record.exists():
        return False
    known = _recorded(wanted.record)
    # Before certbot 2.0 keys were rsa unless it was told otherwise, and nothing was recorded then.
    return (known.get("server"), known.get("key_type", "rsa"), known.get("preferred_profile", "")) == (
        wanted.server,
        wanted.key_type,
        wanted.profile,
    ) and openssl.names(machine, wanted.chain) == sorted(wanted.names)


def _recorded(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return dict(line.split(" = ", 1) for line in lines if " = " in line)


def _is_in_good_time(machine: Machine, chain: Path) -> bool:
    life = openssl.life(machine, chain)
    return life is not None and (life.end - machine.now()) * 3 > life.end - life.begin


def _ask(machine: Machine, wanted: Wanted, key: str) -> None:
    with _somebody_answers(machine, wanted):
        _put_aside_halves(wanted)
        if wanted.key_id:
            # In a file, as everybody on the host sees a command line.
            _account(wanted).touch(mode=0o600)
            _account(wanted).write_text(f"eab-kid = {wanted.key_id}\neab-hmac-key = {key}\n", encoding="utf-8")
        certbot.run(machine, wanted.certbot, wanted.root, *_words(wanted))
    if not wanted.chain.exists():
        raise CertificateError(f"issue-certificate: certbot made no {wanted.chain}")


@contextmanager
def _somebody_answers(machine: Machine, wanted: Wanted) -> Iterator[None]:
    running = machine.answer("docker", "container", "inspect", "--format", "{{.State.Running}}", "nginx")
    if running != "true":
        done = machine.run(
            *("docker", "run", "--detach", "--rm", "--name", _PROXY, "--publish", f"{wanted.address}:80"),
            *("--volume", f"{wanted.root}/certbot/webroot:/var/www/letsencrypt:ro"),
            *("--volume", f"{wanted.root}/certbot/nginx/etc/conf.d:/etc/nginx/conf.d:ro"),
            *(wanted.nginx, "timeout", _PROXY_SECONDS, "sh", "-c", _SERVE),
        )
        if done.code != 0:
            raise CertificateError(done.err.strip())
        machine.run("docker", "exec", _PROXY, "sh", "-c", _STARTED)
    yield


def _put_aside_halves(wanted: Wanted) -> None:
    """What a full disk left of a first try.

    Certbot fails on half an account, and makes a certificate of another name beside half a certificate.
    """
    aside = wanted.letsencrypt / "accounts~"
    halves = {path.parent for path in (wanted.letsencrypt / "accounts").rglob("*.json") if not path.stat().st_size}
    for half in halves:
        aside.mkdir(exist_ok=True)
        half.rename(aside / half.name)
    if wanted.record.exists() and "fullchain" not in _recorded(wanted.record):
        wanted.record.unlink()
        for folder in ("live", "archive"):
            half = wanted.letsencrypt / folder / wanted.names[0]
            if half.exists():
                half.rename(f"{half}.{datetime.now():%Y%m%d-%H%M%S}~")


def _words(wanted: Wanted) -> list[str]:
    words = ["certonly", "--webroot", "--webroot-path", "/var/www/letsencrypt"]
    words += ["--non-interactive", "--agree-tos", "--no-eff-email"]
    words += ["--email", wanted.email] if wanted.email else ["--register-unsafely-without-email"]
    words += ["--config", "/etc/letsencrypt/eab.ini"] if wanted.key_id else []
    words += ["--cert-name", wanted.names[0]]
    words += [word for name in wanted.names for word in ("--domain", name)]
    words += ["--server", wanted.server, "--key-type", wanted.key_type]
    words += ["--preferred-profile", wanted.profile] if wanted.profile else []
    # It only says what was found out before.
    words.append("--force-renewal")
    # Certbot refuses to replace a trusted certificate by one for tests; it was asked for.
    return [*words, "--break-my-certs"] if wanted.server.startswith("https://acme-staging") else words
