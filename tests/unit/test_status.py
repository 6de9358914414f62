"""The warnings of every `up`: what is wrong on the host."""

from __future__ import annotations

import json

import pytest
from pulumi import Resource

from components.facts import Facts
from tests.unit.programs import whole


def _warnings(answer: object, preview: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """What a run asks a host that gives this answer, and of what it warns."""
    asked: list[str] = []
    warnings: list[str] = []

    async def status(command: str) -> str:
        asked.append(command)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.setattr("tests.unit.programs._no_host", status)
    monkeypatch.setattr("pulumi.log.warn", lambda text, *_: warnings.append(text))
    whole.__wrapped__("acme", preview)
    return asked, warnings


@pytest.mark.parametrize("problems", [[], ["timer logrotate: disabled; …"], ["certificate (acme): …", "writes: …"]])
def test_every_up_warns_and_no_preview_asks(
    problems: list[str], preview: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each problem is a warning of its own, in the words of the host. A preview never reaches for the host.

    A host that is well is asked once, beside the rest of the run; one that is not is asked again in the end.
    """
    asked, warnings = _warnings(json.dumps({"status": 1, "problems": problems}), preview, monkeypatch)
    times = 0 if preview else 2 if problems else 1
    assert asked == ["sh -c '/usr/local/bin/registry-status --json || true'"] * times
    assert warnings == ([] if preview else problems)


@pytest.mark.parametrize(
    "answer",
    [RuntimeError("no route to host"), "no JSON", "{}", "[]", '{"problems": null}'],
    ids=["unreachable", "garbled", "empty", "list", "null"],
)
def test_a_status_that_fails_is_a_warning(answer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry is there all the same: `up` does not fail of it."""
    _, warnings = _warnings(answer, False, monkeypatch)
    assert len(warnings) == 1
    assert warnings[0].startswith("registry-status on the host failed: ")


def test_what_the_run_mends_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is still so in the end is a warning."""
    answers = iter([["container nginx: missing; …", "writes: …"], ["writes: …"]])
    warnings: list[str] = []

    async def status(_: str) -> str:
        return json.dumps({"problems": next(answers)})

    monkeypatch.setattr("tests.unit.programs._no_host", status)
    monkeypatch.setattr("pulumi.log.warn", lambda text, *_: warnings.append(text))
    whole.__wrapped__("acme", False)
    assert warnings == ["writes: …"]


def test_the_end_is_when_all_is_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers that are being replaced, and a timer that is not there yet, are no problems."""
    waited: list[set[str]] = []

    def warn_of_problems(_: object, facts: Facts, *, after: list[Resource]) -> None:
        waited.extend([{facts.ready._name}, {resource._name for resource in after}])

    monkeypatch.setattr("components.status.warn_of_problems", warn_of_problems)
    run = whole.__wrapped__("acme", False)
    containers = {f"{found.name}-ready" for found in run.of_type("docker:index/container:Container")}
    timers = {name for name in run.resources if name.endswith("-enable")}
    assert timers
    assert waited == [{"facts-host"}, containers | timers]
