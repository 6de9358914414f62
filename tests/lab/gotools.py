"""Tools built from pinned Go modules: the Pulumi engine, the registry, registry clients.

Each folder under `go/` is a module with the `tool` lines of what it builds; its go.mod and go.sum fix every byte of
source. So is each under the benchmarks' `go/`. A tool is built once for each content of these two files, and of what
else is in the folder, and kept in the cache.
"""

import hashlib
import json
import platform
import re
import shutil
from pathlib import Path

from tests.lab.locks import locked
from tests.lab.log import step
from tests.lab.overlay import overlay
from tests.lab.paths import LAB_SOURCES, ROOT, cache_dir
from tests.lab.run import LabError, clean_environment, stream

MODULES = (LAB_SOURCES / "go", *sorted((ROOT / "bench/contenders").glob("*/go")))

VERSION_VARIABLE = {
    "pulumi": ("github.com/pulumi/pulumi/pkg/v3", "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"),
    "caddy": ("github.com/caddyserver/caddy/v2", "github.com/caddyserver/caddy/v2.CustomVersion"),
    "registry": ("github.com/distribution/distribution/v3", "github.com/distribution/distribution/v3/version.version"),
    "traefik": ("github.com/traefik/traefik/v3", "github.com/traefik/traefik/v3/pkg/version.Version"),
}
"""Tool → the module whose version it reports, and the variable the linker sets to it."""

SLOW = frozenset({"weed"})
"""Tools that take a quarter of an hour of a processor: others go on meanwhile."""

MODULE = {"pebble-challtestsrv": "pebble"}
"""Tool → the folder of its module, where that has another name."""


def names() -> list[str]:
    """All tools there are."""
    return sorted([*(path.parent.name for folder in MODULES for path in folder.glob("*/go.mod")), *MODULE])


def build(name: str) -> Path:
    """The executable of tool `name`, built if it isn't in the cache. Raises LabError without a Go toolchain."""
    module = _module(name)
    target = cache_dir("go-tools", f"{name}-{_key(module)}") / name
    if target.exists():
        return target
    with locked(f"go-{name}"):
        if not target.exists():
            with step(f"go: building {name}"):
                _build(name, module, target)
    return target


def key(name: str) -> str:
    """A short text that changes with the sources of tool `name`."""
    return _key(_module(name))


def _module(name: str) -> Path:
    folder = MODULE.get(name, name)
    return next((found / folder for found in MODULES if (found / folder / "go.mod").exists()), MODULES[0] / folder)


def _key(module: Path) -> str:
    digest = hashlib.sha256(platform.machine().encode())
    for name in ("go.mod", "go.sum"):
        digest.update((module / name).read_bytes())
    for path in sorted(path for path in module.rglob("*") if path.is_file() and path.parent != module):
        digest.update(str(path.relative_to(module)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _build(name: str, module: Path, target: Path) -> None:
    text = (module / "go.mod").read_text()
    flags = "-s -w"
    if name in VERSION_VARIABLE:
        source, variable = VERSION_VARIABLE[name]
        version = _match(rf"{re.escape(source)} (v\S+)", text)
        flags += f" -X {variable}={version}"
    package = rf"^(?:tool |\t)(\S+/{re.escape(name)})$"
    temporary = target.with_suffix(".new")
    go = _go(text)
    replaced = target.with_name("overlay.json")
    replaced.write_text(json.dumps({"Replace": overlay(go, module, f"go-{name}")}))
    options = ["-trimpath", "-overlay", str(replaced), "-ldflags", flags, "-o", str(temporary)]
    alone = {"GOMAXPROCS": "1"} if name in SLOW else {}
    stream(
        [*(("nice", "-n", "5") if name in SLOW else ()), go, "build", *options, _match(package, text)],
        log=f"go-{name}",
        cwd=module,
        env=clean_environment()
        | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly", "GOWORK": "off", **alone},
    )
    temporary.rename(target)


def _go(go_mod: str) -> str:
    found = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not found:
        wanted = _match(r"^go (\S+)$", go_mod)
        raise LabError(
            f"the lab builds its tools with Go {wanted} or newer, and there is no `go` on PATH: install it from "
            "https://go.dev/dl/ (Go 1.21 or newer, such as golang-go of Debian 13, fetches the rest by itself)"
        )
    return found


def _match(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise LabError(f"a go.mod of the lab has no line like {pattern}")
    return found.group(1)
