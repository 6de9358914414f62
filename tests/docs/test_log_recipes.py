"""What docs/status-and-logs.md gives to look into the access log with, on a log of that format."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks

LOG = "/var/opt/nginx/logs/access.log"
RECIPES = [block for block in blocks() if "tests/docs/test_log_recipes.py" in block.mark]
ENTRIES = [
    {"method": "HEAD", "status": 200, "user": "alice", "repository": "team/app", "reference": "1.4"},
    {"method": "GET", "status": 200, "user": "", "repository": "team/app", "reference": "sha256:aa"},
    {"method": "GET", "status": 401, "user": "mallory", "repository": "team/app", "reference": "1.4"},
    {"method": "GET", "status": 401, "user": "", "repository": "team/app", "reference": "1.4"},
    {"method": "PUT", "status": 201, "user": "alice", "repository": "team/app", "reference": "1.5"},
    {"method": "GET", "status": 200, "user": "alice", "repository": "team/other", "reference": "1.0"},
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """An access log, with a line of a layer besides."""
    lines = [
        {"time": f"t{number}", "client": "203.0.113.9", "path": f"/v2/{its['repository']}/manifests/x", **its}
        for number, its in enumerate(ENTRIES)
    ]
    lines.append({**lines[1], "path": "/v2/team/app/blobs/sha256:bb", "reference": "sha256:bb"})
    path = tmp_path / "access.log"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _said(recipe: Block, log: Path) -> list[str]:
    assert LOG in recipe.text
    argv = ["sh", "-ec", recipe.text.replace(LOG, str(log))]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()


def test_who_pulled(log: Path) -> None:
    """Manifests of that repository that were given out, to accounts and to others."""
    assert _said(RECIPES[0], log) == ["t0 203.0.113.9 alice HEAD 1.4", "t1 203.0.113.9  GET sha256:aa"]


def test_who_failed_to_log_in(log: Path) -> None:
    """By the name that was tried."""
    assert _said(RECIPES[1], log) == ["t2 203.0.113.9 mallory"]


def test_there_is_no_other() -> None:
    assert len(RECIPES) == 2
