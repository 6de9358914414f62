"""Each alert has a runbook, metrics that there are, and a test in which it fires and one in which it doesn't."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from registryctl.metrics import host, sizes, traffic
from registryctl.metrics.exposition import Metric
from tests.docs.blocks import ROOT
from tests.docs.test_links import _anchors

FOLDER = ROOT / "monitoring"
RUNBOOKS = "docs/troubleshooting.md"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in RULES]
CASES = [
    case
    for test in yaml.safe_load((FOLDER / "alerts.test.yml").read_text())["tests"]
    for case in test["alert_rule_test"]
]


def exported() -> set[str]:
    """The names of all metrics that the program makes, with those of a histogram's parts."""
    found = {one for module in (host, sizes, traffic) for one in vars(module).values() if isinstance(one, Metric)}
    found |= {figure.metric for figures in host.FIGURES.values() for figure in figures}
    parts = {f"{one.name}{part}" for one in found if one.kind == "histogram" for part in ("_bucket", "_sum", "_count")}
    return {one.name for one in found if one.kind != "histogram"} | parts


def test_names_follow_prometheus_rules() -> None:
    """A counter ends in _total; what has a unit has it in its name, in base units."""
    found = {one for module in (host, sizes, traffic) for one in vars(module).values() if isinstance(one, Metric)}
    found |= {figure.metric for figures in host.FIGURES.values() for figure in figures}
    assert len({one.name for one in found}) == len(found) > 30
    for one in found:
        assert re.fullmatch(r"docker_registry(_[a-z]+)+", one.name)
        assert one.name.endswith("_total") == (one.kind == "counter"), one.name
        assert not re.search(r"_(days|minutes|hours|ms|percent|mb|kilobytes)\b", one.name), one.name
        assert one.help.endswith(".")


def test_names_are_there_once() -> None:
    assert len(NAMES) == len(set(NAMES)) > 10


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_each_has_a_runbook(rule: dict[str, Any]) -> None:
    """A section of its own, by its own name."""
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page == RUNBOOKS
    assert anchor == rule["alert"].lower()
    assert anchor in _anchors(ROOT / page)
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_no_runbook_is_of_an_alert_that_is_gone() -> None:
    """The sections below "Alerts" are those."""
    page = (ROOT / RUNBOOKS).read_text(encoding="utf-8")
    assert re.findall(r"^### (DockerRegistry\w+)$", page, re.MULTILINE) == NAMES


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_each_asks_for_metrics_that_there_are(rule: dict[str, Any]) -> None:
    """By their whole names."""
    named = set(re.findall(r"docker_registry\w+", rule["expr"]))
    assert named <= exported()
    assert named or rule["expr"].startswith("up{")


@pytest.mark.parametrize("concern", ["store", "hosts", "mirrors"])
def test_what_only_some_registries_have_is_watched_too(concern: str) -> None:
    """It has no metric but its level that says how it is."""
    assert any(f'docker_registry_status{{concern="{concern}"}}' in rule["expr"] for rule in RULES)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_tested_both_ways(name: str) -> None:
    """It fires, and before and after it does not; promtool runs these."""
    fires = [bool(case.get("exp_alerts")) for case in CASES if case["alertname"] == name]
    assert fires[0] is False
    assert fires[-1] is False
    assert True in fires
