"""Which stacks a change touches, what a pull request is told of them, and that no secret slips through."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from config.base import NEVER_SHOWN
from review.cli import SLIPPED, Stack
from review.drift import _shortened
from review.masking import IN_PLACE, mask_of
from review.report import MOST, Preview, report
from review.stacks import NOTHING, changed_files, stacks, touched, touched_since

KNOWN = ["production", "staging"]
OUTPUT = """Previewing update (production):
  pulumi:pulumi:Stack: (same)
    ~ command:remote:Command: (update)
      ~ stdin: "server {
          - read_timeout 900s;
          + read_timeout 1234s;
        }"
Resources:
    + 2 to create
    ~ 1 to update
    +-1 to replace
    40 unchanged
"""


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ([], []),
        (["README.md", "tests/unit/test_host.py", "docs/architecture.md"], []),
        (["Pulumi.example.yaml", "Pulumi.gone.yaml"], []),
        (["Pulumi.staging.yaml"], ["staging"]),
        (["Pulumi.staging.yaml", "Pulumi.production.yaml"], KNOWN),
        (["rootfs/var/opt/nginx/etc/conf.d/registry.conf.j2"], KNOWN),
        (["components/host.py"], KNOWN),
        (["config/site.py"], KNOWN),
        (["rendering/proxy.py"], KNOWN),
        (["__main__.py"], KNOWN),
        (["Pulumi.yaml"], KNOWN),
        (["requirements.txt"], KNOWN),
        (["requirements-dev.txt"], []),
        (["tests/__main__.py"], []),
    ],
)
def test_touched(changed: list[str], expected: list[str]) -> None:
    assert touched(KNOWN, changed) == expected


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.net", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two stacks and the example; a branch that changes one, while its base went on and changed the other."""
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    for name in ("example", "production", "staging"):
        (tmp_path / f"Pulumi.{name}.yaml").write_text("config: {}\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    git(tmp_path, "switch", "--quiet", "-c", "change")
    (tmp_path / "Pulumi.staging.yaml").write_text("config: {changed: yes}\n")
    git(tmp_path, "commit", "--quiet", "-a", "-m", "two")
    git(tmp_path, "switch", "--quiet", "main")
    (tmp_path / "Pulumi.production.yaml").write_text("config: {changed: too}\n")
    git(tmp_path, "commit", "--quiet", "-a", "-m", "three")
    git(tmp_path, "switch", "--quiet", "change")
    return tmp_path


def test_the_example_is_no_stack(repository: Path) -> None:
    assert stacks(repository) == KNOWN


def test_only_the_branch_s_own_changes_count(repository: Path) -> None:
    """Not what its base has got meanwhile."""
    assert changed_files(repository, "main") == ["Pulumi.staging.yaml"]
    assert touched_since(repository, "main") == ["staging"]


def test_without_a_predecessor_every_stack_is_touched(repository: Path) -> None:
    assert touched_since(repository, NOTHING) == KNOWN


def test_an_unknown_base_is_an_error(repository: Path) -> None:
    """It must not count as "no change"."""
    with pytest.raises(ValueError, match="git can't compare with nowhere"):
        changed_files(repository, "nowhere")


def test_the_report_says_in_a_line_what_would_happen() -> None:
    text = report([Preview("production", True, OUTPUT), Preview("staging", True, "Resources:\n    41 unchanged\n")])
    assert "<code>production</code>: 2 to create, 1 to update, 1 to replace</summary>" in text
    assert "<code>staging</code>: no change</summary>" in text


def test_a_failed_preview_is_one() -> None:
    assert "<code>production</code>: failed" in report([Preview("production", False, "error: no\n")])


def test_signs_are_where_markdown_colours_them() -> None:
    lines = report([Preview("production", True, OUTPUT)]).splitlines()
    assert "-" + " " * 11 + "read_timeout 900s;" in lines
    assert "+" + " " * 11 + "read_timeout 1234s;" in lines


def test_a_text_can_t_break_out_of_the_report() -> None:
    """A file for hosts may have a fence of its own."""
    text = report([Preview("production", True, "````\n</details>\n")])
    assert text.count("`````diff\n") == 1
    assert text.rstrip().endswith("`````\n\n</details>")


@pytest.mark.parametrize("count", [1, 3])
def test_a_report_fits_into_a_comment(count: int) -> None:
    """And says that it was cut, and where the rest is."""
    text = report([Preview(f"stack{number}", True, "line\n" * 50_000) for number in range(count)])
    assert len(text) <= MOST + 100
    assert text.count("cut here: the whole is in the log") == count
    assert text.count("</details>") == count


def test_no_stack_is_said() -> None:
    assert "touches no stack" in report([])


CONFIG = {
    "docker-registry:users": {
        "secret": True,
        "value": "…",
        "objectValue": [{"name": "alice-the-user", "password": "hunter2-the-password", "hash": "$apr1$hashed$value"}],
    },
    "docker-registry:host": {
        "secret": True,
        "value": "…",
        "objectValue": {
            "address": "dr.example.net",
            "privateKey": "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END KEY-----\n",
        },
    },
    "other:token": {"secret": True, "value": "a-secret-of-its-own"},
    "other:region": {"secret": False, "value": "plain-and-public"},
}


def test_the_mask_knows_all_secrets() -> None:
    """Each line of those with several, and ready-made hashes."""
    mask = mask_of(json.dumps(CONFIG))
    shown = mask("x hunter2-the-password y MC4CAQAwBQYDK2VwBCIEIA z $apr1$hashed$value a-secret-of-its-own")
    assert shown == f"x {IN_PLACE} y {IN_PLACE} z {IN_PLACE} {IN_PLACE}"
    assert mask.slipped


def test_the_mask_leaves_everything_else() -> None:
    """What is in the same setting and no secret, and the marks around a key."""
    mask = mask_of(json.dumps(CONFIG))
    text = "alice-the-user dr.example.net plain-and-public -----BEGIN KEY-----"
    assert mask(text) == text
    assert not mask.slipped
    assert "password" in NEVER_SHOWN


def test_a_secret_that_slips_is_masked_and_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the engine says of its own run."""
    fake = tmp_path / "pulumi"
    fake.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"print({json.dumps(json.dumps(CONFIG))} if sys.argv[1] == 'config' else 'it is hunter2-the-password')\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    shown: list[str] = []
    done = Stack(tmp_path, "production").run("preview", show=shown.append)
    assert done.code == SLIPPED
    assert done.output == "".join(shown) == f"it is {IN_PLACE}\n"


def test_what_pulumi_says_is_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "pulumi"
    fake.write_text("#!/bin/sh\necho 'error: no such stack' >&2\nexit 255\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(RuntimeError, match="stack gone: error: no such stack"):
        Stack(tmp_path, "gone").ask("stack", "export")


def test_what_is_gone_is_named_and_not_dumped() -> None:
    """A container has some hundred and fifty properties; what is only different is shown as it is."""
    refresh = """  pulumi:pulumi:Stack: (same)
    - docker:index/container:Container: (delete)
        [id=0123]
        [urn=urn:pulumi:production::docker-registry::docker:index/container:Container::registry-container]
        image: "sha256:abc"
        labels: [
            [0]: {
                label: "a"
            }
        ]
    ~ docker:index/network:Network: (update)
        [id=4567]
      ~ labels: [
        ]
Resources:
    - 1 deleted"""
    lines = _shortened(refresh).splitlines()
    assert [line.strip()[:5] for line in lines] == [
        "pulum",
        "- doc",
        "[urn=",
        "~ doc",
        "[id=4",
        "~ lab",
        "]",
        "Resou",
        "- 1 d",
    ]
