"""The recorder itself: a program that fails, or never ends, fails its test."""

from __future__ import annotations

import asyncio

import pulumi
import pytest
from pulumi_command import local

from tests.unit.recorder import UNKNOWN, Recording, exported, record


def _record(program: object, *, preview: bool = False, seconds: float = 10) -> Recording:
    assert callable(program)
    return record(program, preview=preview, answer=lambda command: f"ran {command}", seconds=seconds)


def test_an_exception_in_the_program_is_raised() -> None:
    def program() -> None:
        local.Command("made", create="true")
        raise LookupError("in the program")

    with pytest.raises(LookupError, match="in the program"):
        _record(program)


def test_an_exception_in_what_comes_of_an_output_is_raised() -> None:
    def fail(_: str) -> str:
        raise LookupError("in the apply")

    def program() -> None:
        made = local.Command("made", create="true")
        local.Command("next", create=made.stdout.apply(fail))

    with pytest.raises(Exception, match="in the apply"):
        _record(program)


def test_a_program_that_never_ends_is_stopped() -> None:
    def program() -> None:
        async def never() -> str:
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

        local.Command("waits", create=never())

    with pytest.raises(TimeoutError):
        _record(program, seconds=0.5)


def _two_commands() -> None:
    first = local.Command("first", create="true", stdin=pulumi.Output.secret("hidden"))
    local.Command("second", create=first.stdout, opts=pulumi.ResourceOptions(protect=True, depends_on=[first]))
    pulumi.export("text", pulumi.Output.unsecret(first.stdout))


def test_an_update_knows_what_commands_print_and_a_preview_does_not() -> None:
    assert exported(_record(_two_commands))["text"] == "ran true"
    preview = _record(_two_commands, preview=True)
    assert preview["second"].inputs["create"] is UNKNOWN
    assert exported(preview)["text"] is UNKNOWN


def test_secrets_and_what_comes_of_them_are_marked() -> None:
    recording = _record(_two_commands)
    assert recording["first"].inputs["stdin"] == "hidden"
    assert recording["first"].secrets == {"stdin"}
    assert recording["second"].secrets == {"create"}


def test_options_are_recorded() -> None:
    second = _record(_two_commands)["second"]
    assert second.protect
    assert second.depends_on == {"first"}
    assert not _record(_two_commands)["first"].protect


def test_runs_do_not_see_each_other() -> None:
    assert set(_record(_two_commands).resources) == set(_record(_two_commands).resources) == {"first", "second"}
