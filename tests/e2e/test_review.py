"""What the workflows run, on a clean clone: previews that reach no host, policies, deployments one by one."""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import NewStack
from tests.e2e.leaks import Needles
from tests.e2e.support import Deployed, runs, wait_until_healthy
from tests.lab.clone import Clone
from tests.lab.lab import Lab, default_name
from tests.lab.paths import run_dir
from tests.lab.stack import LabStack, default_config

pytestmark = pytest.mark.e2e

SITE = "rootfs/var/opt/nginx/etc/conf.d/registry.conf.j2"
MARK = "# A line that a pull request adds."


@dataclass(frozen=True)
class Review:
    """A clone with two stacks: one that is deployed, and a new one whose host nobody has."""

    clone: Clone
    here: LabStack
    nowhere: LabStack
    needles: Needles

    def settings(self, stack: LabStack, **changes: Any) -> dict[str, str]:  # noqa: ANN401
        """The settings file of a stack with some changes."""
        content = yaml.safe_load(stack.config_file.read_text())
        content["config"] |= {f"docker-registry:{name}": value for name, value in changes.items()}
        return {f"Pulumi.{stack.name}.yaml": yaml.safe_dump(content, sort_keys=False)}


@pytest.fixture(scope="module")
def review(lab: Lab, deployed: Deployed, new_stack: NewStack, tmp_path_factory: pytest.TempPathFactory) -> Review:
    """The first commit has both stacks' settings."""
    nowhere = new_stack("nowhere-to-review", deployed.host)
    config = default_config(deployed.host, "nowhere.example.net", deployed.password)
    config["host"]["address"] = str(lab.subnet[252])
    nowhere.configure(config)
    clone = Clone(tmp_path_factory.mktemp("review") / "clone")
    needles = Needles.of({"password": deployed.password, "SSH key": deployed.host.private_key_path.read_text()})
    made = Review(clone, deployed.stack, nowhere, needles)
    clone.commit(made.settings(deployed.stack) | made.settings(nowhere))
    return made


@dataclass(frozen=True)
class Shown:
    """What the previews of a change showed, and how long they took."""

    log: str
    report: str
    seconds: float


@pytest.fixture(scope="module")
def pulls(review: Review, deployed: Deployed) -> dict[str, Shown]:
    """Two pull requests, previewed while no host can be reached: one changes a setting, one a file for hosts."""
    deployed.host.stop()
    try:
        setting = _previewed(review, review.settings(review.here, nginx={"readTimeout": 1234}))
        text = (review.clone.folder / SITE).read_text()
        program = _previewed(review, {SITE: f"{MARK}\n{text}", **review.settings(review.here)})
    finally:
        deployed.host.resume()
    wait_until_healthy(deployed.host)
    return {"setting": setting, "program": program}


@pytest.fixture(scope="module")
def setting(pulls: dict[str, Shown]) -> Shown:
    """A pull request that changes a setting of one stack."""
    return pulls["setting"]


@pytest.fixture(scope="module")
def program(pulls: dict[str, Shown]) -> Shown:
    """A pull request that changes a file for hosts."""
    return pulls["program"]


def test_a_setting_touches_its_stack_alone(review: Review, setting: Shown) -> None:
    """The report has one stack, and says in its first line what would happen."""
    assert setting.report.count("<details>") == 1
    assert re.search(rf"<code>{review.here.name}</code>: \d+ to update", setting.report), setting.report
    print(f"a preview of one stack: {setting.seconds:.1f} s")


def test_changed_lines_of_a_file_are_shown(setting: Shown) -> None:
    """As a diff, with the sign where Markdown colours it, though no host can be reached."""
    lines = setting.report.splitlines()
    assert [line for line in lines if re.fullmatch(r"\+ +proxy_(read|send)_timeout 1234s;", line)], setting.report
    assert [line for line in lines if re.fullmatch(r"- +proxy_(read|send)_timeout 900s;", line)], setting.report


def test_the_program_touches_every_stack(review: Review, program: Shown) -> None:
    """A file for hosts is every stack's: of the deployed one its line, of the new one everything."""
    assert f"<code>{review.here.name}</code>: " in program.report
    assert re.search(rf"<code>{review.nowhere.name}</code>: \d+ to create", program.report), program.report
    assert re.search(rf"^\+ +{re.escape(MARK)}$", program.report, re.MULTILINE), program.report


def test_no_secret_is_shown(review: Review, setting: Shown, program: Shown) -> None:
    """Neither in the log nor in the comment; and nothing had to be masked, for masked is not shown either."""
    for shown in (setting, program):
        assert len(shown.log) > 1000
        assert review.needles.found_in(shown.log + shown.report) == []


def test_a_change_of_no_stack_is_no_preview(review: Review) -> None:
    """Documents deploy nothing."""
    shown = _previewed(review, {"README.md": "changed\n"})
    assert "no stack is touched" in shown.log
    assert "touches no stack" in shown.report


def test_a_violated_policy_fails_the_preview(review: Review) -> None:
    """The real pack, run by the engine: mandatory ends it, and the comment says which policy and why."""
    clone = review.clone
    clone.commit(review.settings(review.nowhere, images={"nginx": "nginx:latest"}))
    done = clone.make("preview-stacks", STACKS=review.nowhere.name, REPORT="report.md")
    assert done.returncode != 0
    report = (clone.folder / "report.md").read_text()
    assert f"<code>{review.nowhere.name}</code>: failed" in report
    assert re.search(r"images-pinned.*\n(.*\n){0,3}.*the image nginx:latest moves", report), report


def test_policies_are_advice_where_the_configuration_says_so(review: Review) -> None:
    """The violation is told, and the preview succeeds."""
    clone = review.clone
    clone.commit(
        {
            "policies/config.json": '{"all": "advisory"}\n',
            **review.settings(review.nowhere, images={"nginx": "nginx:latest"}),
        }
    )
    done = clone.make("preview-stacks", STACKS=review.nowhere.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the image nginx:latest moves" in done.stdout


def test_a_failed_stack_ends_a_deployment(review: Review, deployed: Deployed) -> None:
    """The stacks after it are not touched."""
    clone = review.clone
    clone.commit(
        {"policies/config.json": '{"all": "mandatory", "backed-up": "advisory", "images-by-digest": "advisory"}\n'}
    )
    done = clone.make("deploy-stacks", STACKS=f"{review.nowhere.name} {review.here.name}")
    assert done.returncode != 0
    assert f"--- {review.nowhere.name}" in done.stdout
    assert f"--- {review.here.name}" not in done.stdout
    assert "the stacks after it were not touched" in done.stderr


def test_a_deployment_without_a_change_changes_nothing(review: Review, deployed: Deployed) -> None:
    """What is merged again is deployed again, by the same command."""
    before = runs(deployed.host)
    review.clone.commit(
        {
            SITE: (review.clone.folder / SITE).read_text().removeprefix(f"{MARK}\n"),
            **review.settings(review.here),
        }
    )
    done = review.clone.make("deploy-stacks", STACKS=review.here.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert runs(deployed.host) == before
    assert review.needles.found_in(done.stdout + done.stderr) == []


def test_a_reboot_is_no_drift(review: Review) -> None:
    """The host was shut down and started again meanwhile: nothing is as it should not be, for Docker neither."""
    done = review.clone.make("drift", STACKS=review.here.name)
    assert done.returncode == 0, done.stdout + done.stderr


def _previewed(review: Review, files: dict[str, str]) -> Shown:
    """Commit these files and preview what they touch; the states of the stacks stay as they are."""
    clone = review.clone
    base = clone.head()
    clone.commit(files)
    states = _states(review)
    start = time.monotonic()
    done = clone.make("preview-stacks", BASE=base, REPORT="report.md")
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stdout + done.stderr
    assert _states(review) == states
    report = (clone.folder / "report.md").read_text()
    (clone.folder / "report.md").unlink()
    return Shown(done.stdout + done.stderr, report, seconds)


def _states(review: Review) -> dict[Path, bytes]:
    """All files of states, apart from those of stacks in other labs, which other test processes may have."""
    stacks = run_dir("state") / ".pulumi" / "stacks"
    assert review.here.host is not None
    ours = f"{review.here.host.lab.name}-"
    others = f"{default_name()}-"
    files = [path for path in stacks.rglob("*") if path.name.startswith(ours) or not path.name.startswith(others)]
    found = {path: path.read_bytes() for path in files if path.is_file()}
    assert any(path.name.startswith(ours) for path in found)
    return found
