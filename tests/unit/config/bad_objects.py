"""Object stores that are refused, and what doesn't go with one; each with the one line that says why."""

from __future__ import annotations

from tests.unit.config import pki
from tests.unit.config.bad_settings import Bad

KEY = "opens-the-bucket"
OBJECTS: dict[str, object] = {"bucket": "acme-images", "region": "eu-central-1"}
BESIDES: dict[str, object] = {"nginx": {"fastPath": False}}
"""What goes with an object store."""

_WHY = "because storage.driver is s3"
_ENDPOINT = "https:// and a host name in lower case, with a port or without, for example https://s3.example.net:9000"
_PREFIX = "a path of letters, digits and ._-, without a slash at its begin and end, for example registries/acme"
_BUCKET = "a bucket's name: 3 to 63 of small letters, digits, - and ., for example acme-images"
_SIZE = "0, or a whole number with its unit (M or G) from 256M on, for example 10G"
_KEY = "visible ASCII characters without spaces, quotes, # and ;"


def _bad(objects: dict[str, object], name: str, found: str, expected: str, **others: object) -> Bad:
    """An object store that is refused."""
    storage = {"driver": "s3", "s3": {**OBJECTS, **objects}}
    return Bad({"storage": storage, **BESIDES, **others}, f"docker-registry:storage.s3.{name}", found, expected)


def _beside(concern: str, name: str, value: object, found: str, expected: str, **others: object) -> Bad:
    """What doesn't go with one."""
    settings = {"storage": {"driver": "s3", "s3": OBJECTS}, **BESIDES, **others}
    changes = {**settings, concern: {**dict(settings.get(concern, {})), name: value}}  # type: ignore[call-overload]
    return Bad(changes, f"docker-registry:{concern}.{name}", found, expected)


BAD_OBJECTS = [
    Bad({"storage": {"driver": "azure"}}, "docker-registry:storage.driver", '"azure"', "filesystem or s3"),
    Bad({"storage": {"driver": "s3"}, **BESIDES}, "docker-registry:storage.s3", "nothing",
        "a bucket, because storage.driver is s3: at least storage.s3.bucket and region or endpoint"),
    Bad({"storage": {"s3": OBJECTS}, "nginx": {"fastPath": True}}, "docker-registry:nginx.fastPath", "true",
        "false, because storage.s3 is set: to turn the driver would replace the proxy's container, and pulls fail"),
    *(_bad({"bucket": bucket}, "bucket", f'"{bucket}"', _BUCKET) for bucket in ("ab", "Acme", "a/b/c", "a..b", "-ab")),
    *(_bad({"endpoint": url}, "endpoint", f'"{url}"', _ENDPOINT)
      for url in ("a.b", "ftp://a.b", "https://a.b/path", "https://a.b:0", "https://a.b:65536", "https://A.b")),
    _bad({"endpoint": "https://me:hunter2@a.b"}, "endpoint", "a login in a URL",
         "a URL without a login: accessKey and secretKey have it"),
    _bad({"endpoint": "http://a.b"}, "endpoint", '"http://a.b"',
         "https://, or insecure: true besides, which sends images in plain text"),
    _bad({"endpoint": "https://a.b:1", "insecure": True}, "endpoint", '"https://a.b:1"',
         "http://, because insecure is true"),
    _bad({"insecure": True}, "endpoint", "nothing", "http://, because insecure is true"),
    _bad({"region": None}, "region", "nothing",
         "the region of the bucket, because there is no endpoint, for example eu-central-1"),
    _bad({"region": "EU"}, "region", '"EU"', "a region's name: small letters, digits and -, for example eu-central-1"),
    _bad({"endpoint": "https://a.b", "pathStyle": False}, "pathStyle", "false",
         "true, or no value, because with an endpoint the registry needs it"),
    *(_bad({"prefix": prefix}, "prefix", f'"{prefix}"', _PREFIX)
      for prefix in ("/a", "a/", "a//b", "..", "a/../b", "a b")),
    _bad({"endpoint": "http://a.b", "insecure": True, "serverCa": pki.issue(authority=True).pem},
         "serverCa", "CA certificates", "no value, because insecure is true: no certificate is looked at"),
    _bad({"prefix": "a/" * 100 + "b"}, "prefix", f'"{"a/" * 40}"…', _PREFIX),
    _bad({"accessKey": "me"}, "secretKey", "nothing", "accessKey and secretKey, both or neither"),
    _bad({"secretKey": KEY}, "secretKey", "[secret]", "accessKey and secretKey, both or neither"),
    *(_bad({"accessKey": key, "secretKey": KEY}, "accessKey", "[secret]", _KEY) for key in ("a b",)),
    *(_bad({"accessKey": "me", "secretKey": key}, "secretKey", "[secret]", _KEY) for key in ("two\nlines",)),
    _bad({"chunkSize": 65}, "chunkSize", "65",
         "at most 64, because limits.registryMemory is 512 and an upload holds twice that",
         limits={"registryMemory": 512}),
    _bad({"chunkSize": 4}, "chunkSize", "4", "a whole number of MiB from 5 to 1024"),
    _bad({"quota": "x"}, "quota", "an unknown setting",
         "only bucket, insecure, endpoint, region, pathStyle, prefix, serverCa, accessKey, secretKey, chunkSize, "
         "redirect, cacheSize, rememberSeconds"),
    *(_bad({"cacheSize": size}, "cacheSize", f'"{size}"', _SIZE) for size in ("10", "255M", "10k", "1T", "-1G", "")),
    _bad({"cacheSize": True}, "cacheSize", "true",
         "text, in quotes where YAML would take it for something else, for example 10G"),
    _bad({"cacheSize": "10G", "redirect": True}, "cacheSize", '"10G"',
         "0, or no value, because redirect is true: layers don't come by this host"),
    *(_bad({"cacheSize": "1G"}, "cacheSize", '"1G"',
           f"0, or no value, because images.nginx is {image}: nginx:1.26 or later can keep images",
           images={"nginx": image}) for image in ("nginx:1.24.0", "nginx:1")),
    _bad({"rememberSeconds": 3601}, "rememberSeconds", "3601", "a whole number of seconds from 0 to 3600"),
    _beside("nginx", "fastPath", value=True, found="true", expected=f"false, {_WHY}: nginx has no files to serve"),
    _beside("host", "adopt", value=True, found="true",
            expected=f"false, {_WHY}: a registry set up by hand has its images here"),
    _beside("backup", "repository", "/srv/backup", '"/srv/backup"',
            f"no value, {_WHY}: a backup reads the host's files; use the store's own versioning or replication",
            backup={"password": "opens the backups"}),
    *(_beside("images", "registry", image, f'"{image}"',
              f"registry:3.1.2 or later, {_WHY}: earlier ones hide there what has a longer name than another")
      for image in ("registry:2.8.3", "registry:3.1.1", "registry:2")),
    Bad({"storage": {"driver": "s3", "s3": OBJECTS}, **BESIDES, "mirrors": [{"prefix": "a.b"}]},
        "docker-registry:mirrors", "a list",
        f"none, {_WHY}: nobody can tell whether a mirror would hide images there"),
]  # fmt: skip
