"""What looks for new versions finds those that there are, and what runs before a commit is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from config.images import Images
from tests.docs.blocks import ROOT

RENOVATE: dict[str, Any] = json.loads((ROOT / "renovate.json").read_text())


def _found(manager: dict[str, Any], path: Path) -> set[str]:
    """What a manager takes for versions in a file; Renovate writes named groups in another way than Python."""
    patterns = [pattern.replace("(?<", "(?P<") for pattern in manager["matchStrings"]]
    return {match["currentValue"] for pattern in patterns for match in re.finditer(pattern, path.read_text())}


def _reads(patterns: list[str], name: str) -> bool:
    return any(re.search(pattern.strip("/"), name) for pattern in patterns)


def test_each_image_is_found_where_it_stands() -> None:
    images = RENOVATE["customManagers"][0]
    versions = {str(getattr(Images(), name)).rpartition(":")[2] for name in Images.model_fields}
    for name in ("config/images.py", "Pulumi.example.yaml"):
        assert _reads(images["managerFilePatterns"], name)
        assert _found(images, ROOT / name) == versions, name


def test_each_workflow_that_has_pulumi_is_found() -> None:
    pulumi = RENOVATE["customManagers"][1]
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        assert _reads(pulumi["managerFilePatterns"], str(path.relative_to(ROOT)))
        assert len(_found(pulumi, path)) == ("pulumi-version" in path.read_text())


def test_each_set_of_requirements_is_found() -> None:
    for path in [*ROOT.glob("requirements*.in"), ROOT / "policies" / "requirements.in"]:
        assert _reads(RENOVATE["pip_requirements"]["managerFilePatterns"], str(path.relative_to(ROOT)))


def test_hooks_call_targets_that_there_are() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local" and local["hooks"]
    for hook in local["hooks"]:
        target = hook["entry"].removeprefix("make ")
        assert re.search(rf"^\.PHONY:.*\b{target}\b", makefile, re.MULTILINE), target
