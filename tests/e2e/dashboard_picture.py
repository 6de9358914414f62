"""Draws the dashboard as it is after some minutes of work in the lab: `make dashboard-picture`."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from monitoring import dashboard, picture
from monitoring.picture import Point
from tests.docs.blocks import ROOT
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.load import Answers, Client, pushed
from tests.e2e.prometheus import prometheus
from tests.e2e.support import USER, Deployed, deploy
from tests.lab.lab import Lab
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

PATH = ROOT / "docs" / "pictures" / "dashboard.svg"
FQDN = "registry.example.net"
SECONDS = 240
READER, PASSWORD = "prometheus", "of the lab's accounts"
ACCOUNTS = ("ci", "deploy", "web")


def test_draw_it(lab: Lab, new_host: NewHost, new_stack: NewStack) -> None:
    """Clients of several accounts pull and push, somebody guesses passwords, and a clean-up runs."""
    host = new_host("pictured", aliases=[FQDN])
    users = [{"name": name, "password": Secret(PASSWORD), "role": "push"} for name in ACCOUNTS]
    users.append({"name": READER, "password": Secret(PASSWORD), "role": "metrics"})
    made = deploy(host, new_stack("pictured", host), FQDN)
    more = {"metrics": {"enabled": True, "schedule": "*-*-* *:*:00/5"}}
    made.stack.configure({**made.settings, **more, "users": [*made.settings["users"], *users]})
    made.stack.up()
    with prometheus(lab, made, READER, PASSWORD) as watching, ThreadPoolExecutor() as pool:
        end = time.monotonic() + SECONDS
        working = [pool.submit(_work, made, number, name, end) for number, name in enumerate(ACCOUNTS)]
        while time.monotonic() < end:
            time.sleep(SECONDS / 5)
            host.run("registry-gc", check=False)
            for number in range(20):
                made.get("/v2/", password=f"wrong {number}", user=USER)
        for one in working:
            one.result()

        def found(query: str) -> Sequence[tuple[Mapping[str, str], Sequence[Point]]]:
            its = watching.range(query, SECONDS)
            return [(one["metric"], [(moment, float(value)) for moment, value in one["values"]]) for one in its]

        PATH.write_text(picture.draw(json.loads(dashboard.PATH.read_text(encoding="utf-8")), found), encoding="utf-8")


def _work(registry: Deployed, number: int, name: str, end: float) -> None:
    """More and less of it, as people work."""
    chance = random.Random(number)  # noqa: S311
    client = Client(registry, (name, PASSWORD), Answers())
    while time.monotonic() < end:
        image = pushed(registry, f"team-{number}/app-{chance.randrange(4)}")
        for _ in range(chance.randrange(1, 20)):
            client.work(image, 30)
            time.sleep(chance.random())
