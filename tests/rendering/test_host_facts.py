"""What `registryctl` is told of the settings, and that it takes it."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from config.certificate import Certificate
from config.gc import GarbageCollection
from config.images import ImageReference, Images
from config.mirrors import Mirror
from config.network import Network
from config.registry import Registry
from config.retention import Policy, Retention
from config.s3 import S3
from config.site import Site
from config.storage import Storage
from registryctl import facts
from rendering.mirrors import bounds
from rendering.objects import on_host
from rendering.rootfs import render
from tests.unit.config import pki

STACK = "o/docker-registry/prod"
SERVED = "/srv/data/letsencrypt/live/dr.example.net/fullchain.pem"


def _rendered(root: str = "/srv/data", stack: str = STACK, storage: Storage | None = None, **concerns: object) -> str:
    storage = storage or Storage()
    defaults: dict[str, Any] = {
        "storage": storage,
        "registry": Registry(),
        "images": Images(),
        "gc": GarbageCollection(),
        "retention": Retention(),
        "site": Site(fqdn="dr.example.net"),
        "network": Network(name="images"),
        "certificate": Certificate(mode="acme"),
        "served": SERVED,
        "mirrors": (),
        "bounds": (),
        **on_host(storage.s3, root),
    }
    return render("/etc/docker-registry/host.json", root=root, stack=stack, **{**defaults, **concerns}).content


def _loaded(tmp_path: Path, text: str) -> facts.Facts:
    path = tmp_path / "host.json"
    path.write_text(text)
    return facts.load(path)


def test_mirrors_arrive(tmp_path: Path) -> None:
    """By their prefixes. Where there are none, nothing speaks of them."""
    text = _rendered(mirrors=[Mirror(prefix="docker.io"), Mirror(prefix="ghcr.io")])
    assert _loaded(tmp_path, text).mirrors == ("docker.io", "ghcr.io")
    assert "mirror" not in _rendered()


def test_bounds_of_mirrors_arrive(tmp_path: Path) -> None:
    """Of those that have some; with the storage as it is on the host, in bytes."""
    mirrors = [
        Mirror(prefix="docker.io", max_size="50G"),
        Mirror(prefix="ghcr.io"),
        Mirror(prefix="quay.io", upstream="https://quay.example:5000", unpulled_days=90, tag_seconds=60),
    ]
    found = _loaded(tmp_path, _rendered(mirrors=mirrors, bounds=bounds(mirrors, "/srv/data"))).bounded
    top = Path("/srv/data/docker-registry-mirrors")
    assert found == (
        facts.Bounded("docker.io", top / "docker.io/data/registry-1.docker.io", None, 50 << 30),
        facts.Bounded("quay.io", top / "quay.io/data/quay.example_5000", 90, None, 60),
    )


def test_the_defaults_arrive(tmp_path: Path) -> None:
    """Each setting in its place."""
    assert _loaded(tmp_path, _rendered()) == facts.Facts(
        root=Path("/srv/data"),
        stack=STACK,
        warn_percent=85,
        delete_enabled=True,
        delete_untagged=True,
        max_share=50,
        drain_seconds=60,
        trash_days=7,
        mode="off",
        protected=(),
        policies=(),
    )


def test_all_that_is_set_arrives(tmp_path: Path) -> None:
    """Policies in their order; what is not set is no bound."""
    policies = (
        Policy(repositories=("team/*", "x"), keep_last=5, keep_days=30, unpulled_days=90, keep=("v*",), drop=("pr-?",)),
        Policy(repositories=("**",), keep_days=7),
    )
    found = _loaded(
        tmp_path,
        _rendered(
            storage=Storage(warn_percent=70),
            registry=Registry(delete_enabled=False),
            images=Images(registry=ImageReference.parse("registry:2.8.3")),
            gc=GarbageCollection(max_share=10, drain_seconds=5, trash_days=0),
            retention=Retention(mode="on", protected=("latest",), policies=policies),
        ),
    )
    assert (found.warn_percent, found.delete_enabled, found.delete_untagged) == (70, False, False)
    assert (found.max_share, found.drain_seconds, found.trash_days) == (10, 5, 0)
    assert (found.mode, found.protected) == ("on", ("latest",))
    assert found.policies == (
        facts.Policy(("team/*", "x"), 5, 30, 90, ("v*",), ("pr-?",)),
        facts.Policy(("**",), None, 7, None, (), ()),
    )
    assert found.data == Path("/srv/data/docker-registry/data")


@pytest.mark.parametrize("name", ['a"b', "a\\b", "<&'>", "ä\u2028", "{{ x }}", "a\nb"])
def test_any_text_arrives_as_it_is(tmp_path: Path, name: str) -> None:
    """JSON has signs of its own."""
    assert _loaded(tmp_path, _rendered(stack=name)).stack == name


def _changed(**changes: object) -> str:
    found = json.loads(_rendered())
    for place, value in changes.items():
        *parts, last = place.split("__")
        where = found
        for part in parts:
            where = where[part]
        if value is None:
            del where[last]
        else:
            where[last] = value
    return json.dumps(found)


def test_what_the_site_s_tools_need_arrives(tmp_path: Path) -> None:
    """Mode acme has no pair of the host's own."""
    path = tmp_path / "host.json"
    path.write_text(_rendered())
    certificate = facts.Certificate(mode="acme", served=Path(SERVED), warn_days=7, chain=None, key=None)
    assert facts.load_site(path) == facts.Site(
        fqdn="dr.example.net",
        network="images",
        nginx_image="nginx:1.28.0",
        certbot_image="certbot/certbot:v5.1.0",
        certificate=certificate,
    )


def test_the_host_s_own_pair_arrives(tmp_path: Path) -> None:
    """From there it is copied when it has changed."""
    chain, key = PurePosixPath("/etc/ssl/own/chain.pem"), PurePosixPath("/etc/ssl/own/key.pem")
    path = tmp_path / "host.json"
    path.write_text(_rendered(certificate=Certificate(mode="files", chain_path=chain, private_key_path=key)))
    found = facts.load_site(path).certificate
    assert (found.mode, found.chain, found.key) == ("files", Path(chain), Path(key))


@pytest.mark.parametrize("place", ["fqdn", "network", "images__nginx", "certificate__served", "certificate__chain"])
def test_the_storage_s_tools_do_without_what_an_earlier_version_did_not_tell(tmp_path: Path, place: str) -> None:
    """So that a clean-up works while `up` has brought the tools and not yet the facts."""
    text = _changed(**{place: None})
    assert _loaded(tmp_path, text).stack == STACK
    with pytest.raises(facts.FactsError, match=f"{place.replace('__', '.')} is missing"):
        facts.load_site(tmp_path / "host.json")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "can't be read"),
        ('{"root"', "can't be read"),
        ("[]", "it is no object"),
        (_changed(root=None), "root is missing"),
        (_changed(root="srv"), "root is srv"),
        (_changed(gc=[]), "gc is []"),
        (_changed(gc__maxShare=True), "gc.maxShare is true"),
        (_changed(gc__maxShare="50"), 'gc.maxShare is "50"'),
        (_changed(gc__trashDays=-1), "gc.trashDays is -1"),
        (_changed(gc__trashDays=None), "gc.trashDays is missing"),
        (_changed(deleteEnabled="no"), 'deleteEnabled is "no"'),
        (_changed(retention__protected=[1]), "retention.protected is [1]"),
        (_changed(retention__policies=["x"]), "retention.policies[0] is no object"),
        (_changed(retention__policies=[{"repositories": []}]), "retention.policies[0].keepLast is missing"),
    ],
)
def test_what_is_not_as_it_should_be_is_no_default(tmp_path: Path, text: str, why: str) -> None:
    """Or half a file would be taken for other settings."""
    with pytest.raises(facts.FactsError) as found:
        _loaded(tmp_path, text)
    assert why in str(found.value)
    assert str(tmp_path / "host.json") in str(found.value)


def test_without_facts_it_is_no_host(tmp_path: Path) -> None:
    """And that is what is said."""
    with pytest.raises(facts.FactsError, match="no host of a registry"):
        facts.load(tmp_path / "none")


def test_an_object_store_arrives(tmp_path: Path) -> None:
    """By the paths on the host of its key and its authorities. Where there is none, nothing speaks of it."""
    known = {"bucket": "acme-images", "region": "eu-central-1"}
    found = _loaded(tmp_path, _rendered(storage=Storage(driver="s3", s3=S3.model_validate(known))))
    assert found.objects == "acme-images"
    assert found.store == facts.Store("acme-images", "", "", "eu-central-1", False, None, None)
    s3 = {
        "bucket": "acme-images",
        "endpoint": "https://s3.example.net:9000",
        "prefix": "registries/acme",
        "serverCa": pki.issue("ca.example.net", authority=True).pem,
        "accessKey": "name",
        "secretKey": "key",
    }
    found = _loaded(tmp_path, _rendered(storage=Storage(driver="s3", s3=S3.model_validate(s3))))
    home = Path("/srv/data/docker-registry/etc")
    assert found.objects == "https://s3.example.net:9000/acme-images/registries/acme"
    assert found.store == facts.Store(
        *("acme-images", "registries/acme", "https://s3.example.net:9000", "us-east-1", True),
        home / "store-ca.pem",
        home / "store-key",
    )
    assert "store" not in _rendered()
