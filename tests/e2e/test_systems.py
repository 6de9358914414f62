"""What docs/hosts.md says of a release's packages is what a host of it has."""

import re
from pathlib import Path

import pytest

from tests.e2e.support import Deployed
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).parents[2] / "docs" / "hosts.md"


def _documented(system: str) -> dict[str, str]:
    """A release's row, by the table's columns."""
    table = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    (columns,) = [row for row in table if "docker in" in row]
    (values,) = [row for row in table if row[0] == system and len(row) == len(columns)]
    return dict(zip(columns[1:], values[1:], strict=True))


def _system(host: LabHost) -> str:
    return host.run(". /etc/os-release && echo $ID $VERSION_ID").stdout.strip()


def test_documented_packages_are_what_the_host_has(deployed: Deployed) -> None:
    """Each version to the figures that are given, and the package that has docker's command line."""
    documented = _documented(_system(deployed.host))
    brought_by = documented.pop("docker in")
    assert deployed.host.run(["dpkg-query", "--search", "/usr/bin/docker"]).stdout.split(":")[0] == brought_by
    form = "${Package} ${Version}\n"
    lines = deployed.host.run(["dpkg-query", "--show", "--showformat", form, *documented]).stdout.splitlines()
    found = {name: re.sub(r"^\d+:", "", version) for name, version in (line.split() for line in lines)}
    assert found.keys() == documented.keys()
    for name, version in documented.items():
        assert re.match(rf"{re.escape(version)}(?!\d)", found[name]), (name, version, found[name])
