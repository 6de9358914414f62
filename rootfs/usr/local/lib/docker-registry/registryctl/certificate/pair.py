"""Puts a certificate and its key where the proxy reads them, as one step: both new or both old, never a mixture.

Each pair lies in a directory named after the certificate's fingerprint and the pair's content; the link `current` is
turned to it once openssl and nginx accept the pair. The pair before stays on the disk.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from registryctl import durable
from registryctl.certificate import openssl
from registryctl.certificate.openssl import CertificateError
from registryctl.certificate.proxy import serve
from registryctl.machine import Machine

_CERTIFICATE = re.compile(r"^[^\n]*-BEGIN CERTIFICATE-.*?-END CERTIFICATE-[^\n]*\n?", re.M | re.S)
_KEY = re.compile(r"^[^\n]*-BEGIN [^\n]*PRIVATE KEY-.*?-END [^\n]*PRIVATE KEY-[^\n]*\n?", re.M | re.S)
_SITE = (
    "server { listen 443 ssl; ssl_certificate /etc/pair/fullchain.pem; ssl_certificate_key /etc/pair/privkey.pem; }\n"
)


@dataclass(frozen=True)
class Place:
    """Where a stack's pairs of one mode lie below its storage root, and the nginx that is to serve them."""

    image: str
    root: Path
    mode: str
    fqdn: str

    @property
    def folder(self) -> Path:
        """All pairs of this mode."""
        return self.root / "nginx/etc/tls" / self.mode

    @property
    def current(self) -> Path:
        """The one that is served."""
        return self.folder / "current"


def install(machine: Machine, place: Place, bundle: str) -> str:
    """Puts the pair of a bundle (PEM) in place; its end and fingerprint. Raises `CertificateError`."""
    place.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new.", dir=place.folder) as scratch:
        new = Path(scratch) / "pair"
        new.mkdir()
        chain, key = "".join(_CERTIFICATE.findall(bundle)), "".join(_KEY.findall(bundle))
        durable.put(new / "fullchain.pem", chain, 0o600)
        durable.put(new / "privkey.pem", key, 0o600)
        try:
            check(machine, new, place.fqdn)
            # Nginx won't refuse a pair that openssl has just made; one that replaces another is tested all the same.
            if place.mode != "self-signed" or place.current.exists():
                _test(machine, new, place.image)
        except CertificateError as error:
            raise CertificateError(f"certificate ({place.mode}): {error}; the one in place was not touched") from None
        told = openssl.told(machine, new / "fullchain.pem")
        # The same certificate with another chain is a new pair, and so is a pair that was damaged on the disk.
        name = f"{told.splitlines()[1]}-{hashlib.sha256((chain + key).encode()).hexdigest()[:8]}"
        _put(new, place.folder / name)
        _turn(place, name, Path(scratch))
    serve(machine, place.current / "fullchain.pem")
    return told


def read(chain: Path, key: Path) -> str:
    """A pair that somebody else keeps on this host. Raises `CertificateError`."""
    texts = []
    for path in (chain, key):
        try:
            texts.append(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            raise CertificateError(f"certificate: there is no readable {path} on the host") from None
    return "".join(texts)


def check(machine: Machine, pair: Path, fqdn: str) -> None:
    """Raises `CertificateError` where a pair does not serve."""
    chain, key = pair / "fullchain.pem", pair / "privkey.pem"
    public = machine.answer("openssl", "x509", "-in", str(chain), "-noout", "-pubkey")
    if public is None:
        raise CertificateError("the certificate can't be read")
    private = machine.answer("openssl", "pkey", "-in", str(key), "-pubout", "-passin", "pass:")
    if private is None:
        raise CertificateError("the private key can't be read")
    if public != private:
        raise CertificateError("the private key does not belong to the certificate")
    if not openssl.is_for(machine, chain, fqdn):
        raise CertificateError(f"it is not for {fqdn}")
    if not openssl.lasts(machine, chain, 0):
        raise CertificateError("it has expired")


def _test(machine: Machine, pair: Path, image: str) -> None:
    site = pair.parent / "conf.d"
    site.mkdir()
    (site / "pair.conf").write_text(_SITE, encoding="utf-8")
    volumes = ("--volume", f"{pair}:/etc/pair:ro", "--volume", f"{site}:/etc/nginx/conf.d:ro")
    done = machine.run(
        "docker", "run", "--rm", "--network", "none", "--entrypoint", "nginx", *volumes, image, "-t", "-q"
    )
    if done.code != 0:
        raise CertificateError(f"nginx refuses it: {(done.out + done.err).strip()}")


def _put(new: Path, target: Path) -> None:
    files = ("fullchain.pem", "privkey.pem")
    if not all(_content(target / name) == _content(new / name) for name in files):
        put_aside(target)
        new.rename(target)
    for name in files:
        (target / name).chmod(0o600)


def put_aside(path: Path) -> None:
    """What another takes the place of is kept beside."""
    if path.exists() or path.is_symlink():
        path.rename(f"{path}.{datetime.now():%Y%m%d-%H%M%S}~")


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _turn(place: Place, name: str, scratch: Path) -> None:
    link = scratch / "current"
    link.symlink_to(name)
    link.replace(place.current)
    durable.sync(place.folder)
