"""Makes a plugin process start fast.

`pulumi/__init__.py` imports the whole SDK, which takes longer than everything else a plugin does at start. A
plugin needs only the protocol messages below `pulumi.runtime.proto`, so in a plugin process the packages
above them are replaced by empty ones.
"""

import importlib.util
import sys
import types
from pathlib import Path

PLUGIN_PACKAGE = "tests.lab.standins."


def is_plugin_process() -> bool:
    """Whether this process was started as `python -m tests.lab.standins.…`."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec is not None and spec.name.startswith(PLUGIN_PACKAGE)


def skip_sdk_import() -> None:
    """Let `import pulumi.runtime.proto` import the protocol only. Does nothing once the SDK is imported."""
    if "pulumi" in sys.modules:
        return
    spec = importlib.util.find_spec("pulumi")
    if spec is None or spec.origin is None:
        raise ImportError("the Pulumi SDK is not installed in this Python environment")
    base = Path(spec.origin).parent
    for name, folder in (("pulumi", base), ("pulumi.runtime", base / "runtime")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
