"""A certificate of the host's own: a small CA, kept for ten years, and a certificate signed by it."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from registryctl import clock
from registryctl.certificate import openssl
from registryctl.certificate.openssl import CertificateError
from registryctl.certificate.pair import Place, check, install, put_aside, read
from registryctl.machine import Machine

MONTH = 30 * 24 * 3600
_KEY = ("ecparam", "-name", "prime256v1", "-genkey", "-noout")
# 825 days: the longest that every current client accepts from a private CA.
_DAYS = "825"
_CA_DAYS = "3650"


def make(machine: Machine, place: Place) -> str:
    """What is there and good for 30 days more stays. Its end, its fingerprint and the CA. Raises `CertificateError`.

    All clients know the CA: a clock that is ahead alone ends it not, and one that another takes the place of is kept.
    """
    place.folder.mkdir(parents=True, exist_ok=True)
    ca = place.folder / "ca.pem"
    with tempfile.TemporaryDirectory(prefix=".make.", dir=place.folder) as scratch:
        if openssl.end(machine, ca) < clock.now(keep=False) + MONTH:
            _make_ca(machine, place, Path(scratch))
        if _is_good(machine, place, ca):
            bundle = read(place.current / "fullchain.pem", place.current / "privkey.pem")
        else:
            bundle = _signed(machine, place, Path(scratch))
    return f"{install(machine, place, bundle)}\n{ca.read_text(encoding='utf-8').rstrip()}"


def _is_good(machine: Machine, place: Place, ca: Path) -> bool:
    chain = place.current / "fullchain.pem"
    try:
        check(machine, place.current, place.fqdn)
    except CertificateError:
        return False
    verified = machine.answer("openssl", "verify", "-CAfile", str(ca), str(chain))
    return openssl.lasts(machine, chain, MONTH) and verified is not None


def _make_ca(machine: Machine, place: Place, scratch: Path) -> None:
    key, ca = scratch / "ca.key", scratch / "ca.pem"
    openssl.made(machine, *_KEY, "-out", str(key))
    extensions = ("basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign")
    added = [word for extension in extensions for word in ("-addext", extension)]
    subject = f"/CN=Registry CA of {place.fqdn}"
    openssl.made(machine, "req", "-x509", "-new", "-key", str(key), "-sha256", "-days", _CA_DAYS, "-subj", subject,
                 *added, "-out", str(ca))  # fmt: skip
    # One without the other would be of no use: that of before goes as a whole, and comes as a whole.
    os.sync()
    for old in (ca, key):
        put_aside(place.folder / old.name)
    for new in (key, ca):
        new.replace(place.folder / new.name)


def _signed(machine: Machine, place: Place, scratch: Path) -> str:
    key, extensions = scratch / "key", scratch / "extensions"
    openssl.made(machine, *_KEY, "-out", str(key))
    request = openssl.made(machine, "req", "-new", "-key", str(key), "-subj", f"/CN={place.fqdn}")
    extensions.write_text(
        f"subjectAltName=DNS:{place.fqdn}\nbasicConstraints=critical,CA:FALSE\n"
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n",
        encoding="utf-8",
    )
    authority = ("-CA", str(place.folder / "ca.pem"), "-CAkey", str(place.folder / "ca.key"))
    serial = f"0x{secrets.token_hex(16)}"
    certificate = openssl.made(machine, "x509", "-req", *authority, "-sha256", "-days", _DAYS, "-set_serial", serial,
                               "-extfile", str(extensions), stdin=request)  # fmt: skip
    return certificate + key.read_text(encoding="utf-8")
