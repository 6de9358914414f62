"""The proxy's TLS: what each promise comes down to in nginx's own words."""

from __future__ import annotations

import re

import pytest

from tests.rendering.sites import CHAIN, KEY, VARIANTS, block, lines, site_of

HSTS = 'add_header Strict-Transport-Security "max-age=63072000" always;'
DIRECTIVE, PARAMETER = "http2 on;", "listen 443 ssl http2;"
DEFAULT = site_of().content
ALL = lines(DEFAULT)


def test_https_serves_the_certificate() -> None:
    """Chain and key at the paths it is given."""
    assert f"ssl_certificate {CHAIN};" in ALL
    assert f"ssl_certificate_key {KEY};" in ALL


def test_intermediate_is_tls_1_2_and_1_3() -> None:
    """Mozilla's profile 6.0, AEAD ciphers with forward secrecy only, no DHE and so no DH file."""
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in ALL
    [ciphers] = [line for line in ALL if line.startswith("ssl_ciphers ")]
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
    assert "ssl_protocols TLSv1.3;" in lines(site)
    assert "ssl_ciphers" not in site


@pytest.mark.parametrize("name", VARIANTS)
def test_no_setting_brings_old_tls_back(name: str) -> None:
    """Neither TLS 1.0 nor 1.1, nor stapling, which Let's Encrypt has ended."""
    assert not re.search(r"SSLv|TLSv1[ ;]|TLSv1\.1|ssl_stapling", VARIANTS[name].content)


def test_tls_sessions_are_kept_by_the_server() -> None:
    """Large records, which cost less, a cache, and no tickets."""
    wanted = {
        "ssl_buffer_size 16k;",
        "ssl_session_cache shared:TLS:10m;",
        "ssl_session_timeout 1d;",
        "ssl_session_tickets off;",
        "ssl_prefer_server_ciphers off;",
    }
    assert wanted <= set(ALL)


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
    site = lines(site_of(version=version).content)
    assert (DIRECTIVE in site) == directive
    assert (PARAMETER in site) == (not directive)


def test_hsts_is_an_option_that_reaches_every_answer() -> None:
    """A location with headers of its own inherits none: the registry's needs it again."""
    assert "Strict-Transport-Security" not in DEFAULT
    site = VARIANTS["hsts"].content
    server = block(site, "server", 1)
    with_headers = {line for line in server if line.startswith("location ")}
    for head in {line.removesuffix(" {") for line in with_headers}:
        location = block("\n".join(server), head)
        # nginx has put it down before it found that the range is none of the blob's.
        own = head != "location @out_of_range" and any(line.startswith("add_header ") for line in location)
        assert (HSTS in location) == own, head
    assert server[server.index(HSTS) - 1] == "client_max_body_size 0;"
    assert not any("Strict-Transport" in line for line in block(site, "server", 0))
