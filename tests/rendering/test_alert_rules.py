"""The rules of the alerts, as Prometheus' own tool tries them: each fires by its cause, and ends with it."""

from __future__ import annotations

import pytest

from tests.docs.blocks import ROOT
from tests.lab.docker import docker
from tests.lab.images import build

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("words", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")])
def test_promtool_is_content(words: tuple[str, ...]) -> None:
    """With the rules, and with what is expected of them."""
    where = ["--volume", f"{ROOT}/monitoring:/monitoring:ro", "--workdir", "/monitoring", "--network", "none"]
    argv = ["run", "--rm", *where, "--entrypoint", "promtool", build("prometheus"), *words]
    done = docker(*argv, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
