"""The proxy's site, line by line: what each promise of the proxy comes down to in nginx's own words."""

from __future__ import annotations

import json
import re

import pytest

from config.nginx import Nginx
from config.site import Site
from tests.rendering.sites import VARIANTS, block, lines, site_of

DEFAULT = site_of().content
ALL = lines(DEFAULT)
HTTP, HTTPS, HTTP_BY_ANOTHER_NAME, HTTPS_BY_ANOTHER_NAME = (block(DEFAULT, "server", number) for number in range(4))
V2, REGISTRY, REFUSED = (block(DEFAULT, f"location {name}") for name in ("/v2/", "@registry", "@refused"))
UI = block(DEFAULT, "location /ui/")


def test_it_lies_in_conf_d() -> None:
    """Below the storage root."""
    assert site_of().path == "/var/opt/nginx/etc/conf.d/registry.conf"


def test_http_redirects_everything_to_https() -> None:
    """By 307, which keeps method and body."""
    assert "listen 80;" in HTTP
    assert block(DEFAULT, "location /", 0) == ["return 307 https://dr.example.net$request_uri;"]


def test_http_serves_the_challenges_of_certificate_authorities() -> None:
    """From the webroot, before the redirect, and by whatever name they come."""
    for number in (0, 1):
        challenge = block(DEFAULT, "location ^~ /.well-known/acme-challenge/", number)
        assert "root /var/www/letsencrypt;" in challenge
        assert challenge[:2] == ['if ($uri !~ "^/[.]well-known/acme-challenge/[A-Za-z0-9_-]+\\z") {', "return 404;"]
    assert DEFAULT.count("root /var/www/letsencrypt;") == 2
    assert all("location ^~ /.well-known/acme-challenge/ {" in server for server in (HTTP, HTTP_BY_ANOTHER_NAME))


def test_a_host_of_another_name_is_nobody() -> None:
    """Nor is an address: 421, but for the container's own health check."""
    assert "listen 80 default_server;" in HTTP_BY_ANOTHER_NAME
    assert "listen 443 ssl default_server;" in HTTPS_BY_ANOTHER_NAME
    assert HTTP_BY_ANOTHER_NAME[-3:] == HTTPS_BY_ANOTHER_NAME[-3:] == ["location / {", "return 421;", "}"]
    assert [line for line in HTTPS_BY_ANOTHER_NAME if line.startswith("location")] == [
        "location = /healthz {",
        "location / {",
    ]


def test_all_names_of_the_settings_are_served() -> None:
    """By both servers."""
    site = VARIANTS["everything"].content
    assert lines(site).count("server_name images.example.net i.example.net;") == 2


def test_the_server_does_not_tell_its_version() -> None:
    """To nobody who looks for a vulnerable one."""
    assert "server_tokens off;" in lines(DEFAULT)


def test_a_layer_may_have_any_size() -> None:
    """nginx's own limit is 1 MB."""
    assert HTTPS.index("client_max_body_size 0;") < HTTPS.index("location /v2/ {")
    assert not any("client_max_body_size" in line for line in [*V2, *REGISTRY, *block(DEFAULT, "location = /account")])


def test_nothing_large_is_written_to_disk_in_between() -> None:
    """Neither a push nor a pull."""
    assert "proxy_request_buffering off;" in REGISTRY
    assert "proxy_max_temp_file_size 0;" in DEFAULT.splitlines()


def test_uploads_go_on_in_large_pieces() -> None:
    """nginx's own are of 16 KB."""
    assert "client_body_buffer_size 256k;" in REGISTRY


def test_uploads_may_come_in_chunks() -> None:
    """HTTP/1.1 on both sides, the registry's own redirects untouched."""
    assert "chunked_transfer_encoding on;" in REGISTRY
    assert {"proxy_http_version 1.1;", "proxy_redirect off;"} <= set(ALL)


@pytest.mark.parametrize(("connect", "read"), [(3, 900), (75, 86400)])
def test_timeouts_are_those_of_the_settings(connect: int, read: int) -> None:
    """3 and 900 seconds by default."""
    site = lines(site_of(Nginx(connect_timeout=connect, read_timeout=read)).content)
    wanted = {f"proxy_connect_timeout {connect}s;", f"proxy_read_timeout {read}s;", f"proxy_send_timeout {read}s;"}
    assert wanted <= set(site)
    assert lines(DEFAULT) == lines(site_of(Nginx(connect_timeout=3, read_timeout=900)).content)


def test_the_registry_asks_for_a_password() -> None:
    """Before anything else is decided, and before the registry hears of the request."""
    assert "auth_request /account;" in V2
    assert not any(line.startswith(("proxy_pass", "return", "if")) for line in V2)
    assert "error_page 403 = @refused;" in V2
    assert "try_files /none @registry;" in V2
    assert "internal;" in block(DEFAULT, "location = /account")


def test_the_password_ends_at_the_proxy() -> None:
    """The registry and the page need none."""
    assert "proxy_set_header Authorization '';" in ALL
    assert [line for line in ALL if line.startswith("proxy_set_header Authorization")] == [
        "proxy_set_header Authorization '';",
        "proxy_set_header Authorization $credentials;",
    ]
    # A location that has headers of its own passes on no others.
    own = DEFAULT.count("proxy_set_header Host ") - 1
    # What waits for a reader has none any more: it comes by the proxy itself.
    assert "listen unix:/run/reader-later.sock;" in block(DEFAULT, "server", -1)
    assert own - 1 == DEFAULT.count("proxy_pass_request_headers off;") == 3


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_refusals_are_the_registry_s_own_kind_of_error(status: int) -> None:
    """JSON with a code that clients explain, before anything is proxied."""
    [start] = [index for index, line in enumerate(REGISTRY) if line == f"if ($answer = {status}) {{"]
    found = re.fullmatch(r"return (\d+) '(.*)';", REGISTRY[start + 1])
    assert found is not None
    assert int(found[1]) == status
    [error] = json.loads(found[2])["errors"]
    assert error["code"] == {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 405: "UNSUPPORTED"}[status]
    assert start < REGISTRY.index("proxy_pass http://reader$registry_uri;")
    assert "default_type application/json;" in REGISTRY


def test_tokens_are_for_anonymous_access_alone() -> None:
    """Without it, every client sends its password with each request, and there is no such address."""
    assert "/token" not in DEFAULT
    assert "location = /token {" in lines(VARIANTS["anonymous"].content)


def test_the_registry_learns_who_asks_and_how() -> None:
    """Without X-Forwarded-Proto it would send a client to http:// in the middle of a push."""
    wanted = {
        "proxy_set_header Host $host$host_port;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        # What a client says of itself is not passed on.
        "proxy_set_header X-Forwarded-Host '';",
        "proxy_set_header Forwarded '';",
    }
    assert wanted <= set(ALL)
    # A header set inside a location would cancel all of them there.
    assert not any(line.startswith("proxy_set_header") for line in [*V2, *REGISTRY, *UI])


def test_every_answer_tells_the_api_version() -> None:
    """Nginx's own too, and once only where the registry tells it itself."""
    assert all(
        "add_header Docker-Distribution-Api-Version $docker_api_version always;" in b for b in (REGISTRY, REFUSED)
    )
    version = block(DEFAULT, "map $upstream_http_docker_distribution_api_version $docker_api_version")
    assert version == ["'' 'registry/2.0';"]


def test_a_recreated_page_is_found_again() -> None:
    """Names are asked of Docker's resolver, by a variable, whose value nginx keeps no longer than a start takes."""
    assert "resolver 127.0.0.11 valid=1s ipv6=off;" in ALL
    assert "set $registry_ui registry-ui:80;" in HTTPS


def test_the_registry_is_reached_by_its_sockets_alone() -> None:
    """No request goes to an address in the network but the page's."""
    passes = {line for line in ALL if line.startswith("proxy_pass ")}
    assert passes == {
        "proxy_pass http://reader/v2/_catalog?$args;",
        "proxy_pass http://reader/v2/$repository/manifests/$named_tag;",
        "proxy_pass http://reader$registry_uri;",
        "proxy_pass http://reader;",
        # Once it is there again.
        "proxy_pass http://unix:/run/registry/reader.socket;",
        # That of the generation which the gate let it through to.
        "proxy_pass http://unix:/run/registry/writers/$writer/socket:$registry_uri;",
        "proxy_pass http://$registry_ui;",
        # The server inside, by the name of its group.
        "proxy_pass http://accounts/;",
    }
    reader, later = "server unix:/run/registry/reader.socket", "server unix:/run/reader-later.sock"
    upstream = [f"{reader} max_fails=0;", f"{later} max_fails=0 backup;", "keepalive 16;"]
    assert block(DEFAULT, "upstream reader") == upstream


def test_old_docker_gets_404_on_request() -> None:
    """An option; by default no client is looked at."""
    assert "$http_user_agent" not in DEFAULT
    [line] = [line for line in lines(VARIANTS["old-docker"].content) if "$http_user_agent" in line]
    pattern = re.compile(line.split('"')[1])
    for agent in ("docker/1.3.0 go/1.2", "docker/1.5.0 go/1.4", "Go 1.1 package http"):
        assert pattern.match(agent), agent
    for agent in ("docker/1.5.0-dev", "docker/1.6.0", "docker/28.0.1 go/1.24", "Go-http-client/2.0", "containerd/2.1"):
        assert not pattern.match(agent), agent
    assert "return 404;" in block(VARIANTS["old-docker"].content, "location /v2/")


def test_the_page_lies_under_ui() -> None:
    """Its own paths have no /ui/ in front."""
    assert "rewrite ^/ui/(.*)$ /$1? break;" in UI
    assert UI[-1] == "proxy_pass http://$registry_ui;"


def test_the_page_runs_nothing_but_its_own() -> None:
    """Scripts from beside it only, in no frame; and no header of its own server contradicts."""
    [policy] = [line.split('"')[1] for line in UI if "Content-Security-Policy" in line and '"' in line]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["connect-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert "add_header X-Content-Type-Options nosniff always;" in UI
    assert "proxy_hide_header Content-Security-Policy;" in UI


def test_what_was_pushed_runs_in_no_browser() -> None:
    """Though it comes from the page's own address."""
    for location in (V2, REGISTRY, REFUSED):
        [policy] = [line for line in location if "Content-Security-Policy" in line]
        assert "default-src 'none'; frame-ancestors 'none'; sandbox" in policy


def test_slow_requests_end() -> None:
    """A head, or a pause in a body, takes a minute at most; a whole layer takes as long as it takes."""
    assert {"client_header_timeout 20s;", "client_body_timeout 60s;", "send_timeout 60s;"} <= set(ALL)


@pytest.mark.parametrize("path", ["/", "/ui"])
def test_the_root_leads_to_the_page(path: str) -> None:
    """Without a doubled slash."""
    assert block(DEFAULT, f"location = {path}") == ["return 307 https://dr.example.net/ui/;"]


def test_all_else_is_not_found() -> None:
    """No other path reaches a container."""
    assert block(DEFAULT, "location /", 1) == ["return 404;"]


def test_health_is_for_the_container_itself() -> None:
    """Without a password, and so from inside only; it reaches the registry."""
    health = block(DEFAULT, "location = /healthz")
    assert health.index("allow 127.0.0.1;") < health.index("deny all;")
    assert "proxy_pass http://reader;" in health


def test_redirects_name_another_port() -> None:
    """The port that clients see, where it is not 443; nginx itself listens on its own."""
    site = site_of(site=Site(fqdn="images.example.net", http_port=8080, https_port=8443)).content
    targets = {line for line in lines(site) if line.startswith("return 307")}
    assert targets == {
        "return 307 https://images.example.net:8443$request_uri;",
        "return 307 https://images.example.net:8443/ui/;",
    }
    listens = [line for line in lines(site) if line.startswith("listen ")]
    assert listens == [
        *("listen 80;", "listen 443 ssl;", "listen 80 default_server;", "listen 443 ssl default_server;"),
        "listen unix:/run/reader-later.sock;",
    ]


def test_it_names_the_stack_that_wrote_it() -> None:
    """For those who find the file on the host."""
    assert "acme/docker-registry/prod" in DEFAULT.splitlines()[1]
