"""A bad configuration is refused before anything is touched, in words that tell how to put it right."""

from __future__ import annotations

import re
from collections import Counter

import pulumi
import pytest

from config import ConfigurationError
from tests.unit.config.backup_settings import BAD_BACKUP
from tests.unit.config.bad_certificates import BAD_CERTIFICATES
from tests.unit.config.bad_gc import BAD_GC
from tests.unit.config.bad_metrics import BAD_METRICS
from tests.unit.config.bad_mirrors import BAD_MIRRORS
from tests.unit.config.bad_notifications import BAD_NOTIFICATIONS
from tests.unit.config.bad_objects import BAD_OBJECTS
from tests.unit.config.bad_retention import BAD_RETENTION
from tests.unit.config.bad_settings import BAD_SETTINGS, Bad
from tests.unit.config.bad_users import BAD_USERS
from tests.unit.config.stack import PASSWORD, faults_in, load_stack, with_changes

ALL = [
    *BAD_SETTINGS,
    *BAD_CERTIFICATES,
    *BAD_RETENTION,
    *BAD_GC,
    *BAD_METRICS,
    *BAD_MIRRORS,
    *BAD_OBJECTS,
    *BAD_NOTIFICATIONS,
    *BAD_BACKUP,
    *BAD_USERS,
]


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.key}={case.found}")
def test_each_mistake_has_its_own_line(case: Bad) -> None:
    assert faults_in(with_changes(case.changes), encrypted=case.encrypted) == [case.line]


def test_no_two_mistakes_are_told_alike() -> None:
    assert [line for line, count in Counter(case.line for case in ALL).items() if count > 1] == []


def test_all_faults_are_told_at_once() -> None:
    faults = faults_in(
        with_changes(
            {
                "host": {"port": 0, "hostKey": ...},
                "site": {"fqdn": "DR", "httpPort": 443},
                "network": {"subnet": "nothing"},
                "users": [{"name": "a:b", "hash": "x"}, {"name": "a:b"}],
                "registry": {"deleteEnabled": False},
                "nginx": {"hsts": True},
                "ngnix": {},
            }
        )
    )
    keys = [re.sub("^docker-registry:", "", line.partition(": found")[0]) for line in faults]
    assert keys == [
        "ngnix",
        "host.port",
        "host.hostKey",
        "site.fqdn",
        "site.httpsPort",
        "users[1].name",
        "users[0].name",
        "users[0].hash",
        "users[1].name",
        "network.subnet",
        "ui.deleteEnabled",
        "nginx.hsts",
    ]


def test_the_message_counts_the_faults() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_stack({})
    assert str(refusal.value).startswith(
        "The configuration of this stack is refused: 3 settings are wrong. Nothing was touched.\n  - docker-registry:"
    )
    assert len(refusal.value.faults) == 3
    assert isinstance(refusal.value, pulumi.RunError), "a stack trace would bury the message"


SECRET_VALUES = {
    "under a wrong key": {"users": [{"name": "alice", "pasword": PASSWORD}]},
    "as a key's whole value": {"users": PASSWORD},
    "as an entry": {"users": [PASSWORD]},
    "as a key's whole value, elsewhere": {"registry": PASSWORD},
    "too long": {
        "users": [{"name": "alice", "password": PASSWORD * 4}],
        "htpasswd": {"scheme": "bcrypt"},
    },
    "in broken JSON": {"users": '[{"name": "alice", "password": "' + PASSWORD},
    "beside a hash": {"users": [{"name": "alice", "password": PASSWORD, "hash": PASSWORD}]},
    "as a private key": {"host": {"privateKey": PASSWORD}},
    "as a private key in the chain": {
        "certificate": {"mode": "files", "chain": f"-----BEGIN PRIVATE KEY-----\n{PASSWORD}"}
    },
    "as a key of a store": {"storage": {"driver": "s3", "s3": {"bucket": "acme", "secretKey": f"{PASSWORD} x"}}},
    "as a signing secret": {"registry": {"httpSecret": f"{PASSWORD} "}},
    "as an account's key": {"certificate": {"mode": "acme", "acme": {"eabKeyId": "k", "eabHmacKey": f"{PASSWORD}!"}}},
    "as all of the account": {"certificate": {"mode": "acme", "acme": PASSWORD}},
    "as an account in another mode": {"certificate": {"acme": {"eabHmacKey": PASSWORD}}},
    "as an unknown setting": {"password": PASSWORD},
    "as an address": {"status": {"notify": {"webhook": f"https://{PASSWORD}@hooks.example.net"}}},
    "as a header": {"status": {"notify": {"webhook": "https://x.example", "headers": [{"name": PASSWORD + ":"}]}}},
    "as a header's value": {
        "notifications": {
            "endpoints": [
                {"name": "ci", "url": "https://x.example", "headers": [{"name": "X", "secret": f"{PASSWORD}\n"}]}
            ]
        }
    },
    "in a list": {"users": [{"name": "alice", "password": [PASSWORD]}]},
}


@pytest.mark.parametrize("encrypted", [None, ()], ids=["encrypted", "plain"])
@pytest.mark.parametrize("changes", SECRET_VALUES.values(), ids=SECRET_VALUES.keys())
def test_no_message_shows_a_secret(changes: dict[str, object], encrypted: tuple[str, ...] | None) -> None:
    faults = faults_in(with_changes(changes), encrypted=encrypted)
    assert faults
    assert PASSWORD not in "\n".join(faults)


def test_a_password_typed_where_the_name_belongs_is_not_shown() -> None:
    faults = faults_in(with_changes({"users": [{"name": f"{PASSWORD}:x", "password": "another-one"}]}))
    assert [fault.partition("; ")[0] for fault in faults] == ["docker-registry:users[0].name: found [secret]"]


def test_a_setting_somebody_chose_to_encrypt_is_not_shown() -> None:
    faults = faults_in(with_changes({"site": {"fqdn": "Secret.example.net"}}), encrypted=["site", "users"])
    assert faults == [
        "docker-registry:site.fqdn: found [secret]; expected a name in lower case, for example dr.example.net"
    ]


def test_the_cause_of_the_refusal_is_not_chained() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_stack(with_changes({"host": {"privateKey": PASSWORD}}))
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None, "a traceback of the cause could show the value"


def test_keys_of_other_namespaces_belong_to_others() -> None:
    assert faults_in(with_changes({"docker:host": "x", "pulumi:disable-default-providers": "[]"})) == []
