"""The proxy's site, line by line: what each promise of the proxy comes down to in nginx's own words."""

from __future__ import annotations

import json
import re

import pytest

from config.nginx import Nginx
from config.site import Site
from tests.rendering.sites import CHAIN, KEY, VARIANTS, site_of

HSTS = 'add_header Strict-Transport-Security "max-age=63072000" always;'
DIRECTIVE, PARAMETER = "http2 on;", "listen 443 ssl http2 default_server;"


def _lines(text: str) -> list[str]:
    """The directives, without comments and indentation."""
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def _block(text: str, head: str, occurrence: int = 0) -> list[str]:
    """The directives directly or deeper inside a block, such as `location /v2/`."""
    lines = _lines(text)
    start = [index for index, line in enumerate(lines) if line == head + " {"][occurrence]
    depth = 0
    for end in range(start, len(lines)):
        depth += lines[end].endswith("{") - (lines[end] == "}")
        if depth == 0:
            return lines[start + 1 : end]
    raise AssertionError(f"{head} has no end")


DEFAULT = site_of().content
HTTP, HTTPS = (_block(DEFAULT, "server", number) for number in (0, 1))
V2 = _block(DEFAULT, "location /v2/")
UI = _block(DEFAULT, "location /ui/")


def test_it_lies_in_conf_d() -> None:
    """Below the storage root."""
    assert site_of().path == "/var/opt/nginx/etc/conf.d/registry.conf"


def test_http_redirects_everything_to_https() -> None:
    """By 307, which keeps method and body."""
    assert "listen 80 default_server;" in HTTP
    assert _block(DEFAULT, "location /", 0) == ["return 307 https://dr.example.net$request_uri;"]


def test_http_serves_the_challenges_of_certificate_authorities() -> None:
    """From the webroot, before the redirect."""
    challenge = _block(DEFAULT, "location ^~ /.well-known/acme-challenge/")
    assert "root /var/www/letsencrypt;" in challenge


def test_https_serves_the_certificate() -> None:
    """Chain and key at the paths it is given."""
    assert f"ssl_certificate {CHAIN};" in HTTPS
    assert f"ssl_certificate_key {KEY};" in HTTPS


def test_the_server_does_not_tell_its_version() -> None:
    """To nobody who looks for a vulnerable one."""
    assert "server_tokens off;" in _lines(DEFAULT)


def test_intermediate_is_tls_1_2_and_1_3() -> None:
    """Mozilla's profile 6.0, AEAD ciphers with forward secrecy only, no DHE and so no DH file."""
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in HTTPS
    [ciphers] = [line for line in HTTPS if line.startswith("ssl_ciphers ")]
    assert ciphers.removeprefix("ssl_ciphers ").rstrip(";").split(":") == [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ]
    assert "ssl_dhparam" not in DEFAULT


def test_modern_is_tls_1_3_only() -> None:
    """Whose ciphers nobody has to choose."""
    site = VARIANTS["modern"].content
    assert "ssl_protocols TLSv1.3;" in _lines(site)
    assert "ssl_ciphers" not in site


@pytest.mark.parametrize("name", VARIANTS)
def test_no_setting_brings_old_tls_back(name: str) -> None:
    """Neither TLS 1.0 nor 1.1, nor stapling, which Let's Encrypt has ended."""
    assert not re.search(r"SSLv|TLSv1[ ;]|TLSv1\.1|ssl_stapling", VARIANTS[name].content)


def test_tls_sessions_are_kept_by_the_server() -> None:
    """Small records for a quick first byte, a cache, and no tickets."""
    wanted = {
        "ssl_buffer_size 8k;",
        "ssl_session_cache shared:TLS:10m;",
        "ssl_session_timeout 1d;",
        "ssl_session_tickets off;",
        "ssl_prefer_server_ciphers off;",
    }
    assert wanted <= set(HTTPS)


@pytest.mark.parametrize(
    ("version", "directive"),
    [
        (None, True),
        ((1,), False),
        ((1, 24, 0), False),
        ((1, 25, 0), False),
        ((1, 25, 1), True),
        ((1, 28), True),
        ((2,), True),
    ],
)
def test_http2_in_the_words_of_the_version(version: tuple[int, ...] | None, directive: bool) -> None:
    """A directive from nginx 1.25.1, a parameter before; never both."""
    lines = _lines(site_of(version=version).content)
    assert (DIRECTIVE in lines) == directive
    assert (PARAMETER in lines) == (not directive)


def test_a_layer_may_have_any_size() -> None:
    """nginx's own limit is 1 MB."""
    assert "client_max_body_size 0;" in HTTPS


def test_nothing_large_is_written_to_disk_in_between() -> None:
    """Neither a push nor a pull."""
    assert {"proxy_request_buffering off;", "proxy_max_temp_file_size 0;"} <= set(HTTPS)


def test_uploads_may_come_in_chunks() -> None:
    """HTTP/1.1 on both sides, the registry's own redirects untouched."""
    assert {"chunked_transfer_encoding on;", "proxy_http_version 1.1;", "proxy_redirect off;"} <= set(HTTPS)


@pytest.mark.parametrize(("connect", "read"), [(3, 900), (75, 86400)])
def test_timeouts_are_those_of_the_settings(connect: int, read: int) -> None:
    """3 and 900 seconds by default."""
    site = _lines(site_of(Nginx(connect_timeout=connect, read_timeout=read)).content)
    wanted = {f"proxy_connect_timeout {connect}s;", f"proxy_read_timeout {read}s;", f"proxy_send_timeout {read}s;"}
    assert wanted <= set(site)
    assert _lines(DEFAULT) == _lines(site_of(Nginx(connect_timeout=3, read_timeout=900)).content)


def test_the_registry_asks_for_a_password() -> None:
    """With the realm of the settings."""
    assert 'auth_basic "Registry realm";' in V2
    assert "auth_basic_user_file /run/accounts/registry.htpasswd;" in V2
    assert 'auth_basic "Our images; {yours} #too";' in _lines(VARIANTS["everything"].content)


def test_the_registry_learns_who_asks_and_how() -> None:
    """Without X-Forwarded-Proto it would send a client to http:// in the middle of a push."""
    wanted = {
        "proxy_set_header Host $http_host;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
    }
    assert wanted <= set(HTTPS)
    # A header set inside a location would cancel all of them there.
    assert HTTPS.count("proxy_set_header Host $http_host;") == 1
    assert not any(line.startswith("proxy_set_header") for line in [*V2, *UI])


def test_every_answer_tells_the_api_version() -> None:
    """Nginx's own too, and once only where the registry tells it itself."""
    assert "add_header Docker-Distribution-Api-Version $docker_api_version always;" in V2
    version = _block(DEFAULT, "map $upstream_http_docker_distribution_api_version $docker_api_version")
    assert version == ["'' 'registry/2.0';"]


def test_a_recreated_container_is_found_again() -> None:
    """Names are asked of Docker's resolver, by variables, whose value nginx never keeps for good."""
    assert any(line.startswith("resolver 127.0.0.11 valid=") for line in HTTPS)
    assert {"set $registry registry:5000;", "set $registry_ui registry-ui:80;"} <= set(HTTPS)
    passes = [line for line in HTTPS if line.startswith("proxy_pass ")]
    assert passes
    assert set(passes) == {"proxy_pass http://$registry;", "proxy_pass http://$registry_ui;"}


def test_writes_are_held_off_by_a_file_and_reads_never() -> None:
    """Whatever the method is called: only those that are known to read are let through."""
    assert _block(DEFAULT, "map $request_method $hold") == [
        "default /run/docker-registry/hold;",
        "GET '';",
        "HEAD '';",
        "OPTIONS '';",
    ]
    held = ["if (-f $hold) {", "rewrite ^ /held last;", "}"]
    block = _block(DEFAULT, "location /v2/")
    assert block[block.index(held[0]) :][:3] == held


def test_what_is_held_off_is_told_after_the_password() -> None:
    """In the registry's own form, with when to try again: what `try_files` finds comes after `auth_basic`."""
    held = _block(DEFAULT, "location = /held")
    assert {"internal;", 'auth_basic "Registry realm";', "error_page 503 @held;", "try_files /held =503;"} <= set(held)
    assert not any(line.startswith("return") for line in held)
    answer = _block(DEFAULT, "location @held")
    assert "add_header Retry-After 10 always;" in answer
    [line] = [line for line in answer if line.startswith("return 503 ")]
    assert json.loads(line.split("'")[1].removesuffix("\\n"))["errors"][0]["code"] == "UNAVAILABLE"


def test_old_docker_gets_404_on_request() -> None:
    """An option; by default no client is looked at."""
    assert "$http_user_agent" not in DEFAULT
    [line] = [line for line in _lines(VARIANTS["old-docker"].content) if "$http_user_agent" in line]
    pattern = re.compile(line.split('"')[1])
    for agent in ("docker/1.3.0 go/1.2", "docker/1.5.0 go/1.4", "Go 1.1 package http"):
        assert pattern.match(agent), agent
    for agent in ("docker/1.5.0-dev", "docker/1.6.0", "docker/28.0.1 go/1.24", "Go-http-client/2.0", "containerd/2.1"):
        assert not pattern.match(agent), agent
    assert "return 404;" in _block(VARIANTS["old-docker"].content, "location /v2/")


def test_the_page_lies_under_ui() -> None:
    """Its own paths have no /ui/ in front."""
    assert UI == ["rewrite ^/ui/(.*)$ /$1 break;", "proxy_pass http://$registry_ui;"]


@pytest.mark.parametrize("path", ["/", "/ui"])
def test_the_root_leads_to_the_page(path: str) -> None:
    """Without a doubled slash."""
    assert _block(DEFAULT, f"location = {path}") == ["return 307 https://dr.example.net/ui/;"]


def test_all_else_is_not_found() -> None:
    """No other path reaches a container."""
    assert _block(DEFAULT, "location /", 1) == ["return 404;"]


def test_health_is_for_the_container_itself() -> None:
    """Without a password, and so from inside only; it reaches the registry."""
    health = _block(DEFAULT, "location = /healthz")
    assert health.index("allow 127.0.0.1;") < health.index("deny all;")
    assert "proxy_pass http://$registry;" in health


def test_redirects_name_another_port() -> None:
    """The port that clients see, where it is not 443; nginx itself listens on its own."""
    site = site_of(site=Site(fqdn="images.example.net", http_port=8080, https_port=8443)).content
    targets = {line for line in _lines(site) if line.startswith("return 307")}
    assert targets == {
        "return 307 https://images.example.net:8443$request_uri;",
        "return 307 https://images.example.net:8443/ui/;",
    }
    listens = [line for line in _lines(site) if line.startswith("listen ")]
    assert listens == ["listen 80 default_server;", "listen 443 ssl default_server;"]


def test_hsts_is_an_option_that_reaches_every_answer() -> None:
    """A location with headers of its own inherits none: the registry's needs it again."""
    assert "Strict-Transport-Security" not in DEFAULT
    site = VARIANTS["hsts"].content
    assert HSTS in _block(site, "location /v2/")
    assert _block(site, "server", 1).count(HSTS) == 2
    assert not any("Strict-Transport" in line for line in _block(site, "server", 0))


def test_it_names_the_stack_that_wrote_it() -> None:
    """For those who find the file on the host."""
    assert "acme/docker-registry/prod" in DEFAULT.splitlines()[1]
