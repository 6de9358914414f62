"""The containers' network."""

from __future__ import annotations

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
