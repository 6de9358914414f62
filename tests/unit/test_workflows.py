"""The workflows: their least rights, pinned actions, and that they run what exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()


def read(path: Path) -> dict[Any, Any]:
    """A workflow; YAML takes its key `on` for a truth value."""
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return found


def named(name: str) -> dict[Any, Any]:
    return read(ROOT / ".github" / "workflows" / f"{name}.yml")


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_all_are_there() -> None:
    assert [path.stem for path in WORKFLOWS] == ["deploy", "drift", "drill", "end-to-end", "preview"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_to_commits(path: Path) -> None:
    """With the version beside, for people."""
    uses = re.findall(r"^ *-? *uses: (.*)$", path.read_text(), re.MULTILINE)
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_rights_are_the_least(path: Path) -> None:
    """All may read the repository; none may write to it, and one job may comment. No checkout keeps its credentials."""
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert more == ({"comment": {"pull-requests": "write"}} if path.stem == "preview" else {})
    for step in steps(workflow):
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_job_ends(path: Path) -> None:
    """Each has a limit of time."""
    assert all(job["timeout-minutes"] <= 120 for job in read(path)["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_targets_exist(path: Path) -> None:
    """What they run is what anybody can run by hand."""
    for line in re.findall(r"\bmake ([a-z -]+)", path.read_text()):
        for target in line.split():
            assert re.search(rf"^\.PHONY:.*\b{target}$", MAKEFILE, re.MULTILINE), target


def test_end_to_end_tries_every_system_that_is_promised() -> None:
    """Debian's releases by all tests, Ubuntu's by those that touch the host; by targets that exist."""
    from tests.lab.debian import UBUNTU_SUITES  # noqa: PLC0415 - the lab is not needed by the others

    runs = named("end-to-end")["jobs"]["test"]["strategy"]["matrix"]["run"]
    words = [word for run in runs for word in run.split()]
    assert {word.partition("=")[2] for word in words if word.startswith("SUITE=")} == set(UBUNTU_SUITES)
    for target in {word for word in words if "=" not in word}:
        assert re.search(rf"^\.PHONY:.*\b{target}$", MAKEFILE, re.MULTILINE), target
    assert "test" in runs


def test_a_preview_reaches_no_host() -> None:
    """It has no key for one, and the job that may comment has no secret and runs no code of the pull request."""
    workflow = named("preview")
    assert "SSH" not in str(workflow)
    assert "deploy" not in str(workflow) and "--refresh" not in str(workflow)
    assert workflow["jobs"]["preview"]["environment"] == "preview"
    comment = workflow["jobs"]["comment"]
    assert "secrets." not in str(comment)
    assert not any("checkout" in str(step) or "make " in str(step) for step in comment["steps"])


def test_previews_are_for_pull_requests() -> None:
    """Never with the rights of the branch that they go to."""
    assert set(named("preview")[True]) == {"pull_request"}


def test_hosts_are_changed_one_run_at_a_time() -> None:
    """A deployment is never cut off, and nothing else looks at a host meanwhile."""
    for name in ("deploy", "drift", "drill"):
        assert named(name)["concurrency"] == {"group": "hosts", "cancel-in-progress": False}
        assert {job["environment"] for job in named(name)["jobs"].values()} == {"production"}


def test_secrets_of_hosts_are_given_to_one_step() -> None:
    """Only the agent gets the SSH key."""
    for name in ("deploy", "drift", "drill"):
        (holder,) = [step for step in steps(named(name)) if "SSH_KEY" in str(step.get("env"))]
        assert "ssh-add" in holder["run"]


def test_drift_is_looked_for_every_day() -> None:
    (schedule,) = named("drift")[True]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", schedule["cron"])


@pytest.mark.e2e
def test_actionlint_finds_nothing() -> None:
    """Syntax, expressions, contexts, and the shell of each step."""
    from tests.lab import gotools  # noqa: PLC0415 - the lab is not needed by the others
    from tests.lab.machine import ensure_commands  # noqa: PLC0415

    ensure_commands("shellcheck")
    argv = [str(gotools.build("actionlint")), "-no-color", *map(str, WORKFLOWS)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_drill_is_held_every_month() -> None:
    (schedule,) = named("drill")[True]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \d+ \* \*", schedule["cron"])
    assert steps(named("drill"))[-1]["run"] == "make drill"
