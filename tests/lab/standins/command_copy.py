"""Copying files to a remote host, as the command provider does: contents only, no mode and no owner."""

from __future__ import annotations

import posixpath
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.standins import ssh
from tests.lab.standins.plugin import CallError
from tests.lab.standins.values import Json, Props, plain

if TYPE_CHECKING:
    import paramiko


def copy(inputs: Props, log: ssh.Log) -> None:
    """Copy the source of CopyToRemote, or the local path of CopyFile; raises CallError."""
    values = plain(inputs)
    transport = ssh.dial(values["connection"], log)
    try:
        client = transport.open_sftp_client()
        if client is None:
            raise CallError("ssh: subsystem request failed")
        _copy_source(client, values)
    except OSError as error:
        raise CallError(f"failed to copy to remote path {values['remotePath']}: {error}") from None
    finally:
        transport.close()


def _copy_source(client: paramiko.SFTPClient, values: Props) -> None:
    source, target = values.get("source", {}), str(values["remotePath"])
    if source.get("text"):
        with client.open(target, "wb") as out:
            out.write(source["text"].encode())
        return
    local = str(values.get("localPath") or source["path"])
    if Path(local).is_dir():
        _copy_folder(client, local, target)
        return
    if _kind(client, target) == "dir":
        target = posixpath.join(target, Path(local).name)
    client.put(local, target)


def _copy_folder(client: paramiko.SFTPClient, local: str, target: str) -> None:
    """Into TARGET/NAME, or into TARGET itself when the local path ends with a slash."""
    _make(client, target)
    if not local.endswith("/"):
        target = posixpath.join(target, Path(local).name)
        _make(client, target)
    for path in sorted(Path(local).rglob("*")):
        remote = posixpath.join(target, path.relative_to(local).as_posix())
        if path.is_dir():
            _make(client, remote)
        else:
            client.put(str(path), remote)


def _make(client: paramiko.SFTPClient, path: str) -> None:
    kind = _kind(client, path)
    if kind == "file":
        raise CallError(f"remote path {path} exists but is not a directory")
    if kind == "":
        client.mkdir(path)


def _kind(client: paramiko.SFTPClient, path: str) -> str:
    try:
        mode: Json = client.stat(path).st_mode
    except FileNotFoundError:
        return ""
    return "dir" if stat.S_ISDIR(mode) else "file"
