"""gRPC and the engine's protocol: the one place that imports them, in plugin processes without the rest of the SDK."""

from tests.lab.standins import light

with light.importing():
    import grpc
    import grpc._server  # what grpc.server would import later
    from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
    from google.protobuf.message import Message  # type: ignore[import-untyped]
    from google.rpc import status_pb2  # type: ignore[import-untyped]
    from pulumi.runtime.proto import (
        engine_pb2,
        engine_pb2_grpc,
        language_pb2,
        language_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
    )

__all__ = [
    "Context",
    "Message",
    "any_pb2",
    "empty_pb2",
    "engine_pb2",
    "engine_pb2_grpc",
    "grpc",
    "json_format",
    "language_pb2",
    "language_pb2_grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "status_pb2",
    "struct_pb2",
]

Context = grpc.ServicerContext
