"""The certificate's tools, as the program calls them. Each prints the end and the fingerprint of what is in place."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from registryctl.certificate import own, pair
from registryctl.certificate.issue import Wanted, issue
from registryctl.certificate.openssl import CertificateError
from registryctl.certificate.pair import Place
from registryctl.machine import Machine
from registryctl.options import Parser


def run_install(words: Sequence[str], _name: str) -> int:
    """install-certificate IMAGE ROOT MODE FQDN BYTES: chain and key (PEM) come on standard input."""
    image, root, mode, fqdn, size = words
    bundle = sys.stdin.buffer.read()
    if len(bundle) != int(size):
        raise CertificateError(f"certificate ({mode}): it did not arrive whole; the one in place was not touched")
    os.umask(0o077)
    print(pair.install(Machine(), Place(image, Path(root), mode, fqdn), bundle.decode("utf-8", "replace")))
    return 0


def run_copy(words: Sequence[str], _name: str) -> int:
    """copy-certificate IMAGE ROOT FQDN CHAIN KEY: installs a pair that lies on the host already."""
    image, root, fqdn, chain, key = words
    os.umask(0o077)
    print(pair.install(Machine(), Place(image, Path(root), "files", fqdn), pair.read(Path(chain), Path(key))))
    return 0


def run_own(words: Sequence[str], _name: str) -> int:
    """self-signed-certificate IMAGE ROOT FQDN: makes one of the host's own. Prints its CA too."""
    image, root, fqdn = words
    os.umask(0o077)
    print(own.make(Machine(), Place(image, Path(root), "self-signed", fqdn)))
    return 0


def run_issue(words: Sequence[str], name: str) -> int:
    """issue-certificate OPTION... NAME...: with --eab-bytes the key of the external account comes on standard input."""
    parser = Parser(f"{name}: see {__file__}\n")
    for option in ("nginx", "certbot", "root", "listen", "server", "key-type"):
        parser.add_argument(f"--{option}", required=True)
    for option in ("email", "profile", "eab-key-id"):
        parser.add_argument(f"--{option}", default="")
    parser.add_argument("--eab-bytes", type=int, default=0)
    parser.add_argument("names", nargs="+")
    its = parser.parse(words)
    key = sys.stdin.buffer.read() if its.eab_bytes else b""
    if len(key) != its.eab_bytes:
        raise CertificateError("issue-certificate: the account's key did not arrive whole")
    os.umask(0o077)
    # What was begun is cleaned up.
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))
    wanted = Wanted(its.nginx, its.certbot, Path(its.root), its.listen, its.server, its.key_type, tuple(its.names),
                    its.email, its.profile, its.eab_key_id)  # fmt: skip
    print(issue(Machine(), wanted, key.decode()))
    return 0
