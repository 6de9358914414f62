"""The settings of an object store: its key is a secret, and what doesn't go with one is told."""

from __future__ import annotations

import asyncio
from typing import Any

from config.s3 import S3
from config.secrets import StoreKey
from rendering.objects import key_text
from tests.unit.config.bad_objects import BESIDES, KEY, OBJECTS
from tests.unit.config.stack import GOOD, faults_in, load_stack, with_changes
from tests.unit.config.test_secrets import revealed

KEYS: dict[str, Any] = {"accessKey": "me", "secretKey": KEY}


def _with(**s3: object) -> dict[str, Any]:
    return with_changes({"storage": {"driver": "s3", "s3": {**OBJECTS, **s3}}, **BESIDES})


def _settings(**s3: object) -> S3:
    found = load_stack(_with(**s3))[0].storage.s3
    assert found is not None
    return found


def test_the_key_is_a_secret(loop: asyncio.AbstractEventLoop) -> None:
    """As the SDK reads it."""
    settings, secrets = load_stack(_with(**KEYS))
    key = revealed(loop, secrets.store_key)
    assert key == StoreKey("me", KEY)
    assert key_text(key) == f"[default]\naws_access_key_id = me\naws_secret_access_key = {KEY}\n"
    assert KEY not in f"{settings!r} {settings.model_dump()} {secrets!r} {key!r}"
    assert load_stack(_with())[1].store_key is None


def test_a_key_in_plain_text_is_refused() -> None:
    """Both parts of it."""
    faults = faults_in(_with(**KEYS), encrypted=["users"])
    assert [line.partition(";")[0] for line in faults] == [
        f"docker-registry:storage.s3.{name}: found [secret] in plain text" for name in KEYS
    ]


def test_the_path_names_the_bucket_where_it_has_to() -> None:
    """With an endpoint, unless somebody wants it anyway."""
    assert _settings().path_style is False
    assert _settings(pathStyle=True).path_style is True
    assert _settings(endpoint="https://a.b", region=None).path_style is True


def test_another_store_is_another_place() -> None:
    """Whose bucket of the same name has other images."""
    places = [_settings(endpoint=one, region=None, prefix="a").place for one in ("https://a.b", "https://a.b:9000")]
    assert places == ["https://a.b/acme-images/a", "https://a.b:9000/acme-images/a"]
    assert _settings(region="us-east-1").place == "acme-images"


def test_all_that_does_not_go_with_it_is_told_at_once() -> None:
    """With the defaults of everything else."""
    faults = faults_in({**GOOD, "storage": {"driver": "s3", "s3": OBJECTS}})
    keys = [line.partition(": found")[0].removeprefix("docker-registry:") for line in faults]
    assert keys == ["nginx.fastPath"]
