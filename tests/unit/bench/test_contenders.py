"""What the contenders set up: the same, each in its own words."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
import yaml

from bench.contenders.ansible import INVENTORY
from bench.contenders.setup import FILES, IMAGES, AcmeServer, Setup
from bench.contenders.shell import SCRIPT
from tests.lab.host import LabHost
from tests.lab.lab import NETWORKS, Lab

CONTENDERS = {name: (FILES / name).read_text() for name in ("setup.sh", "playbook.yml", "deploy.py")}
HOST = LabHost(Lab("lab", NETWORKS), "host", "192.0.2.1")
SERVER = AcmeServer("https://192.0.2.2:14000/dir", "the server's\nauthority\n", "the root\n")
SETUP = Setup(HOST, "dr.example.net", "a password", SERVER, 901)

FILES_ON_HOST = {
    "/var/opt/certbot/nginx/etc/conf.d/acme.conf": "acme.conf",
    "/var/opt/nginx/etc/conf.d/docker-registry.conf": "site.conf.j2",
    "/etc/logrotate.d/docker-opt": "docker-opt",
    "/etc/cron.d/docker-registry": "docker-registry.cron.j2",
    "/etc/systemd/system/docker-registry.service": "docker-registry.service",
}
SETTINGS_ON_HOST = {
    "/var/opt/nginx/etc/auth/registry.htpasswd": "account",
    "/var/opt/letsencrypt/server-ca.pem": "acme_ca",
}
MOUNTS = (
    "/docker-registry/data:/var/lib/registry",
    "/docker-registry/logs:/var/log",
    "/docker-registry-ui/logs:/var/log/nginx",
    "/nginx/etc/auth:/etc/nginx/auth:ro",
    "/nginx/etc/conf.d:/etc/nginx/conf.d:ro",
    "/letsencrypt:/etc/letsencrypt:ro",
    "/certbot/webroot:/var/www/letsencrypt:ro",
    "/nginx/logs:/var/log/nginx",
)


def _words(text: str) -> str:
    """Without the shorthands for the directory."""
    return re.sub(r"\$opt|\{opt\}", "/var/opt", text)


def _rendered(name: str) -> str:
    # What a template renders goes to a host, not into HTML.
    template = jinja2.Environment(keep_trailing_newline=True, undefined=jinja2.StrictUndefined)  # noqa: S701
    return template.from_string((FILES / name).read_text()).render(SETUP.values())


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    """What the script's here-documents come to: path → content."""
    settings = "".join(f"{key}={shlex.quote(value)}\n" for key, value in SETUP.values().items())
    found = {}
    for path, text in _here_documents():
        argv = ["sh", "-eu", "-c", f"{settings}cat <<END\n{text}END\n"]
        found[path] = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return found


def _here_documents() -> Iterator[tuple[str, str]]:
    found = re.finditer(r"^put (\S+) \d+ <<END[^\n]*\n(.*?\n)END$", SCRIPT.read_text(), re.MULTILINE | re.DOTALL)
    return ((_words(match[1]), match[2]) for match in found)


@pytest.mark.parametrize(("path", "name"), FILES_ON_HOST.items())
def test_the_script_writes_what_the_others_copy(documents: dict[str, str], path: str, name: str) -> None:
    """Byte for byte."""
    assert documents[path] == _rendered(name)


@pytest.mark.parametrize(("path", "name"), SETTINGS_ON_HOST.items())
def test_the_script_writes_the_same_settings(documents: dict[str, str], path: str, name: str) -> None:
    """Accounts and authority, and the end of a line."""
    assert documents[path] == SETUP.values()[name] + "\n"


@pytest.mark.parametrize("name", CONTENDERS)
@pytest.mark.parametrize("path", [*FILES_ON_HOST, *SETTINGS_ON_HOST])
def test_every_contender_puts_the_files_there(name: str, path: str) -> None:
    """At the same places."""
    assert path in _words(CONTENDERS[name])


@pytest.mark.parametrize("name", CONTENDERS)
@pytest.mark.parametrize("mount", MOUNTS)
def test_every_contender_mounts_the_same(name: str, mount: str) -> None:
    """Into the three containers."""
    assert f"/var/opt{mount}" in _words(CONTENDERS[name])


@pytest.mark.parametrize("name", CONTENDERS)
@pytest.mark.parametrize(
    "word",
    [
        *("nginx_image", "registry_image", "ui_image", "certbot_image", "100.127.255.0/24", "443:443", "80:80"),
        *("OTEL_TRACES_EXPORTER", "REGISTRY_STORAGE_DELETE_ENABLED", "REGISTRY_URL", "SINGLE_REGISTRY"),
        *("acme_server", "REQUESTS_CA_BUNDLE=/etc/letsencrypt/server-ca.pem", "always"),
    ],
)
def test_every_contender_has_the_same_settings(name: str, word: str) -> None:
    """Of images, network, ports, containers and certificate."""
    assert word in CONTENDERS[name]


@pytest.mark.parametrize("name", CONTENDERS)
@pytest.mark.parametrize(
    "words",
    [
        "/var/opt/certbot/nginx/etc/conf.d:/etc/nginx/conf.d:ro",
        "-v /var/opt/letsencrypt:/etc/letsencrypt -v /var/opt/certbot/webroot:/var/www/letsencrypt",
        "certonly --webroot --noninteractive --agree-tos --no-eff-email --register-unsafely-without-email",
        "-w /var/www/letsencrypt -d",
        ">>/var/opt/certbot/logs/docker-output-certbot.log 2>&1",
    ],
)
def test_every_contender_asks_for_the_certificate_as_the_how_to(name: str, words: str) -> None:
    """With a throw-away proxy, certbot's options, and its words in the log."""
    assert words in _words(CONTENDERS[name])


def test_images_are_the_programs_own() -> None:
    """And are named in no contender's file."""
    values = SETUP.values()
    own = {"nginx": IMAGES.nginx, "registry": IMAGES.registry, "ui": IMAGES.ui, "certbot": IMAGES.certbot}
    assert {name: values[f"{name}_image"] for name in own} == {name: str(image) for name, image in own.items()}
    assert not [name for name, text in CONTENDERS.items() for image in own.values() if str(image) in text]


def test_directories_have_the_same_modes() -> None:
    """In the playbook as in the deploy and the script, which name those of each mode apart."""
    tasks = yaml.safe_load(CONTENDERS["playbook.yml"])[0]["tasks"]
    modes = {entry["path"]: entry["mode"] for entry in tasks[0]["loop"]}
    assert {path for path, mode in modes.items() if mode == "0755"} == {"/var/opt/nginx/etc/auth"}
    challenge = {path for path, mode in modes.items() if mode == "0750"}
    assert {path.split("/")[3] for path in challenge} == {"letsencrypt", "certbot"}
    assert {entry["path"] for entry in tasks[0]["loop"] if "owner" in entry} == challenge - {"/var/opt/letsencrypt"}
    for path in modes:
        assert path.removeprefix("/var/opt/") in CONTENDERS["deploy.py"]
        assert path in _words(CONTENDERS["setup.sh"])


def test_no_address_and_no_name_is_in_the_files() -> None:
    """They come with the settings."""
    for path in (path for path in FILES.iterdir() if path.is_file()):
        assert not re.search(r"dr\.example\.net|/home/|/root/", path.read_text()), path.name
    assert "{address}" in INVENTORY


def test_sh_can_parse_the_script() -> None:
    """Before a host has to."""
    done = subprocess.run(["sh", "-n", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.e2e
def test_shellcheck_finds_nothing_in_the_script() -> None:
    """As in those of the program. The settings come in lines before it."""
    from tests.lab.machine import ensure_commands  # noqa: PLC0415 - the lab is not needed by the others

    ensure_commands("shellcheck")
    argv = ["shellcheck", "--shell=sh", "--exclude=SC2154", str(SCRIPT)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_files_are_all_in_use() -> None:
    """None is left over."""
    used = {*FILES_ON_HOST.values(), *CONTENDERS, "ansible.cfg"}
    assert {path.name for path in Path(FILES).iterdir() if path.is_file()} == used
