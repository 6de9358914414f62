"""A repository of restic whose password is tried fast: each run of restic tries it, for half a second by default."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

COST = {"N": 1024, "r": 8, "p": 1}
"""Of scrypt, with restic's own names."""
_NONCE = _MAC = 16


def make_quick(repository: Path, password: str) -> None:
    """Writes the repository's key anew."""
    [file] = (repository / "keys").iterdir()
    name, text = quick(file.read_text(), password)
    file.with_name(name).write_text(text)
    file.unlink()


def quick(text: str, password: str) -> tuple[str, str]:
    """A key as restic's document of its design has it, but for the cost: its file's name, and the content."""
    key = json.loads(text)
    content = _opened(_derived(password, key), base64.b64decode(key["data"]))
    key |= COST
    key["data"] = base64.b64encode(_closed(_derived(password, key), content)).decode()
    text = json.dumps(key)
    return hashlib.sha256(text.encode()).hexdigest(), text


def _derived(password: str, key: dict[str, object]) -> bytes:
    """The key of encryption, and both of the code that shows a change."""
    cost = {name.lower(): int(str(key[name])) for name in COST}
    salt = base64.b64decode(str(key["salt"]))
    return hashlib.scrypt(password.encode(), salt=salt, dklen=64, maxmem=1 << 30, **cost)


def _opened(key: bytes, sealed: bytes) -> bytes:
    nonce, text = sealed[:_NONCE], sealed[_NONCE:-_MAC]
    return Cipher(algorithms.AES(key[:32]), modes.CTR(nonce)).decryptor().update(text)


def _closed(key: bytes, content: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    text = Cipher(algorithms.AES(key[:32]), modes.CTR(nonce)).encryptor().update(content)
    pad = Cipher(algorithms.AES(key[32:48]), modes.ECB()).encryptor().update(nonce)  # noqa: S305 - so it is defined
    return nonce + text + Poly1305.generate_tag(key[48:64] + pad, text)
