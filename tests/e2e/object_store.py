"""An S3-compatible object store on a host of the lab: SeaweedFS, of which nothing is used that others have not."""

import hashlib
import hmac
import http.client
import json
import re
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.lab.authority import Authority
from tests.lab.docker import docker
from tests.lab.host import LabHost
from tests.lab.stack import Secret

BUCKET = "acme-images"
PORT = 8333
_METRICS_PORT = 9327
_REGION = "us-east-1"
_SECONDS = 60
_AT_ONCE = 8
_PROGRAM = "/usr/local/bin/weed"
_OPTIONS = (
    *("-dir=/srv/weed", "-master.telemetry=false", "-master.volumeSizeLimitMB=256", "-volume.max=100"),
    *("-volume.preStopSeconds=0", "-s3", f"-s3.port={PORT}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
    f"-metricsPort={_METRICS_PORT}",
    *("-s3.config=/etc/weed/keys.json", "-s3.cert.file=/etc/weed/cert.pem", "-s3.key.file=/etc/weed/key.pem"),
)


@dataclass(frozen=True)
class Key:
    """What lets somebody in."""

    access: str = field(default_factory=lambda: f"K{secrets.token_hex(9)}")
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)


@dataclass(frozen=True)
class ObjectStore:
    """A store with a bucket, a key that may do there what the registry's documents say, and its owner's."""

    host: LabHost
    authority: Authority
    key: Key = field(default_factory=Key)
    _owner: Key = field(default_factory=Key, repr=False)

    def settings(self, **others: Any) -> dict[str, Any]:  # noqa: ANN401
        """Of a stack whose images lie there, and what does not go with that."""
        s3 = {
            "bucket": BUCKET,
            "endpoint": f"https://{self.host.address}:{PORT}",
            "serverCa": self.authority.certificate,
            "accessKey": Secret(self.key.access),
            "secretKey": Secret(self.key.secret),
            "chunkSize": 5,
            **others,
        }
        return {"storage": {"driver": "s3", "s3": s3}, "nginx": {"fastPath": False}}

    def serve(self, program: Path) -> None:
        """Begins, with an empty bucket."""
        certificate, private = self.authority.issue(self.host.address)
        unit = (
            f"[Service]\nExecStart={_PROGRAM} server -ip={self.host.address} {' '.join(_OPTIONS)}\nTimeoutStopSec=5\n"
        )
        for path, content in (
            ("/etc/weed/cert.pem", certificate),
            ("/etc/weed/key.pem", private),
            ("/etc/weed/keys.json", self._identities(self.key)),
            ("/etc/systemd/system/weed.service", unit),
        ):
            self.host.put_file(path, content)
        docker("cp", str(program), f"{self.host.container}:{_PROGRAM}")
        self.host.run("mkdir -p /srv/weed && systemctl daemon-reload")
        self.start()
        assert self._ask("PUT", f"/{BUCKET}")[0] == http.client.OK
        # It makes room for content when some comes for the first time.
        deadline = time.monotonic() + _SECONDS
        while self._ask("PUT", f"/{BUCKET}/first", body=b"content")[0] != http.client.OK:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        self._ask("DELETE", f"/{BUCKET}/first")

    def lets_in(self, *keys: Key) -> None:
        """These from now on, and no others but its owner's."""
        self.host.put_file("/etc/weed/keys.json", self._identities(*keys))
        self.stop()
        self.start()

    def start(self) -> None:
        """Until it answers."""
        self.host.run(["systemctl", "start", "weed"])
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, self.host.run("journalctl -u weed -n 50 --no-pager").stdout
            time.sleep(0.2)

    def stop(self) -> None:
        """It is away."""
        self.host.run(["systemctl", "stop", "weed"])

    def names(self) -> set[str]:
        """What lies in the bucket."""
        found: set[str] = set()
        query = "list-type=2&max-keys=1000"
        while True:
            status, said = self._ask("GET", f"/{BUCKET}", query)
            assert status == http.client.OK, said
            found.update(re.findall(r"<Key>([^<]+)</Key>", said))
            if "<IsTruncated>true" not in said:
                return found
            [token] = re.findall(r"<NextContinuationToken>([^<]+)</NextContinuationToken>", said)
            query = f"continuation-token={quote(token, safe='')}&list-type=2&max-keys=1000"

    def served(self) -> tuple[int, int]:
        """How many requests for single objects it has answered since it began, and how many bytes it has sent."""
        sent = re.findall(
            r"^SeaweedFS_s3_bucket_traffic_sent_bytes_total\{[^}]*\} (\S+)$", self._metrics(), re.MULTILINE
        )
        return self.requests()["GET"], sum(int(float(one)) for one in sent)

    def requests(self) -> Counter[str]:
        """How many requests it has answered since it began, by kind: GET, HEAD, PUT, POST, COPY, DELETE, LIST.

        LIST is of objects; uploads and their parts are listed by GET.
        """
        found: Counter[str] = Counter()
        counted = r'^SeaweedFS_s3_request_total\{[^}]*type="([A-Z]+)"[^}]*\} (\S+)$'
        for kind, number in re.findall(counted, self._metrics(), re.MULTILINE):
            found[kind] += int(float(number))
        return found

    def _metrics(self) -> str:
        connection = http.client.HTTPConnection(self.host.address, _METRICS_PORT, timeout=_SECONDS)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def put(self, objects: Sequence[tuple[str, bytes]]) -> None:
        """Puts many objects there, as somebody else would: names and contents."""

        def some(first: int) -> None:
            with self._connection() as connection:
                for name, content in objects[first::_AT_ONCE]:
                    status, said = self._ask("PUT", f"/{BUCKET}/{name}", body=content, connection=connection)
                    assert status == http.client.OK, said

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(some, range(_AT_ONCE)))

    def delete(self, names: Iterable[str]) -> None:
        """Takes away these objects; those that are not there may be among them."""
        with self._connection() as connection:
            for name in names:
                status, said = self._ask("DELETE", f"/{BUCKET}/{name}", connection=connection)
                assert status == http.client.NO_CONTENT, said

    def remove(self, part: str) -> None:
        """Takes away the objects of whose names this is a part, as somebody else would."""
        for name in self.names():
            if part in name:
                assert self._ask("DELETE", f"/{BUCKET}/{name}")[0] == http.client.NO_CONTENT

    def forget_uploads(self) -> int:
        """Aborts all that have begun, as a lifecycle rule does; how many there were."""
        said = self._ask("GET", f"/{BUCKET}", "uploads=")[1]
        found = re.findall(r"<Key>([^<]+)</Key>.*?<UploadId>([^<]+)</UploadId>", said, re.DOTALL)
        statuses = [self._ask("DELETE", f"/{BUCKET}/{key}", f"uploadId={upload}")[0] for key, upload in found]
        # Some have ended meanwhile.
        assert set(statuses) <= {http.client.NO_CONTENT, http.client.NOT_FOUND}
        return statuses.count(http.client.NO_CONTENT)

    def _identities(self, *keys: Key) -> str:
        may = [f"{act}:{BUCKET}" for act in ("Read", "Write", "WriteAcp", "List")]
        known = [("owner", self._owner, ["Admin"]), *((f"registry-{n}", key, may) for n, key in enumerate(keys))]
        entries = [
            {"name": name, "credentials": [{"accessKey": key.access, "secretKey": key.secret}], "actions": actions}
            for name, key, actions in known
        ]
        return json.dumps({"identities": entries})

    def _answers(self) -> bool:
        try:
            return self._ask("GET", "/")[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    @contextmanager
    def _connection(self) -> Iterator[http.client.HTTPSConnection]:
        context = ssl.create_default_context(cadata=self.authority.certificate)
        connection = http.client.HTTPSConnection(self.host.address, PORT, context=context, timeout=_SECONDS)
        try:
            yield connection
        finally:
            connection.close()

    def _ask(
        self,
        method: str,
        path: str,
        query: str = "",
        body: bytes = b"",
        connection: http.client.HTTPSConnection | None = None,
    ) -> tuple[int, str]:
        """As its owner, signed as Amazon has it; over a connection that is kept, or one of its own."""
        if connection is None:
            with self._connection() as its:
                return self._ask(method, path, query, body, its)
        place, digest = f"{self.host.address}:{PORT}", hashlib.sha256(body).hexdigest()
        now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        scope = f"{now[:8]}/{_REGION}/s3/aws4_request"
        names = "host;x-amz-content-sha256;x-amz-date"
        headers = f"host:{place}\nx-amz-content-sha256:{digest}\nx-amz-date:{now}\n"
        asked = f"{method}\n{path}\n{'&'.join(sorted(query.split('&')))}\n{headers}\n{names}\n{digest}"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
        key = _signing_key(self._owner.secret, scope)
        signature = hmac.digest(key, text.encode(), hashlib.sha256).hex()
        signed = f"Credential={self._owner.access}/{scope}, SignedHeaders={names}, Signature={signature}"
        said = {"x-amz-content-sha256": digest, "x-amz-date": now, "Authorization": f"AWS4-HMAC-SHA256 {signed}"}
        connection.request(method, f"{path}?{query}" if query else path, body, {"Host": place, **said})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@lru_cache
def _signing_key(secret: str, scope: str) -> bytes:
    """Of a day."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key
