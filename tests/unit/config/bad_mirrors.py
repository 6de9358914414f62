"""Mirrors that are refused, each with the one line that says why."""

from __future__ import annotations

from tests.unit.config import pki
from tests.unit.config.bad_settings import Bad

_PREFIX = "a registry's host name in lower case, with a dot and without a port, for example docker.io or ghcr.io"
_UPSTREAM = "https:// and a host name in lower case, with a port or without, for example https://registry-1.docker.io"
_HUB = "https://registry-1.docker.io, which is where Docker Hub has its images"
_PASSWORD = "theirs"
_LEAF = pki.issue("dr.example.net", "us.example.net", "hub.example.net")
_FILES = {"mode": "files", "chain": _LEAF.pem, "privateKey": _LEAF.key_pem}


def _bad(mirror: dict[str, object], name: str, found: str, expected: str, **others: object) -> Bad:
    """A second mirror that is refused."""
    mirrors = [{"prefix": "ghcr.io"}, mirror]
    return Bad({"mirrors": mirrors, **others}, f"docker-registry:mirrors[1].{name}".rstrip("."), found, expected)


BAD_MIRRORS = [
    Bad({"mirrors": {"docker.io": {}}}, "docker-registry:mirrors", "a mapping", "a list"),
    Bad({"mirrors": "docker.io"}, "docker-registry:mirrors", "[secret]", "a list"),
    _bad({}, "prefix", "nothing",
         "a value; set it with pulumi config set --path 'docker-registry:mirrors[1].prefix' docker.io"),
    *(_bad({"prefix": prefix}, "prefix", f'"{prefix}"', _PREFIX)
      for prefix in ("hub", "Docker.io", "docker.io:443", "docker.io/library", "https://docker.io", "a..b", "-a.b")),
    _bad({"prefix": f"{'a' * 69}.b"}, "prefix", f'"{"a" * 69}.b"',
         "a name of at most 70 characters, for example docker.io or ghcr.io"),
    _bad({"prefix": "ghcr.io"}, "prefix", "the prefix of mirrors[0] again", "each prefix once"),
    _bad({"prefix": "dr.example.net"}, "prefix", '"dr.example.net"',
         "another registry's name: this one is the registry's own"),
    _bad({"prefix": "us.example.net"}, "prefix", '"us.example.net"',
         "another registry's name: this one is the registry's own",
         site={"fqdn": "dr.example.net", "aliases": ["us.example.net"]}),
    _bad({"prefix": "a.b", "upstream": "https://dr.example.net:8443"}, "upstream", '"https://dr.example.net:8443"',
         "another registry: this one would ask itself"),
    *(_bad({"prefix": "a.b", "upstream": url}, "upstream", f'"{url}"', _UPSTREAM)
      for url in ("a.b", "ftp://a.b", "https://a.b/path", "https://a.b:0", "https://a.b:65536", "https://a b")),
    _bad({"prefix": "a.b", "upstream": "https://me:hunter2@a.b"}, "upstream", "a login in a URL",
         "a URL without a login: username and password have it"),
    _bad({"prefix": "a.b", "upstream": "https://docker.io"}, "upstream", '"https://docker.io"', _HUB),
    _bad({"prefix": "a.b", "upstream": "http://a.b"}, "upstream", '"http://a.b"',
         "https://, or insecure: true besides, which sends passwords and images in plain text"),
    _bad({"prefix": "a.b", "upstream": "https://a.b:1", "insecure": True}, "upstream", '"https://a.b:1"',
         "http://, because insecure is true"),
    _bad({"prefix": "a.b", "insecure": True}, "upstream", "nothing", "http://, because insecure is true"),
    _bad({"prefix": "a.b", "upstream": "http://a.b", "insecure": True, "serverCa": pki.issue(authority=True).pem},
         "serverCa", "CA certificates", "no value, because insecure is true: no certificate is looked at"),
    _bad({"prefix": "a.b", "username": "me"}, "password", "nothing", "username and password, both or neither"),
    _bad({"prefix": "a.b", "password": _PASSWORD}, "password", "[secret]", "username and password, both or neither"),
    _bad({"prefix": "a.b", "username": "me", "password": "two\nlines"}, "password", "[secret]", "a text in one line"),
    _bad({"prefix": "a.b", "username": "m:e", "password": _PASSWORD}, "username", '"m:e"',
         "a name in one line, without a colon"),
    _bad({"prefix": "a.b", "repositories": []}, "repositories", "a list",
         "at least one pattern, for example library/*; or no value, for all repositories"),
    _bad({"prefix": "a.b", "repositories": ["x/*", "x/*"]}, "repositories", '"x/*" twice', "each pattern once"),
    _bad({"prefix": "a.b", "tagSeconds": 86401}, "tagSeconds", "86401", "a whole number of seconds from 0 to 86400"),
    *(_bad({"prefix": "a.b", "transparent": {"name": name, "addresses": ["198.51.100.0/24"]}}, "transparent.name",
           f'"{name}"', expected, **others)
      for name, expected, others in (
          ("hub", "a fully qualified domain name, for example dr.example.net", {}),
          ("dr.example.net", "a name that is not the registry's own", {"certificate": _FILES}),
          ("us.example.net", "a name that is not in site.aliases",
           {"certificate": _FILES, "site": {"fqdn": "dr.example.net", "aliases": ["us.example.net"]}}),
          ("hub.example.org", "no value, because a self-signed certificate has site.fqdn alone", {}),
          ("hub.example.org", "one of certificate.acme.names, because clients want it in the certificate",
           {"certificate": {"mode": "acme", "acme": {"names": ["other.example.org"]}}}),
          ("hub.example.org", "a name that certificate.chain is for", {"certificate": _FILES}),
      )),
    *(_bad({"prefix": "a.b", "transparent": {"name": "hub.example.net", "addresses": [address]}},
           "transparent.addresses[0]", f'"{address}"', expected, certificate=_FILES)
      for address, expected in (
          ("all", "an address, or a network with its prefix length, for example 198.51.100.0/24"),
          ("198.51.100.7/24", "a network address without host bits, here 198.51.100.0/24"),
          ("198.51.100.0/24; deny", "an address, or a network with its prefix length, for example 198.51.100.0/24"),
      )),
    _bad({"prefix": "a.b", "transparent": {"name": "hub.example.net", "addresses": []}}, "transparent.addresses",
         "a list", "at least one address or network, for example 198.51.100.0/24", certificate=_FILES),
    _bad({"prefix": "a.b", "ttl": 1}, "ttl", "an unknown setting",
         "only prefix, insecure, upstream, serverCa, username, password, repositories, tagSeconds, unpulledDays, "
         "maxSize, transparent"),
    _bad({"prefix": "a.b", "unpulledDays": 0}, "unpulledDays", "0", "a whole number of days from 1 to 1000",
         metrics={"enabled": True}),
    _bad({"prefix": "a.b", "unpulledDays": 90}, "unpulledDays", "90",
         "no value, because metrics.enabled is false: nobody counts pulls"),
    *(_bad({"prefix": "a.b", "maxSize": size}, "maxSize", f'"{size}"',
           "a whole number with its unit (k, M or G), for example 50G")
      for size in ("50", "0G", "1.5G", "-1G", "50g", "50 GB", "9999999G")),
    Bad({"mirrors": [{"prefix": "a.b"}], "images": {"registry": "registry:2.8.3"}}, "docker-registry:mirrors", "a list",
        "none, because registry:2.8.3 can't; registry:3.1.2 and later can"),
    Bad({"mirrors": [{"prefix": "a.b"}], "access": {"immutable": {"tags": ["x:1", "a.b/x:1"]}}},
        "docker-registry:access.immutable.tags[1]", '"a.b/x:1"',
        "repositories of this registry alone: a.b is mirrored, and its tags are as there"),
    Bad({"mirrors": [{"prefix": "a.b"}],
         "retention": {"mode": "on", "policies": [{"repositories": ["a.b/**"], "keepLast": 1}]}},
        "docker-registry:retention.policies[0].repositories[0]", '"a.b/**"',
        "repositories of this registry alone: a.b is mirrored, and its tags are as there"),
    Bad({"mirrors": [{"prefix": "a.b", "username": "me", "password": _PASSWORD}]},
        "docker-registry:mirrors[0].password", "[secret] in plain text",
        "an encrypted value; set it anew with pulumi config set --secret --path "
        "'docker-registry:mirrors[0].password'", encrypted=("users",)),
]  # fmt: skip
