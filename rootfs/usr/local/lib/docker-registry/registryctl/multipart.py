"""An object that is sent in pieces: it is there once all of them are, or not at all."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol


class Client(Protocol):
    """What is used of botocore's client."""

    def create_multipart_upload(self, **words: object) -> Mapping[str, Any]: ...
    def upload_part(self, **words: object) -> Mapping[str, Any]: ...
    def complete_multipart_upload(self, **words: object) -> Mapping[str, Any]: ...
    def abort_multipart_upload(self, **words: object) -> Mapping[str, Any]: ...


def sum_of(data: bytes) -> str:
    """As a request has it, so that the store knows that all came."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def send(client: Client, where: Mapping[str, object], pieces: Iterable[bytes]) -> None:
    """Each piece but the last has at least 5 MiB. Raises what the client or the pieces raise."""
    whole = {**where, "UploadId": client.create_multipart_upload(**where)["UploadId"]}
    try:
        parts = []
        for number, piece in enumerate(pieces, 1):
            answer = client.upload_part(**whole, PartNumber=number, Body=piece, ContentMD5=sum_of(piece))
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        client.complete_multipart_upload(**whole, MultipartUpload={"Parts": parts})
    except BaseException:
        # Where that fails too, the bucket's lifecycle rule does it.
        with suppress(Exception):
            client.abort_multipart_upload(**whole)
        raise
