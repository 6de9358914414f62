"""Where the registry is backed up to, when, and what of it is kept."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator

from config.base import HIDDEN, Concern, Supplied, Whole, as_text, is_printable, refused
from config.host import check_public_key
from config.pem import PublicKey, parse_ssh_private_key
from config.schedule import Delay, Schedule
from config.storage import absolute_path

_EXAMPLE = "for example sftp:backup@nas.example.net:/srv/registry, s3:https://s3.example.net/registry or /mnt/backup"
_SFTP = re.compile(
    r"sftp:(?://(?P<user>[a-z_][a-z0-9_.-]*)@(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>\d{1,5}))?/(?P<path>/?[A-Za-z0-9._/-]+)"
    r"|(?P<user2>[a-z_][a-z0-9_.-]*)@(?P<host2>[A-Za-z0-9.-]+):(?P<path2>[A-Za-z0-9._/-]+))"
)
_OTHERS = re.compile(r"(?:s3|b2|azure|swift):[A-Za-z0-9._~:/?=&%+-]+")
_REST = re.compile(r"rest:https?://[A-Za-z0-9._~:/\[\]-]+")
_VARIABLE = re.compile(r"(?:AWS|B2|AZURE|OS|ST|SWIFT)_[A-Z0-9_]{1,60}")
_WITHIN = re.compile(r"(?:\d{1,4}[ymdh])+")
_SHORTEST_PASSWORD = 12


def _repository(value: str) -> str:
    if value.startswith("/"):
        absolute_path(value, "/mnt/backup")
        return value
    if value.startswith("rest:") and "@" in value:
        raise refused(
            "a URL without a login: backup.restUser and backup.restPassword have it", found="a login in a URL"
        )
    if _SFTP.fullmatch(value) or _OTHERS.fullmatch(value) or (_REST.fullmatch(value) and urlsplit(value[5:]).hostname):
        return value
    raise refused(f"a repository as restic takes it: a path, sftp:, rest:, s3:, b2:, azure: or swift:, {_EXAMPLE}")


def _secret(value: object) -> Supplied:
    if isinstance(value, Supplied):
        return value
    text = as_text(value)
    if not text or not is_printable(text):
        raise refused("a text in one line")
    return Supplied()


def _password(value: object) -> Supplied:
    if isinstance(value, Supplied):
        return value
    text = as_text(value)
    if len(text) < _SHORTEST_PASSWORD or not is_printable(text):
        raise refused(
            f"at least {_SHORTEST_PASSWORD} characters in one line, for example from openssl rand -base64 24; keep a "
            "copy elsewhere: without it no backup can be read"
        )
    return Supplied()


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise refused("a variable that restic reads: AWS_…, B2_…, AZURE_…, OS_…, ST_… or SWIFT_…")
    return value


def _within(value: str) -> str:
    if not _WITHIN.fullmatch(value):
        raise refused("years, months, days and hours as restic writes them, for example 1y6m or 30d")
    return value


def _plain_user(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value):
        raise refused("a name of letters, digits and ._-")
    return value


SuppliedText = Annotated[Supplied, PlainValidator(_secret, json_schema_input_type=str), HIDDEN]
HowMany = Annotated[int, Whole(1, 100000)]
Parts = Annotated[int, Whole(1, 366)]


class Variable(Concern):
    """A variable of the environment that restic gets, such as the keys of an S3 server."""

    name: Annotated[str, AfterValidator(_variable)]
    """Its name, for example AWS_ACCESS_KEY_ID."""

    secret: SuppliedText
    """Secret. Its value."""


class Keep(Concern):
    """Which backups are kept, in restic's own words; one reason is enough. Without any, all are kept."""

    last: HowMany | None = None
    """How many of the last."""
    hourly: HowMany | None = None
    """Of how many hours the last one each."""
    daily: HowMany | None = None
    """Of how many days."""
    weekly: HowMany | None = None
    """Of how many weeks."""
    monthly: HowMany | None = None
    """Of how many months."""
    yearly: HowMany | None = None
    """Of how many years."""
    within: Annotated[str, AfterValidator(_within)] | None = Field(default=None, examples=["30d"])
    """All that are at most so much older than the newest."""


class Backup(Concern):
    """The backup of images, accounts, certificates and keys, made by restic while pushes and pulls go on.

    Off without `repository`. `registryctl backup` on the host makes one at any time. A change replaces no container.
    """

    repository: Annotated[str, AfterValidator(_repository)] | None = Field(
        default=None, examples=["sftp:backup@nas.example.net:/srv/registry"]
    )
    """Where the backups go, as restic writes it: an absolute path on the host, `sftp:USER@HOST:PATH`,
    `rest:https://HOST/PATH`, `s3:https://HOST/BUCKET`, `b2:`, `azure:` or `swift:`. The first backup makes it. One
    repository may serve several registries."""

    password: Annotated[Supplied, PlainValidator(_password, json_schema_input_type=str), HIDDEN] | None = Field(
        default=None, validate_default=True
    )
    """Secret. The password of the repository, by which all in it is encrypted. Keep a copy elsewhere: without it no
    backup can be read, by nobody."""

    environment: tuple[Variable, ...] = Field(default=(), strict=False)
    """Keys of the server, where it wants some: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` for `s3:`."""

    rest_user: Annotated[str, AfterValidator(_plain_user)] | None = Field(default=None, examples=["registry"])
    """Login of a `rest:` server, where it wants one."""

    rest_password: SuppliedText | None = Field(default=None, validate_default=True)
    """Secret. The password of `restUser`."""

    host_key: Annotated[str, AfterValidator(check_public_key)] | None = Field(default=None, validate_default=True)
    """Public key of the `sftp:` server. No unknown server is trusted."""

    private_key: (
        Annotated[PublicKey, PlainValidator(parse_ssh_private_key, json_schema_input_type=str), HIDDEN] | None
    ) = Field(default=None, validate_default=True)
    """Secret. Private key without a passphrase by which the `sftp:` server lets the host in."""

    schedule: Schedule = Field(default="*-*-* 03:01:00", examples=["*-*-* 03:01:00"])
    """Calendar expression of systemd, in `host.timeZone`; before retention and clean-up, which wait for it. A run that
    the host missed while it was off is done at its next start."""

    random_delay: Delay = Field(default="0s", examples=["30m"])
    """Each run begins later by a random time of up to this; hours, minutes and seconds, `0s` for none."""

    keep: Keep = Field(default_factory=Keep, examples=[{"daily": 7, "weekly": 5, "monthly": 12}])
    """Which backups are kept. The others go after each backup; absent, none goes."""

    check_parts: Parts = Field(default=30, examples=[30])
    """A check after each backup reads one of so many parts of the repository, 1 to 366: after as many backups all of
    it was read. 1 reads all each time."""

    warn_days: Annotated[int, Whole(1, 90, "days")] = Field(default=2, examples=[2])
    """Age of the last good backup in days, 1 to 90, from which on `up` and `registry-status` warn."""

    append_only: bool = False
    """Whether this host can only add to the repository, as with `rest-server --append-only`. Then it removes no
    backup: somebody else has to."""

    logs: bool = False
    """Whether the audit trail (`nginx/logs`) is backed up too."""

    @property
    def sftp(self) -> tuple[str, str, int] | None:
        """User, host and port of the SSH server, where it is one."""
        found = _SFTP.fullmatch(self.repository or "")
        if found is None:
            return None
        return found["user"] or found["user2"], found["host"] or found["host2"], int(found["port"] or 22)

    @field_validator("password", "host_key", "private_key")
    @classmethod
    def _needed(cls, value: object, info: ValidationInfo) -> object:
        if "repository" not in info.data:
            return value
        repository, name = info.data["repository"], info.field_name
        wanted = repository is not None and (name == "password" or str(repository).startswith("sftp:"))
        if value is None and wanted:
            raise refused(_WANTED[str(name)])
        if value is not None and not wanted:
            raise refused(
                "no value, because backup.repository is "
                + ("not set" if repository is None else "no sftp: repository, the only kind that uses it")
            )
        return value

    @field_validator("rest_user")
    @classmethod
    def _only_rest(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not str(info.data.get("repository", "rest:")).startswith("rest:"):
            raise refused("no value, because backup.repository is no rest: repository")
        return value

    @field_validator("rest_password")
    @classmethod
    def _both_or_neither(cls, value: object, info: ValidationInfo) -> object:
        if "rest_user" in info.data and (value is None) != (info.data["rest_user"] is None):
            raise refused("restUser and restPassword, both or neither")
        return value

    @field_validator("append_only")
    @classmethod
    def _removes_nothing(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("keep", Keep()) != Keep():
            raise refused("false, because backup.keep says which backups this host removes")
        return value


_WANTED = {
    "password": "the repository's password; set it with pulumi config set --secret --path "
    "'docker-registry:backup.password'",
    "host_key": "the public key of the sftp server, because no unknown server is trusted; ssh-keyscan -t ed25519 HOST "
    "| cut -d' ' -f2- shows it, and compare it there",
    "private_key": "the private key by which the sftp server lets the host in; set it with pulumi config set --secret "
    "--path 'docker-registry:backup.privateKey'",
}
