"""Property values as they travel between the engine and a provider.

Plain JSON in a protobuf Struct, where some objects and one string have a meaning of their own: a secret, an
asset, and a value not known before the update.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from tests.lab.standins.proto import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Json: TypeAlias = Any  # whatever JSON can hold, with the marks below
Props = dict[str, Any]


def from_struct(struct: struct_pb2.Struct) -> Props:
    """The Struct as Python values; whole numbers become int."""
    return {key: _from_value(value) for key, value in struct.fields.items()}


def to_struct(props: Mapping[str, Any]) -> struct_pb2.Struct:
    """The Struct of these Python values."""
    struct = struct_pb2.Struct()
    struct.update(props)
    return struct


def _from_value(value: struct_pb2.Value) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind is None or kind == "null_value":
        return None
    return getattr(value, kind)


def is_secret(value: Json) -> bool:
    """Whether `value` is the wrapper of a secret."""
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def secret(value: Json) -> Json:
    """`value` marked as a secret; a value that is marked already stays as it is."""
    return value if is_secret(value) else {SIGNATURE: SECRET, "value": value}


def plain(value: Json) -> Json:
    """`value` without any secret marks, at all depths."""
    if is_secret(value):
        return plain(value.get("value"))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def has_unknown(value: Json) -> bool:
    """Whether `value` is, or contains, a value not known before the update."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return bool(value == UNKNOWN)
