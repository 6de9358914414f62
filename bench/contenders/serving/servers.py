"""The contenders, as containers beside this program's on the same host: all have the same registry's images."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import yaml

from bench.contenders.serving.figures import MEGABYTE, certificate, tls_settings, without_authentication
from bench.contenders.serving.place import FILES, FOLDER, FQDN, QUICK, Place
from tests.lab import gotools
from tests.lab.clients import TEST_IMAGE
from tests.lab.docker import docker

ROOT = "/var/opt"
CONFIGURATION = f"{ROOT}/nginx/etc/conf.d"
DATA = f"{ROOT}/docker-registry/data"
REGISTRY_CONFIGURATION = "/etc/distribution/config.yml"
LINE_SCRIPT = f"{FOLDER}/line.py"


@dataclass(frozen=True)
class Server:
    """One way to the images: where it answers, and the containers that work for it."""

    name: str
    port: int
    containers: tuple[str, ...]
    scheme: str = "https"
    account: str = QUICK
    """Who asks; nobody where it is empty."""
    fqdn: str = FQDN

    @property
    def authority(self) -> str:
        """Name and port, as clients write them."""
        return self.fqdn if self.port == 443 else f"{self.fqdn}:{self.port}"

    @property
    def address(self) -> str:
        """How a URL begins."""
        return f"{self.scheme}://{self.authority}"


PROGRAM = Server("this program", 443, ("nginx", "registry"))
HOW_TO = Server("how-to of 2021", 8441, ("bench-howto", "bench-plain"))
CADDY = Server("Caddy", 8442, ("bench-caddy", "bench-plain"))
TRAEFIK = Server("Traefik", 8447, ("bench-traefik", "bench-plain"))
ALONE = Server("registry alone, TLS and htpasswd", 8443, ("bench-alone",))
PLAIN = Server("registry alone, neither", 8444, ("bench-plain",), scheme="http", account="")
STATIC = Server("nginx, files alone", 8445, ("bench-static",), account="")
MIRROR_ALONE = Server("Distribution's mirror", 8448, ("bench-mirror",), account="")
OPEN = Server("this program without authentication", 8446, ("bench-open", "registry"), account="")

OTHER = f"http://{PLAIN.containers[0]}:5000"
"""How a mirror asks the plain registry, on their network."""

# The same from afar: each connection to the registry is bounded.
FAR_MEGABYTES = 20
ALONE_FAR = replace(ALONE, port=8449)
MIRROR_FAR = replace(MIRROR_ALONE, port=8450, containers=("bench-mirror-far",))
_FAR_PORT = 8451
# The host, as the containers of its default network know it.
OTHER_FAR = f"http://100.127.255.1:{_FAR_PORT}"


class Servers:
    """Starts them. Each is set up as its documentation, or the how-to, says."""

    def __init__(self, spot: Place) -> None:
        self._spot = spot
        self._host = spot.host
        self._site = self._host.get_file(f"{CONFIGURATION}/registry.conf")
        self._chain, self._key = certificate(self._site)

    @cached_property
    def _proxy(self) -> dict[str, Any]:
        """This program's proxy, as Docker sees it."""
        found: dict[str, Any] = json.loads(self._host.run(["docker", "container", "inspect", "nginx"]).stdout)[0]
        return found

    @property
    def _tls(self) -> tuple[str, str]:
        return f"{ROOT}/nginx/etc/tls", "/etc/nginx/tls"

    def start(self) -> None:
        """All of them; this program's own runs already."""
        self._host.run(["docker", "pull", "--quiet", TEST_IMAGE])
        self.start_registries()
        self._how_to()
        self._caddy()
        self._traefik()
        self._static()
        self._open()

    def _fill(self, path: str, **values: str) -> None:
        """Put a file of this folder on the host, with its @WORDS@ filled in."""
        text = (FILES / path).read_text()
        known = {"FQDN": FQDN, "CHAIN": self._chain, "KEY": self._key} | values
        for word, value in known.items():
            text = text.replace(f"@{word}@", value)
        self._host.put_file(f"{FOLDER}/{path}", text, 0o600)

    def _run(self, server: Server, inside: int, volumes: dict[str, str], *argv: str) -> None:
        """`argv` is the image and its command, after options."""
        mounts = [word for pair in volumes.items() for word in ("-v", ":".join(pair))]
        network = ["--network", "registry", "-p", f"{server.port}:{inside}"]
        self._host.run(["docker", "run", "-d", "--name", server.containers[0], *network, *mounts, *argv])

    def _hashed(self, flags: str) -> str:
        command = f"htpasswd -in{flags} {QUICK}"
        return self._host.run(command, stdin=self._spot.passwords[QUICK], private=True).stdout.strip() + "\n"

    def _how_to(self) -> None:
        self._fill("howto/registry.conf")
        folder = f"{FOLDER}/howto"
        self._host.run(
            f"mkdir -p {folder}/auth {folder}/conf.d {folder}/logs && mv {folder}/registry.conf {folder}/conf.d"
        )
        # The quick kind: no client here takes a cipher that needs it.
        self._host.run(f"openssl dhparam -dsaparam -out {folder}/auth/dhparam-2048.pem 2048")
        self._host.put_file(f"{folder}/auth/registry.htpasswd", self._hashed("m"))
        volumes = {
            f"{folder}/conf.d": "/etc/nginx/conf.d:ro",
            f"{folder}/auth": "/etc/nginx/auth:ro",
            f"{folder}/logs": "/var/log/nginx",
            self._tls[0]: f"{self._tls[1]}:ro",
        }
        self._run(HOW_TO, 443, volumes, self._proxy["Image"])

    @cached_property
    def _registry(self) -> str:
        """This program's image of the registry."""
        return self._host.run(["docker", "container", "inspect", "--format", "{{.Image}}", "registry"]).stdout.strip()

    def start_mirror(self, server: Server, upstream: str) -> None:
        """Distribution as a mirror of the plain registry, as its documentation has it, with TLS."""
        folder = f"{FOLDER}/{server.containers[0]}"
        settings = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": "/var/lib/registry"}},
            "http": {"addr": ":5000", "tls": {"certificate": self._chain, "key": self._key}},
            "proxy": {"remoteurl": upstream},
        }
        self._host.put_file(f"{folder}/etc/config.yml", yaml.safe_dump(settings))
        volumes = {
            f"{folder}/etc": "/etc/distribution:ro",
            f"{folder}/data": "/var/lib/registry",
            self._tls[0]: f"{self._tls[1]}:ro",
        }
        self._run(server, 5000, volumes, self._registry, REGISTRY_CONFIGURATION)

    def start_lines(self) -> None:
        """The ways to the registries, which run already, from afar: for clients, and for mirrors."""
        self._host.put_file(LINE_SCRIPT, (FILES / "host/line.py").read_text(), 0o755)
        form = "{{.NetworkSettings.Networks.registry.IPAddress}}"
        lines = []
        for port, server in ((ALONE_FAR.port, ALONE), (_FAR_PORT, PLAIN)):
            found = self._host.run(["docker", "container", "inspect", "--format", form, server.containers[0]])
            lines.append(f"{port}={found.stdout.strip()}:5000")
        rate = str(FAR_MEGABYTES * MEGABYTE)
        self._host.run(["systemd-run", "--quiet", "--unit=bench-line", LINE_SCRIPT, "0.0.0.0", rate, *lines])  # noqa: S104 - in a lab

    def start_registries(self) -> None:
        """Configured as this program's own, but on a port: one with what it needs to stand alone, the other for those
        who are a proxy to it. Both have the same images.
        """
        plain = yaml.safe_load(self._host.get_file(f"{ROOT}/docker-registry/etc/config.yml"))
        http = {key: value for key, value in plain["http"].items() if key != "net"} | {"addr": ":5000"}
        plain = plain | {"http": http}
        alone = plain | {
            "http": http | {"tls": {"certificate": self._chain, "key": self._key}},
            "auth": {"htpasswd": {"realm": "Registry realm", "path": "/etc/distribution/htpasswd"}},
        }
        for server, settings in ((PLAIN, plain), (ALONE, alone)):
            folder = f"{FOLDER}/{server.containers[0]}"
            self._host.put_file(f"{folder}/config.yml", yaml.safe_dump(settings))
            self._host.put_file(f"{folder}/htpasswd", self._hashed("B"))
            volumes = {folder: "/etc/distribution:ro", DATA: "/var/lib/registry", self._tls[0]: f"{self._tls[1]}:ro"}
            self._run(server, 5000, volumes, self._registry, REGISTRY_CONFIGURATION)

    def start_alone_on_store(self) -> None:
        """The one that stands alone, with the same bucket, key and settings of the SDK as this program's own."""
        home = f"{ROOT}/docker-registry/etc"
        settings = yaml.safe_load(self._host.get_file(f"{home}/config.yml"))
        http = {key: value for key, value in settings["http"].items() if key != "net"}
        settings["http"] = http | {"addr": ":5000", "tls": {"certificate": self._chain, "key": self._key}}
        settings["auth"] = {"htpasswd": {"realm": "Registry realm", "path": "/etc/distribution/htpasswd"}}
        folder = f"{FOLDER}/{ALONE.containers[0]}"
        self._host.put_file(f"{folder}/config.yml", yaml.safe_dump(settings), 0o600)
        self._host.put_file(f"{folder}/htpasswd", self._hashed("B"))
        self._host.run(["cp", "-a", f"{home}/store-key", f"{home}/store-ca.pem", folder])
        volumes = {folder: "/etc/distribution:ro", self._tls[0]: f"{self._tls[1]}:ro"}
        keys = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE", "OTEL_TRACES_EXPORTER")
        found: dict[str, Any] = json.loads(self._host.run(["docker", "container", "inspect", "registry"]).stdout)[0]
        names = [word for word in found["Config"]["Env"] if word.partition("=")[0] in keys]
        environment = [word for name in names for word in ("-e", name)]
        self._run(ALONE, 5000, volumes, *environment, self._registry, REGISTRY_CONFIGURATION)

    def _caddy(self) -> None:
        self._host.run(["mkdir", "-p", f"{FOLDER}/caddy"])
        docker("cp", str(gotools.build("caddy")), f"{self._host.container}:{FOLDER}/caddy/caddy")
        command = f"{FOLDER}/caddy/caddy hash-password"
        made = self._host.run(command, stdin=self._spot.passwords[QUICK] + "\n", private=True).stdout.strip()
        self._fill("caddy/Caddyfile", USER=QUICK, HASH=made)
        volumes = {f"{FOLDER}/caddy": "/srv:ro", self._tls[0]: f"{self._tls[1]}:ro"}
        self._run(CADDY, 443, volumes, TEST_IMAGE, "/srv/caddy", "run", "--config", "/srv/Caddyfile")

    def _traefik(self) -> None:
        folder = f"{FOLDER}/traefik"
        self._host.run(["mkdir", "-p", f"{folder}/dynamic"])
        docker("cp", str(gotools.build("traefik")), f"{self._host.container}:{folder}/traefik")
        self._fill("traefik/traefik.yml")
        self._fill("traefik/dynamic/registry.yml", USER=self._hashed("m").strip())
        volumes = {folder: "/srv:ro", self._tls[0]: f"{self._tls[1]}:ro"}
        self._run(TRAEFIK, 443, volumes, TEST_IMAGE, "/srv/traefik", "--configFile=/srv/traefik.yml")

    def _static(self) -> None:
        self._fill("static/files.conf", TLS=tls_settings(self._site))
        # The registry's files are root's.
        start = "sed -i 's/^user .*/user root;/' /etc/nginx/nginx.conf && exec nginx -g 'daemon off;'"
        volumes = {f"{FOLDER}/static": "/etc/nginx/conf.d:ro", DATA: "/srv/data:ro", self._tls[0]: f"{self._tls[1]}:ro"}
        self._run(STATIC, 443, volumes, self._proxy["Image"], "sh", "-c", start)

    def _open(self) -> None:
        """A second proxy like this program's, but for the question whose password it is."""
        folder = f"{FOLDER}/open"
        self._host.run(f"mkdir -p {folder}/logs && cp -a {CONFIGURATION} {folder}/conf.d")
        self._host.put_file(f"{folder}/conf.d/registry.conf", without_authentication(self._site, QUICK), 0o600)
        moved = {CONFIGURATION: f"{folder}/conf.d", f"{ROOT}/nginx/logs": f"{folder}/logs"}
        self._run(OPEN, 443, {}, *like(self._proxy, moved))


def like(container: dict[str, Any], moved: dict[str, str]) -> list[str]:
    """The `docker run` arguments, image and command at the end, of another container like one.

    `moved` are folders of the host that it has in place of others.
    """
    settings = container["HostConfig"]
    argv = ["--read-only"] if settings["ReadonlyRootfs"] else []
    for mount in container["Mounts"]:
        source = mount["Name"] if mount["Type"] == "volume" else moved.get(mount["Source"], mount["Source"])
        argv += ["-v", f"{source}:{mount['Destination']}{'' if mount['RW'] else ':ro'}"]
    for path, options in (settings.get("Tmpfs") or {}).items():
        argv += ["--tmpfs", f"{path}:{options}"]
    for flag, key in (
        ("--cap-drop", "CapDrop"),
        ("--cap-add", "CapAdd"),
        ("--security-opt", "SecurityOpt"),
        ("--group-add", "GroupAdd"),
    ):
        argv += [word for value in settings.get(key) or [] for word in (flag, value)]
    return [*argv, "--memory", str(settings["Memory"]), container["Image"], *(container["Config"]["Cmd"] or [])]
