"""Each policy finds what it is for, and nothing else; every stack of ours passes."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from policies.rules import RULES, Rule
from tests.unit.graph import MODES, example_run
from tests.unit.policies.examples import CONFORMING, VIOLATING, Example
from tests.unit.programs import VARIANTS, whole
from tests.unit.recorder import UNKNOWN, Recording

PACK = Path(__file__).parents[3] / "policies"
BY_NAME = {rule.name: rule for rule in RULES}


def cases(examples: dict[str, list[Example]]) -> list[Any]:
    return [
        pytest.param(name, example, id=f"{name}-{number}")
        for name, found in examples.items()
        for number, example in enumerate(found)
    ]


def violations(run: Recording, rule: Rule) -> list[str]:
    found = [(r.type, {key: value for key, value in r.inputs.items() if value is not UNKNOWN}) for r in run]
    return [violation for resource in found for violation in rule.find(*resource)]


def test_each_has_examples() -> None:
    """Of both kinds."""
    assert BY_NAME.keys() == VIOLATING.keys() == CONFORMING.keys()


@pytest.mark.parametrize(("name", "example"), cases(VIOLATING))
def test_a_violation_is_found(name: str, example: Example) -> None:
    """Once, in a sentence."""
    (violation,) = BY_NAME[name].find(*example)
    assert violation


@pytest.mark.parametrize(("name", "example"), cases(CONFORMING))
def test_what_conforms_is_left_alone(name: str, example: Example) -> None:
    """By the rule it is an example for."""
    assert list(BY_NAME[name].find(*example)) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("mode", MODES)
def test_the_example_stack_passes(rule: Rule, mode: str) -> None:
    """All that are mandatory; advisory ones say of each image that it is pinned by tag, and that it has no backup."""
    found = violations(example_run(mode), rule)
    images = example_run(mode).of_type("docker:index/remoteImage:RemoteImage")
    expected = {"images-by-digest": len(images), "backed-up": 1}
    assert len(found) == expected.get(rule.name, 0), found


@pytest.mark.parametrize("rule", [rule for rule in RULES if not rule.advisory], ids=lambda rule: rule.name)
@pytest.mark.parametrize("variant", VARIANTS)
def test_stacks_of_every_kind_pass(rule: Rule, variant: str) -> None:
    """Whatever the settings."""
    assert violations(whole(variant, False), rule) == []


def test_the_files_that_the_rules_look_for_are_there() -> None:
    """A rule about a site that is never found would pass everything."""
    sites = [r for r in example_run("update").commands if "/conf.d/registry.conf " in str(r.inputs.get("stdin"))]
    assert len(sites) == 1
    weakened = str(sites[0].inputs["stdin"]).replace("ssl_protocols ", "ssl_protocols TLSv1.1 ")
    assert list(BY_NAME["tls-floor"].find(sites[0].type, {**sites[0].inputs, "stdin": weakened}))


class UnknownError(Exception):
    """What the SDK raises for a value that only the update will tell."""


class Guarded(dict[str, Any]):
    """Inputs as the SDK hands them over in a preview."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401
        if (value := super().__getitem__(name)) is UNKNOWN:
            raise UnknownError
        return value


class Pack:
    """Stands for the policy SDK, which has an environment of its own: keeps what the pack hands to it."""

    def __init__(self) -> None:
        self.policies: list[SimpleNamespace] = []
        self.module = ModuleType("pulumi_policy")
        names = ("ReportViolation", "ResourceValidationArgs")
        vars(self.module).update(
            dict.fromkeys(names, object),
            EnforcementLevel=SimpleNamespace(ADVISORY="advisory", MANDATORY="mandatory"),
            PolicyConfigSchema=lambda properties: properties,
            ResourceValidationPolicy=SimpleNamespace,
            PolicyPack=lambda name, policies: self.policies.extend(policies),
        )


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch) -> Pack:
    """The pack's policies."""
    made = Pack()
    proxy = ModuleType("pulumi_policy.proxy")
    vars(proxy).update(UnknownValueError=UnknownError)
    monkeypatch.setitem(sys.modules, "pulumi_policy", made.module)
    monkeypatch.setitem(sys.modules, "pulumi_policy.proxy", proxy)
    monkeypatch.syspath_prepend(str(PACK))
    monkeypatch.delitem(sys.modules, "rules", raising=False)
    runpy.run_path(str(PACK / "__main__.py"))
    return made


def test_the_pack_has_each_rule_at_its_level(pack: Pack) -> None:
    """Advisory ones don't stop anybody."""
    assert {policy.name: policy.enforcement_level for policy in pack.policies} == {
        rule.name: "advisory" if rule.advisory else "mandatory" for rule in RULES
    }


@pytest.mark.parametrize(("stack", "count"), [("production", 1), ("dev", 0)])
def test_moving_tags_are_for_development(pack: Pack, stack: str, count: int) -> None:
    """The stacks that are development are named in the configuration."""
    policy = next(policy for policy in pack.policies if policy.name == "images-pinned")
    reported: list[str] = []
    args = SimpleNamespace(
        urn=f"urn:pulumi:{stack}::docker-registry::docker:index/remoteImage:RemoteImage::images-nginx",
        resource_type="docker:index/remoteImage:RemoteImage",
        props={"name": "nginx:latest"},
        get_config=lambda: {"development": ["dev"]},
    )
    policy.validate(args, lambda violation, _: reported.append(violation))
    assert len(reported) == count


def test_what_a_preview_can_t_know_does_not_stop_a_policy(pack: Pack) -> None:
    """All else of the resource is still looked at."""
    policy = next(policy for policy in pack.policies if policy.name == "no-plain-secret")
    reported: list[str] = []
    label = Guarded(label="docker-registry.config", value=UNKNOWN)
    args = SimpleNamespace(
        urn="urn:pulumi:production::docker-registry::docker:index/container:Container::registry-container",
        resource_type="docker:index/container:Container",
        props=Guarded(name="registry", image=UNKNOWN, labels=[label], envs=["PASSWORD=hunter2"]),
    )
    policy.validate(args, lambda violation, _: reported.append(violation))
    assert reported == ["its environment has a value for PASSWORD"]


def test_the_configuration_names_policies_that_exist() -> None:
    """A word that is none would be silently no setting."""
    config = json.loads((PACK / "config.json").read_text())
    assert config.keys() - {"all"} <= BY_NAME.keys()
