"""A Docker daemon for contract tests: the API calls of the stand-in, on a socket, without containers behind them."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from tests.lab.standins.values import Json

Props = dict[str, Any]
GATEWAY, ADDRESS, MAC = "100.127.255.1", "100.127.255.2", "02:42:64:7f:ff:02"
ENDPOINT = "e" * 64


class RefusedError(Exception):
    """The daemon answers with this HTTP status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class FakeDaemon:
    """What the daemon has. Tests fill it, and look at it afterwards."""

    def __init__(self, image: str) -> None:
        self.images: dict[str, str] = {}
        self.networks: dict[str, Props] = {}
        self.volumes: dict[str, Props] = {}
        self.containers: dict[str, Props] = {}
        self.stopped_with: list[int] = []
        self.taken_ports: set[int] = set()
        self.next_id = "f" * 64
        self.default_image = image

    def answer(self, method: str, path: str, query: dict[str, str], body: Props) -> Json:
        """Answer one request; raises RefusedError."""
        kind, *rest = path.strip("/").split("/")
        handler = getattr(self, f"_{kind}", None)
        if handler is None:
            raise RefusedError(404, "page not found")
        return handler(method, rest, query, body)

    def _images(self, method: str, rest: list[str], query: dict[str, str], _: Props) -> Json:
        if rest == ["create"]:
            raise RefusedError(500, 'Get "https://<HUB>/v2/": dial tcp: lookup <HUB> on <DNS>:53: no such host')
        name = "/".join(rest[:-1] if rest[-1] == "json" else rest)
        known = self.images.get(name) or (name if name in self.images.values() else None)
        if known is None:
            raise RefusedError(404, f"No such image: {name}")
        if method == "DELETE":
            del self.images[name]
        return {"Id": known, "RepoDigests": []}

    def _networks(self, method: str, rest: list[str], _: dict[str, str], body: Props) -> Json:
        if rest == ["create"]:
            if body["Name"] in {network["Name"] for network in self.networks.values()}:
                raise RefusedError(409, f"network with name {body['Name']} already exists")
            self.networks[self.next_id] = {**body, "Id": self.next_id, "Scope": "local"}
            return {"Id": self.next_id}
        if rest[0] == "bridge" and rest[-1] == "disconnect":
            self.containers[body["Container"]]["networks"].clear()
            return None
        if rest[-1] == "connect":
            self.containers[body["Container"]]["networks"][rest[0]] = body["EndpointConfig"]
            return None
        if rest[0] not in self.networks:
            raise RefusedError(404, f"network {rest[0]} not found")
        return self.networks.pop(rest[0]) if method == "DELETE" else self.networks[rest[0]]

    def _volumes(self, method: str, rest: list[str], _: dict[str, str], body: Props) -> Json:
        if rest == ["create"]:
            name = body["Name"]
            point = f"/var/lib/docker/volumes/{name}/_data"
            return self.volumes.setdefault(name, {**body, "Options": body["DriverOpts"], "Mountpoint": point})
        if rest[0] not in self.volumes:
            raise RefusedError(404, f"get {rest[0]}: no such volume")
        return self.volumes.pop(rest[0]) if method == "DELETE" else self.volumes[rest[0]]

    def _containers(self, method: str, rest: list[str], query: dict[str, str], body: Props) -> Json:
        if rest == ["create"]:
            self.containers[self.next_id] = {
                **body,
                "name": query["name"],
                "running": False,
                "status": 0,
                "networks": {"bridge": {}},
            }
            return {"Id": self.next_id}
        identity = rest[0]
        if identity not in self.containers:
            raise RefusedError(404, f"No such container: {identity}")
        if method == "DELETE":
            return self.containers.pop(identity)
        return getattr(self, f"_container_{rest[1]}")(identity, query, body)

    def _container_start(self, identity: str, _: dict[str, str], __: Props) -> None:
        container = self.containers[identity]
        for bindings in container["HostConfig"]["PortBindings"].values():
            for binding in bindings:
                if int(binding["HostPort"]) in self.taken_ports:
                    where = f"{binding['HostIp']}:{binding['HostPort']}"
                    raise RefusedError(
                        500,
                        "driver failed programming external connectivity on endpoint "
                        f"{container['name']} ({ENDPOINT}): Error starting userland proxy: "
                        f"listen tcp4 {where}: bind: address already in use",
                    )
        container["status"] = int(container.get("Cmd") == ["false"])
        container["running"] = not container["status"]

    def _container_stop(self, identity: str, query: dict[str, str], _: Props) -> None:
        self.stopped_with.append(int(query["t"]))
        self.containers[identity]["running"] = False

    def _container_wait(self, identity: str, _: dict[str, str], __: Props) -> Props:
        return {"StatusCode": self.containers[identity]["status"]}

    def _container_update(self, identity: str, _: dict[str, str], body: Props) -> Props:
        changed = {name: value for name, value in body.items() if value}
        self.containers[identity]["HostConfig"].update(changed)
        return {"Warnings": None}

    def _container_json(self, identity: str, _: dict[str, str], __: Props) -> Props:
        container = self.containers[identity]
        running = container["running"]
        host = {"IpcMode": "private", "Runtime": "runc", "ShmSize": 64 * 1024 * 1024, **container["HostConfig"]}
        host["LogConfig"] = {**host["LogConfig"], "Type": host["LogConfig"]["Type"] or "json-file"}
        host["MemorySwap"] = host["MemorySwap"] or 2 * host["Memory"]
        check = container.get("Healthcheck")
        health = {"Status": "unhealthy" if check and "false" in check["Test"] else "healthy"}
        return {
            "Id": identity,
            "Name": f"/{container['name']}",
            "Image": self.images.get(container["Image"], container["Image"]),
            "Platform": "linux",
            "State": {"Running": running, "ExitCode": container["status"], **({"Health": health} if check else {})},
            "Config": {"Hostname": identity[:12], **container},
            "HostConfig": host,
            "NetworkSettings": {
                "Bridge": "",
                "Ports": host["PortBindings"] if running else {},
                "Networks": {name: _endpoint(running) for name in container["networks"]},
            },
        }


def _endpoint(running: bool) -> Props:
    if not running:
        return {}
    return {"Gateway": GATEWAY, "IPAddress": ADDRESS, "IPPrefixLen": 24, "MacAddress": MAC}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    daemon: ClassVar[FakeDaemon]

    def _serve(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        if url.path == "/_ping":
            self._send(200, {})
            return
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        path = unquote(url.path).split("/", 2)[2]
        try:
            answer, status = self.daemon.answer(self.command, path, query, json.loads(data or b"{}")), 200
        except RefusedError as error:
            answer, status = {"message": str(error)}, error.status
        self._send(status, answer)

    def _send(self, status: int, answer: Json) -> None:
        data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(204 if answer is None else status)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_PUT = _serve  # noqa: N815

    def log_message(self, format: str, *args: Json) -> None:
        """Nothing is logged."""

    def address_string(self) -> str:
        return "local"


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def listening(daemon: FakeDaemon, path: Path) -> Iterator[str]:
    """The daemon on a socket; gives its address."""
    server = _Server(str(path), type("Handler", (_Handler,), {"daemon": daemon}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"unix://{path}"
    finally:
        server.shutdown()
        server.server_close()
