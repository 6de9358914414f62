"""Users and their rights that are refused, each with the one line that says why."""

from __future__ import annotations

from typing import Any

from tests.unit.config.bad_settings import Bad, bad
from tests.unit.config.stack import APR1, PASSWORD

USER_EXAMPLE = "for example alice"
MOMENT = 'in quotes, for example "2026-12-31", which is to its end in UTC, or "2026-12-31T18:00:00+01:00"'
TAGS = "a pattern of repositories, a colon and one of tags with at most 2 *, for example release/*:v*"
PATTERN = "the name of a repository in lower case, in which * stands for any characters, for example team-a/*"


def bad_user(user: dict[str, object], name: str, found: str, expected: str, **others: object) -> Bad:
    """A second user who is refused."""
    users = [{"name": "alice", "hash": APR1}, user]
    return Bad({"users": users, **others}, f"docker-registry:users[1].{name}", found, expected)


USERS = [
    Bad({"users": ...}, "docker-registry:users", "nothing",
        "at least one user; set one with pulumi config set --path 'docker-registry:users[0].name' alice and "
        "pulumi config set --secret --path 'docker-registry:users[0].password'"),
    Bad({"users": {"alice": "hunter2"}}, "docker-registry:users", "a mapping", "a list"),
    Bad({"users": "alice:hunter2"}, "docker-registry:users", "[secret]", "a list"),
    Bad({"users": ["hunter2"]}, "docker-registry:users[0]", "[secret]", "a mapping of settings"),
    Bad({"users": [{"name": "alice"}]}, "docker-registry:users[0]", "neither of the two",
        "a password or a hash; set one with pulumi config set --secret --path 'docker-registry:users[0].password'"),
    Bad({"users": [{"name": "alice", "hash": APR1}, {"name": "bob"}]}, "docker-registry:users[1]", "neither of the two",
        "a password or a hash; set one with pulumi config set --secret --path 'docker-registry:users[1].password'"),
    bad_user({"hash": APR1}, "name", "nothing",
             "a value; set it with pulumi config set --path 'docker-registry:users[1].name' alice"),
    bad_user({"name": "", "hash": APR1}, "name", '""',
             "a value; set it with pulumi config set --path 'docker-registry:users[1].name' alice"),
    bad_user({"name": "b:ob", "hash": APR1}, "name", '"b:ob"', f"a name without a colon, {USER_EXAMPLE}"),
    bad_user({"name": "b ob", "hash": APR1}, "name", '"b ob"',
             f"a name without spaces and control characters, {USER_EXAMPLE}"),
    bad_user({"name": "b\u0007ob", "hash": APR1}, "name", '"b\\u0007ob"',
             f"a name without spaces and control characters, {USER_EXAMPLE}"),
    bad_user({"name": "#bob", "hash": APR1}, "name", '"#bob"',
             f"a name that does not begin with #, which would make it a comment, {USER_EXAMPLE}"),
    bad_user({"name": "é" * 128, "hash": APR1}, "name", f'"{"é" * 80}"…',
             f"a name of at most 255 bytes in UTF-8, {USER_EXAMPLE}"),
    bad_user({"name": "ALICE", "hash": APR1}, "name", "the name of users[0] again",
             "each name once, in upper or lower case"),
    bad_user({"name": "b:ob", "password": PASSWORD}, "name", "[secret]", f"a name without a colon, {USER_EXAMPLE}"),
    bad_user({"name": "bob", "password": ""}, "password", "[secret]", "a password that is not empty"),
    bad_user({"name": "bob", "password": "two\nlines"}, "password", "[secret]",
             "a password without line breaks and control characters"),
    bad_user({"name": "bob", "password": "x" * 241}, "password", "[secret]",
             "a password of at most 240 bytes in UTF-8"),
    bad_user({"name": "bob", "password": 12345678}, "password", "[secret]",
             "text, in quotes where YAML would take it for something else"),
    bad_user({"name": "bob", "password": "x" * 73}, "password", "[secret]",
             "a password of at most 72 bytes in UTF-8, because htpasswd.scheme is bcrypt",
             htpasswd={"scheme": "bcrypt"}),
    bad_user({"name": "bob", "password": PASSWORD, "hash": APR1}, "hash", "[secret]",
             "no hash, because this user has a password"),
    bad_user({"name": "bob", "hash": "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="}, "hash", "[secret]",
             "a hash made with apr1 ($apr1$…), SHA-512 crypt ($6$…) or bcrypt ($2y$…)"),
    bad_user({"name": "bob", "hash": APR1[:-1]}, "hash", "[secret]",
             "a complete apr1 hash, as htpasswd prints it after the colon"),
    bad_user({"name": "bob", "hash": "$6$salt$short"}, "hash", "[secret]",
             "a complete sha512 hash, as htpasswd prints it after the colon"),
    bad_user({"name": "bob", "hash": "$2y$05$abc"}, "hash", "[secret]",
             "a complete bcrypt hash, as htpasswd prints it after the colon"),
    bad_user({"name": "bob", "hash": APR1, "rule": "admin"}, "rule", "an unknown setting",
             "only name, password, hash, scheme, role, repositories, pullOnly, expires (did you mean role?)"),
    bad_user({"name": "bob", "hash": APR1, "role": "owner"}, "role", '"owner"', "pull, push, admin or metrics"),
    bad_user({"name": "bob", "hash": APR1, "scheme": "bcrypt"}, "scheme", '"bcrypt"',
             "no value, because this user's hash is ready-made"),
    bad_user({"name": "bob", "password": "x" * 73, "scheme": "bcrypt"}, "password", "[secret]",
             "a password of at most 72 bytes in UTF-8, because its scheme is bcrypt"),
    bad_user({"name": "bob", "hash": APR1, "expires": 20261231}, "expires", "20261231",
             "text, in quotes where YAML would take it for something else, for example \"2026-12-31\""),
    *(bad_user({"name": "bob", "hash": APR1, "expires": text}, "expires", f'"{text}"',
               f"a date or an instant with its zone, {MOMENT}")
      for text in ("2026-12-31T18:00:00", "2026-12-31 00:00:00 +0000 UTC", "31.12.2026", "2026-12-31T18:00:00+0100")),
    bad_user({"name": "bob", "hash": APR1, "expires": "2026-02-30"}, "expires", '"2026-02-30"',
             f"a day and a time that there are, {MOMENT}"),
    bad_user({"name": "bob", "hash": APR1, "expires": "2201-01-01"}, "expires", '"2201-01-01"',
             f"a year from 2002 to 2200, {MOMENT}"),
    bad_user({"name": "bob", "hash": APR1, "repositories": []}, "repositories", "a list",
             "at least one pattern, for example team-a/*; or no value, for all repositories"),
    bad_user({"name": "bob", "hash": APR1, "repositories": "team-a/*"}, "repositories", '"team-a/*"', "a list"),
    bad_user({"name": "bob", "hash": APR1, "repositories": ["Team"]}, "repositories[0]", '"Team"', PATTERN),
    bad_user({"name": "bob", "hash": APR1, "repositories": ["a/"]}, "repositories[0]", '"a/"', PATTERN),
    bad_user({"name": "bob", "hash": APR1, "repositories": ["a/../b"]}, "repositories[0]", '"a/../b"', PATTERN),
    bad_user({"name": "bob", "hash": APR1, "repositories": ["a/**"]}, "repositories[0]", '"a/**"', PATTERN),
    bad_user({"name": "bob", "hash": APR1, "repositories": ["*a*b*"]}, "repositories[0]", '"*a*b*"',
             "a pattern with at most 2 *, for example team-a/*"),
    bad_user({"name": "bob", "hash": APR1, "repositories": ["a", "a"]}, "repositories", '"a" twice',
             "each pattern once"),
    bad_user({"name": "bob", "hash": APR1, "pullOnly": ["a"]}, "pullOnly", "a list",
             "no value, because without repositories this user may pull all"),
    bad_user({"name": "bob", "hash": APR1, "role": "metrics", "repositories": ["a"]}, "repositories", "a list",
             "no value, because role metrics is for no repository", metrics={"enabled": True}),
    bad_user({"name": "bob", "hash": APR1, "role": "metrics"}, "role", '"metrics"',
             "pull, push or admin, because metrics.enabled is false: this user could do nothing"),
    bad("htpasswd", "scheme", "md5", '"md5"', "apr1, sha512 or bcrypt"),
    bad("htpasswd", "bcryptCost", 10, "10", "no value, because neither htpasswd.scheme nor a user's is bcrypt"),
    bad("htpasswd", "bcryptCost", 31, "31", "a whole number from 5 to 12", htpasswd={"scheme": "bcrypt"}),
]  # fmt: skip

OWN = "dr.example.net/team-a/*"
OWN_NAME: list[tuple[dict[str, Any], str, str, str]] = [
    ({"access": {"anonymousPull": [OWN]}}, "access.anonymousPull", OWN, "team-a/*"),
    ({"access": {"immutable": {"tags": [f"{OWN}:v*"]}}}, "access.immutable.tags", f"{OWN}:v*", "team-a/*:v*"),
    ({"users": [{"name": "bob", "hash": APR1, "repositories": [OWN]}]}, "users[0].repositories", OWN, "team-a/*"),
    ({"users": [{"name": "bob", "hash": APR1, "repositories": ["a"], "pullOnly": [OWN]}]}, "users[0].pullOnly", OWN,
     "team-a/*"),
    ({"site": {"fqdn": "a.example.net", "aliases": ["dr.example.net"]}, "retention": {"policies": [
        {"repositories": [OWN], "keepLast": 1}]}}, "retention.policies[0].repositories", OWN, "team-a/*"),
]  # fmt: skip
"""Patterns with the registry's name before them."""

ACCESS = [
    bad("access", "attemptsPerMinute", 0, "0", "a whole number from 1 to 6000"),
    bad("access", "attemptsPerAddress", 59, "59", "at least 60, which is attemptsPerMinute"),
    bad("access", "attemptsPerAddress", 6001, "6001", "a whole number from 1 to 6000"),
    bad("access", "rememberedHours", 721, "721", "a whole number of hours from 1 to 720"),
    bad("access", "anonymousPull", True, "true", "a list"),
    Bad({"access": {"anonymousPull": ["a$b"]}}, "docker-registry:access.anonymousPull[0]", '"a$b"', PATTERN),
    bad("access", "anonymousPull", ["a", "a"], '"a" twice', "each pattern once"),
    *(Bad({"access": {"immutable": {"tags": [tags]}}}, "docker-registry:access.immutable.tags[0]", f'"{tags}"', TAGS)
      for tags in ("release/*", "a:", "a:b c", "a:*x*y*", "a:**", "a:v1@sha256:0")),
    Bad({"access": {"immutable": {"tags": ["A:v1"]}}}, "docker-registry:access.immutable.tags[0]", '"A:v1"', PATTERN),
    Bad({"access": {"immutable": {"tags": ["a:v", "a:v"]}}}, "docker-registry:access.immutable.tags", '"a:v" twice',
        "each pattern once"),
    Bad({"access": {"immutable": {"unless": ["a:v"]}}}, "docker-registry:access.immutable.unless", "a list",
        "no value, because without tags none is immutable"),
    Bad({"access": {"immutable": {"tags": ["a:v"]}}, "images": {"nginx": "nginx:1.24.0"}},
        "docker-registry:access.immutable.tags", "a list",
        "none, because nginx:1.24.0 can't tell of two pushes which was first; nginx:1.26 and later can"),
    *(Bad(changes, f"docker-registry:{place}[0]", f'"{pattern}"', f"it without the registry's own name: {rest}")
      for changes, place, pattern, rest in OWN_NAME),
    bad("limits", "nginxMemory", 64, "64", "a whole number of MiB from 128 to 1048576"),
    bad("limits", "registryProcesses", 63, "63", "a whole number from 64 to 32768"),
]  # fmt: skip

BAD_USERS = [*USERS, *ACCESS]
