"""Settings of the backup: its defaults, and those that are refused, each with the one line that says why."""

from __future__ import annotations

from typing import Any

from tests.unit.config.bad_settings import Bad
from tests.unit.config.stack import HOST_KEY, PASSWORD

DEFAULTS: dict[str, Any] = {
    "repository": None,
    "password": None,
    "environment": [],
    "rest_user": None,
    "rest_password": None,
    "host_key": None,
    "private_key": None,
    "schedule": "*-*-* 03:01:00",
    "random_delay": "0s",
    "keep": dict.fromkeys(("last", "hourly", "daily", "weekly", "monthly", "yearly", "within")),
    "check_parts": 30,
    "warn_days": 2,
    "append_only": False,
    "logs": False,
}

KINDS = (
    "a repository as restic takes it: a path, sftp:, rest:, s3:, b2:, azure: or swift:, for example "
    "sftp:backup@nas.example.net:/srv/registry, s3:https://s3.example.net/registry or /mnt/backup"
)


def bad(name: str, value: object, found: str, expected: str, **others: Any) -> Bad:  # noqa: ANN401
    """A local repository with one setting that is refused."""
    key = name.partition(".")[0]
    setting = {key: {name.partition(".")[2]: value}} if "." in name else {name: value}
    backup = {"repository": "/mnt/backup", "password": PASSWORD, **others, **setting}
    return Bad({"backup": backup}, f"docker-registry:backup.{name}", found, expected)


BAD_BACKUP = [
    bad("repository", "nas.example.net", '"nas.example.net"', KINDS),
    bad("repository", "sftp:nas.example.net", '"sftp:nas.example.net"', KINDS),
    bad("repository", "rest:https://me:hunter2@nas.example.net/", "a login in a URL",
        "a URL without a login: backup.restUser and backup.restPassword have it"),
    bad("repository", "/var/opt/nginx/backup", '"/var/opt/nginx/backup"',
        "a directory that is none of the registry's own: what is lost with them would be lost too"),
    bad("password", None, "nothing",
        "the repository's password; set it with pulumi config set --secret --path 'docker-registry:backup.password'"),
    bad("password", "short", "[secret]",
        "at least 12 characters in one line, for example from openssl rand -base64 24; keep a copy elsewhere: without "
        "it no backup can be read"),
    bad("hostKey", HOST_KEY, f'"{HOST_KEY[:80]}"' + ("…" if len(HOST_KEY) > 80 else ""),
        "no value, because backup.repository is no sftp: repository, the only kind that uses it"),
    bad("restUser", "me", '"me"', "no value, because backup.repository is no rest: repository",
        restPassword=PASSWORD),
    bad("keep.within", "a month", '"a month"',
        "years, months, days and hours as restic writes them, for example 1y6m or 30d"),
    bad("keep.daily", 0, "0", "a whole number from 1 to 100000"),
    bad("checkParts", 0, "0", "a whole number from 1 to 366"),
    bad("appendOnly", True, "true",
        "false, because backup.keep says which backups this host removes", keep={"last": 3}),
    bad("logs", "yes", '"yes"', "true or false, without quotes"),
    Bad({"backup": {"password": PASSWORD}}, "docker-registry:backup.password", "[secret]",
        "no value, because backup.repository is not set"),
    Bad({"backup": {"repository": "rest:https://nas.example.net/", "password": PASSWORD, "restUser": "me"}},
        "docker-registry:backup.restPassword", "nothing", "restUser and restPassword, both or neither"),
    Bad({"backup": {"repository": "s3:https://s3.example.net/b", "password": PASSWORD,
                    "environment": [{"name": "LD_PRELOAD", "secret": "x"}]}},
        "docker-registry:backup.environment[0].name", '"LD_PRELOAD"',
        "a variable that restic reads: AWS_…, B2_…, AZURE_…, OS_…, ST_… or SWIFT_…"),
]  # fmt: skip
