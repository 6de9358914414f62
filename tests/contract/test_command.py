"""Create, Update, Delete and Read of the command stand-in: outputs and failures as recorded, on a real SSH server."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2_grpc

from tests.contract.fake_ssh import SshServer, listening
from tests.contract.replay import Call, ask, differences, recorded, serving
from tests.lab.standins.command_provider import CommandProvider
from tests.lab.standins.values import UNKNOWN, Json

LONG = "x" * 3_000_000
CLOCK = r"\b1795\d{15}\b"


def calls(method: str, *, failed: bool = False) -> list[Call]:
    """The command calls of a method that succeeded, or that failed."""
    return [call for call in recorded(method) if call.provider == "command" and bool(call.error) == failed]


@dataclass
class Setup:
    """The stand-in, an SSH server, and what the stand-in wrote to the engine's log."""

    server: SshServer
    stub: provider_pb2_grpc.ResourceProviderStub
    log: list[tuple[str, str]] = field(default_factory=list)

    def fill(self, value: Json) -> Json:
        """A recorded value with this server in the place of the blanks."""
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            filled = {name: self.fill(item) for name, item in value.items()}
            if filled.get("port") == 22:
                filled["port"] = self.server.port
            return filled
        return self._blanks().get(value, value) if isinstance(value, str) else value

    def _blanks(self) -> dict[str, str]:
        key = io.StringIO()
        self.server.client_key.write_private_key(key)
        return {
            "<HOST>": "127.0.0.1",
            "<HOST KEY>": self.server.host_key_line,
            "<PRIVATE KEY>": key.getvalue(),
            "<LONG STDIN>": LONG,
        }

    def ask(self, call: Call, **changed: Json) -> Json:
        """Replay a call against this server."""
        request = {name: self.fill(value) for name, value in {**call.request, **changed}.items()}
        return ask(self.stub, call, **request)


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    """A server and the stand-in; no agent is used."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    provider = CommandProvider(None)
    with listening(tmp_path) as server, serving(provider) as stub:
        made = Setup(server, stub)
        monkeypatch.setattr(provider, "log", lambda severity, text, **_: made.log.append((severity, text)))
        yield made


def without_clock(answer: Json) -> Json:
    """An answer without the parts that are new on every run."""
    text = re.sub(r"\b\d{19}\b", "CLOCK", json.dumps(answer))
    return json.loads(text)


@pytest.mark.parametrize("call", calls("Create"), ids=lambda call: call.name)
def test_creation(setup: Setup, call: Call) -> None:
    assert call.response is not None
    answer, expected = setup.ask(call), setup.fill(call.response)
    name = call.resource.split("::")[-1]
    assert re.fullmatch(rf"{name}[0-9a-f]{{8}}", answer.pop("id"))
    assert re.fullmatch(rf"{name}[0-9a-f]{{8}}", expected.pop("id"))
    assert differences(without_clock(answer), without_clock(expected)) == []


@pytest.mark.parametrize("call", calls("Create", failed=True), ids=lambda call: call.name)
def test_failing_creation(setup: Setup, call: Call) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        setup.ask(call)
    assert failure.value.code() == grpc.StatusCode.UNKNOWN
    expected = call.error.removeprefix("rpc error: code = Unknown desc = ").replace("<HOST>", "127.0.0.1")
    # The two streams of a command come in any order.
    head, *lines = expected.split(":\n")
    found_head, *found_lines = (failure.value.details() or "").split(":\n")
    assert found_head == head
    assert sorted("".join(found_lines)) == sorted("".join(lines))


@pytest.mark.parametrize("call", calls("Update"), ids=lambda call: call.name)
def test_update(setup: Setup, call: Call) -> None:
    assert differences(setup.ask(call), setup.fill(call.response)) == []


@pytest.mark.parametrize("call", calls("Delete"), ids=lambda call: call.name)
def test_deletion(setup: Setup, call: Call) -> None:
    assert setup.ask(call) == {}
    command = call.request["properties"].get("delete")
    assert setup.server.ran == ([command] if command else [])


@pytest.mark.parametrize("call", calls("Read"), ids=lambda call: call.name)
def test_reading_looks_nothing_up(setup: Setup, call: Call) -> None:
    assert differences(setup.ask(call), setup.fill(call.response)) == []
    assert setup.server.logins == 0


def command(**inputs: Json) -> Call:
    """The creation of a remote command."""
    connection = next(call for call in calls("Create")).request["properties"]["connection"]
    return Call("", "Create", "command:remote:Command::c", {"properties": {"connection": connection, **inputs}}, {}, "")


def test_preview_dials_nothing(setup: Setup) -> None:
    answer = setup.ask(command(create="true"), preview=True)
    assert answer["properties"]["stdout"] == answer["properties"]["stderr"] == UNKNOWN
    assert setup.server.logins == 0


def test_each_command_has_its_own_connection(setup: Setup) -> None:
    for _ in range(3):
        setup.ask(command(create="true"))
    assert setup.server.logins == 3


def test_output_is_logged_line_by_line_as_chosen(setup: Setup) -> None:
    setup.ask(command(create="echo a; echo b; echo c >&2", logging="stdout"))
    assert setup.log == [("info", "a"), ("info", "b")]
    setup.log.clear()
    setup.ask(command(create="echo a; echo b >&2", logging="none"))
    assert setup.log == []


def test_refused_previous_output_is_a_warning(setup: Setup) -> None:
    call = next(call for call in calls("Update") if "remote" in call.resource)
    setup.ask(call)
    warnings = [text for severity, text in setup.log if severity == "warning"]
    assert len(warnings) == 1
    assert warnings[0].startswith("Unable to set 'PULUMI_COMMAND_STDOUT'.")


def test_accepted_previous_output_is_sent(setup: Setup) -> None:
    setup.server.accepted = {"PULUMI_COMMAND_STDOUT"}
    call = next(call for call in calls("Update") if "remote" in call.resource)
    news = {**call.request["news"], "update": "echo $PULUMI_COMMAND_STDOUT"}
    answer = setup.ask(call, news=news)
    assert answer["properties"]["stdout"] == " ".join(call.request["olds"]["stdout"].split())


def test_accepted_environment_is_set(setup: Setup) -> None:
    setup.server.accepted = {"PW"}
    answer = setup.ask(command(create="echo $PW", environment={"PW": "x"}))
    assert answer["properties"]["stdout"] == "x"


def test_file_is_copied_and_not_copied_again(setup: Setup, tmp_path: Path) -> None:
    state = next(call for call in calls("Delete") if "CopyToRemote" in call.resource).request["properties"]
    local = tmp_path / "local.txt"
    local.write_text("content")
    inputs = {**state, "source": {**state["source"], "path": str(local)}}
    creation = Call("", "Create", "command:remote:CopyToRemote::copy", {"properties": inputs}, {}, "")
    answer = setup.ask(creation)
    assert re.fullmatch(r"[0-9a-f]{8}", answer["id"])
    copied = tmp_path / "asset.txt"
    assert copied.read_text() == "content"
    copied.unlink()
    update = {"id": answer["id"], "olds": state, "oldInputs": state, "news": inputs}
    setup.ask(Call("", "Update", "command:remote:CopyToRemote::copy", update, {}, ""))
    assert not copied.exists()
