"""What the status says of a store that does not answer or takes no writes, by the registry's log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from registryctl.status import store, store_log
from registryctl.status.finding import iso
from tests.registryctl.status_host import StatusHost

PLACE = "acme-images/registries/acme"
KEY = r"s3aws: InvalidAccessKeyId: The key is none.\n\tstatus code: 403, request id: 7, host id: "
CLOCK = r"s3aws: RequestTimeTooSkewed: Too far.\n\tstatus code: 403, request id: , host id: "
FULL = r"s3aws: XMinioStorageFull: Delete a few objects.\n\tstatus code: 507, request id: , host id: "
PART = r"flush: upload part: InternalError: Again.\n\tstatus code: 500, request id: , host id: "
REFUSED = (
    r"s3aws: RequestError: send request failed\ncaused by: Get \"https://192.0.2.7:9000/b?list-type=2&prefix=\": "
    r"dial tcp 192.0.2.7:9000: connect: connection refused"
)
INVALID = (
    r"if present, mediaType in manifest should be 'application/vnd.oci.image.manifest.v1+json' not "
    r"' s3aws: AccessDenied: x\n\tstatus code: 403'"
)
CANCELLED = r"s3aws: RequestCanceled: request context canceled\ncaused by: context canceled"
FORGOTTEN = "s3aws: Path not found: /docker/registry/v2/repositories/a/_uploads/7/data"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatusHost:
    """A host on which all is well, with an object store that answers the registry's reader."""
    found = StatusHost(tmp_path, monkeypatch)
    found.facts["objects"] = PLACE
    _answers(monkeypatch, 200)
    return found


def _answers(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setattr(store, "_ask", lambda _: status)


def _said(host: StatusHost, *lines: tuple[float, str]) -> None:
    """Lines of the log, each so many seconds old."""
    now = host.machine.now()
    text = "".join(
        f'time="{iso(now - timedelta(seconds=age))[:-1]}.123456789Z" {line} go.version=go1.26.8\n'
        for age, line in lines
    )
    path = Path(host.facts["root"]) / store_log.LOG
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _look(error: str) -> str:
    return f'level=error msg="storage driver health check: {error}"'


def _failed(error: str, method: str = "PUT") -> str:
    rest = f"http.request.method={method} http.request.uri=/v2/a/blobs/uploads/ http.response.status=500"
    return f'level=error msg="response completed with error" err.code=unknown err.detail="{error}" {rest}'


def _done(method: str = "PUT", status: int = 201) -> str:
    return f'level=info msg="response completed" http.request.method={method} http.response.status={status}'


def _line(host: StatusHost) -> tuple[int, str]:
    code, found = host.all("store")
    return code, f"{found['store']['state']}; {found['store']['detail']}"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KEY, "InvalidAccessKeyId (403), the key is not known there"),
        (CLOCK, "RequestTimeTooSkewed (403), the clock of this host or of the store is wrong"),
        (PART, "InternalError (500)"),
        (REFUSED, "dial tcp 192.0.2.7:9000: connect: connection refused"),
        (r"s3aws: NoCredentialProviders: none", "NoCredentialProviders, there is no key, and the host has no role"),
    ],
)
@pytest.mark.parametrize(("status", "state"), [(503, "away; the registry can not use it"), (500, "failing; the")])
def test_it_says_why(
    error: str, words: str, status: int, state: str, host: StatusHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, and without anything of the request."""
    _said(host, (8, _look(error)), (3, _done("GET", 200)))
    _answers(monkeypatch, status)
    code, line = _line(host)
    assert code == 2
    assert line.startswith(state)
    assert line.endswith(f"; {words}: docker logs registry")


def test_the_newest_counts(host: StatusHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing that is old: the registry asks all the time."""
    _answers(monkeypatch, 503)
    _said(host, (50, _look(KEY)), (5, _look(REFUSED)))
    assert "connection refused: docker" in _line(host)[1]
    _said(host, (500, _look(KEY)))
    assert _line(host)[1] == "away; the registry can not use it: docker logs registry"


def test_a_client_that_did_not_wait_is_no_cause(host: StatusHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the registry says of the store itself counts, though it is older."""
    _answers(monkeypatch, 503)
    _said(host, (8, _look(REFUSED)), (3, _failed(CANCELLED, "HEAD")))
    assert "connection refused: docker" in _line(host)[1]


def test_without_a_log_nothing_is_said(host: StatusHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where somebody has put a link."""
    _answers(monkeypatch, 503)
    assert _line(host) == (2, "away; the registry can not use it: docker logs registry")
    path = Path(host.facts["root"]) / store_log.LOG
    _said(host, (5, _look(KEY)))
    path.rename(path.with_suffix(".other"))
    path.symlink_to(path.with_suffix(".other"))
    assert _line(host) == (2, "away; the registry can not use it: docker logs registry")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_store_that_takes_no_writes(method: str, host: StatusHost) -> None:
    """Though it answers whoever reads."""
    _said(host, (70, _done()), (60, _failed(FULL, method)), (5, _done("GET", 200)))
    when = iso(host.machine.now() - timedelta(seconds=60))
    said = f"refusing; the last write failed at {when}; XMinioStorageFull (507), it is full: docker logs registry"
    assert _line(host) == (1, said)


@pytest.mark.parametrize(
    "lines",
    [
        [(60, _failed(FULL)), (50, _done("PUT", 201))],
        [(60, _failed(FULL)), (50, _done("PATCH", 202))],
        [(1000, _failed(FULL))],
        [(60, _failed(FULL, "GET"))],
        [(60, _failed(FORGOTTEN))],
        [(60, _failed(CANCELLED))],
        [(60, 'level=error msg="response completed with error" err.detail="no: Such: thing" http.request.method=PUT ')],
        [(60, _failed("x").replace("/v2/a", r"/v2/ err.detail=\"s3aws: Spoofed: text\""))],
        [(60, _failed(INVALID).replace("=unknown", '="manifest invalid"'))],
        [(60, "level=info" + _failed(FULL).removeprefix("level=error"))],
    ],
    ids=[
        "written since",
        "uploaded since",
        "long ago",
        "a read",
        "a forgotten upload",
        "a client that went away",
        "another's",
        "a spoof",
        "a manifest",
        "none",
    ],
)
def test_writes_that_do_not_fail_by_the_store(lines: list[tuple[float, str]], host: StatusHost) -> None:
    """All is well."""
    _said(host, *lines)
    code, line = _line(host)
    assert (code, line.partition(";")[0]) == (0, "ok")


def test_only_the_end_of_a_long_log_is_read(host: StatusHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be cut within a line, and within a letter."""
    monkeypatch.setattr(store_log, "_READ", 400)
    _said(host, (60, _failed(FULL)), (50, _done("GET", 200) + " é" * 200))
    assert _line(host)[0] == 0
    _said(host, (60, _done("GET", 200) + " é" * 200), (50, _failed(FULL)[:-10] + "500 "))
    assert _line(host)[0] == 1
