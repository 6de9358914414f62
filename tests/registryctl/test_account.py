"""Deletion over the API with what Docker has on the machine: accounts, tokens, and whom it trusts."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zipapp
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from rendering.rootfs import TOOLS, TREE
from tests.e2e.artifacts import image
from tests.registryctl.fake_registry import Answer, FakeRegistry, fake_registry
from tests.registryctl.running import Ran

PASSWORD = "p:wörd-of-alice"
BASIC = "Basic " + base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
PLAIN = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """One that wants a password."""
    with fake_registry() as found:
        found.push("team/app", image("one"), "a", "b")
        found.guard = _wants_password
        yield found


def _wants_password(_: str, __: str, headers: Mapping[str, str]) -> Answer | None:
    if headers.get("Authorization") == BASIC:
        return None
    return FakeRegistry.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="Registry realm"')


def _said_nothing_secret(done: Ran, *secrets: str) -> None:
    for secret in (PASSWORD, PLAIN, *secrets):
        assert secret not in done.out + done.err


def _helper(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize("name", ["{}", "http://{}", "https://{}/v2/"])
def test_the_account_of_docker_login_is_used(config: Path, registry: FakeRegistry, name: str) -> None:
    """However it is filed."""
    config.write_text(json.dumps({"auths": {"other": {"auth": "x"}, name.format(registry.address): {"auth": PLAIN}}}))
    done = registry.remove("team/app:a")
    assert (done.code, set(registry.tags["team/app"])) == (0, {"b"})
    _said_nothing_secret(done)


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        (None, 10, "UNAUTHORIZED"),
        ("{}", 10, "UNAUTHORIZED"),
        ('{"auths": {"HOST": {"auth": "YWxpY2U6d3Jvbmc="}}}', 10, "UNAUTHORIZED"),
        ('{"auths": {"HOST": {"auth": "not base64"}}}', 1, "FAILED"),
        ('{"auths": {"HOST": {"auth": "' + PLAIN, 1, "FAILED"),
        ("[]", 1, "FAILED"),
        ('{"credsStore": "not-there"}', 1, "FAILED"),
        ('{"credsStore": "../../bin/sh"}', 1, "FAILED"),
    ],
)
def test_without_an_account_that_is_right_nothing_is_deleted(
    config: Path, registry: FakeRegistry, text: str | None, code: int, word: str
) -> None:
    """One error, and no word of what stands in the file."""
    if text is not None:
        config.write_text(text.replace("HOST", registry.address))
    done = registry.remove("team/app:a")
    assert (done.code, done.word) == (code, word)
    assert set(registry.tags["team/app"]) == {"a", "b"}
    _said_nothing_secret(done, "d3Jvbmc")


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_credential_helper_is_asked(
    config: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """For this registry, by its name on standard input."""
    config.write_text(json.dumps({key: "test" if key == "credsStore" else {registry.address: "test"}}))
    found = json.dumps({"ServerURL": registry.address, "Username": "alice", "Secret": PASSWORD})
    answer = f"""[ "$1 $(cat)" = "get {registry.address}" ] || exit 1\necho '{found}'"""
    _helper(config.parent, monkeypatch, answer)
    assert registry.remove("team/app:a").code == 0


@pytest.mark.parametrize(
    ("script", "code", "word"),
    [
        ("echo credentials not found in native keychain; exit 1", 10, "UNAUTHORIZED"),
        (f"echo {PASSWORD}; exit 2", 1, "FAILED"),
        (f"echo {PASSWORD}", 1, "FAILED"),
        ("echo '[]'", 1, "FAILED"),
    ],
)
def test_a_credential_helper_that_has_none(
    config: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, script: str, code: int, word: str
) -> None:
    """Is as no account, or an error that shows nothing of what it said."""
    config.write_text('{"credsStore": "test"}')
    _helper(config.parent, monkeypatch, script)
    done = registry.remove("team/app:a")
    assert (done.code, done.word) == (code, word)
    _said_nothing_secret(done)


class Tokens:
    """A registry that wants a token for each thing, which it gives to alice itself."""

    def __init__(self, registry: FakeRegistry, realm: str = "") -> None:
        self.registry, self.realm = registry, realm or f"http://{registry.address}/token?x=y"
        self.asked: list[str] = []
        self.given: dict[str, str] = {}
        self.fits = True
        registry.guard = self._guard

    def _guard(self, method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        if path.startswith("/token"):
            return self._give(path, headers)
        kind = "delete" if method == "DELETE" else "pull"
        wanted = "registry:catalog:*" if "_catalog" in path else f"repository:team/app:{kind}"
        if self.given.get(headers.get("Authorization", "").removeprefix("Bearer ")) == wanted:
            return None
        challenge = f'Bearer realm="{self.realm}",service="the registry",scope="{wanted}"'
        return FakeRegistry.error(401, "UNAUTHORIZED", WWW_Authenticate=challenge)

    def _give(self, path: str, headers: Mapping[str, str]) -> Answer:
        query = parse_qs(urlsplit(path).query)
        assert query["service"] == ["the registry"]
        assert query["account"] == ["alice"]
        if headers.get("Authorization") != BASIC:
            return FakeRegistry.error(401, "UNAUTHORIZED")
        [scope] = query["scope"]
        self.asked.append(scope)
        token = f"token-{len(self.asked)}"
        self.given[token] = scope
        body = {"access_token" if len(self.asked) % 2 else "token": token}
        return 200, json.dumps(body).encode(), {"Content-Type": "application/json"}


def test_tokens_are_got_for_what_is_wanted(config: Path, registry: FakeRegistry) -> None:
    """One for each thing, by the account; no secret is said."""
    config.write_text(json.dumps({"auths": {registry.address: {"auth": PLAIN}}}))
    tokens = Tokens(registry)
    done = registry.remove("team/*:a")
    assert (done.code, set(registry.tags["team/app"])) == (0, {"b"})
    assert tokens.asked == ["registry:catalog:*", "repository:team/app:pull", "repository:team/app:delete"]
    _said_nothing_secret(done, "token-")


def test_a_token_that_has_run_out_is_got_anew(config: Path, registry: FakeRegistry) -> None:
    """A long run outlives it."""
    config.write_text(json.dumps({"auths": {registry.address: {"auth": PLAIN}}}))
    tokens = Tokens(registry)

    def run_out(request: str) -> None:
        if request.startswith("DELETE") and "first" not in tokens.given:
            tokens.given.clear()
            tokens.given["first"] = ""

    registry.before = run_out
    assert registry.remove("team/app:a").code == 0
    assert len(tokens.asked) > 2


@pytest.mark.parametrize("realm", ["http://example.net/token", "ftp://127.0.0.1/token", "", "file:///etc/passwd"])
def test_a_password_goes_to_no_place_that_is_not_safe(config: Path, registry: FakeRegistry, realm: str) -> None:
    """Whatever the registry says."""
    config.write_text(json.dumps({"auths": {registry.address: {"auth": PLAIN}}}))
    challenge = f'Bearer realm="{realm}"'
    registry.guard = lambda *_: FakeRegistry.error(401, "UNAUTHORIZED", WWW_Authenticate=challenge)
    done = registry.remove("team/app:a")
    assert (done.code, done.word) == (10, "UNAUTHORIZED")
    _said_nothing_secret(done)


def test_a_password_goes_to_nobody_to_whom_the_registry_sends_on(config: Path, registry: FakeRegistry) -> None:
    """It is for the registry."""
    seen: list[str | None] = []
    with fake_registry() as other:
        config.write_text(json.dumps({"auths": {registry.address: {"auth": PLAIN}}}))

        def send_on(method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
            if answer := _wants_password(method, path, headers):
                return answer
            return 307, b"", {"Location": f"http://{other.address}{path}"}

        def look(_: str, __: str, headers: Mapping[str, str]) -> Answer:
            seen.append(headers.get("Authorization"))
            return FakeRegistry.error(404, "NAME_UNKNOWN")

        registry.guard, other.guard = send_on, look
        assert registry.remove("team/app:a").code == 5
    assert seen == [None]


def test_the_program_as_one_file_does_the_same(config: Path, registry: FakeRegistry, tmp_path: Path) -> None:
    """Made by Python alone, with nothing installed beside it; its exit code arrives."""
    config.write_text(json.dumps({"auths": {registry.address: {"auth": PLAIN}}}))
    program = tmp_path / "registryctl.pyz"
    zipapp.create_archive(TREE / TOOLS.lstrip("/"), program, main="registryctl.cli:run")

    def remove(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-I", str(program), "rm", *words, "--registry", registry.address]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert remove("--yes", "team/app:none").returncode == 4
    done = remove("--yes", "team/app:a")
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["deleted"])
    assert set(registry.tags["team/app"]) == {"b"}
    assert remove("team/app:b").returncode == 3
