"""What keeps mirrors of other registries within their bounds: a timer, and what the host is told."""

from __future__ import annotations

import json

import pytest

from tests.unit.programs import run_stack, stack_of, whole
from tests.unit.recorder import Recording

UNIT = "docker-registry-mirrors"


def _with(preview: bool, **bounds: object) -> Recording:
    mirrors = [{"prefix": "docker.io"}, {"prefix": "ghcr.io", **bounds}]
    return run_stack(json.dumps({**stack_of("plain"), "metrics": {"enabled": True}, "mirrors": mirrors}), preview)


@pytest.mark.parametrize("bounds", [{"unpulledDays": 90}, {"maxSize": "50G"}], ids=["days", "size"])
def test_a_bound_is_told_and_a_timer_keeps_it(bounds: dict[str, object], preview: bool) -> None:
    """Nothing else is touched by it, no container least of all."""
    without, run = _with(preview), _with(preview, **bounds)
    lines = run["trimming-enable"].inputs["stdin"].splitlines()
    assert {"OnCalendar=*:0/15", "ExecStart=/usr/local/bin/registryctl mirrors trim"} <= set(lines)
    assert run["trimming-enable"].depends_on >= {"facts-host"}
    told = json.loads(run["facts-host"].inputs["stdin"])["mirrorBounds"]
    assert [one["prefix"] for one in told] == ["ghcr.io"]
    assert "trimming-enable" not in without.resources
    assert "mirrorBounds" not in without["facts-host"].inputs["stdin"]
    changed = {one.name for one in run if one.name not in without.resources or one.inputs != without[one.name].inputs}
    assert changed == {"facts-host", "trimming", "trimming-enable"}


def test_without_mirrors_there_is_no_word_of_it(preview: bool) -> None:
    """As it was before there were bounds."""
    assert not [one.name for one in whole("plain", preview) if "trimming" in one.name]
