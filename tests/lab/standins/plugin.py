"""Serving a plugin: what is common to the language host and the providers."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any, NoReturn

from tests.lab.standins.proto import Context, Message, any_pb2, engine_pb2, engine_pb2_grpc, grpc, status_pb2

WORKERS = 64
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
SEVERITY = {
    "debug": engine_pb2.DEBUG,
    "info": engine_pb2.INFO,
    "warning": engine_pb2.WARNING,
    "error": engine_pb2.ERROR,
}


class CallError(Exception):
    """A call fails with this message. `details` go to the engine as structured error details."""

    def __init__(
        self,
        text: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        details: Message | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.details = details


class EngineLog:
    """The engine's log, as seen by a plugin."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._stub: engine_pb2_grpc.EngineStub | None = None
        self._lock = threading.Lock()

    def __call__(self, severity: str, text: str, *, urn: str = "", ephemeral: bool = False) -> None:
        """Show `text` at `severity` (debug, info, warning, error) for the resource `urn`.

        `ephemeral` texts are shown while the resource is worked on, and not kept. An engine that is gone is no error.
        """
        if self._address is None:
            return
        request = engine_pb2.LogRequest(severity=SEVERITY[severity], message=text, urn=urn, ephemeral=ephemeral)
        with contextlib.suppress(grpc.RpcError):
            self._connect(self._address).Log(request)

    def _connect(self, address: str) -> engine_pb2_grpc.EngineStub:
        with self._lock:
            if self._stub is None:
                channel = grpc.insecure_channel(address, options=UNLIMITED)
                self._stub = engine_pb2_grpc.EngineStub(channel)
            return self._stub


def abort(context: Context, failure: CallError) -> NoReturn:
    """End the call with `failure`."""
    if failure.details is not None:
        packed = any_pb2.Any()
        packed.Pack(failure.details)
        status = status_pb2.Status(code=failure.code.value[0], message=str(failure), details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(failure.code, str(failure))
    raise AssertionError("abort always raises")


@contextlib.contextmanager
def answering(context: Context) -> Iterator[None]:
    """Turns a CallError raised inside into the failure of the call."""
    try:
        yield
    except CallError as failure:
        abort(context, failure)


_CURRENT = threading.local()


def is_cancelled() -> bool:
    """Whether the engine has given up the call that this thread serves (or the engine was killed)."""
    context: Context | None = getattr(_CURRENT, "context", None)
    return context is not None and not context.is_active()


class Running:
    """Counts the calls being served, so that a plugin whose engine died ends after the last one."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def call(self, context: Context) -> Iterator[None]:
        """One call is served inside, by this thread."""
        _CURRENT.context = context
        with self._lock:
            self._count += 1
        try:
            yield
        finally:
            _CURRENT.context = None
            with self._lock:
                self._count -= 1

    @property
    def idle(self) -> bool:
        """No call is served at the moment."""
        return self._count == 0


def engine_address(argv: list[str]) -> str | None:
    """The engine's address: the first argument that is no option."""
    return next((argument for argument in argv if not argument.startswith("-")), None)


def serve(
    register: Callable[[grpc.Server], Any],
    *,
    running: Running | None = None,
    on_exit: Callable[[], None] | None = None,
) -> None:
    """Serve until the engine ends this process or dies itself; prints the port for the engine first."""
    parent = os.getppid()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=WORKERS), options=UNLIMITED)
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not stop.wait(1.0):
        if os.getppid() != parent:
            _finish_calls(running)
            break
    server.stop(None)
    if on_exit is not None:
        on_exit()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _finish_calls(running: Running | None) -> None:
    """The engine was killed: what is under way is still done, as the official plugins do."""
    while running is not None and not running.idle:
        time.sleep(0.1)
