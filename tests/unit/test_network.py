"""The containers' network."""

from __future__ import annotations

import shlex

from rendering.rootfs import TOOLS
from tests.unit.assembly import assembled
from tests.unit.config.stack import Stack
from tests.unit.recorder import STACK_NAME, Recorded, Recording


def _run(preview: bool, changes: Stack | None = None) -> Recording:
    return assembled("network", preview, changes)


def _bridge(preview: bool, changes: Stack | None = None) -> Recorded:
    return _run(preview, changes)["n-bridge"]


def test_it_is_a_bridge_with_a_subnet_of_its_own(preview: bool) -> None:
    """Name and subnet by default."""
    assert _bridge(preview).inputs == {
        "name": "registry",
        "driver": "bridge",
        "ipamConfigs": [{"subnet": "100.127.255.0/24", "gateway": "100.127.255.1"}],
        "labels": [{"label": "docker-registry.stack", "value": STACK_NAME}],
    }


def test_it_follows_the_settings(preview: bool) -> None:
    """Another name, another subnet."""
    inputs = _bridge(preview, {"network": {"name": "images", "subnet": "100.127.8.0/28"}}).inputs
    assert inputs["name"] == "images"
    assert inputs["ipamConfigs"] == [{"subnet": "100.127.8.0/28", "gateway": "100.127.8.1"}]


def test_a_replacement_removes_the_old_one_first(preview: bool) -> None:
    """Two networks can't have one subnet, whatever their names."""
    assert _bridge(preview).delete_before_replace


def test_its_name_is_its_output(preview: bool) -> None:
    """For those who look at the component."""
    assert _run(preview).registered_outputs["n"] == {"name": "registry"}


def test_nobody_sends_straight_into_it(preview: bool) -> None:
    """The host's rule is there before the network, from each boot on, and goes with the stack."""
    run = _run(preview, {"network": {"subnet": "100.127.8.0/28"}})
    guard = run["n-guard"]
    assert f"ExecStartPre={TOOLS}/guard-network 100.127.8.0/28\n" in guard.inputs["stdin"]
    assert f"ExecStart={TOOLS}/guard-network 100.127.8.0/28 --watch\n" in guard.inputs["stdin"]
    assert "Before=docker.service\n" in guard.inputs["stdin"]
    assert f"--then '{TOOLS}/load-unit --enable docker-registry-network.service'" in guard.inputs["create"]
    assert shlex.split(guard.inputs["delete"])[-1].startswith(
        "systemctl disable -q --now docker-registry-network.service && { "
    )
    assert "n-guard" in run["n-bridge"].depends_on


def test_another_subnet_is_another_rule(preview: bool) -> None:
    """The unit starts again when its file has changed."""
    first, second = (
        _run(preview, {"network": {"subnet": subnet}})["n-guard"].inputs["stdin"]
        for subnet in ("100.127.8.0/28", "100.127.9.0/28")
    )
    assert first != second
