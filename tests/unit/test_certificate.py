"""The certificate: the host's own, brought along in the settings, or lying on the host."""

from __future__ import annotations

import shlex

import pytest

from components.certificate import Certificate
from rendering.rootfs import TOOLS
from tests.unit.assembly import Assembly, assembled
from tests.unit.config.stack import Stack
from tests.unit.programs import LEAF, VARIANTS, part
from tests.unit.recorder import UNKNOWN, Recording

INLINE: Stack = {"certificate": VARIANTS["full"]["certificate"]}
PATHS: Stack = VARIANTS["paths"]


def _certificate(preview: bool, changes: Stack | None = None) -> Recording:
    return assembled("certificate", preview, changes)


def test_by_default_the_host_makes_its_own(preview: bool) -> None:
    """For the site's name, tested in the proxy's image."""
    run = _certificate(preview)
    words = shlex.split(run["c-self-signed"].inputs["create"])
    assert words == [f"{TOOLS}/self-signed-certificate", "nginx:1.28.0", "/var/opt", "dr.example.net"]


def test_files_on_the_host_are_copied_there(preview: bool) -> None:
    """Only their paths are in the settings, and in the command."""
    words = shlex.split(_certificate(preview, PATHS)["c-files"].inputs["create"])
    paths = ["/etc/ssl/own/chain.pem", "/etc/ssl/own/key.pem"]
    assert words == [f"{TOOLS}/copy-certificate", "nginx:1.28.0", "/var/opt", "dr.example.net", *paths]


def test_files_of_the_settings_travel_by_standard_input(preview: bool) -> None:
    """Chain and key together; the number of bytes tells whether they arrived whole."""
    installed = _certificate(preview, INLINE)["c-files"]
    bundle = installed.inputs["stdin"]
    assert bundle.index(LEAF.pem) < bundle.index(LEAF.key_pem)
    words = shlex.split(installed.inputs["create"])
    size = str(len(bundle.encode()))
    assert words == [f"{TOOLS}/install-certificate", "nginx:1.28.0", "/var/opt", "files", "dr.example.net", size]
    assert {"stdin"} <= installed.secrets <= {"stdin", "connection"}


@pytest.mark.parametrize("changes", [{}, INLINE, PATHS], ids=["self-signed", "inline", "paths"])
def test_it_is_never_deleted(preview: bool, changes: Stack) -> None:
    """Nor are the directories in which it lies."""
    for command in _certificate(preview, changes).commands:
        if command.parent == "c":
            assert "delete" not in command.inputs, command.name


@pytest.mark.parametrize("changes", [{}, INLINE, PATHS], ids=["self-signed", "inline", "paths"])
def test_it_is_installed_once_directories_and_image_are_there(preview: bool, changes: Stack) -> None:
    """nginx itself tests the pair before it takes the old one's place."""
    run = _certificate(preview, changes)
    [installation] = [command for command in run.commands if command.parent == "c"]
    assert installation.depends_on >= {"v-prepare", "i-nginx"}


def test_the_directories_are_closed_to_others(preview: bool) -> None:
    """Certificates for root, the meeting place with certificate authorities for nginx, nothing for others."""
    lines = _certificate(preview)["v-prepare"].inputs["stdin"].splitlines()
    assert [line for line in lines if line.endswith("/letsencrypt")] == ["0750 root:root /var/opt/letsencrypt"]
    assert [line for line in lines if "/certbot" in line] == [
        *(
            f"0700 root:root /var/opt/certbot{below}"
            for below in ("", "/nginx", "/nginx/etc", "/nginx/etc/conf.d", "/logs")
        ),
        *(
            f"0750 root:3 /var/opt/certbot/webroot{below}"
            for below in ("", "/.well-known", "/.well-known/acme-challenge")
        ),
    ]
    assert [line for line in lines if "/opt/nginx" in line] == [
        f"0700 root:root /var/opt/nginx{below}" for below in ("", "/etc", "/etc/tls")
    ]


@pytest.mark.parametrize("changes", [{}, INLINE, PATHS], ids=["self-signed", "inline", "paths"])
def test_its_end_is_an_output(changes: Stack) -> None:
    """In ISO 8601. Unknown before the first update."""
    assert _certificate(False, changes).registered_outputs["c"] == {"expiry": "2031-03-15T12:30:00+00:00"}
    assert _certificate(True, changes).registered_outputs["c"] == {"expiry": UNKNOWN}


@pytest.mark.parametrize(
    ("changes", "mode"),
    [({}, "self-signed"), (INLINE, "files"), (PATHS, "files")],
    ids=["self-signed", "inline", "paths"],
)
def test_the_proxy_finds_it_by_its_mode(changes: Stack, mode: str) -> None:
    """One mode's pair never takes the place of another's: both paths name the mode."""
    made: list[Certificate] = []
    part(lambda *of: made.append(Assembly(*of).certificate), preview=False, changes=changes)
    assert made[0].chain == f"/etc/nginx/tls/{mode}/current/fullchain.pem"
    assert made[0].key == f"/etc/nginx/tls/{mode}/current/privkey.pem"
    assert (made[0].authority is not None) == (mode == "self-signed")
