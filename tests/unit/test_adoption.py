"""A registry set up by hand makes way only when the settings say so, and as late as possible."""

from __future__ import annotations

import shlex

from rendering.rootfs import TOOLS
from tests.unit.assembly import assembled
from tests.unit.config.stack import Stack

ADOPT: Stack = {"host": {"adopt": True}}


def test_nothing_is_retired_unless_it_is_asked_for(preview: bool) -> None:
    """And the host is not told to overlook what is there."""
    run = assembled("nginx", preview)
    assert not [resource for resource in run if resource.name.startswith("a-")]
    assert "--adopt" not in run["h-check"].inputs["create"]


def test_what_was_set_up_by_hand_is_retired_when_the_rest_is_there(preview: bool) -> None:
    """Images and certificate first: what ran before runs until then."""
    changes = {**ADOPT, "network": {"name": "images"}, "storage": {"root": "/srv"}}
    run = assembled("nginx", preview, changes)
    retire = run["a-retire"]
    assert shlex.split(retire.inputs["create"]) == [f"{TOOLS}/retire-hand-made", "/srv", "images"]
    assert "delete" not in retire.inputs
    assert retire.depends_on >= {"c-self-signed", "i-nginx", "i-registry", "i-ui"}
    assert " --adopt images" in run["h-check"].inputs["create"]


def test_nothing_takes_its_place_before(preview: bool) -> None:
    """Neither the network nor the files that the old proxy reads on every request."""
    run = assembled("nginx", preview, ADOPT)
    assert "a-retire" in run["n-bridge"].depends_on
    for name in ("b-htpasswd", "b-configuration"):
        assert "a-retire" in run[name].depends_on
