"""The example stack's resources as text: one readable file for an update, one for what a preview leaves open, and one
for what is different with an object store.

`python -m tests.unit.graph` (`make snapshot`) writes them anew, and with them the diagram of the architecture.
"""

from __future__ import annotations

import difflib
import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rendering.rootfs import TREE, fingerprint
from tests.unit.config.stack import with_changes
from tests.unit.config.test_example import example, with_password
from tests.unit.diagram import drawn_in, mermaid
from tests.unit.programs import VARIANTS, run_stack
from tests.unit.recorder import STACK, UNKNOWN, Recorded, Recording

FOLDER = Path(__file__).parent / "snapshots"
ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"
MODES = {"preview": True, "update": False}
OBJECTS = "objects"
SNAPSHOTS = (*MODES, OBJECTS)
# Without a CA of its own, which each run of the tests makes anew.
_STORE = {
    "driver": "s3",
    "s3": {name: value for name, value in VARIANTS["objects"]["storage"]["s3"].items() if name != "serverCa"},
}


class _Readable(yaml.SafeDumper):
    """Lines of a text stay lines, and nothing is folded or abbreviated by an anchor."""

    def ignore_aliases(self, _: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Readable.add_representer(str, _text)


@cache
def example_run(mode: str) -> Recording:
    """The whole program, run with the example stack and a password."""
    stack = with_password(example())
    changes = {**VARIANTS["objects"], "storage": _STORE} if mode == OBJECTS else {}
    return run_stack(json.dumps(with_changes(changes, stack)), MODES.get(mode, False))


def snapshot(mode: str) -> str:
    """All resources in the order of their names, then the outputs; of the others only what differs from an update."""
    content = _content(mode)
    if mode != "update":
        known = _content("update")
        content = _differing(content, known)
    return yaml.dump(content, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=2**20)


def _content(mode: str) -> dict[str, Any]:
    run = example_run(mode)
    connection = run["host-check"].inputs["connection"]
    resources = {name: _resource(run[name], connection) for name in sorted(run.resources)}
    outputs = {name: dict(values) for name, values in sorted(run.registered_outputs.items()) if values}
    # It tells of the same inputs.
    outputs[STACK].pop("manifest")
    hooks = dict.fromkeys(sorted(run.hooks), "registered")
    content: dict[str, Any] = _plain(
        {"connection": connection, "resources": resources, "outputs": outputs, "hooks": hooks}
    )
    return content


def _differing(found: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    differing: dict[str, Any] = {name: "[missing]" for name in known if name not in found}
    for name, value in found.items():
        other = known.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            if inner := _differing(value, other):
                differing[name] = inner
        elif value != other:
            differing[name] = _lines(str(other), str(value)) if "\n" in str(other) else value
    return differing


def _lines(known: str, found: str) -> str:
    """What is different in a text of many lines."""
    lines = difflib.unified_diff(known.splitlines(), found.splitlines(), lineterm="", n=0)
    return "".join(f"{line}\n" for line in list(lines)[2:])


def _resource(found: Recorded, connection: object) -> dict[str, Any]:
    options = {
        "protect": found.protect,
        "retainOnDelete": found.retain_on_delete,
        "deleteBeforeReplace": found.delete_before_replace,
        "replaceOnChanges": list(found.replace_on_changes),
        "ignoreChanges": list(found.ignore_changes),
        "additionalSecretOutputs": list(found.additional_secret_outputs),
        "aliases": found.aliases,
        "beforeCreate": list(found.before_create),
        "onError": list(found.on_error),
    }
    described = {
        "type": found.type,
        "parent": found.parent,
        "provider": found.provider,
        "dependsOn": sorted(found.depends_on),
        "options": {name: value for name, value in options.items() if value},
        "secretInputs": sorted(found.secrets),
        "inputs": _inputs(found, connection),
    }
    return {name: value for name, value in described.items() if value}


def _inputs(found: Recorded, connection: object) -> dict[str, Any]:
    """The inputs. Of a file that lands on the host as it lies in the tree, the tree's path says it all."""
    inputs = dict(sorted(found.inputs.items()))
    if inputs.get("connection") == connection:
        inputs["connection"] = "[the connection]"
    if isinstance(inputs.get("stdin"), str):
        inputs["stdin"], size = _named(inputs["stdin"])
        inputs["create"] = str(inputs["create"]).replace(f"--size {size} ", "--size [its size] ")
    return inputs


def _named(text: str) -> tuple[str, int]:
    """A text in which each file of the tree is only named, and the size of the one that is all of it, or -1."""
    for content, name in _sources().items():
        if text == content:
            return f"[the file {name}]", len(content.encode())
        # The tools come as one script, which knows the size and the fingerprint of each.
        text = text.replace(content, f"[the file {name}]\n").replace(fingerprint(content), "[its fingerprint]")
        text = text.replace(
            f"{name.removeprefix('rootfs')} {len(content.encode())} ", f"{name.removeprefix('rootfs')} [its size] "
        )
    return text, -1


@cache
def _sources() -> dict[str, str]:
    return {path.read_text(): str(path.relative_to(TREE.parent)) for path in TREE.rglob("*") if path.is_file()}


def _order(value: dict[str, Any]) -> list[str]:
    """A resource's own description keeps its order; what comes from the program has none."""
    return list(value) if "inputs" in value else sorted(value)


def _plain(value: object) -> Any:  # noqa: ANN401
    match value:
        case dict():
            return {key: _plain(value[key]) for key in _order(value)}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _ if value is UNKNOWN:
            return "[unknown before the update]"
    return value


def main() -> None:
    """Write the snapshots and the diagram."""
    for mode in SNAPSHOTS:
        (FOLDER / f"example.{mode}.yaml").write_text(snapshot(mode), encoding="utf-8")
    document = ARCHITECTURE.read_text(encoding="utf-8")
    ARCHITECTURE.write_text(drawn_in(document, mermaid(example_run("update"))), encoding="utf-8")


if __name__ == "__main__":
    main()
