"""Files that a container gets before it starts."""

import base64
import binascii
import io
import tarfile
import time
from pathlib import Path

from tests.lab.standins.values import Props


class UploadError(Exception):
    """An upload that can't be made."""


def archive_of(upload: Props) -> bytes:
    """The archive that holds the file of an upload; raises UploadError."""
    given = [name for name in ("content", "contentBase64", "source") if upload.get(name)]
    if len(given) != 1:
        amount = "only one" if given else "one"
        ending = "can be set" if given else "must be set"
        raise UploadError(f"error with upload content: {amount} of 'content', 'content_base64', or 'source' {ending}")
    try:
        return _archive(upload, _content(upload))
    except OSError as error:
        raise UploadError(f"could not read file: {error}") from None
    except binascii.Error as error:
        raise UploadError(f"could not decode content: {error}") from None


def _content(upload: Props) -> bytes:
    if upload.get("contentBase64"):
        return base64.b64decode(upload["contentBase64"], validate=True)
    if upload.get("source"):
        return Path(upload["source"]).read_bytes()
    return str(upload["content"]).encode()


def _archive(upload: Props, content: bytes) -> bytes:
    mode = int(upload["permissions"], 8) if upload.get("permissions") else 0o744 if upload.get("executable") else 0o644
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(upload["file"])
        entry.mode, entry.size, entry.mtime = mode, len(content), int(time.time())
        entry.uid = int(upload.get("owner") or 0)
        entry.gid = int(upload.get("group") or 0)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
