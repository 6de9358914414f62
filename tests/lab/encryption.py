"""Encrypting a stack's settings as `pulumi config set --secret` does with a passphrase, without an engine for each."""

import base64
import hashlib
import secrets
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROUNDS = 1_000_000
KEY_BYTES = 32
NONCE_BYTES = 12


def encrypted(text: str, salt: str, passphrase: Path) -> dict[str, str]:
    """What stands in the settings file for a secret. `salt` is the file's `encryptionsalt`.

    Raises cryptography's InvalidTag where the salt is another passphrase's.
    """
    cipher, nonce = AESGCM(_key(salt, passphrase)), secrets.token_bytes(NONCE_BYTES)
    sealed = cipher.encrypt(nonce, text.encode(), None)
    return {"secure": ":".join(["v1", base64.b64encode(nonce).decode(), base64.b64encode(sealed).decode()])}


@cache
def _key(salt: str, passphrase: Path) -> bytes:
    # v1, the salt, and a known word that is encrypted with the key: v1, nonce, the word.
    _, own, _, nonce, word = salt.split(":")
    key = hashlib.pbkdf2_hmac(
        "sha256", passphrase.read_text().strip().encode(), base64.b64decode(own), ROUNDS, KEY_BYTES
    )
    AESGCM(key).decrypt(base64.b64decode(nonce), base64.b64decode(word), None)
    return key
