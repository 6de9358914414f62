"""Keeps the certificate good; run by docker-registry-certificate.timer.

What is due is renewed, and the proxy reloads only when there is a new one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from registryctl import durable, facts
from registryctl.certificate import certbot, own
from registryctl.certificate.openssl import CertificateError
from registryctl.certificate.pair import Place, install, read
from registryctl.certificate.proxy import serve
from registryctl.facts import Site
from registryctl.machine import RESULTS, Machine
from registryctl.status.command import run as status

_NO_RESULT = 3


def run(_words: Sequence[str], name: str) -> int:
    """Fails, and the unit with it, when the renewal failed or the end is near; the exit code."""
    machine, root, site = Machine(), facts.load().root, facts.load_site()
    try:
        _renew(machine, root, site)
        came = "ok"
    except CertificateError as error:
        print(error, file=sys.stderr)
        came = "failed"
    try:
        durable.put(machine.path(RESULTS / "renewal"), f"{came} {machine.stamp()}\n", 0o644)
    except OSError as error:
        # Without a place for the result, on a full disk, the exit code tells it.
        print(f"{name}: {error}", file=sys.stderr)
        return _NO_RESULT
    return status(["certificate"], "registry-status")


def _renew(machine: Machine, root: Path, site: Site) -> None:
    its = site.certificate
    place = Place(site.nginx_image, root, its.mode, site.fqdn)
    if its.mode == "acme":
        # The timer has spread the runs already.
        words = ("renew", "--cert-name", site.fqdn, "--non-interactive", "--no-random-sleep-on-renew")
        print(certbot.run(machine, site.certbot_image, root, *words), end="")
        serve(machine, its.served)
    elif its.mode == "self-signed":
        own.make(machine, place)
    elif its.chain and its.key:
        # A certificate from the settings is renewed there.
        install(machine, place, read(its.chain, its.key))
