"""States as Pulumi exports them, made from what the program registers under mocks."""

from __future__ import annotations

import json
from typing import Any

from review.declared import Declared, declared
from review.state import Resource, read
from tests.unit.programs import whole
from tests.unit.recorder import Recorded, Recording
from tests.unit.recorder import exported as outputs_of

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"


def secret(value: object) -> dict[str, str]:
    """A secret in a state whose secrets are shown."""
    return {SIGNATURE: SECRET, "plaintext": json.dumps(value)}


def exported(run: Recording) -> dict[str, Any]:
    """The state after an update that registered this."""
    outputs = {name: secret(value) if name == "manifest" else value for name, value in outputs_of(run).items()}
    stack = {"urn": "urn:pulumi:production::docker-registry::pulumi:pulumi:Stack::s", "type": "pulumi:pulumi:Stack"}
    return {
        "version": 3,
        "deployment": {"resources": [stack | {"outputs": outputs}, *(_resource(one) for one in run)]},
    }


def resources_of(variant: str) -> list[Resource]:
    """The resources of a stack that was brought up."""
    return read(exported(whole(variant, False)))


def declared_by(variant: str) -> Declared:
    """What such a stack declares."""
    return declared(resources_of(variant))


def _resource(one: Recorded) -> dict[str, Any]:
    inputs = {name: secret(value) if name in one.secrets else value for name, value in one.inputs.items()}
    return {
        "urn": f"urn:pulumi:production::docker-registry::{one.type}::{one.name}",
        "type": one.type,
        "custom": one.custom,
        "id": f"{one.name}-0123456789abcdef",
        "inputs": inputs,
        "outputs": dict(inputs),
    }
