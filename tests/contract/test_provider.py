"""What the recordings don't show: how the Docker stand-in is reached, what it rejects, and that a replay can fail."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2_grpc

from tests.contract.fake_docker import FakeDaemon, listening
from tests.contract.replay import Call, ask, differences, recorded, serving
from tests.lab.standins.docker_provider import DockerProvider
from tests.lab.standins.engine_api import ApiError, EngineApi
from tests.lab.standins.engine_connection import ssh_command
from tests.lab.standins.gotext import format_duration, parse_duration, quoted
from tests.lab.standins.values import Json

IMAGE = "sha256:" + "a" * 64
SSH = """#!{python}
import json, os, pathlib, select, socket, sys
pathlib.Path({record!r}).open("a").write(json.dumps(sys.argv[1:]) + "\\n")
if {fails}:
    sys.exit("ssh: connect to host dr.example.net port 22: Connection refused")
daemon = socket.socket(socket.AF_UNIX)
daemon.connect({socket!r})
while True:
    for ready in select.select([0, daemon], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else daemon.recv(65536)
        if not data:
            sys.exit()
        daemon.sendall(data) if ready == 0 else os.write(1, data)
"""


@pytest.fixture
def docker() -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """A connection to the Docker stand-in."""
    with serving(DockerProvider(None)) as stub:
        yield stub


def configure(**args: str) -> Call:
    """The configuration of a Docker provider."""
    return Call("", "Configure", "pulumi:providers:docker::host", {"args": args}, {}, "")


def check(kind: str, **news: Json) -> Call:
    """A Check of a Docker resource."""
    return Call("", "Check", f"docker:index/{kind}::x", {"news": news, "olds": {}}, {}, "")


def fake_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, socket: Path, *, fails: bool = False) -> Path:
    """Put an ssh client on PATH that leads to a local daemon; gives the file that records its arguments."""
    program, record = folder / "ssh", folder / "ssh-calls"
    program.write_text(SSH.format(python=sys.executable, record=str(record), socket=str(socket), fails=fails))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return record


def test_replay_can_fail(docker: provider_pb2_grpc.ResourceProviderStub) -> None:
    call = next(call for call in recorded("Diff") if call.source == "change-env" and call.provider == "docker")
    changed = [call for call in recorded("Diff") if (call.response or {}).get("replaces")]
    assert len(changed) >= 5
    answer = ask(docker, changed[0], news={**changed[0].request["news"], "restart": "always"})
    assert differences(answer, changed[0].response) != []
    assert differences({"a": 0}, {"a": False}) == ["a: 0, recorded False"]
    assert differences({}, {"a": None}) == ["a: only in the recording"]
    assert call.response is not None


def test_unknown_and_wrong_inputs_are_rejected(docker: provider_pb2_grpc.ResourceProviderStub) -> None:
    answer = ask(
        docker,
        check(
            "container:Container",
            name="c",
            nosuch=1,
            restart="sometimes",
            memory="much",
            ports=[{"internal": 80, "extrenal": 80}],
        ),
    )
    rejected = ["image", "memory", "nosuch", "ports[0].extrenal", "restart"]
    assert sorted(path for path, _ in answer["failures"]) == rejected


def test_name_is_generated_and_kept(docker: provider_pb2_grpc.ResourceProviderStub) -> None:
    inputs = ask(docker, check("network:Network"))["inputs"]
    assert inputs["name"].startswith("x-")
    assert "name" in inputs["__defaults"]
    again = Call("", "Check", "docker:index/network:Network::x", {"news": {}, "olds": inputs}, {}, "")
    assert ask(docker, again)["inputs"] == inputs


def test_ssh_daemon_is_not_dialled_before_it_is_needed(
    docker: provider_pb2_grpc.ResourceProviderStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake_ssh(tmp_path, monkeypatch, tmp_path / "none", fails=True)
    ask(docker, configure(host="ssh://root@dr.example.net"))
    create = next(call for call in recorded("Create") if "network" in call.resource)
    ask(docker, create, preview=True)
    assert not record.exists()
    with pytest.raises(grpc.RpcError) as failure:
        ask(docker, create)
    assert "port 22: Connection refused" in (failure.value.details() or "")
    assert "exit status 1" in (failure.value.details() or "")


def test_ssh_client_is_called_with_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["-o", "StrictHostKeyChecking=yes", "-i", "key"]
    with listening(FakeDaemon(IMAGE), tmp_path / "docker.sock"):
        record = fake_ssh(tmp_path, monkeypatch, tmp_path / "docker.sock")
        api = EngineApi("ssh://admin@dr.example.net:2222", options)
        api.post("/volumes/create", {"Name": "v", "DriverOpts": {}})
        assert api.get("/volumes/v")["Name"] == "v"
    argv = [json.loads(line) for line in record.read_text().splitlines()]
    tail = ["-o", "ConnectTimeout=30", "-T", "-l", "admin", "-p", "2222", "--"]
    assert argv == [[*options, *tail, "dr.example.net", "docker", "system", "dial-stdio"]], "one connection, kept"
    assert "ConnectTimeout=30" not in ssh_command("ssh://h", ["-o", "ConnectTimeout=5"])


def test_local_daemon_must_answer_at_once(docker: provider_pb2_grpc.ResourceProviderStub, tmp_path: Path) -> None:
    path = tmp_path / "none.sock"
    with pytest.raises(grpc.RpcError) as failure:
        ask(docker, configure(host=f"unix://{path}"))
    assert f"Cannot connect to the Docker daemon at unix://{path}" in (failure.value.details() or "")


def test_docker_context_overrides_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meta = tmp_path / "contexts/meta/0/meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": "other", "Endpoints": {"docker": {"Host": "ssh://other"}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    provider = DockerProvider(None)
    with serving(provider) as stub:
        ask(stub, configure(host="ssh://root@dr.example.net"))
    assert provider.daemon.api.host == "ssh://other"


def test_a_connection_that_the_daemon_closed_is_not_used_again(tmp_path: Path) -> None:
    daemon = FakeDaemon(IMAGE)
    api = EngineApi(f"unix://{tmp_path / 'docker.sock'}")
    with listening(daemon, tmp_path / "docker.sock"):
        api.post("/volumes/create", {"Name": "v", "DriverOpts": {}})
    (tmp_path / "docker.sock").unlink()
    with pytest.raises(ApiError, match="Is the docker daemon running"):
        EngineApi(api.host).get("/volumes/v")
    with listening(daemon, tmp_path / "docker.sock"):
        assert EngineApi(api.host).get("/volumes/v")["Name"] == "v"


@pytest.mark.parametrize(
    ("text", "shown"), [("90s", "1m30s"), ("1h", "1h0m0s"), ("500ms", "500ms"), ("0s", "0s"), ("1.5s", "1.5s")]
)
def test_durations_are_shown_as_go_does(text: str, shown: str) -> None:
    assert format_duration(parse_duration(text)) == shown


def test_commands_are_quoted_as_go_does() -> None:
    assert quoted('echo "a"\n\t\\ é\x00') == '"echo \\"a\\"\\n\\t\\\\ é\\x00"'
