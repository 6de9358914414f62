"""Runs certbot in its container, one at a time."""

from __future__ import annotations

import os
from pathlib import Path

from registryctl.certificate.openssl import CertificateError
from registryctl.locks import locked
from registryctl.machine import Machine

NAME = "registry-certbot"

# Its last lines only point to the forum, and to its log by the path in the container.
_NOISE = ("Saving debug log", "Ask for help", "See the logfile", "- - -")
_MOST_LINES = 20
_WAIT_SECONDS = 300
# The timer's service, and whoever looks at an up, end it earlier.
_RUN_SECONDS = 3600


def run(machine: Machine, image: str, root: Path, *words: str) -> str:
    """What certbot says of a success. Raises `CertificateError` with what it says of a failure.

    All it says goes to certbot/logs/docker-output-certbot.log.
    """
    with locked(machine, "certbot"):
        if machine.answer("docker", "container", "inspect", NAME) is not None:
            # One left by a run that was killed may still be at work.
            await_end(machine)
            machine.run("docker", "rm", "--force", NAME)
        _remove_links(root)
        done = machine.run("docker", "run", "--rm", "--name", NAME, *_volumes(root),
                           "--env", f"REQUESTS_CA_BUNDLE={_bundle(root)}", image, *words,
                           seconds=_RUN_SECONDS, together=True)  # fmt: skip
        _log(root / "certbot/logs/docker-output-certbot.log", f"{machine.stamp()}\n{done.out}")
    if done.code != 0:
        lines = [line for line in (done.out + done.err).splitlines() if not line.startswith(_NOISE)]
        more = f"more is in {root}/certbot/logs/letsencrypt.log"
        raise CertificateError("\n".join(["certbot:", *lines[-_MOST_LINES:], more]))
    return done.out


def await_end(machine: Machine) -> None:
    """Certbot outlives a killed run, and may be about to bring the certificate."""
    machine.run("docker", "wait", NAME, seconds=_WAIT_SECONDS)


def _volumes(root: Path) -> list[str]:
    places = {
        "letsencrypt": "/etc/letsencrypt",
        "certbot/webroot": "/var/www/letsencrypt",
        "certbot/logs": "/var/log/letsencrypt",
    }
    return [word for here, inside in places.items() for word in ("--volume", f"{root}/{here}:{inside}")]


def _remove_links(root: Path) -> None:
    """Certbot makes none here; somebody who could once write to these directories may have."""
    for top in (root / "certbot/logs", root / "certbot/webroot"):
        for folder, directories, files in os.walk(top):
            for path in (Path(folder) / name for name in [*directories, *files]):
                if path.is_symlink():
                    path.unlink()


def _bundle(root: Path) -> str:
    """A private authority's server is trusted by a bundle of its own."""
    try:
        has_one = b"-BEGIN CERTIFICATE-" in (root / "letsencrypt/server-ca.pem").read_bytes()
    except OSError:
        has_one = False
    return "/etc/letsencrypt/server-ca.pem" if has_one else ""


def _log(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
