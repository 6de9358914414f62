"""The real nginx accepts every site that the program can render."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.access import Access, Immutable
from rendering.mirrors import PROXY_SCRIPTS
from rendering.rootfs import HostFile, render
from tests.lab.docker import docker
from tests.lab.images import source_image
from tests.rendering.sites import STRANGE_NAMES, VARIANTS, rights_of, user
from tests.unit.config import pki

pytestmark = pytest.mark.e2e

SECONDS = 60
IMMUTABLE = Immutable(tags=("release/*:v*", "*:*", "a.b/c:1.0"), unless=("*:*-rc*",), deletable=False)
CLOSED = Access()
OPEN = Access(anonymous_pull=("public/*", "*"), attempts_per_minute=6000, immutable=IMMUTABLE)
END = datetime(2027, 1, 1, tzinfo=UTC)
USERS = [
    user(name, repositories=(f"team-{index}/*",), expires=END if index % 2 else None)
    for index, name in enumerate(STRANGE_NAMES)
]
WITH_THE_OLD_FORM = ("old-nginx", "everything")


@pytest.fixture(scope="module")
def image() -> str:
    """The proxy's image, by the reference that is the default."""
    return source_image("nginx:1.28.0")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throw-away pair where the sites look for it."""
    directory = tmp_path_factory.mktemp("tls")
    pair = directory / "files" / "current"
    pair.mkdir(parents=True)
    leaf = pki.issue("dr.example.net", "images.example.net")
    (pair / "fullchain.pem").write_text(leaf.pem)
    (pair / "privkey.pem").write_text(leaf.key_pem)
    return directory


def _nginx_test(
    content: str, image: str, tls: Path, directory: Path, access: Access | None = None
) -> subprocess.CompletedProcess[str]:
    """What nginx says of a site, with the files beside it for `access`."""
    (directory / "registry.conf").write_text(content)
    for file in rights_of(access, USERS, metrics="$claims" in content):
        (directory / Path(file.path).name).write_text(file.content)
    for name in ("log.conf", "gate.js", "asked.js", "catalogue.js", "rows.js", "cache.js", *PROXY_SCRIPTS):
        (directory / name).write_text(render(f"/var/opt/nginx/etc/conf.d/{name}").content)
    volumes = [f"--volume={directory}:/etc/nginx/conf.d:ro", f"--volume={tls}:/etc/nginx/tls:ro"]
    module = "load_module /usr/lib/nginx/modules/ngx_http_js_module.so;"
    argv = ["run", "--rm", "--network=none", "--entrypoint=nginx", *volumes, image, "-g", module, "-t"]
    return docker(*argv, check=False, timeout=SECONDS)


@pytest.mark.parametrize("access", [CLOSED, OPEN], ids=["closed", "open"])
@pytest.mark.parametrize("name", VARIANTS)
def test_it_accepts(name: str, access: Access, image: str, tls: Path, tmp_path: Path) -> None:
    """With every option, and both ways to ask for HTTP/2: the old one is deprecated, but understood.

    A site also goes with the rights of other settings: they change one after the other.
    """
    done = _nginx_test(VARIANTS[name].content, image, tls, tmp_path, access)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test is successful" in done.stderr
    warnings = [line for line in done.stderr.splitlines() if "[warn]" in line]
    assert not warnings or name in WITH_THE_OLD_FORM, warnings
    assert all('"listen ... http2" directive is deprecated' in line for line in warnings), warnings


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        ("ssl_buffer_size 16k;", "ssl_buffer_size 16k"),
        ("proxy_redirect off;", "proxy_redirects off;"),
        ("privkey.pem", "another.pem"),
        ("js_content gate.forward;", "js_contents gate.forward;"),
        ("from /etc/nginx/conf.d/gate.js;", "from /etc/nginx/conf.d/another.js;"),
    ],
)
def test_it_refuses_a_broken_one(line: str, broken: str, image: str, tls: Path, tmp_path: Path) -> None:
    """A missing semicolon, an unknown directive, a key that is not there: the test can fail."""
    site: HostFile = VARIANTS["defaults"]
    assert line in site.content
    done = _nginx_test(site.content.replace(line, broken), image, tls, tmp_path)
    assert done.returncode != 0
    assert "[emerg]" in done.stderr
