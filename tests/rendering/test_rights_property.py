"""Random worlds at the real proxy: answers, catalogues, `registryctl access` and tags are as models of ours say.

`make rights` tries 10,000 users, rights, repositories, requests, catalogues, questions and pushes, or COUNT of each;
FIRST leaves out so many worlds, which from a COUNT of 1000 on are the same for each.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.registryctl.stored import StoredHost
from tests.rendering.real_proxy import proxied
from tests.rendering.rights_chance import some_world
from tests.rendering.rights_trial import ROOT, Trial
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

COUNT = int(os.environ.get("COUNT") or 240)
FIRST = int(os.environ.get("FIRST") or 0)
SIZE = min(250, COUNT // 4)
MOST_SHOWN = 50


def test_all_is_as_the_models_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In as many worlds as have COUNT of each kind together. `-s` prints how many of what."""
    host = StoredHost(tmp_path, monkeypatch)
    folder = tmp_path / "srv/nginx/etc/conf.d"
    folder.mkdir(parents=True)
    counted: Counter[str] = Counter()
    wrong: list[str] = []
    began, number = time.monotonic(), FIRST
    with proxied([user(ROOT)]) as proxy:
        while counted["users"] < COUNT:
            chance = random.Random(f"world {number}")  # noqa: S311 - not for secrets
            trial = Trial(proxy, some_world(chance, SIZE), chance)
            trial.settle()
            trial.catalogues()
            trial.requests(SIZE)
            trial.questions(host.run, folder)
            trial.pushes(SIZE)
            counted += trial.counted
            wrong += [f"world {number + 1}: {one}" for one in trial.wrong]
            number += 1
            print(
                f"world {number}: {counted['users']} of {COUNT}, {time.monotonic() - began:.0f} s",
                *trial.wrong[:3],
                flush=True,
            )
    print(f"\n{dict(sorted(counted.items()))}")
    assert not wrong, "\n".join(wrong[:MOST_SHOWN])
    kinds = ("users", "rights", "repositories", "requests", "catalogues", "questions", "pushes and deletions")
    assert min(counted[kind] for kind in kinds) >= COUNT
    # Nothing of it is empty.
    answers = ("let", "401", "403", "404", "405", "400", "414", "421")
    assert min(counted[f"requests: {status}"] for status in answers) > COUNT // 1000
    assert min(counted[f"PUT: {status}"] for status in ("201", "401", "403", "409")) > COUNT // 1000
    assert min(counted[f"DELETE: {status}"] for status in ("202", "401", "403", "404")) > COUNT // 1000
    assert min(counted["names shown"], counted["names hidden"]) > COUNT
