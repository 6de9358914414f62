"""What a manifest names, in every form that Distribution takes; in any other, all that it may name."""

from __future__ import annotations

import json

import pytest

from registryctl.manifests import References, references

ONE, TWO, THREE = (f"sha256:{letter * 64}" for letter in "123")
LONG, MIDDLE = f"sha512:{'a' * 128}", f"sha384:{'b' * 96}"
DOCKER, OCI = "application/vnd.docker.distribution.manifest", "application/vnd.oci"
ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"


def its(digest: object) -> dict[str, object]:
    """A descriptor."""
    return {"mediaType": "x", "size": 3, "digest": digest}


def read(**document: object) -> References:
    """What is in a document."""
    return references(json.dumps(document).encode())


@pytest.mark.parametrize("kind", [None, f"{DOCKER}.v2+json", f"{OCI}.image.manifest.v1+json"])
def test_an_image(kind: str | None) -> None:
    """Its configuration, its layers in their order, and what it says something about."""
    named = {} if kind is None else {"mediaType": kind}
    found = read(schemaVersion=2, config=its(ONE), layers=[its(LONG), its(MIDDLE)], subject=its(TWO), **named)
    assert found == References(understood=True, blobs=(ONE, LONG, MIDDLE), subject=TWO)


@pytest.mark.parametrize("kind", [None, f"{DOCKER}.list.v2+json", f"{OCI}.image.index.v1+json"])
def test_an_index(kind: str | None) -> None:
    """Its children are no blobs."""
    named = {} if kind is None else {"mediaType": kind}
    found = read(schemaVersion=2, manifests=[its(ONE), its(TWO)], **named)
    assert found == References(understood=True, manifests=(ONE, TWO))


@pytest.mark.parametrize("version", [{}, {"schemaVersion": 2}])
def test_an_artifact(version: dict[str, int]) -> None:
    """It has a version, or none."""
    found = read(mediaType=ARTIFACT, blobs=[its(ONE)], subject=its(TWO), **version)
    assert found == References(understood=True, blobs=(ONE,), subject=TWO)


@pytest.mark.parametrize("kind", [None, f"{DOCKER}.v1+json", f"{DOCKER}.v1+prettyjws"])
def test_schema_1(kind: str | None) -> None:
    """Names its layers in its own way."""
    named = {} if kind is None else {"mediaType": kind}
    found = read(schemaVersion=1, fsLayers=[{"blobSum": ONE}, {"blobSum": TWO}], **named)
    assert found == References(understood=True, blobs=(ONE, TWO))


def test_what_is_null_or_absent_is_nothing() -> None:
    """As Go reads it: also a descriptor without a digest. What nobody knows says nothing, whatever its form."""
    found = read(schemaVersion=2, config=None, layers=[None, {}, its(None), its(ONE)], subject=None, other=[its(5)])
    assert found == References(understood=True, blobs=(ONE,))
    assert read(schemaVersion=2, layers=None, manifests=[]) == References(understood=True)


@pytest.mark.parametrize(
    "document",
    [
        {"schemaVersion": 1, "layers": []},
        {"schemaVersion": 2, "fsLayers": []},
        {"schemaVersion": 3, "layers": []},
        {"schemaVersion": "2", "layers": []},
        {"schemaVersion": True, "layers": []},
        {"schemaVersion": None, "layers": []},
        {"layers": []},
        {"schemaVersion": 2, "mediaType": "text/html", "layers": []},
        {"schemaVersion": 2, "mediaType": 5, "layers": []},
        {"schemaVersion": 2, "mediaType": None, "layers": []},
        {"schemaVersion": 2, "mediaType": f"{OCI}.image.index.v1+json", "layers": []},
        {"schemaVersion": 2, "mediaType": f"{OCI}.image.manifest.v1+json", "manifests": []},
        {"schemaVersion": 2, "layers": [], "manifests": []},
        {"schemaVersion": 2, "blobs": []},
        {"schemaVersion": 2, "layers": {}},
        {"schemaVersion": 2, "layers": ["x"]},
        {"schemaVersion": 2, "config": "x"},
        {"schemaVersion": 2, "subject": []},
        {"schemaVersion": 2, "config": its("sha256:5")},
        {"schemaVersion": 2, "config": its(7)},
        {"schemaVersion": 2, "config": its([])},
        {"schemaVersion": 2, "config": {"Digest": ONE}},
        {"schemaVersion": 2, "layers": [], "Layers": []},
        {"schemaVersion": 2, "LAYERS": []},
        [],
        "x",
        5,
        None,
    ],
)
def test_another_form_is_not_understood(document: object) -> None:
    """Then whatever may be a digest in it is what it names: in order, each once, in small letters."""
    if isinstance(document, dict):
        document = {**document, "x": [TWO, ONE, ONE, THREE.upper(), LONG]}
    expected = (ONE, TWO, THREE, LONG) if isinstance(document, dict) else ()
    found = references(json.dumps(document).encode())
    assert (found.understood, found.blobs, found.manifests, found.subject) == (False, expected, (), None)


@pytest.mark.parametrize(
    "text",
    [
        '{"schemaVersion":2,"layers":[],"layers":[]}',
        '{"schemaVersion":2,"config":{"digest":"ONE","digest":"ONE"}}',
        '{"schemaVersion":NaN}',
        '{"schemaVersion":2,"x":Infinity}',
        '{"schemaVersion":2}}',
        '{"schemaVersion":2,',
    ],
)
def test_what_can_be_read_in_two_ways_is_not_understood(text: str) -> None:
    """Or in none."""
    found = references(text.replace("ONE", ONE).encode())
    assert not found.understood
    assert found.blobs == ((ONE,) if "ONE" in text else ())


def test_no_number_is_too_large() -> None:
    """For a machine's own."""
    assert references(b'{"schemaVersion":2,"x":' + b"9" * 5000 + b',"y":1e999999}').understood
    assert not references(b'{"schemaVersion":2.0,"layers":[]}').understood
