"""The proxy: its site, its accounts, its container."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from config import Secrets, Settings
from rendering.rootfs import TOOLS
from tests.unit.assembly import Assembly, assembled, assembled_anew
from tests.unit.config.stack import APR1, Stack
from tests.unit.programs import VARIANTS, part
from tests.unit.recorder import Recording

RELOAD = f"{TOOLS}/nginx-reload"


def _nginx(preview: bool, changes: Stack | None = None) -> Recording:
    return assembled("nginx", preview, changes)


def _site(run: Recording) -> str:
    return str(run.files["/var/opt/nginx/etc/conf.d/registry.conf"][1].content)


def _options(run: Recording, name: str) -> dict[str, str]:
    words = shlex.split(run[name].inputs["create"])
    assert words[0] == f"{TOOLS}/put-files"
    return dict(zip(words[1::2], words[2::2], strict=True))


def test_the_configuration_is_tested_before_it_is_put_and_then_reloaded(preview: bool) -> None:
    """As a whole, by nginx -t in the image that will run it; the container is not touched."""
    run = _nginx(preview)
    options = _options(run, "b-configuration")
    assert options["--verify"] == f"{TOOLS}/nginx-test nginx:1.28.0 /var/opt"
    assert options["--then"] == RELOAD
    modes = {
        path.removeprefix("/var/opt/nginx/etc/"): entry.mode
        for path, (one, entry) in run.files.items()
        if one.name == "b-configuration"
    }
    assert modes == {
        **dict.fromkeys(
            [f"conf.d/{name}.conf" for name in ("registry", "accounts", "access", "immutable", "log")], "0600"
        ),
        **dict.fromkeys([f"conf.d/{name}.js" for name in ("gate", "asked", "catalogue", "rows")], "0600"),
        "start/nginx-start": "0700",
        "start/passwords.conf": "0600",
        "start/main.conf": "0600",
        "/etc/tmpfiles.d/docker-registry.conf": "0644",
    }
    assert {entry.owner for _, entry in run.files.values()} == {"root:root"}


def test_the_format_of_the_log_is_the_site_s(preview: bool) -> None:
    """In a file of its own."""
    run = _nginx(preview)
    assert _site(run).count("access_log /var/log/nginx/access.log audit if=$row;") == 4
    assert "log_format audit escape=json" in str(run.files["/var/opt/nginx/etc/conf.d/log.conf"][1].content)


def test_the_site_has_the_name_and_ports_of_the_settings(preview: bool) -> None:
    """Redirects name the port where it is not 443."""
    site = _site(_nginx(preview, {"site": {"fqdn": "images.example.net", "httpsPort": 8443}}))
    assert site.count("server_name images.example.net;") == 2
    assert "return 307 https://images.example.net:8443$request_uri;" in site
    assert "dr.example.net" not in site


@pytest.mark.parametrize(
    ("changes", "mode"),
    [({}, "self-signed"), (VARIANTS["paths"], "files"), ({"certificate": VARIANTS["full"]["certificate"]}, "files")],
    ids=["self-signed", "paths", "inline"],
)
def test_the_site_serves_the_certificate_of_the_mode(preview: bool, changes: Stack, mode: str) -> None:
    """A change of the mode is a change of the site, which is tested and reloaded."""
    site = _site(_nginx(preview, changes))
    assert f"ssl_certificate /etc/nginx/tls/{mode}/current/fullchain.pem;" in site
    assert f"ssl_certificate_key /etc/nginx/tls/{mode}/current/privkey.pem;" in site


@pytest.mark.parametrize(("image", "directive"), [("nginx:1.24.0", False), ("nginx:1.28.0", True), ("own:now", True)])
def test_the_site_speaks_the_language_of_the_image_s_nginx(preview: bool, image: str, directive: bool) -> None:
    """`http2 on` is unknown before 1.25.1; an image that tells no version is a current one."""
    site = _site(_nginx(preview, {"images": {"nginx": image}}))
    assert ("    http2 on;" in site) == directive


def test_the_htpasswd_is_secret_kept_and_reloaded(preview: bool) -> None:
    """For root alone; destroy leaves it."""
    run = _nginx(preview, {"users": [{"name": "bob", "hash": APR1}]})
    put, entry = run.files["/var/opt/nginx/etc/auth/registry.htpasswd"]
    assert put.name == "b-htpasswd"
    account, nobody = str(entry.content).splitlines()
    assert account == f"bob:{APR1}"
    assert nobody.startswith("noone 01:")
    assert "stdin" in put.secrets
    assert "delete" not in put.inputs
    assert _options(run, put.name)["--then"] == RELOAD
    assert (entry.mode, entry.owner) == ("0600", "root:root")


def test_rights_are_no_secret(preview: bool) -> None:
    """So that a reviewer sees who may do what."""
    run = _nginx(preview, {"users": [{"name": "bob", "hash": APR1, "role": "pull", "repositories": ["team-a/*"]}]})
    put, access = run.files["/var/opt/nginx/etc/conf.d/access.conf"]
    assert "stdin" not in put.secrets
    assert '"\\\\bob" 1;' in str(access.content)


def test_the_directories_are_root_s_alone(preview: bool) -> None:
    """And made with the files that they are for."""
    run = _nginx(preview)
    for name, made in (("b-htpasswd", ["etc/auth"]), ("b-configuration", ["etc/conf.d", "etc/start", "logs"])):
        heads = [f"== /var/opt/nginx/{path} - 0700 root:root" for path in made]
        assert str(run[name].inputs["stdin"]).splitlines()[: len(made)] == heads
        assert run[name].depends_on >= {"v-prepare"}


@pytest.mark.parametrize("adopt", [False, True])
def test_the_site_comes_after_the_certificate_that_it_names(adopt: bool, preview: bool) -> None:
    """The accounts don't wait, unless a proxy that was set up by hand still reads them."""
    for variant, maker in (("plain", "c-self-signed"), ("paths", "c-files")):
        plain = VARIANTS[variant]
        changes = {**plain, "host": {**plain.get("host", {}), "adopt": adopt}}
        run = _nginx(preview, changes)
        assert maker in run["b-configuration"].depends_on
        assert maker not in run["b-htpasswd"].depends_on
        for name in ("b-htpasswd", "b-configuration"):
            assert ("a-retire" in run[name].depends_on) == adopt
        assert not adopt or maker in run["a-retire"].depends_on


def test_the_start_script_changes_the_container(preview: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so does what else is read at the start only: the mark of their content is a label."""
    before = _nginx(preview)["p-container"].inputs["labels"]
    monkeypatch.setattr("components.nginx_files.fingerprint", lambda content: f"mark of {len(content)}")
    run = assembled_anew("nginx", preview)
    start = "/var/opt/nginx/etc/start"
    size = sum(len(str(run.files[f"{start}/{name}"][1].content)) for name in ("nginx-start", "passwords.conf"))
    after = run["p-container"].inputs["labels"]
    assert before != after
    assert {"label": "docker-registry.config", "value": f"mark of {size}"} in after


def test_site_and_accounts_do_not_change_the_container() -> None:
    """They reload in place: no request is dropped."""
    before = _nginx(False)["p-container"].inputs
    changes = {"nginx": {"readTimeout": 60, "shutdownTimeout": 5}, "users": [{"name": "bob", "hash": APR1}]}
    assert _nginx(False, changes)["p-container"].inputs == before


def test_it_starts_by_the_start_script(preview: bool) -> None:
    """Which hands nginx the accounts, and then is nginx."""
    inputs = _nginx(preview)["p-container"].inputs
    words = [*inputs.get("entrypoints", []), *inputs.get("command", [])]
    assert words == ["/bin/sh", "/etc/nginx/start/nginx-start"]


def test_it_mounts_the_host_s_directories(preview: bool) -> None:
    """Read-only, but the logs, and the sockets, beside which it keeps the journals."""
    mounts = {v["containerPath"]: v["hostPath"] for v in _nginx(preview)["p-container"].inputs["volumes"]}
    assert mounts == {
        "/var/www/letsencrypt": "/var/opt/certbot/webroot",
        "/etc/letsencrypt": "/var/opt/letsencrypt",
        "/etc/nginx/auth": "/var/opt/nginx/etc/auth",
        "/etc/nginx/conf.d": "/var/opt/nginx/etc/conf.d",
        "/etc/nginx/start": "/var/opt/nginx/etc/start",
        "/etc/nginx/tls": "/var/opt/nginx/etc/tls",
        "/var/log/nginx": "/var/opt/nginx/logs",
        "/run/registry": "/run/docker-registry/sockets",
        "/var/lib/registry/docker": "/var/opt/docker-registry/data/docker",
    }


def test_without_the_fast_path_it_sees_no_image(preview: bool) -> None:
    """Neither the mount nor a word of it in the site; with it, the site looks where the mount is."""
    with_it, without = (_nginx(preview, {"nginx": {"fastPath": fast}}) for fast in (True, False))
    assert "root /var/lib/registry/docker/registry/v2/blobs/sha256;" in _site(with_it)
    assert "/var/lib/registry" not in _site(without)
    mounts = [
        {v["containerPath"]: v["readOnly"] for v in run["p-container"].inputs["volumes"]} for run in (with_it, without)
    ]
    assert mounts[0].pop("/var/lib/registry/docker") is True
    assert mounts[0] == mounts[1]


def test_what_mirrors_have_is_one_mount(preview: bool) -> None:
    """Read-only, by a setting of its own, and the same however many there are: another one replaces no container."""
    changes = {"nginx": {"mirrorFastPath": True}}
    without, none, some = (
        _nginx(preview, change) for change in ({}, changes, {**changes, "mirrors": [{"prefix": "docker.io"}]})
    )
    assert none["p-container"].inputs == some["p-container"].inputs
    mounts = [v for v in some["p-container"].inputs["volumes"] if "mirrors" in v["hostPath"]]
    assert mounts == [
        {
            "containerPath": "/var/lib/registry-mirrors",
            "hostPath": "/var/opt/docker-registry-mirrors",
            "readOnly": True,
        }
    ]
    assert "registry-mirrors" not in str(without["p-container"].inputs["volumes"])
    assert "mirrored-file" in _site(some)


def test_it_publishes_the_ports_of_the_settings(preview: bool) -> None:
    """On the address of the settings, HTTP before HTTPS."""
    changes = {"site": {"httpPort": 8443, "httpsPort": 8080, "listenAddress": "203.0.113.9"}}
    assert _nginx(preview, changes)["p-container"].inputs["ports"] == [
        {"internal": 80, "external": 8443, "ip": "203.0.113.9"},
        {"internal": 443, "external": 8080, "ip": "203.0.113.9"},
    ]


def test_its_health_is_the_whole_way(preview: bool) -> None:
    """Over TLS to the registry, with the one or the other tool that images have."""
    health = _nginx(preview)["p-container"].inputs["healthcheck"]["tests"][1]
    assert "curl" in health
    assert "wget" in health
    assert "https://127.0.0.1/healthz" in health


def test_a_registry_that_does_not_start_is_not_waited_for(preview: bool) -> None:
    """The proxy answers once the registry does: where that has failed, its error is the only one, and comes at once."""
    assert "r-container-ready" in _nginx(preview)["p-container-ready"].depends_on


def test_a_preview_says_whose_password_is_another(preview: bool) -> None:
    """Beside the command, because the content is secret; a shell takes it for a comment."""
    names = {"alice": "0123abcd", "it's#": "89efcdab"}

    def build(settings: Settings, secrets: Secrets) -> object:
        return Assembly(settings, replace(secrets, account_marks=names)).nginx

    create = str(part(build, preview=preview)["b-htpasswd"].inputs["create"])
    assert create.endswith("  # alice 0123abcd, it's# 89efcdab")
    assert shlex.split(create, comments=True)[-1] == RELOAD
