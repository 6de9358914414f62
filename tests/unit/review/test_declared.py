"""What a stack declares is read from its state: nothing that the program puts on a host is left out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from components.host import CLAIM
from rendering.rootfs import TREE, tools
from review.declared import declared
from review.host import Way, way_to
from review.state import read
from tests.unit.programs import SSH_KEY, VARIANTS, machine, whole
from tests.unit.recorder import STACK_NAME
from tests.unit.review.states import declared_by, exported, resources_of


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_file_is_known(variant: str) -> None:
    """All that is put there, with mode, owner and content; all tools; the claim."""
    files = {file.path: file for file in declared_by(variant).files}
    for path, (one, entry) in whole(variant, False).files.items():
        file = files[path]
        assert file.urn.endswith(f"::{one.name}")
        assert (file.mode, file.owner) == (entry.mode.lstrip("0"), entry.owner)
        assert file.digest == hashlib.sha256(str(entry.content).encode()).hexdigest()
    for path in tools():
        assert files[path].content == (TREE / path[1:]).read_text()
        assert files[path].mode == ("644" if path.endswith(".py") else "755")
    assert files[CLAIM].content == f"{STACK_NAME}\n"


@pytest.mark.parametrize("variant", VARIANTS)
def test_secret_files_are_not_shown(variant: str) -> None:
    """Their digests are known all the same."""
    (accounts,) = [file for file in declared_by(variant).files if file.path.endswith("registry.htpasswd")]
    assert accounts.content is None
    assert accounts.digest is not None
    (kept,) = [file for file in declared_by(variant).files if file.path.endswith("http.secret")]
    assert (kept.content, kept.digest, kept.mode) == (None, None, "600")


@pytest.mark.parametrize(
    ("variant", "pair"),
    [
        ("plain", "/var/opt/nginx/etc/tls/self-signed/current"),
        ("full", "/srv/registry/nginx/etc/tls/files/current"),
        ("acme", "/var/opt/letsencrypt/live/dr.example.net"),
    ],
)
def test_the_certificate_must_be_there(variant: str, pair: str) -> None:
    """Whatever it is by now; and its key is root's alone."""
    found = {file.path: file for file in declared_by(variant).files if file.followed}
    assert found.keys() == {f"{pair}/fullchain.pem", f"{pair}/privkey.pem"}
    assert found[f"{pair}/privkey.pem"].mode == "600"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_directory_is_known(variant: str) -> None:
    lines = set(whole(variant, False).directories)
    found = {f"{int(one.mode, 8):04o} {one.owner} {one.path}" for one in declared_by(variant).directories if one.mode}
    assert found == lines


def test_data_is_not_ours_to_know() -> None:
    """Where images, logs, challenges and certificates come and go, nothing is unknown; elsewhere all is."""
    closed = {one.path for one in declared_by("acme").directories if one.closed}
    assert closed >= {
        "/etc/docker-registry",
        "/usr/local/lib/docker-registry",
        "/usr/local/lib/docker-registry/registryctl",
        "/var/opt/docker-registry",
        "/var/opt/docker-registry/etc",
        "/var/opt/nginx/etc",
        "/var/opt/nginx/etc/auth",
        "/var/opt/nginx/etc/conf.d",
        "/var/opt/nginx/etc/start",
    }
    growing = ("docker-registry/data", "docker-registry/logs", "letsencrypt", "nginx/etc/tls", "nginx/logs")
    assert not closed & {f"/var/opt/{path}" for path in (*growing, "certbot/webroot/.well-known/acme-challenge")}
    assert not any(path.startswith(("/run/", "/etc/systemd", "/usr/local/bin")) for path in closed)


def test_what_a_mirror_left_is_nobody_s_fault() -> None:
    """Neither what it has pulled nor what one that was removed left; its own files are known."""
    closed = {one.path for one in declared_by("mirrors").directories if one.closed}
    home = "/var/opt/docker-registry-mirrors"
    assert f"{home}/docker.io/etc" in closed
    assert not any(path.endswith("/data") or path.startswith("/run/") for path in closed)
    assert home not in closed


def test_units_and_the_time_zone() -> None:
    stack = declared_by("full")
    assert {"docker-registry-certificate.timer", "docker.service"} <= stack.units.keys()
    timers = {file.path.rpartition("/")[2] for file in stack.files if file.path.endswith(".timer")}
    assert timers <= stack.units.keys()
    assert stack.zone is not None and stack.zone[0] == "Europe/Vienna"
    assert stack.stack == STACK_NAME


def test_docker_objects() -> None:
    stack = declared_by("full")
    assert {one.name: one.networks for one in stack.containers} == {
        "nginx": ("images",),
        "registry": ("images",),
        "registry-ui": ("images",),
    }
    assert stack.networks == {"images": "100.127.200.0/24"}
    assert stack.volumes["registry-data"] == "/srv/registry/docker-registry/data"


def test_what_another_update_left_is_not_known() -> None:
    """One that failed, or that had a target, leaves a state that the manifest is not of: neither is it held against a
    host, nor is anything beside it strange, for that may be what it left."""
    state = exported(whole("plain", False))
    for one in state["deployment"]["resources"]:
        if one["urn"].endswith("::logs-rotation"):
            one["inputs"]["stdin"] += "# later\n"
        if one["urn"].endswith("::gc-enable"):
            one["urn"] += "-anew"
    stack = declared(read(state))
    assert stack.unfinished.keys() == {"logs-rotation", "gc-enable-anew"}
    assert not [file for file in stack.files if "logrotate" in file.path or "registry-gc." in file.path]
    assert "docker-registry-gc.timer" not in stack.units
    assert not [one for one in stack.directories if one.closed]


def test_a_stack_of_an_earlier_version_has_no_manifest() -> None:
    state = exported(whole("plain", False))
    del state["deployment"]["resources"][0]["outputs"]["manifest"]
    with pytest.raises(RuntimeError, match="let a pulumi up of this version end well first"):
        declared(read(state))


def test_what_waits_for_deletion_is_not_declared() -> None:
    """An interrupted run leaves it in the state."""
    state = exported(whole("plain", False))
    for one in state["deployment"]["resources"]:
        if one["urn"].endswith("::nginx-files-configuration"):
            one["delete"] = True
    assert not [file for file in declared(read(state)).files if file.path.endswith("conf.d/registry.conf")]


def test_the_way_is_the_stack_s_own() -> None:
    """The options of the Docker provider, and sudo where commands need it; a key of the settings lies ready."""
    with machine() as home:
        assert way_to(resources_of("plain")).argv[-3:] == ("--", "root@dr.example.net", "sh -s")
        assert not home.exists() or not list(home.glob("*.key"))
        home.mkdir(parents=True, exist_ok=True)
        way = way_to(resources_of("full"))
        assert way.argv[0] == "ssh"
        assert way.argv[-5:] == ("-p", "2222", "--", "admin@203.0.113.7", "sudo -n sh -s")
        assert any("KnownHostsCommand=" in word for word in way.argv)
        (key,) = home.glob("*.key")
        assert key.read_text().strip() == SSH_KEY.strip()
        assert key.stat().st_mode & 0o777 == 0o600


def test_the_machine_itself_needs_no_ssh() -> None:
    assert way_to(resources_of("local")).argv == ("sh", "-s")
    assert way_to(resources_of("local-sudo")).argv == ("sudo", "-n", "sh", "-s")


def test_a_stack_without_a_host_says_so() -> None:
    with pytest.raises(RuntimeError, match="was never brought up"):
        way_to([])


def test_a_host_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="the host did not answer: no route"):
        Way(("sh", "-c", "echo no route >&2; exit 255")).run("true")


def test_a_cut_answer_is_no_answer() -> None:
    """Silence must not count as "as declared"."""
    with pytest.raises(RuntimeError, match="answered 0 of 1 questions"):
        Way(("sh", "-c", "cat >/dev/null")).ask([("zone",)])


def test_the_script_is_plain_sh() -> None:
    """As every host has it."""
    script = Path(__file__).parents[3] / "review" / "inspect-host.sh"
    assert Way(("sh", "-n")).run(script.read_text()) == ""
