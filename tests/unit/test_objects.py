"""A registry whose images lie in an object store: the key is in one file, and nothing looks for images on the host."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.unit.assembly import assembled
from tests.unit.config.bad_objects import BESIDES, OBJECTS
from tests.unit.programs import AUTHORITY_PEM, STORE_KEY, whole
from tests.unit.recorder import Recording, text_of

HOME = "/var/opt/docker-registry/etc"


PLACE = "https://store.example.net:9000/acme-images/registries/acme"


@pytest.fixture
def objects(preview: bool) -> Recording:
    """The whole program with such a stack."""
    return whole("objects", preview)


def _storage(run: Recording, name: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(str(run.files[f"{HOME}/{name}.yml"][1].content))["storage"]
    return found


@pytest.mark.parametrize("name", ["config", "reader"])
def test_reader_and_writer_have_the_store(objects: Recording, name: str) -> None:
    """All goes through them; there is no cache, and the key is not in there."""
    storage = _storage(objects, name)
    assert storage["s3"] == {
        "bucket": "acme-images",
        "region": "us-east-1",
        "regionendpoint": "https://store.example.net:9000",
        "forcepathstyle": True,
        "secure": True,
        "chunksize": 10 * 1024 * 1024,
        "rootdirectory": "/registries/acme",
    }
    assert storage["redirect"] == {"disable": True}
    assert storage["delete"] == {"enabled": True}
    assert storage.keys() == {"s3", "redirect", "delete", "maintenance"}


def test_amazon_s_is_asked_by_its_region() -> None:
    """The bucket is in the host's name; clients are sent there if that is wanted."""
    run = assembled("registry", False, {"storage": {"driver": "s3", "s3": {**OBJECTS, "redirect": True}}, **BESIDES})
    storage = _storage(run, "config")
    wanted = {"bucket": "acme-images", "region": "eu-central-1", "forcepathstyle": False, "secure": True}
    assert storage["s3"] == {**wanted, "chunksize": 10485760}
    assert storage["redirect"] == {"disable": False}
    assert "r-store-key" not in run.resources
    assert run["r-container"].inputs["envs"] == ["OTEL_TRACES_EXPORTER=none", "TZ=Etc/UTC"]


def test_the_key_is_in_its_file_alone(objects: Recording) -> None:
    """By standard input, for root alone: not in the configuration, in Docker's record or in a command line."""
    places = {
        (resource.name, key)
        for resource in objects
        for key, value in resource.inputs.items()
        if STORE_KEY in text_of(value)
    }
    assert places == {("registry-store-key", "stdin")}
    made = objects["registry-store-key"]
    assert "stdin" in made.secrets
    assert made.inputs["create"].endswith(f"/keep-secret {len(made.inputs['stdin'])} {HOME}/store-key")
    assert "delete" not in made.inputs
    assert made.name in objects["registry-container"].depends_on


def test_the_sdk_is_told_where_key_and_authorities_are(objects: Recording) -> None:
    """Paths, which are no secrets."""
    envs = objects["registry-container"].inputs["envs"]
    assert "AWS_SHARED_CREDENTIALS_FILE=/etc/distribution/store-key" in envs
    assert "AWS_CA_BUNDLE=/etc/distribution/store-ca.pem" in envs
    file = objects.files[f"{HOME}/store-ca.pem"][1]
    assert (file.content, file.mode) == (AUTHORITY_PEM, "0600")


def test_lost_packets_are_not_waited_for_long(objects: Recording) -> None:
    """Of the store: Linux would try for a quarter of an hour. Nothing else is asked over the network."""
    wanted = {"net.ipv4.tcp_retries2": "6", "net.ipv4.tcp_syn_retries": "2"}
    assert objects["registry-container"].inputs["sysctls"] == wanted
    assert objects["nginx-container"].inputs.get("sysctls") is None
    files = assembled("registry", False, {})
    assert files["r-container"].inputs.get("sysctls") is None


def test_nothing_looks_for_images_on_the_host(objects: Recording) -> None:
    """No timer works on them, the proxy has no files, the tools know, and storage that is another is refused."""
    timers = {path.rpartition("/")[2] for path in objects.files if path.endswith(".timer")}
    assert not {f"docker-registry-{name}.timer" for name in ("gc", "retention", "backup")} & timers
    assert not [one for one in objects["nginx-container"].inputs["volumes"] if "docker-registry/data" in str(one)]
    facts = json.loads(str(objects.files["/etc/docker-registry/host.json"][1].content))
    assert facts["objects"] == PLACE
    assert f" --objects={PLACE} registry-data=" in objects["volumes-prepare"].inputs["create"]
    assert objects["host-tools"].inputs["create"].endswith(" --backup no")


def test_nobody_keeps_a_journal_that_nobody_reads(objects: Recording) -> None:
    """The writer is another program under the same name; it holds the lock as the other does."""
    program = objects.files[f"{HOME}/registry-writer"][1]
    assert "journal" not in "".join(line for line in str(program.content).splitlines() if not line.startswith("#"))
    assert "flock -s 9" in str(program.content)
    assert f"{HOME}/registry-object-writer" not in objects.files
    assert ': >"$home/journal"' in str(whole("plain", False).files[f"{HOME}/registry-writer"][1].content)


def test_without_one_nothing_speaks_of_it() -> None:
    """Not a resource, not a line."""
    run = whole("plain", False)
    assert "registry-store-key" not in run.resources
    assert _storage(run, "config")["filesystem"] == {"rootdirectory": "/var/lib/registry"}
    assert "objects" not in str(run.files["/etc/docker-registry/host.json"][1].content)
