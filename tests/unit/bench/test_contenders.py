"""What the contenders set up: the same, each in its own words."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
import yaml

from bench.contenders.ansible import INVENTORY
from bench.contenders.setup import FILES, IMAGES, Setup
from bench.contenders.shell import SCRIPT
from tests.lab.host import LabHost
from tests.lab.lab import NETWORKS, Lab

CONTENDERS = {name: (FILES / name).read_text() for name in ("setup.sh", "playbook.yml", "deploy.py")}
HOST = LabHost(Lab("lab", NETWORKS), "host", "192.0.2.1")
SETUP = Setup(HOST, "dr.example.net", "a password", 901)

FILES_ON_HOST = {
    "/var/opt/nginx/etc/conf.d/docker-registry.conf": "site.conf.j2",
    "/etc/logrotate.d/docker-opt": "docker-opt",
    "/etc/cron.d/docker-registry": "docker-registry.cron",
    "/etc/systemd/system/docker-registry.service": "docker-registry.service",
}
MOUNTS = (
    "/docker-registry/data:/var/lib/registry",
    "/docker-registry/logs:/var/log",
    "/docker-registry-ui/logs:/var/log/nginx",
    "/nginx/etc/auth:/etc/nginx/auth:ro",
    "/nginx/etc/conf.d:/etc/nginx/conf.d:ro",
    "/nginx/etc/tls:/etc/nginx/tls:ro",
    "/nginx/logs:/var/log/nginx",
)


def _words(text: str) -> str:
    """Without the shorthands for the directory."""
    return re.sub(r"\$opt|\{opt\}", "/var/opt", text).replace("{tls}", "/var/opt/nginx/etc/tls")


def _rendered(name: str) -> str:
    # What a template renders goes to a host, not into HTML.
    template = jinja2.Environment(keep_trailing_newline=True, undefined=jinja2.StrictUndefined)  # noqa: S701
    return template.from_string((FILES / name).read_text()).render(SETUP.values())


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    """What the script's here-documents come to: path → content."""
    settings = "".join(f"{key}='{value}'\n" for key, value in SETUP.values().items())
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


def test_the_script_writes_the_same_accounts(documents: dict[str, str]) -> None:
    """One line."""
    assert documents["/var/opt/nginx/etc/auth/registry.htpasswd"] == SETUP.values()["account"] + "\n"


@pytest.mark.parametrize("name", CONTENDERS)
@pytest.mark.parametrize("path", [*FILES_ON_HOST, "/var/opt/nginx/etc/auth/registry.htpasswd"])
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
        *("nginx_image", "registry_image", "ui_image", "100.127.255.0/24", "443:443", "80:80"),
        *("OTEL_TRACES_EXPORTER", "REGISTRY_STORAGE_DELETE_ENABLED", "REGISTRY_URL", "SINGLE_REGISTRY"),
        *("ec_paramgen_curve:prime256v1", "subjectAltName=DNS:", "always"),
    ],
)
def test_every_contender_has_the_same_settings(name: str, word: str) -> None:
    """Of images, network, ports, containers and certificate."""
    assert word in CONTENDERS[name]


def test_images_are_the_programs_own() -> None:
    """And are named in no contender's file."""
    values = SETUP.values()
    own = (IMAGES.nginx, IMAGES.registry, IMAGES.ui)
    assert [values["nginx_image"], values["registry_image"], values["ui_image"]] == [str(image) for image in own]
    assert not [name for name, text in CONTENDERS.items() for image in own if str(image) in text]


def test_directories_have_the_same_modes() -> None:
    """In the playbook as in the deploy and the script, which name those with 755 apart."""
    tasks = yaml.safe_load(CONTENDERS["playbook.yml"])[0]["tasks"]
    modes = {entry["path"]: entry["mode"] for entry in tasks[0]["loop"]}
    assert {path for path, mode in modes.items() if mode != "0700"} == {"/var/opt/nginx/etc/auth"}
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
