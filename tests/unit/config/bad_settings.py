"""Configurations that are refused, each with the one line that says why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.unit.config import pki
from tests.unit.config.stack import HOST_KEY, PASSWORD

PEER_EXAMPLE = "for example 192.0.2.12, or 192.0.2.12:8080"
NAME_EXAMPLE = "for example dr.example.net"
PATH_EXAMPLE = "for example /var/opt"
SUBNET_EXAMPLE = "for example 100.127.255.0/24"
NO_CONNECTION = "no value, because host.address is local: no connection is made"


@dataclass(frozen=True)
class Bad:
    """A change that makes a good configuration bad, and what the user reads."""

    changes: dict[str, Any]
    key: str
    found: str
    expected: str
    encrypted: tuple[str, ...] | None = field(default=None)

    @property
    def line(self) -> str:
        return f"{self.key}: found {self.found}; expected {self.expected}"


def bad(concern: str, name: str, value: object, found: str, expected: str, **others: object) -> Bad:
    """One setting with a bad value; `others` are further settings that make it so."""
    changes: dict[str, Any] = {concern: {name: value}}
    for other, settings in others.items():
        changes[other] = {**changes.get(other, {}), **settings} if isinstance(settings, dict) else settings
    return Bad(changes, f"docker-registry:{concern}.{name}", found, expected)


HOST = [
    bad("host", "address", ..., "nothing",
        "a value; set it with pulumi config set --path 'docker-registry:host.address' dr.example.net"),
    bad("host", "address", "ssh://dr.example.net", '"ssh://dr.example.net"',
        f"only the host, without scheme, user or path, {NAME_EXAMPLE}"),
    bad("host", "address", "dr.example.net:22", '"dr.example.net:22"',
        f"the host without a port (host.port is for that), {NAME_EXAMPLE}"),
    bad("host", "address", "300.1.1.1", '"300.1.1.1"', f"a host name, an IP address or local, {NAME_EXAMPLE}"),
    bad("host", "port", 0, "0", "a whole number from 1 to 65535"),
    bad("host", "port", "22", '"22"', "a whole number, without quotes, for example 22"),
    bad("host", "user", "Root User", '"Root User"', "the name of a user on the host, for example root"),
    bad("host", "user", 5, "5", "text, in quotes where YAML would take it for something else, for example root"),
    bad("host", "sudo", False, "false", "true, because host.user is deploy: the program needs root on the host",
        host={"user": "deploy"}),
    bad("host", "sudo", True, "true", "false, because host.user is root already"),
    bad("host", "sudo", "yes", '"yes"', "true or false, without quotes"),
    bad("host", "hostKey", ..., "nothing",
        "the public key of the host's SSH server, because no unknown host is trusted; set it with "
        "pulumi config set --path 'docker-registry:host.hostKey' "
        "\"$(ssh-keyscan -t ed25519 dr.example.net | cut -d' ' -f2-)\" and compare it on the host"),
    bad("host", "hostKey", "ssh-dss AAAAB3NzaC1kc3M=", '"ssh-dss AAAAB3NzaC1kc3M="',
        "a key of type ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, ssh-rsa, "
        "for example ssh-ed25519 AAAAC3Nza…"),
    bad("host", "hostKey", "ssh-ed25519 AAAA C3", '"ssh-ed25519 AAAA C3"',
        "TYPE BASE64 without a host name or a comment, for example ssh-ed25519 AAAAC3Nza…"),
    bad("host", "hostKey", "ssh-ed25519 AAAA*", '"ssh-ed25519 AAAA*"',
        "a key whose second part is valid Base64, for example ssh-ed25519 AAAAC3Nza…"),
    bad("host", "hostKey", "ssh-rsa AAAAB3NzaC1yc2E=", '"ssh-rsa AAAAB3NzaC1yc2E="',
        "a complete public key of type ssh-rsa, as in /etc/ssh/ssh_host_*_key.pub"),
    bad("host", "privateKey", "hunter2", "[secret]",
        "a private key in OpenSSH or PEM form, beginning with -----BEGIN … PRIVATE KEY-----"),
    bad("host", "privateKey", pki.ssh_key(b"passphrase"), "[secret]",
        "a key without a passphrase, because nobody is asked for it; or an SSH agent instead"),
    bad("host", "port", 22, "22", NO_CONNECTION, host={"address": "local", "hostKey": ...}),
    bad("host", "user", "root", '"root"', NO_CONNECTION, host={"address": "local", "hostKey": ...}),
    bad("host", "hostKey", HOST_KEY, f'"{HOST_KEY}"', NO_CONNECTION, host={"address": "local"}),
    bad("host", "privateKey", pki.ssh_key(), "[secret]", NO_CONNECTION, host={"address": "local", "hostKey": ...}),
    bad("host", "timeZone", "/etc/localtime", '"/etc/localtime"',
        "the name of a time zone, not a path, for example Europe/Vienna"),
    bad("host", "timeZone", "Mars Base", '"Mars Base"', "a time zone of the IANA database, for example Europe/Vienna"),
    bad("host", "adress", "dr.example.net", "an unknown setting",
        "only address, port, user, sudo, hostKey, privateKey, installPackages, timeZone, adopt "
        "(did you mean address?)"),
    bad("host", "host_key", "x", "an unknown setting",
        "only address, port, user, sudo, hostKey, privateKey, installPackages, timeZone, adopt "
        "(did you mean hostKey?)"),
]  # fmt: skip

SITE = [
    bad("site", "fqdn", ..., "nothing",
        "a value; set it with pulumi config set --path 'docker-registry:site.fqdn' dr.example.net"),
    bad("site", "fqdn", "", '""',
        "a value; set it with pulumi config set --path 'docker-registry:site.fqdn' dr.example.net"),
    bad("site", "fqdn", "https://dr.example.net", '"https://dr.example.net"',
        f"a name without a scheme, {NAME_EXAMPLE}"),
    bad("site", "fqdn", "dr.example.net/ui", '"dr.example.net/ui"', f"a name without a path, {NAME_EXAMPLE}"),
    bad("site", "fqdn", "192.0.2.1", '"192.0.2.1"', f"a name, not an IP address, {NAME_EXAMPLE}"),
    bad("site", "fqdn", "dr.example.net:443", '"dr.example.net:443"',
        f"a name without a port (site.httpsPort is for that), {NAME_EXAMPLE}"),
    bad("site", "fqdn", "*.example.net", '"*.example.net"',
        f"one name, not a wildcard (a wildcard certificate is fine), {NAME_EXAMPLE}"),
    bad("site", "fqdn", "dr.example.net.", '"dr.example.net."', f"a name without a dot at its end, {NAME_EXAMPLE}"),
    bad("site", "fqdn", "DR.example.net", '"DR.example.net"', f"a name in lower case, {NAME_EXAMPLE}"),
    bad("site", "fqdn", "dr", '"dr"', f"a fully qualified domain name, {NAME_EXAMPLE}"),
    bad("site", "fqdn", "d_r.example.net", '"d_r.example.net"',
        f"labels of a-z, 0-9 and inner hyphens, {NAME_EXAMPLE}"),
    bad("site", "fqdn", "a" * 64 + ".example.net", f'"{"a" * 64}.example.net"',
        f"labels of at most 63 characters, {NAME_EXAMPLE}"),
    bad("site", "fqdn", "a." * 127 + "net", f'"{"a." * 40}"…', f"a name of at most 253 characters, {NAME_EXAMPLE}"),
    bad("site", "httpPort", 65536, "65536", "a whole number from 1 to 65535"),
    bad("site", "httpsPort", 80, "80", "a port other than site.httpPort, for example 443"),
    bad("site", "httpsPort", 443.5, "443.5", "a whole number, without quotes, for example 443"),
    bad("site", "httpPort", 22, "22", "a port other than host.port, on which SSH listens"),
    Bad({"site": {"aliases": ["*.example.net"]}}, "docker-registry:site.aliases[0]", '"*.example.net"',
        f"one name, not a wildcard (each name by itself), {NAME_EXAMPLE}"),
    bad("site", "aliases", "i.example.net", '"i.example.net"', "a list"),
    *(Bad({"site": {"peers": [peer]}}, "docker-registry:site.peers[0]", f'"{peer}"', expected)
      for expected, peers in (
          (f"an IPv4 address, as the containers' network has no other, {PEER_EXAMPLE}",
           ("b.example.net", "2001:db8::1", "[2001:db8::1]:80", "", "192.0.2.12/32", "http://192.0.2.12",
            "192.0.2.12;")),
          (f"the address of another host, {PEER_EXAMPLE}", ("127.0.0.1", "0.0.0.5", "224.0.0.1", "255.255.255.255")),
          (f"a port from 1 to 65535, {PEER_EXAMPLE}",
           ("192.0.2.12:", "192.0.2.12:0", "192.0.2.12:65536", "192.0.2.12:080", "192.0.2.12:80:80", "192.0.2.12:²")),
      ) for peer in peers),
    Bad({"site": {"peers": ["192.0.2.12:" + "9" * 5000]}}, "docker-registry:site.peers[0]",
        f'"192.0.2.12:{"9" * 69}"…', f"a port from 1 to 65535, {PEER_EXAMPLE}"),
    Bad({"site": {"peers": ["192.0.2.12", "192.0.2.12:80"]}}, "docker-registry:site.peers",
        "peers[0] again as peers[1]", "each host once"),
    Bad({"site": {"peers": ["100.127.255.9:8080"]}}, "docker-registry:site.peers[0]", '"100.127.255.9:8080"',
        "an address outside network.subnet, 100.127.255.0/24, which is the containers' own"),
    bad("site", "listenAddress", "eth0", '"eth0"', "an IP address of the host, or 0.0.0.0 for all"),
    bad("site", "listenAddress", "224.0.0.1", '"224.0.0.1"',
        "an address of one host, not of a group; or 0.0.0.0 for all"),
    bad("site", "listenAddress", "100.127.255.9", '"100.127.255.9"',
        "an address outside network.subnet, 100.127.255.0/24, which is the containers' own"),
    Bad({"site": "dr.example.net"}, "docker-registry:site", '"dr.example.net"', "a mapping of settings"),
    Bad({"site": ["dr.example.net"]}, "docker-registry:site", "a list", "a mapping of settings"),
]  # fmt: skip

STORAGE_AND_NETWORK = [
    bad("storage", "root", "var/opt", '"var/opt"', f"an absolute path on the host, {PATH_EXAMPLE}"),
    bad("storage", "root", "/srv/../etc", '"/srv/../etc"',
        f"a path without .., doubled or closing slashes, {PATH_EXAMPLE}"),
    bad("storage", "root", "/srv/my data", '"/srv/my data"',
        f"a path of letters, digits and ._-/ only, {PATH_EXAMPLE}"),
    bad("storage", "root", "/", '"/"', "a directory outside the operating system's own, for example /var/opt or /srv"),
    bad("storage", "root", "/etc/registry", '"/etc/registry"',
        "a directory outside the operating system's own, for example /var/opt or /srv"),
    bad("network", "name", "bridge", '"bridge"',
        "a name that is not one of Docker's own networks, for example registry"),
    bad("network", "name", "my net", '"my net"', "a name of letters, digits and inner _.- only, for example registry"),
    bad("network", "subnet", "registry", '"registry"', f"an IPv4 network with its prefix length, {SUBNET_EXAMPLE}"),
    bad("network", "subnet", "fd00::/64", '"fd00::/64"', f"an IPv4 network with its prefix length, {SUBNET_EXAMPLE}"),
    bad("network", "subnet", "100.127.255.0", '"100.127.255.0"', f"a network with its prefix length, {SUBNET_EXAMPLE}"),
    bad("network", "subnet", "100.127.255.1/24", '"100.127.255.1/24"',
        "a network address without host bits, here 100.127.255.0/24"),
    bad("network", "subnet", "100.0.0.0/8", '"100.0.0.0/8"', f"a prefix length from /16 to /28, {SUBNET_EXAMPLE}"),
    bad("network", "subnet", "127.0.0.0/24", '"127.0.0.0/24"',
        f"a network outside 127.0.0.0/8, which no container can use, {SUBNET_EXAMPLE}"),
    bad("network", "subnet", "100.127.7.0/24", '"100.127.7.0/24"',
        "a network without the host's own address, 100.127.7.20", host={"address": "100.127.7.20"}),
]  # fmt: skip

IMAGES = [
    bad("images", "nginx", "nginx", '"nginx"', "a tag or a digest too, for example nginx:1.28.0"),
    bad("images", "nginx", "NGINX:1.28.0", '"NGINX:1.28.0"',
        "an image name, for example nginx:1.28.0 or registry.example.net/team/nginx:1.28.0"),
    bad("images", "nginx", "nginx:", '"nginx:"',
        "a tag of letters, digits and inner _.- after the colon, for example nginx:1.28.0"),
    bad("images", "regbot", "regclient/regbot:v0.11.7", "a setting of an earlier version",
        "no such setting, because nothing needs this image any more; "
        "pulumi config rm --path 'docker-registry:images.regbot' removes it"),
    bad("images", "nginx", "nginx:1.28.0-alpine-slim", '"nginx:1.28.0-alpine-slim"',
        "an image with nginx's JavaScript module, which those called slim lack, for example nginx:1.28.0-alpine"),
    bad("images", "ui", "joxit/ui@sha256:12", '"joxit/ui@sha256:12"',
        "a digest such as sha256: and 64 hexadecimal digits after the @"),
    bad("images", "registry", "registry:0.9.1", '"registry:0.9.1"',
        "version 2 or 3 of the registry, for example registry:3.1.2"),
    bad("images", "registry", 3, "3",
        "text, in quotes where YAML would take it for something else, for example registry:3.1.2"),
]  # fmt: skip

SERVICES = [
    bad("registry", "deleteEnabled", "true", '"true"', "true or false, without quotes"),
    bad("registry", "accessLog", 1, "1", "true or false, without quotes"),
    bad("registry", "logLevel", "trace", '"trace"', "error, warn, info or debug"),
    Bad({"registry": {"uploadPurging": {"age": "7d"}}}, "docker-registry:registry.uploadPurging.age", '"7d"',
        "a duration with its unit (h, m or s), for example 168h or 1h30m"),
    Bad({"registry": {"uploadPurging": {"interval": "0h"}}}, "docker-registry:registry.uploadPurging.interval", '"0h"',
        "a duration longer than nothing, for example 168h"),
    bad("registry", "uploadPurging", True, "true", "a mapping of settings"),
    bad("registry", "httpSecret", "hunter2", "[secret]",
        "at least 16 visible ASCII characters, for example from openssl rand -hex 32"),
    bad("ui", "title", " ", '" "', "one line of text that is not empty, for example Docker registry"),
    bad("ui", "title", "<b>R&D</b>", '"<b>R&D</b>"', 'a title without ~ & \\ < > and ", for example Docker registry'),
    bad("ui", "deleteEnabled", True, "true",
        "false, because registry.deleteEnabled is false: the registry would refuse",
        registry={"deleteEnabled": False}),
    bad("ui", "catalogLimit", 0, "0", "a whole number from 1 to 100000"),
    bad("ui", "catalogLimit", 1001, "1001", "a whole number from 1 to 1000, because registry:3.1.2 refuses more"),
    bad("nginx", "tlsProfile", "old", '"old"', "intermediate or modern"),
    bad("nginx", "hsts", True, "true",
        "false, because certificate.mode is self-signed: browsers would lock everybody out"),
    bad("nginx", "connectTimeout", 76, "76", "a whole number of seconds from 1 to 75"),
    bad("nginx", "readTimeout", -1, "-1", "a whole number of seconds from 1 to 86400"),
    bad("nginx", "shutdownTimeout", 0, "0", "a whole number of seconds from 1 to 86400"),
    bad("nginx", "connectionsPerAddress", 9, "9", "a whole number from 10 to 65535"),
    bad("nginx", "realm", 'my "realm"', '"my \\"realm\\""',
        "text without quotes, backslash or $, for example Registry realm"),
    bad("nginx", "realm", "", '""', "one line of text that is not empty, for example Registry realm"),
    bad("logs", "maxSize", "30", '"30"', "a whole number with its unit (k, M or G), for example 30M"),
    bad("logs", "maxSize", "0M", '"0M"', "a whole number with its unit (k, M or G), for example 30M"),
    bad("logs", "maxSize", 30, "30", "text, in quotes where YAML would take it for something else, for example 30M"),
    bad("logs", "keep", 0, "0", "a whole number from 1 to 1000"),
    bad("logs", "keep", "5", '"5"', "a whole number, without quotes, for example 5"),
    bad("logs", "rotate", 5, "an unknown setting", "only maxSize, keep"),
    bad("storage", "warnPercent", 49, "49", "a whole number from 50 to 94"),
    bad("storage", "warnPercent", 95, "95", "a whole number from 50 to 94"),
    Bad({"sites": {}}, "docker-registry:sites", "an unknown setting",
        "only host, site, users, storage, network, images, htpasswd, access, certificate, registry, retention, "
        "ui, nginx, limits, logs, gc, backup, metrics, notifications, status, "
        "mirrors (did you mean site?)"),
    Bad({"hostAddress": "hunter2"}, "docker-registry:hostAddress", "an unknown setting",
        "only host, site, users, storage, network, images, htpasswd, access, certificate, registry, retention, "
        "ui, nginx, limits, logs, gc, backup, metrics, notifications, status, mirrors"),
    Bad({"site.fqdn": "b.example.net"}, "docker-registry:site.fqdn", "a setting that was set without --path",
        "no such key; pulumi config rm 'docker-registry:site.fqdn' removes it, and "
        "pulumi config set --path 'docker-registry:site.fqdn' sets what is meant"),
    Bad({"users[1].password": "hunter2"}, "docker-registry:users[1].password", "a setting that was set without --path",
        "no such key; pulumi config rm 'docker-registry:users[1].password' removes it, and "
        "pulumi config set --secret --path 'docker-registry:users[1].password' sets what is meant"),
]  # fmt: skip

PLAIN = [
    Bad({"users": [{"name": "alice", "password": PASSWORD}]}, "docker-registry:users[0].password",
        "[secret] in plain text",
        "an encrypted value; set it anew with pulumi config set --secret --path 'docker-registry:users[0].password'",
        encrypted=()),
    Bad({"host": {"privateKey": pki.ssh_key()}}, "docker-registry:host.privateKey", "[secret] in plain text",
        "an encrypted value; set it anew with pulumi config set --secret --path 'docker-registry:host.privateKey'",
        encrypted=("users",)),
    Bad({"registry": {"httpSecret": "0123456789abcdef"}}, "docker-registry:registry.httpSecret",
        "[secret] in plain text",
        "an encrypted value; set it anew with pulumi config set --secret --path 'docker-registry:registry.httpSecret'",
        encrypted=("users",)),
]  # fmt: skip

BAD_SETTINGS = [*HOST, *SITE, *STORAGE_AND_NETWORK, *IMAGES, *SERVICES, *PLAIN]
