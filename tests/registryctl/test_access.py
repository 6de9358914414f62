"""`registryctl access` says in words what the proxy's file says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.access import Access, Immutable
from config.nginx import Nginx
from rendering.access import access_file, immutable_file
from tests.e2e.artifacts import image
from tests.registryctl.stored import StoredHost
from tests.rendering.sites import user

END = datetime(2027, 1, 1, tzinfo=UTC)
BEFORE, AFTER = str(END.timestamp() - 1), str(END.timestamp())


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredHost:
    """A host with three accounts and something for everybody."""
    found = StoredHost(tmp_path, monkeypatch)
    users = [
        user("alice"),
        user("ci", role="push", repositories=("team-a/*", "tools"), pull_only=("base/*",), expires=END),
        user("reader", role="pull", repositories=("team-a/app",)),
    ]
    content = access_file(users=users, access=Access(anonymous_pull=("public/*",)), stack="a/b/c", root="/x").content
    file = tmp_path / "srv/nginx/etc/conf.d/access.conf"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    return found


def test_all_accounts(host: StoredHost) -> None:
    """Each with its end and what it may where; and what everybody may."""
    done = host.run("access", "--at", BEFORE)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "alice",
        "  pull    everything",
        "  push    everything",
        "  delete  everything",
        "ci (ends 2027-01-01T00:00:00Z)",
        "  pull    base/*, public/*, team-a/*, tools",
        "  push    team-a/*, tools",
        "  delete  nothing",
        "reader",
        "  pull    public/*, team-a/app",
        "  push    nothing",
        "  delete  nothing",
        "(no account)",
        "  pull    public/*",
        "  push    nothing",
        "  delete  nothing",
    ]


def test_who_reads_the_metrics(host: StoredHost, tmp_path: Path) -> None:
    """And nothing else, but what everybody may; until the account ends."""
    users = [user("prometheus", role="metrics", expires=END)]
    content = access_file(users=users, access=Access(), stack="a/b/c", root="/x", metrics=True).content
    (tmp_path / "srv/nginx/etc/conf.d/access.conf").write_text(content)
    nothing = ["  pull    nothing", "  push    nothing", "  delete  nothing"]
    assert host.run("access", "--at", BEFORE).out.splitlines() == [
        "prometheus (ends 2027-01-01T00:00:00Z)",
        "  reads the metrics",
        *nothing,
    ]
    assert host.run("access", "--at", AFTER).out.splitlines() == ["prometheus (ended 2027-01-01T00:00:00Z)", *nothing]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("alice", "x/y"), "alice in x/y: may pull, push and delete"),
        (
            ("ci", "team-a/x/y", "--at", BEFORE),
            "ci (ends 2027-01-01T00:00:00Z) in team-a/x/y: may pull and push, not delete",
        ),
        (
            ("ci", "team-a/x/y", "--at", AFTER),
            "ci (ended 2027-01-01T00:00:00Z) in team-a/x/y: may do nothing",
        ),
        (("reader", "team-a/apps"), "reader in team-a/apps: may do nothing"),
        (("", "public/x"), "(no account) in public/x: may pull, not push and delete"),
    ],
)
def test_one_repository(host: StoredHost, words: tuple[str, ...], said: str) -> None:
    """To the second of its end."""
    assert host.run("access", *words).out == said + "\n"


def test_for_scripts(host: StoredHost) -> None:
    """The same in JSON."""
    found = json.loads(host.run("access", "ci", "--json", "--at", AFTER).out)
    assert found == [
        {
            "account": "ci",
            "role": "push",
            "ends": "2027-01-01T00:00:00Z",
            "ended": True,
            "pull": [],
            "push": [],
            "delete": [],
        }
    ]
    [row] = json.loads(host.run("access", "", "public/x", "--json").out)
    assert row == {"account": None, "repository": "public/x", "pull": True, "push": False, "delete": False}


def test_where_nobody_deletes(host: StoredHost) -> None:
    """It is said, because no account's right says it."""
    host.facts["deleteEnabled"] = False
    assert host.run("access", "alice").out.splitlines()[-1].startswith("nobody deletes")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nobody",), 5, "NAME_UNKNOWN: there is no account nobody"),
        (("alice", "Team"), 2, "registryctl access: no repository is called Team; --help explains"),
        (("alice", "a", "b"), 2, "registryctl access: what is b?; --help explains"),
    ],
)
def test_what_is_not_known(host: StoredHost, words: tuple[str, ...], code: int, said: str) -> None:
    """One line."""
    done = host.run("access", *words)
    assert (done.code, done.out, done.err) == (code, "", said + "\n")


def test_without_the_file(host: StoredHost, tmp_path: Path) -> None:
    """Nothing is guessed."""
    (tmp_path / "srv/nginx/etc/conf.d/access.conf").unlink()
    done = host.run("access")
    assert done.code == 2
    assert "pulumi up brings it" in done.err


def _immutable(host: StoredHost, **rules: object) -> None:
    content = immutable_file(
        access=Access(immutable=Immutable.model_validate(rules)), nginx=Nginx(), stack="a/b/c", root="/x"
    ).content
    folder = host.root / "srv/nginx/etc/conf.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "immutable.conf").write_text(content)


def test_tags_that_nobody_moves(host: StoredHost) -> None:
    """Said with all accounts, and with a repository that has some."""
    _immutable(host, tags=["release/*:v*"], unless=["*:*-rc"], deletable=False)
    line = "nobody moves or deletes tags release/*:v* but *:*-rc"
    assert host.run("access").out.splitlines()[-1] == line
    assert host.run("access", "alice", "release/x").out.splitlines()[-1] == line
    assert line not in host.run("access", "alice", "team/x").out


@pytest.mark.parametrize("deletable", [True, False])
def test_deletion_leaves_what_is_to_stay(host: StoredHost, deletable: bool) -> None:
    """By tag, by digest with its tags, and by pattern: nothing goes, with a word that says why."""
    _immutable(host, tags=["release/*:v*"], unless=["*:*-rc"], deletable=deletable)
    pushed = host.push("release/a", image("one"), "v1")
    host.push("release/a", image("two"), "v1-rc")
    assert host.remove("release/a:v1-rc").code == 0
    for words in (["release/a:*"], [f"release/a@{pushed.digest}", "--all-tags"], ["release/a:v1"]):
        if not deletable:
            done = host.remove(*words)
            assert (done.code, done.word) == (18, "IMMUTABLE"), words
            assert host.tag_link("release/a", "v1").exists()
    if deletable:
        assert host.remove("release/a:v1").code == 0


@pytest.mark.parametrize("deletable", [True, False])
def test_retention_leaves_what_is_to_stay(host: StoredHost, deletable: bool) -> None:
    """The rest goes."""
    _immutable(host, tags=["release/*:v*"], deletable=deletable)
    for number, tag in enumerate(("v1", "v2", "old")):
        host.push("release/a", image(tag), tag, days=100 + number)
    assert host.retention(keepDays=10).code == 0
    left = {tag for tag in ("v1", "v2", "old") if host.tag_link("release/a", tag).exists()}
    assert left == (set() if deletable else {"v1", "v2"})


def test_a_file_that_says_nothing_stops_deletion(host: StoredHost) -> None:
    """What is not known to be deletable stays."""
    _immutable(host, tags=["release/*:v*"])
    (host.root / "srv/nginx/etc/conf.d/immutable.conf").write_text("")
    host.push("release/a", image("one"), "v1")
    done = host.remove("release/a:v1")
    assert done.code == 2
    assert "immutable.conf" in done.err
    assert host.tag_link("release/a", "v1").exists()
