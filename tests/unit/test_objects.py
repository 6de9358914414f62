"""A registry whose images lie in an object store: the key is in one file, and nothing looks for images on the host."""

from __future__ import annotations

import json
import re
import shlex

import pytest
import yaml

from registryctl.hosts import joining
from rendering.objects import JOINED
from tests.unit.assembly import assembled
from tests.unit.config.bad_objects import BESIDES, OBJECTS
from tests.unit.programs import AUTHORITY_PEM, STORE_KEY, whole
from tests.unit.recorder import STACK_NAME, Recording, text_of

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
    assert run["r-container"].inputs["envs"] == [
        "OTEL_TRACES_EXPORTER=none",
        "STORAGE=s3",
        "TZ=Etc/UTC",
        "WRITER_WAITS_FOR=/run/registry/joined",
    ]


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
    wanted = {"net.ipv4.tcp_retries2": "6", "net.ipv4.tcp_syn_retries": "2", "net.ipv4.tcp_orphan_retries": "3"}
    assert objects["registry-container"].inputs["sysctls"] == wanted
    assert objects["nginx-container"].inputs.get("sysctls") is None
    files = assembled("registry", False, {})
    assert files["r-container"].inputs.get("sysctls") is None


def test_nothing_looks_for_images_on_the_host(objects: Recording) -> None:
    """The proxy has no files, and storage that is another is refused."""
    assert "docker-registry-backup.timer" not in {path.rpartition("/")[2] for path in objects.files}
    assert not [one for one in objects["nginx-container"].inputs["volumes"] if "docker-registry/data" in str(one)]
    assert f" --objects={PLACE} registry-data=" in objects["volumes-prepare"].inputs["create"]


def test_the_tools_work_in_the_bucket(objects: Recording) -> None:
    """The clean-up has its timer; the host has the client, and the tools know where bucket, key and authorities are."""
    assert "/etc/systemd/system/docker-registry-gc.timer" in objects.files
    assert objects["host-tools"].inputs["create"].endswith(" --backup no --objects yes")
    facts = json.loads(str(objects.files["/etc/docker-registry/host.json"][1].content))
    assert facts["objects"] == PLACE
    assert facts["store"] == {
        "bucket": "acme-images",
        "prefix": "registries/acme",
        "endpoint": "https://store.example.net:9000",
        "region": "us-east-1",
        "pathStyle": True,
        "authorities": f"{HOME}/store-ca.pem",
        "key": f"{HOME}/store-key",
    }
    assert {facts["store"]["authorities"]} <= objects.files.keys()


def test_the_writer_is_the_one_that_everybody_has(objects: Recording) -> None:
    """With its journal, which the tools read and forget."""
    writer = f"{HOME}/registry-writer"
    assert objects.files[writer][1].content == whole("plain", False).files[writer][1].content


def test_the_proxy_keeps_what_was_pulled_on_the_disk(objects: Recording) -> None:
    """Below the storage root."""
    volumes = objects["nginx-container"].inputs["volumes"]
    kept = {"containerPath": "/var/cache/nginx/store", "hostPath": "/var/opt/nginx/cache", "readOnly": False}
    assert kept in volumes
    # With room for so many marks: more would be memory that pulls could use up.
    assert objects["nginx-container"].inputs["tmpfs"]["/run/asked"].endswith("nr_inodes=50000")
    made = objects["nginx-files-cache"]
    assert made.inputs["create"].endswith("mkdir -p -m 0700 /var/opt/nginx/cache")
    assert made.name in objects["nginx-container"].depends_on
    site = str(objects.files["/var/opt/nginx/etc/conf.d/registry.conf"][1].content)
    assert "proxy_cache_path /var/cache/nginx/store " in site
    assert "max_size=10240m" in site


@pytest.mark.parametrize("s3", [{"cacheSize": 0}, {"redirect": True}])
def test_or_nothing(s3: dict[str, object]) -> None:
    """No place, and no line about it."""
    run = assembled("files", False, {"storage": {"driver": "s3", "s3": {**OBJECTS, **s3}}, **BESIDES})
    assert not [resource.name for resource in run if resource.name.endswith("-cache")]
    site = str(run.files["/var/opt/nginx/etc/conf.d/registry.conf"][1].content)
    assert "cached" not in site
    assert "/var/opt/nginx/etc/conf.d/cache.js" not in run.files


def test_without_one_nothing_speaks_of_it() -> None:
    """Not a resource, not a line."""
    run = whole("plain", False)
    assert "registry-store-key" not in run.resources
    assert "/run/asked" not in run["nginx-container"].inputs["tmpfs"]
    assert _storage(run, "config")["filesystem"] == {"rootdirectory": "/var/lib/registry"}
    facts = json.loads(str(run.files["/etc/docker-registry/host.json"][1].content))
    assert not {"objects", "store"} & facts.keys()
    assert "--objects" not in run["host-tools"].inputs["create"]


def test_a_host_is_known_in_its_bucket_before_it_writes(objects: Recording) -> None:
    """By what the facts say too, without a secret; it leaves once its registry is gone."""
    made = objects["registry-joined"]
    assert made.inputs["create"] == f"/usr/local/bin/registryctl hosts join {STACK_NAME}"
    assert {"registry-store-key", "registry-files"} <= made.depends_on
    assert "registry-joined" in objects["registry-container"].depends_on
    assert shlex.split(made.inputs["delete"])[-1].endswith("|| /usr/local/bin/registryctl hosts leave")
    said = json.loads(text_of(made.inputs["stdin"]))
    assert said == {"store": json.loads(str(objects.files["/etc/docker-registry/host.json"][1].content))["store"]}


def test_its_writer_waits_for_that(objects: Recording) -> None:
    """At the place where the host's tool says it."""
    envs = objects["registry-container"].inputs["envs"]
    assert f"WRITER_WAITS_FOR={JOINED}" in envs
    assert f"/run/docker-registry/sockets/{JOINED.rpartition('/')[2]}" == str(joining.JOINED)


def test_its_service_begins_anew_with_other_tools(objects: Recording) -> None:
    """It runs for long, and what it holds for others outlives it."""
    unit = str(objects.files["/etc/systemd/system/docker-registry-barrier.service"][1].content)
    assert "\nKillMode=process\n" in unit
    assert "\nExecStart=/usr/local/bin/registryctl hosts serve\n" in unit
    assert re.search(r"^# Of the tools [0-9a-f]+:", unit, re.MULTILINE)
    assert "facts-host" in objects["hosts-barrier"].depends_on


def test_a_bucket_beside_files_changes_no_container() -> None:
    """The key and the tools' knowledge are there; registry and proxy go on as they are."""
    settings = {"storage": {"s3": {**OBJECTS, "cacheSize": "1G"}}, **BESIDES}
    beside = assembled("registry", False, settings)
    plain = assembled("registry", False, {**BESIDES})
    assert beside["r-container"].inputs == plain["r-container"].inputs
    assert "s3" not in _storage(beside, "config")
    assert "r-joined" not in beside.resources
    assert " --beside " in beside["v-prepare"].inputs["create"]


def test_the_driver_is_turned_without_another_proxy() -> None:
    """What the proxy's container has does not depend on the driver."""
    turned = [
        assembled("nginx", False, {"storage": {"driver": driver, "s3": OBJECTS}, **BESIDES})["p-container"].inputs
        for driver in ("filesystem", "s3")
    ]
    assert turned[0] == turned[1]
