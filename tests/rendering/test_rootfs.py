"""The tree of host files: each lands where it lies in the tree, or below another storage root."""

from __future__ import annotations

import jinja2
import pytest

from config.registry import Registry
from rendering.rootfs import TOOLS, TREE, HostFile, on_host, render, tools

PLAIN = sorted(
    f"/{path.relative_to(TREE)}" for path in TREE.rglob("*") if path.is_file() and path.suffix not in {".j2", ".pyc"}
)
TEMPLATES = sorted(f"/{path.relative_to(TREE)}".removesuffix(".j2") for path in TREE.rglob("*.j2"))


def test_the_tree_has_the_files_that_the_program_needs() -> None:
    """What is missing here is noticed here, not on a host."""
    assert TEMPLATES == [
        "/etc/docker-registry/host.json",
        "/etc/logrotate.d/docker-opt",
        "/etc/systemd/system/docker-registry-backup.timer",
        "/etc/systemd/system/docker-registry-barrier.service",
        "/etc/systemd/system/docker-registry-certificate.timer",
        "/etc/systemd/system/docker-registry-gc.timer",
        "/etc/systemd/system/docker-registry-metrics.service",
        "/etc/systemd/system/docker-registry-metrics.timer",
        "/etc/systemd/system/docker-registry-network.service",
        "/etc/systemd/system/docker-registry-notify.timer",
        "/etc/systemd/system/docker-registry-retention.timer",
        "/etc/tmpfiles.d/docker-registry-mirror-PREFIX.conf",
        "/var/opt/docker-registry-mirrors/PREFIX/etc/mirror.yml",
        "/var/opt/docker-registry/etc/config.yml",
        "/var/opt/docker-registry/etc/reader.yml",
        "/var/opt/nginx/etc/auth/registry.htpasswd",
        "/var/opt/nginx/etc/conf.d/access.conf",
        "/var/opt/nginx/etc/conf.d/accounts.conf",
        "/var/opt/nginx/etc/conf.d/immutable.conf",
        "/var/opt/nginx/etc/conf.d/registry.conf",
        "/var/opt/nginx/etc/start/main.conf",
    ]
    assert "/var/opt/nginx/etc/start/passwords.conf" in PLAIN
    assert "/var/opt/nginx/etc/start/nginx-start" in PLAIN
    assert {"/var/opt/nginx/etc/conf.d/log.conf", "/var/opt/nginx/etc/conf.d/gate.js"} <= set(PLAIN)
    assert "/var/opt/docker-registry/etc/registry-start" in PLAIN
    assert "/var/opt/certbot/nginx/etc/conf.d/acme.conf" in PLAIN
    assert "/etc/systemd/system/docker-registry-certificate.service" in PLAIN


@pytest.mark.parametrize("path", PLAIN)
def test_a_plain_file_is_rendered_as_it_is(path: str) -> None:
    """Without a change, wherever the data lies."""
    content = (TREE / path.lstrip("/")).read_text()
    assert render(path) == HostFile(path, content)
    assert render(path, root="/srv/registry").content == content


@pytest.mark.parametrize("path", [*PLAIN, *TEMPLATES])
def test_another_root_moves_data_and_nothing_else(path: str) -> None:
    """Only what lies below /var/opt in the tree follows storage.root."""
    moved = on_host(path, "/srv/registry")
    assert moved == (path.replace("/var/opt/", "/srv/registry/") if path.startswith("/var/opt/") else path)
    assert on_host(path, "/var/opt") == path


def test_a_path_that_only_resembles_the_data_s_stays() -> None:
    """/var/optional is not /var/opt."""
    assert on_host("/var/optional/file", "/srv") == "/var/optional/file"


def test_a_template_is_filled_in() -> None:
    """Its path on the host has no .j2, and follows the root."""
    path = "/var/opt/docker-registry/etc/config.yml"
    file = render(path, root="/srv", stack="a/b/c", registry=Registry(), drain_seconds=60, endpoints=())
    assert file.path == "/srv/docker-registry/etc/config.yml"
    assert "Written by the stack a/b/c." in file.content
    assert "{" not in file.content


@pytest.mark.parametrize("path", TEMPLATES)
def test_a_variable_that_is_missing_is_an_error(path: str) -> None:
    """Never an empty place in a file."""
    with pytest.raises(jinja2.UndefinedError):
        render(path)


@pytest.mark.parametrize("path", ["/etc/passwd", "/var/opt/nginx/etc", "/var/opt/nginx/etc/conf.d/registry.conf.j2x"])
def test_an_unknown_path_is_an_error(path: str) -> None:
    """That names the path; a directory is no file either."""
    with pytest.raises(FileNotFoundError, match=path):
        render(path)


def test_the_tools_are_all_there_and_can_be_run() -> None:
    """In one directory, or where people's commands are; executable in the tree too, but for modules."""
    assert [tool for tool in PLAIN if tool.startswith((TOOLS, "/usr/local/bin/"))] == tools()
    for tool in tools():
        assert bool((TREE / tool.lstrip("/")).stat().st_mode & 0o111) != tool.endswith(".py"), tool


@pytest.mark.parametrize("path", [*PLAIN, *TEMPLATES])
def test_files_have_unix_line_ends(path: str) -> None:
    """And end in one, as the shell and nginx want it."""
    source = TREE / path.lstrip("/")
    text = (source if source.is_file() else source.with_name(source.name + ".j2")).read_bytes()
    assert b"\r" not in text
    assert text.endswith(b"\n")
