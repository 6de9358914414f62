"""Makes a plugin process start fast.

Most of what a plugin would import at its start it never uses: `pulumi/__init__.py` imports the whole SDK, gRPC
imports asyncio for its asynchronous half, protobuf a second implementation of itself in Python, paramiko a tool that
runs tasks. The engine waits for each plugin, so in a plugin process these modules are imported when something in them
is first asked for.
"""

import contextlib
import gc
import importlib
import importlib.util
import sys
import threading
import types
from collections.abc import Iterator

PLUGIN_PACKAGE = "tests.lab.standins."

EMPTY = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")
"""Packages that only lead to the protocol's messages: those are imported without them."""

LATER = (
    "asyncio",
    "calendar",
    "google.protobuf.internal.python_message",
    "google.protobuf.json_format",
    "grpc.aio",
    "inspect",
    "invoke",
    "pkgutil",
    "pulumi.runtime.proto.language_pb2",
    "pulumi.runtime.proto.language_pb2_grpc",
    "pulumi.runtime.proto.provider_pb2",
    "pulumi.runtime.proto.provider_pb2_grpc",
    "socket",
    "traceback",
    "typing_extensions",
    "zipfile",
)
"""Modules that not every plugin uses, or none does."""

_LOCK = threading.Lock()


class Later(types.ModuleType):
    """Stands for a module, and imports it when something in it is first asked for."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        self.forget()
        value: object = getattr(importlib.import_module(self.__name__), name)
        setattr(self, name, value)
        return value

    def forget(self) -> None:
        """Let the next import of the module be a normal one."""
        with _LOCK:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]


def is_plugin_process() -> bool:
    """Whether this process was started as `python -m tests.lab.standins.…`."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec is not None and spec.name.startswith(PLUGIN_PACKAGE)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """In a plugin process, what is imported inside comes without what it never uses."""
    if not is_plugin_process():
        yield
        return
    if "pulumi" not in sys.modules:
        _add_empty_packages()
    modules = [Later(name) for name in LATER if name not in sys.modules]
    sys.modules.update({module.__name__: module for module in modules})
    # gRPC asks for nothing but this decorator, which does nothing when the program runs.
    vars(sys.modules["typing_extensions"]).setdefault("override", lambda method: method)
    gc.disable()  # what is imported stays: there is nothing to find
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        # From here on an import is a normal one, also for threads that import at the same time.
        for module in modules:
            module.forget()


def _add_empty_packages() -> None:
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the Pulumi SDK is not installed in this Python environment")
    base = next(iter(spec.submodule_search_locations))
    for name in EMPTY:
        package = types.ModuleType(name)
        package.__path__ = [base + name.removeprefix("pulumi").replace(".", "/")]
        sys.modules[name] = package
