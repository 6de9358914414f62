"""Which values are encrypted is what the stack file says of each, not what the engine says of its whole key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import stackfile
from config.stackfile import StackFile, read_stack_file
from tests.unit.config.stack import APR1, GOOD, PASSWORD, faults_in, with_changes

SECURE = {"secure": "AAAB"}
IN_PLAIN_TEXT = "found [secret] in plain text"


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    """The faults of users, given as the program gets them and as the file has them; the engine calls the key secret."""

    def find(users: list[dict[str, Any]], in_file: object) -> list[str]:
        file = StackFile({"docker-registry:users": in_file})
        monkeypatch.setattr("config.loader.read_stack_file", lambda: file)
        return faults_in(with_changes({"users": users}), encrypted=["users"])

    return find


ALICE, BOB = {"name": "alice", "password": PASSWORD}, {"name": "bob", "password": "hunter2"}


def test_a_plain_password_beside_an_encrypted_one_is_refused(faults: Any) -> None:  # noqa: ANN401
    found = faults([ALICE, BOB], [ALICE | {"password": SECURE}, BOB])
    assert len(found) == 1
    assert found[0].startswith(f"docker-registry:users[1].password: {IN_PLAIN_TEXT}; expected an encrypted value")
    assert "hunter2" not in found[0]


@pytest.mark.parametrize(
    "in_file",
    [
        [{"name": "alice", "password": SECURE}, {"name": "bob", "password": SECURE}],
        [SECURE, {"name": "bob", "password": SECURE}],
        SECURE,
    ],
)
def test_encrypted_ones_are_taken(faults: Any, in_file: object) -> None:  # noqa: ANN401
    assert faults([ALICE, BOB], in_file) == []


def test_text_that_looks_encrypted_is_not(faults: Any) -> None:  # noqa: ANN401
    found = faults([ALICE], [ALICE | {"password": {"secure": "AAAB", "more": "x"}}])
    assert IN_PLAIN_TEXT in found[0]


def test_what_is_no_secret_is_shown(faults: Any) -> None:  # noqa: ANN401
    wrong = {"name": "bob", "hash": APR1, "role": "owner"}
    plain = [ALICE | {"password": SECURE}, wrong]
    assert faults([ALICE, wrong], plain) == [
        'docker-registry:users[1].role: found "owner"; expected pull, push, admin or metrics'
    ]
    hidden = [ALICE | {"password": SECURE}, wrong | {"role": SECURE}]
    assert faults([ALICE, wrong], hidden) == [
        "docker-registry:users[1].role: found [secret]; expected pull, push, admin or metrics"
    ]


def test_without_a_file_the_engine_s_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.loader.read_stack_file", lambda: None)
    assert faults_in(GOOD, encrypted=["users"]) == []
    assert IN_PLAIN_TEXT in faults_in(GOOD, encrypted=[])[0]


def test_what_the_file_lacks_is_the_engine_s_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of an environment come beside the file's own."""
    monkeypatch.setattr("config.loader.read_stack_file", lambda: StackFile({}))
    assert faults_in(GOOD, encrypted=["users"]) == []
    assert IN_PLAIN_TEXT in faults_in(GOOD, encrypted=[])[0]


@pytest.mark.parametrize("text", ["", "config:", "config: [", "- a", "config: text"])
def test_a_file_that_says_nothing(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "Pulumi.stack.yaml"
    path.write_text(text)
    monkeypatch.setattr(stackfile, "_candidates", lambda: [tmp_path / "none.yaml", path])
    assert read_stack_file() is None


def test_the_engine_s_own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside Pulumi.yaml, or in the folder that it names."""
    monkeypatch.setattr(stackfile, "_PROGRAM", tmp_path)
    monkeypatch.setattr("pulumi.get_stack", lambda: "prod")
    (tmp_path / "Pulumi.yaml").write_text("name: docker-registry\nstackConfigDir: stacks\n")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks/Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": {"docker-registry:users": SECURE}}))
    file = read_stack_file()
    assert file is not None
    assert file.encrypted("users", (0, "password")) is True
    assert file.encrypted("host", ("privateKey",)) is None


@pytest.mark.parametrize("flags", ["--config-file other.yaml", "--config-file=other.yaml"])
def test_the_file_that_the_engine_was_told_of(flags: str, tmp_path: Path) -> None:
    """As `pulumi` has it on its command line, whatever runs between it and the program."""
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({"config": {"docker-registry:users": [ALICE]}}))
    engine = tmp_path / "pulumi"
    engine.symlink_to("/bin/sh")
    ask = "from config.stackfile import read_stack_file; print(read_stack_file())"
    script = f"sh -c '{sys.executable} -c \"{ask}\"; true'; true"
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [str(engine), "-c", script, "up", *flags.split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert PASSWORD in done.stdout, done.stderr


@pytest.mark.parametrize("config", [{}, {"config": {"docker-registry:gc": {"schedule": "05:00"}}}])
def test_a_section_beside_the_configuration_is_refused(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulumi ignores it. Its own words beside, and what is well, are no matter of ours."""
    path = tmp_path / "Pulumi.production.yaml"
    path.write_text(yaml.dump({**config, "encryptionsalt": "v1:x", "docker-registry:gc": {"schedule": "nonsense"}}))
    monkeypatch.setattr(stackfile, "_candidates", lambda: iter([path]))
    file = read_stack_file()
    monkeypatch.setattr("config.loader.read_stack_file", lambda: file)
    assert faults_in(GOOD) == [
        "docker-registry:gc: found a section beside config:; expected it below config:, indented as in "
        "Pulumi.example.yaml; elsewhere Pulumi ignores it"
    ]


def test_a_mark_changes_with_its_password_alone() -> None:
    """So a preview says whose password is another, and nothing that the file doesn't say."""
    users = [{"name": "alice", "password": {"secure": "v1:a"}}, {"name": "bob", "hash": APR1}]
    before = StackFile({"docker-registry:users": users}).marks()
    users[0] = {"name": "alice", "password": {"secure": "v1:b"}, "role": "pull"}
    after = StackFile({"docker-registry:users": users}).marks()
    assert before.keys() == after.keys() == {"alice", "bob"}
    assert before["alice"] != after["alice"]
    assert before["bob"] == after["bob"]
    assert StackFile({"docker-registry:users": SECURE}).marks() == {}
