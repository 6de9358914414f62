"""The proxy: its site, its accounts, its container."""

from __future__ import annotations

import shlex

import pytest

from rendering.rootfs import TOOLS
from tests.unit.assembly import assembled, assembled_anew
from tests.unit.config.stack import APR1, Stack
from tests.unit.programs import VARIANTS
from tests.unit.recorder import Recording

RELOAD = f"{TOOLS}/nginx-reload"


def _nginx(preview: bool, changes: Stack | None = None) -> Recording:
    return assembled("nginx", preview, changes)


def _options(run: Recording, name: str) -> tuple[dict[str, str], str]:
    words = shlex.split(run[name].inputs["create"])
    assert words[0] == f"{TOOLS}/put-file"
    return dict(zip(words[1:-1:2], words[2:-1:2], strict=True)), words[-1]


def test_the_site_is_tested_before_it_is_put_and_then_reloaded(preview: bool) -> None:
    """By nginx -t in the image that will run it; the container is not touched."""
    options, path = _options(_nginx(preview), "p-site")
    assert options["--verify"] == f"{TOOLS}/nginx-test nginx:1.28.0 /var/opt registry.conf"
    assert options["--then"] == RELOAD
    assert (options["--mode"], options["--owner"]) == ("0600", "root:root")
    assert path == "/var/opt/nginx/etc/conf.d/registry.conf"


def test_the_format_of_the_log_is_there_before_the_site_that_uses_it(preview: bool) -> None:
    """Tested and taken up like the site."""
    run = _nginx(preview)
    options, path = _options(run, "p-log-format")
    assert options["--verify"] == f"{TOOLS}/nginx-test nginx:1.28.0 /var/opt log.conf"
    assert options["--then"] == RELOAD
    assert path == "/var/opt/nginx/etc/conf.d/log.conf"
    assert "p-log-format" in run["p-site"].depends_on
    assert run["p-site"].inputs["stdin"].count("access_log /var/log/nginx/access.log audit;") == 4
    assert "log_format audit escape=json" in run["p-log-format"].inputs["stdin"]


def test_the_site_has_the_name_and_ports_of_the_settings(preview: bool) -> None:
    """Redirects name the port where it is not 443."""
    site = _nginx(preview, {"site": {"fqdn": "images.example.net", "httpsPort": 8443}})["p-site"].inputs["stdin"]
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
    site = _nginx(preview, changes)["p-site"].inputs["stdin"]
    assert f"ssl_certificate /etc/nginx/tls/{mode}/current/fullchain.pem;" in site
    assert f"ssl_certificate_key /etc/nginx/tls/{mode}/current/privkey.pem;" in site


@pytest.mark.parametrize(("image", "directive"), [("nginx:1.24.0", False), ("nginx:1.28.0", True), ("own:now", True)])
def test_the_site_speaks_the_language_of_the_image_s_nginx(preview: bool, image: str, directive: bool) -> None:
    """`http2 on` is unknown before 1.25.1; an image that tells no version is a current one."""
    site = _nginx(preview, {"images": {"nginx": image}})["p-site"].inputs["stdin"]
    assert ("    http2 on;" in site) == directive


def test_the_accounts_are_secret_kept_and_reloaded(preview: bool) -> None:
    """For root alone; destroy leaves them."""
    run = _nginx(preview, {"users": [{"name": "bob", "hash": APR1}]})
    options, path = _options(run, "p-accounts")
    assert run["p-accounts"].inputs["stdin"] == f"bob:{APR1}\n"
    assert "stdin" in run["p-accounts"].secrets
    assert "delete" not in run["p-accounts"].inputs
    assert options["--then"] == RELOAD
    assert (options["--mode"], options["--owner"]) == ("0600", "root:root")
    assert path == "/var/opt/nginx/etc/auth/registry.htpasswd"


@pytest.mark.parametrize(("name", "file"), [("p-rights", "access.conf"), ("p-passwords", "accounts.conf")])
def test_rights_are_tested_and_reloaded_before_the_site(preview: bool, name: str, file: str) -> None:
    """The site refers to them; they are no secret, so that a reviewer sees who may do what."""
    run = _nginx(preview, {"users": [{"name": "bob", "hash": APR1, "role": "pull", "repositories": ["team-a/*"]}]})
    options, path = _options(run, name)
    assert path == f"/var/opt/nginx/etc/conf.d/{file}"
    assert options["--verify"] == f"{TOOLS}/nginx-test nginx:1.28.0 /var/opt {file}"
    assert options["--then"] == RELOAD
    assert options["--mode"] == "0600"
    assert name in run["p-site"].depends_on
    assert "stdin" not in run[name].secrets
    if name == "p-rights":
        assert '"\\\\bob" 1;' in run[name].inputs["stdin"]


def test_the_directories_are_root_s_alone(preview: bool) -> None:
    """And made once those of the certificate are there, which are their parents."""
    run = _nginx(preview)
    names = ("etc/auth", "etc/conf.d", "etc/start", "logs")
    own = [f"0700 root:root /var/opt/nginx/{name}" for name in names]
    assert run["p-directories"].inputs["stdin"].splitlines() == [*own, "0755 root:root /run/docker-registry"]
    assert run["p-directories"].depends_on >= {"c-directories"}
    for file in ("p-accounts", "p-start", "p-rights", "p-passwords", "p-log-format", "p-run"):
        assert "p-directories" in run[file].depends_on, file


@pytest.mark.parametrize("adopt", [False, True])
def test_the_site_comes_after_the_certificate_that_it_names(adopt: bool, preview: bool) -> None:
    """What stands beside it doesn't wait, unless a proxy that was set up by hand still reads it."""
    for variant, maker in (("plain", "c-self-signed"), ("paths", "c-files")):
        plain = VARIANTS[variant]
        changes = {**plain, "host": {**plain.get("host", {}), "adopt": adopt}}
        run = _nginx(preview, changes)
        assert maker in run["p-site"].depends_on
        for name in ("p-directories", "p-accounts", "p-rights"):
            assert maker not in run[name].depends_on, name
        assert ("a-retire" in run["p-directories"].depends_on) == adopt
        assert not adopt or maker in run["a-retire"].depends_on


def test_the_start_script_changes_the_container(preview: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read at the start only: the mark of its content is a label."""
    before = _nginx(preview)["p-container"].inputs["labels"]
    monkeypatch.setattr("components.nginx.fingerprint", lambda content: f"mark of {len(content)}")
    run = assembled_anew("nginx", preview)
    size = len(run["p-start"].inputs["stdin"])
    after = run["p-container"].inputs["labels"]
    assert before != after
    assert {"label": "docker-registry.config", "value": f"mark of {size}"} in after


def test_site_and_accounts_do_not_change_the_container() -> None:
    """They reload in place: no request is dropped."""
    before = _nginx(False)["p-container"].inputs
    changes = {"nginx": {"readTimeout": 60}, "users": [{"name": "bob", "hash": APR1}]}
    assert _nginx(False, changes)["p-container"].inputs == before


def test_it_starts_by_the_start_script(preview: bool) -> None:
    """Which hands nginx the accounts, and then is nginx."""
    inputs = _nginx(preview)["p-container"].inputs
    words = [*inputs.get("entrypoints", []), *inputs.get("command", [])]
    assert words == ["/bin/sh", "/etc/nginx/start/nginx-start"]


def test_it_mounts_the_host_s_directories(preview: bool) -> None:
    """Read-only, but the logs."""
    mounts = {v["containerPath"]: v["hostPath"] for v in _nginx(preview)["p-container"].inputs["volumes"]}
    assert mounts == {
        "/var/www/letsencrypt": "/var/opt/certbot/webroot",
        "/etc/letsencrypt": "/var/opt/letsencrypt",
        "/etc/nginx/auth": "/var/opt/nginx/etc/auth",
        "/etc/nginx/conf.d": "/var/opt/nginx/etc/conf.d",
        "/etc/nginx/start": "/var/opt/nginx/etc/start",
        "/etc/nginx/tls": "/var/opt/nginx/etc/tls",
        "/var/log/nginx": "/var/opt/nginx/logs",
        "/run/docker-registry": "/run/docker-registry",
        "/var/lib/registry/docker": "/var/opt/docker-registry/data/docker",
    }


def test_without_the_fast_path_it_sees_no_image(preview: bool) -> None:
    """Neither the mount nor a word of it in the site; with it, the site looks where the mount is."""
    with_it, without = (_nginx(preview, {"nginx": {"fastPath": fast}}) for fast in (True, False))
    assert "root /var/lib/registry/docker/registry/v2/blobs/sha256;" in with_it["p-site"].inputs["stdin"]
    assert "/var/lib/registry" not in without["p-site"].inputs["stdin"]
    mounts = [
        {v["containerPath"]: v["readOnly"] for v in run["p-container"].inputs["volumes"]} for run in (with_it, without)
    ]
    assert mounts[0].pop("/var/lib/registry/docker") is True
    assert mounts[0] == mounts[1]


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
