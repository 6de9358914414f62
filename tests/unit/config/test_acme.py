"""Mode `acme`: what is accepted, and what the program makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from config import Acme, Certificate, Renewal
from tests.unit.config import pki
from tests.unit.config.stack import faults_in, load_stack, with_changes

KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
URL = "https://ca.example.net/acme/directory"


def certificate(**settings: object) -> Certificate:
    return load_stack(with_changes({"certificate": {"mode": "acme", **settings}}))[0].certificate


def faults(**acme: object) -> list[str]:
    return faults_in(with_changes({"certificate": {"mode": "acme", "acme": acme}}))


def test_the_mode_alone_suffices() -> None:
    found = certificate()
    assert found.acme is None
    assert found.acme_settings == Acme()
    assert found.acme_settings.model_dump() == {
        "email": None,
        "server": "production",
        "server_ca": None,
        "eab_key_id": None,
        "eab_hmac_key": None,
        "key_type": "ecdsa",
        "names": (),
        "profile": None,
    }
    assert found.renewal == Renewal()
    assert found.warn_days == 7


def test_everything_can_be_set() -> None:
    authority = pki.issue(common_name="authority", authority=True)
    found = certificate(
        acme={
            "email": "host.master+dr@sub.example.net",
            "server": URL,
            "serverCa": f"our CA\r\n{authority.pem}\n\n",
            "eabKeyId": "-kid_1",
            "eabHmacKey": KEY,
            "keyType": "rsa",
            "names": ["registry.example.net", "dr.example.org"],
            "profile": "tlsserver",
        },
        renewal={"schedule": "Tue *-*-* 00:00:00", "randomDelay": "0s"},
        warnDays=10,
    )
    acme = found.acme
    assert acme is not None
    assert acme is found.acme_settings
    assert acme.email == "host.master+dr@sub.example.net"
    assert acme.server_ca == authority.pem
    assert acme.eab_key_id == "-kid_1"
    assert acme.eab_hmac_key is not None
    assert (acme.key_type, acme.profile) == ("rsa", "tlsserver")
    assert acme.names == ("registry.example.net", "dr.example.org")
    assert (found.renewal.schedule, found.renewal.random_delay) == ("Tue *-*-* 00:00:00", "0s")
    assert found.warn_days == 10


@pytest.mark.parametrize(
    ("server", "directory"),
    [
        ("production", "https://acme-v02.api.letsencrypt.org/directory"),
        ("staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
        (URL, URL),
        ("https://pebble:14000/dir", "https://pebble:14000/dir"),
        ("https://192.0.2.7/dir?customer=7", "https://192.0.2.7/dir?customer=7"),
        ("https://[2001:db8::7]:9000/acme/acme/directory", "https://[2001:db8::7]:9000/acme/acme/directory"),
        ("https://ca.example.net", "https://ca.example.net"),
    ],
)
def test_servers(server: str, directory: str) -> None:
    assert certificate(acme={"server": server}).acme_settings.directory == directory


def test_a_bundle_in_any_order() -> None:
    one, two = (pki.issue(common_name=name, authority=True) for name in ("one", "two"))
    assert faults(server=URL, serverCa=one.pem + two.pem) == []


@pytest.mark.parametrize("key", [KEY, KEY + "YQ==", KEY + "YQ", "-_" + KEY])
def test_keys_of_an_account(key: str) -> None:
    assert faults(eabKeyId="kid-1", eabHmacKey=key) == []


def test_as_many_names_as_an_authority_takes() -> None:
    assert faults(names=[f"n{number}.example.net" for number in range(99)]) == []


@pytest.mark.parametrize(
    "schedule",
    [
        *("daily", "WEEKLY", "Tue", "Monday 05:00", "mon,Wed..Fri 05:00", "Mon-Fri *-*-* 05:00:00", "*:0/30"),
        *("*-*-* 00,12:00:00", "*-*-1..7 18:00", "Mon *-05~07/1", "12-31", "2026-12-31 05:00", "*-1/3-1", "*:*:00,30"),
    ],
)
def test_schedules(schedule: str) -> None:
    assert certificate(renewal={"schedule": schedule}).renewal.schedule == schedule


@pytest.mark.parametrize("delay", ["0s", "30m", "1h30m", "24h", "86400s"])
def test_delays(delay: str) -> None:
    assert certificate(renewal={"randomDelay": delay}).renewal.random_delay == delay


@pytest.mark.parametrize(
    "changes",
    [
        {"site": {"httpPort": 8080}},
        {"site": {"httpPort": 8080}, "certificate": {"mode": "acme", "acme": {"server": "staging"}}},
        {"nginx": {"hsts": True}},
        {"certificate": {"mode": "acme", "acme": None}},
        {"certificate": {"mode": "acme", "acme": {}, "renewal": {}}},
        {"images": {"certbot": "mirror.example.net/certbot/certbot:v5.2.0"}},
    ],
    ids=str,
)
def test_what_goes_with_it(changes: dict[str, Any]) -> None:
    assert faults_in(with_changes(changes, with_changes({"certificate": {"mode": "acme"}}))) == []


def test_warnings_are_for_every_mode() -> None:
    assert load_stack(with_changes({"certificate": {"warnDays": 30}}))[0].certificate.warn_days == 30


def test_a_key_does_not_hide_the_other_settings() -> None:
    assert faults(eabKeyId="kid-1", eabHmacKey=KEY, keyType="dsa") == [
        'docker-registry:certificate.acme.keyType: found "dsa"; expected ecdsa or rsa'
    ]


def test_the_faults_of_both_parts_are_told_at_once() -> None:
    wrong = {"mode": "acme", "acme": {"email": "x", "names": ["a.b.", "c"]}, "renewal": {"randomDelay": "x"}}
    found = faults_in(with_changes({"certificate": wrong}))
    assert [fault.partition(": found")[0].removeprefix("docker-registry:certificate.") for fault in found] == [
        "acme.email",
        "acme.names[0]",
        "acme.names[1]",
        "renewal.randomDelay",
    ]
