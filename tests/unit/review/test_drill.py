"""The drill says what the host says, and whether all was whole."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from review import drill as module
from review.drill import drill


@pytest.mark.parametrize(
    ("said", "good"),
    [("20261120T030100Z: 2 repositories, 3 tags, 9 blobs, 12 MB fetched, 4.0 s\n", True),
     ("DAMAGED: 1 tag and 1 blob are not whole\nexit code 19\n", False)],
)  # fmt: skip
def test_it_tells(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str, good: bool) -> None:
    asked: list[str] = []

    def run(script: str, _seconds: float) -> str:
        asked.append(script)
        return said

    monkeypatch.setattr(module, "way_to", lambda _: SimpleNamespace(run=run))
    monkeypatch.setattr(module, "read", lambda _: [])
    stack: Any = SimpleNamespace(ask=lambda *_: "{}", mask=lambda text: text)
    assert drill(stack) is good
    assert asked[0].startswith("/usr/local/bin/registryctl backup drill ")
    assert said.splitlines()[0] in capsys.readouterr().out
